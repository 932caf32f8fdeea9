//! MQTT 5.

use std::time::Duration;

use rumqttc::mqttbytes::v5::{
    self, Connect, ConnectAuth, ConnectProperties, ConnectReturnCode, Disconnect, DisconnectReasonCode, Packet, PubAck,
    PubAckReason, PubComp, PubRec, PubRecReason, PubRel, RetainForwardRule, Subscribe, SubscribeFilter,
    SubscribeReasonCode, Unsubscribe,
};
use rumqttc::mqttbytes::{Error, QoS};
use tokio_util::bytes::{Bytes, BytesMut};

use super::{Incoming, Outgoing, Retained, words};

pub(super) fn connect(hello: &super::Connect) -> Packet {
    let mut properties = ConnectProperties::new();
    // Rounded up: a part of a second is not none.
    let expiry = hello.session_expiry.as_millis().div_ceil(1000).try_into().unwrap_or(u32::MAX);
    properties.session_expiry_interval = Some(expiry);
    properties.receive_maximum = Some(hello.receive_maximum.max(1));
    let connect = Connect {
        keep_alive: u16::try_from(hello.keep_alive.as_secs()).unwrap_or(u16::MAX),
        client_id: hello.client_id.clone(),
        clean_start: hello.session_expiry.is_zero(),
        properties: Some(properties),
    };
    let auth = match (hello.user.clone(), hello.password.clone().map(Bytes::from)) {
        (None, None) => ConnectAuth::None,
        (Some(username), None) => ConnectAuth::Username { username },
        (None, Some(password)) => ConnectAuth::Password { password },
        (Some(username), Some(password)) => ConnectAuth::UsernamePassword { username, password },
    };
    Packet::Connect(connect, None, auth)
}

pub(super) fn outgoing(packet: Outgoing) -> Packet {
    match packet {
        Outgoing::Publish(super::Publish { topic, payload, qos, retain, dup, packet }) => {
            let (topic, qos) = (Bytes::from(topic), quality(qos));
            Packet::Publish(v5::Publish { dup, qos, retain, topic, pkid: packet, payload, properties: None })
        }
        Outgoing::PubAck { packet } => Packet::PubAck(PubAck::new(packet, None)),
        Outgoing::PubRec { packet } => Packet::PubRec(PubRec::new(packet, None)),
        Outgoing::PubRel { packet } => Packet::PubRel(PubRel::new(packet, None)),
        Outgoing::PubComp { packet } => Packet::PubComp(PubComp::new(packet, None)),
        Outgoing::Subscribe { packet, filters, retained } => {
            let filter = |(filter, qos): (String, u8)| {
                let mut filter = SubscribeFilter::new(filter, quality(qos));
                filter.retain_forward_rule = match retained {
                    Retained::Always => RetainForwardRule::OnEverySubscribe,
                    Retained::WhenNew => RetainForwardRule::OnNewSubscribe,
                };
                filter
            };
            let filters = filters.into_iter().map(filter).collect();
            Packet::Subscribe(Subscribe { pkid: packet, filters, properties: None })
        }
        Outgoing::Unsubscribe { packet, filters } => {
            Packet::Unsubscribe(Unsubscribe { pkid: packet, filters, properties: None })
        }
        Outgoing::PingReq => Packet::PingReq,
        Outgoing::Disconnect => Packet::Disconnect(Disconnect::new(DisconnectReasonCode::NormalDisconnection)),
    }
}

pub(super) fn read(input: &mut BytesMut) -> Result<Option<Incoming>, String> {
    let packet = match Packet::read(input, None) {
        Ok(packet) => packet,
        Err(Error::InsufficientBytes(_)) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    Ok(Some(match packet {
        Packet::ConnAck(ack) => Incoming::ConnAck(connack(ack)),
        Packet::Publish(publish) => Incoming::Publish(super::Publish {
            topic: String::from_utf8_lossy(&publish.topic).into_owned(),
            payload: publish.payload,
            qos: publish.qos as u8,
            retain: publish.retain,
            dup: publish.dup,
            packet: publish.pkid,
        }),
        Packet::PubAck(ack) => {
            let said = ack.properties.and_then(|properties| properties.reason_string);
            let is_taken = matches!(ack.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers);
            Incoming::PubAck { packet: ack.pkid, result: result(is_taken, &ack.reason, said) }
        }
        Packet::PubRec(ack) => {
            let said = ack.properties.and_then(|properties| properties.reason_string);
            let is_taken = matches!(ack.reason, PubRecReason::Success | PubRecReason::NoMatchingSubscribers);
            Incoming::PubRec { packet: ack.pkid, result: result(is_taken, &ack.reason, said) }
        }
        Packet::PubRel(ack) => Incoming::PubRel { packet: ack.pkid },
        Packet::PubComp(ack) => Incoming::PubComp { packet: ack.pkid },
        Packet::SubAck(ack) => {
            let result = |code: &SubscribeReasonCode| match code {
                SubscribeReasonCode::Success(qos) => Ok(*qos as u8),
                code => Err(words(code)),
            };
            Incoming::SubAck { packet: ack.pkid, results: ack.return_codes.iter().map(result).collect() }
        }
        Packet::UnsubAck(_) => Incoming::UnsubAck,
        Packet::PingResp => Incoming::PingResp,
        Packet::Disconnect(end) => {
            let said = end.properties.and_then(|properties| properties.reason_string);
            let reason = result(false, &end.reason_code, said).err().unwrap_or_default();
            Incoming::Disconnect { reason }
        }
        Packet::Auth(_) | Packet::Connect(..) | Packet::Subscribe(_) | Packet::Unsubscribe(_) | Packet::PingReq => {
            Incoming::Strange
        }
    }))
}

fn connack(ack: v5::ConnAck) -> Result<super::ConnAck, String> {
    let properties = ack.properties;
    match ack.code {
        ConnectReturnCode::Success => {
            let said = properties.as_ref();
            let largest = said.and_then(|said| said.max_packet_size).and_then(|bytes| usize::try_from(bytes).ok());
            Ok(super::ConnAck {
                session_present: ack.session_present,
                keep_alive: said.and_then(|said| said.server_keep_alive).map(|secs| Duration::from_secs(secs.into())),
                receive_maximum: said.and_then(|said| said.receive_max).unwrap_or(u16::MAX),
                largest_packet: largest.unwrap_or(usize::MAX),
                highest_qos: said.and_then(|said| said.max_qos).unwrap_or(2),
                keeps_retained: said.and_then(|said| said.retain_available) != Some(0),
            })
        }
        ConnectReturnCode::BadUserNamePassword => Err("bad user name or password".into()),
        // What some brokers say of a bad password.
        ConnectReturnCode::NotAuthorized => Err("not authorized (user, password, client_id)".into()),
        code => {
            let said = properties.and_then(|properties| properties.reason_string);
            Err(result(false, &code, said).err().unwrap_or_default())
        }
    }
}

fn result(is_taken: bool, reason: &impl std::fmt::Debug, said: Option<String>) -> Result<(), String> {
    let said = said.map(|said| format!(": {said}")).unwrap_or_default();
    if is_taken { Ok(()) } else { Err(format!("{}{said}", words(reason))) }
}

fn quality(qos: u8) -> QoS {
    match qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}
