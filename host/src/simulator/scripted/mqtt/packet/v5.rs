//! MQTT 5.

use std::time::Duration;

use rumqttc::mqttbytes::v5::{
    self, ConnAck, ConnAckProperties, Connect, ConnectReturnCode, DisconnectReasonCode, LastWill, Packet, PubAck,
    PubComp, PubRec, PubRel, RetainForwardRule, SubAck, SubscribeReasonCode, UnsubAck, UnsubAckReason,
};
use rumqttc::mqttbytes::{Error, QoS};
use tokio_util::bytes::{Bytes, BytesMut};

use super::{FromClient, Hello, LARGEST, Message, Publish, Receipt, Retained, ToClient, Version, Wish};

pub(super) fn hello(input: &mut BytesMut) -> Result<Option<Hello>, String> {
    match Packet::read(input, Some(LARGEST)) {
        Ok(Packet::Connect(connect, will, _)) => Ok(Some(introduced(connect, will))),
        Ok(packet) => Err(format!("{:?} comes first instead of CONNECT", packet.packet_type())),
        Err(Error::InsufficientBytes(_)) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

fn introduced(connect: Connect, last_will: Option<LastWill>) -> Hello {
    let said = connect.properties.unwrap_or_default();
    let will = |will: LastWill| Message {
        topic: String::from_utf8_lossy(&will.topic).into_owned(),
        payload: will.message.to_vec(),
        retained: will.retain,
        qos: will.qos as u8,
    };
    Hello {
        version: Version::V5,
        client: connect.client_id,
        takes_up: !connect.clean_start,
        is_kept: said.session_expiry_interval.is_some_and(|seconds| seconds > 0),
        window: said.receive_maximum.unwrap_or(u16::MAX),
        keep_alive: (connect.keep_alive > 0).then(|| Duration::from_secs(connect.keep_alive.into())),
        will: last_will.map(will),
    }
}

pub(super) fn read(input: &mut BytesMut) -> Result<Option<FromClient>, String> {
    let packet = match Packet::read(input, Some(LARGEST)) {
        Ok(packet) => packet,
        Err(Error::InsufficientBytes(_)) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    Ok(Some(match packet {
        Packet::Publish(publish) => FromClient::Publish(Publish {
            message: Message {
                topic: String::from_utf8_lossy(&publish.topic).into_owned(),
                payload: publish.payload.to_vec(),
                retained: publish.retain,
                qos: publish.qos as u8,
            },
            is_again: publish.dup,
            packet: publish.pkid,
        }),
        Packet::PubAck(receipt) => FromClient::Receipt(Receipt::PubAck(receipt.pkid)),
        Packet::PubRec(receipt) => FromClient::Receipt(Receipt::PubRec(receipt.pkid)),
        Packet::PubRel(receipt) => FromClient::Receipt(Receipt::PubRel(receipt.pkid)),
        Packet::PubComp(receipt) => FromClient::Receipt(Receipt::PubComp(receipt.pkid)),
        Packet::Subscribe(subscribe) => {
            let wish = |filter: v5::SubscribeFilter| Wish {
                filter: filter.path,
                qos: filter.qos as u8,
                is_without_own: filter.nolocal,
                keeps_retained: filter.preserve_retain,
                retained: match filter.retain_forward_rule {
                    RetainForwardRule::OnEverySubscribe => Retained::Always,
                    RetainForwardRule::OnNewSubscribe => Retained::WhenNew,
                    RetainForwardRule::Never => Retained::Never,
                },
            };
            FromClient::Subscribe { packet: subscribe.pkid, wishes: subscribe.filters.into_iter().map(wish).collect() }
        }
        Packet::Unsubscribe(unsubscribe) => {
            FromClient::Unsubscribe { packet: unsubscribe.pkid, filters: unsubscribe.filters }
        }
        Packet::PingReq => FromClient::PingReq,
        Packet::Disconnect(end) => {
            FromClient::Disconnect { with_will: end.reason_code != DisconnectReasonCode::NormalDisconnection }
        }
        Packet::Auth(_)
        | Packet::Connect(..)
        | Packet::ConnAck(_)
        | Packet::SubAck(_)
        | Packet::UnsubAck(_)
        | Packet::PingResp => FromClient::Strange,
    }))
}

pub(super) fn write(packet: ToClient, out: &mut BytesMut) -> Result<(), String> {
    let packet = match packet {
        ToClient::ConnAck { is_present, client } => {
            let (code, properties) = (ConnectReturnCode::Success, Some(agreed(client)));
            Packet::ConnAck(ConnAck { session_present: is_present, code, properties })
        }
        ToClient::Publish(Publish { message, is_again, packet }) => Packet::Publish(v5::Publish {
            dup: is_again,
            qos: quality(message.qos),
            retain: message.retained,
            topic: Bytes::from(message.topic),
            pkid: packet,
            payload: Bytes::from(message.payload),
            properties: None,
        }),
        ToClient::Receipt(Receipt::PubAck(packet)) => Packet::PubAck(PubAck::new(packet, None)),
        ToClient::Receipt(Receipt::PubRec(packet)) => Packet::PubRec(PubRec::new(packet, None)),
        ToClient::Receipt(Receipt::PubRel(packet)) => Packet::PubRel(PubRel::new(packet, None)),
        ToClient::Receipt(Receipt::PubComp(packet)) => Packet::PubComp(PubComp::new(packet, None)),
        ToClient::SubAck { packet, granted } => {
            let code = |qos: Option<u8>| {
                qos.map_or(SubscribeReasonCode::TopicFilterInvalid, |qos| SubscribeReasonCode::Success(quality(qos)))
            };
            let return_codes = granted.into_iter().map(code).collect();
            Packet::SubAck(SubAck { pkid: packet, return_codes, properties: None })
        }
        ToClient::UnsubAck { packet, filters } => {
            let reasons = vec![UnsubAckReason::Success; filters];
            Packet::UnsubAck(UnsubAck { pkid: packet, reasons, properties: None })
        }
        ToClient::PingResp => Packet::PingResp,
    };
    packet.write(out, None).map(drop).map_err(|error| error.to_string())
}

fn agreed(client: Option<String>) -> ConnAckProperties {
    ConnAckProperties {
        assigned_client_identifier: client,
        // Neither is offered (3.2.2.3.12 and 3.2.2.3.13).
        subscription_identifiers_available: Some(0),
        shared_subscription_available: Some(0),
        session_expiry_interval: None,
        receive_max: None,
        max_qos: None,
        retain_available: None,
        max_packet_size: None,
        topic_alias_max: None,
        reason_string: None,
        user_properties: Vec::new(),
        wildcard_subscription_available: None,
        server_keep_alive: None,
        response_information: None,
        server_reference: None,
        authentication_method: None,
        authentication_data: None,
    }
}

fn quality(qos: u8) -> QoS {
    match qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}
