//! MQTT 3.1.1.

use rumqttc_v4::mqttbytes::v4::{
    self, Connect, ConnectAuth, ConnectReturnCode, Packet, PubAck, PubComp, PubRec, PubRel, Subscribe, SubscribeFilter,
    SubscribeReasonCode, Unsubscribe,
};
use rumqttc_v4::mqttbytes::{Error, QoS};
use tokio_util::bytes::{Bytes, BytesMut};

use super::{Incoming, Outgoing, words};

pub(super) fn connect(hello: &super::Connect) -> Packet {
    let mut connect = Connect::new(hello.client_id.clone());
    connect.keep_alive = u16::try_from(hello.keep_alive.as_secs()).unwrap_or(u16::MAX);
    connect.clean_session = hello.session_expiry.is_zero();
    match (&hello.user, &hello.password) {
        // This version knows no password without a user (3.1.2.9).
        (user, Some(password)) => {
            connect.set_credentials(user.clone().unwrap_or_default(), password.clone());
        }
        (Some(user), None) => {
            connect.set_auth(ConnectAuth::Username { username: user.clone() });
        }
        (None, None) => {}
    }
    Packet::Connect(connect)
}

pub(super) fn outgoing(packet: Outgoing) -> Packet {
    match packet {
        Outgoing::Publish(super::Publish { topic, payload, qos, retain, dup, packet }) => {
            let topic = Bytes::from(topic);
            Packet::Publish(v4::Publish { dup, qos: quality(qos), retain, topic, pkid: packet, payload })
        }
        Outgoing::PubAck { packet } => Packet::PubAck(PubAck::new(packet)),
        Outgoing::PubRec { packet } => Packet::PubRec(PubRec::new(packet)),
        Outgoing::PubRel { packet } => Packet::PubRel(PubRel::new(packet)),
        Outgoing::PubComp { packet } => Packet::PubComp(PubComp::new(packet)),
        Outgoing::Subscribe { packet, filters, .. } => {
            let filters = filters.into_iter().map(|(filter, qos)| SubscribeFilter::new(filter, quality(qos)));
            Packet::Subscribe(Subscribe { pkid: packet, filters: filters.collect() })
        }
        Outgoing::Unsubscribe { packet, filters } => Packet::Unsubscribe(Unsubscribe { pkid: packet, topics: filters }),
        Outgoing::PingReq => Packet::PingReq,
        Outgoing::Disconnect => Packet::Disconnect,
    }
}

pub(super) fn read(input: &mut BytesMut) -> Result<Option<Incoming>, String> {
    let packet = match Packet::read(input, usize::MAX) {
        Ok(packet) => packet,
        Err(Error::InsufficientBytes(_)) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    Ok(Some(match packet {
        Packet::ConnAck(ack) => Incoming::ConnAck(match ack.code {
            ConnectReturnCode::Success => Ok(super::ConnAck {
                session_present: ack.session_present,
                keep_alive: None,
                receive_maximum: u16::MAX,
                largest_packet: usize::MAX,
                highest_qos: 2,
                keeps_retained: true,
            }),
            ConnectReturnCode::BadUserNamePassword => Err("bad user name or password".into()),
            // What some brokers say of a bad password.
            ConnectReturnCode::NotAuthorized => Err("not authorized (user, password, client_id)".into()),
            code => Err(words(&code)),
        }),
        Packet::Publish(publish) => Incoming::Publish(super::Publish {
            topic: String::from_utf8_lossy(&publish.topic).into_owned(),
            payload: publish.payload,
            qos: publish.qos as u8,
            retain: publish.retain,
            dup: publish.dup,
            packet: publish.pkid,
        }),
        Packet::PubAck(ack) => Incoming::PubAck { packet: ack.pkid, result: Ok(()) },
        Packet::PubRec(ack) => Incoming::PubRec { packet: ack.pkid, result: Ok(()) },
        Packet::PubRel(ack) => Incoming::PubRel { packet: ack.pkid },
        Packet::PubComp(ack) => Incoming::PubComp { packet: ack.pkid },
        Packet::SubAck(ack) => {
            let result = |code: &SubscribeReasonCode| match code {
                SubscribeReasonCode::Success(qos) => Ok(*qos as u8),
                SubscribeReasonCode::Failure => Err("refused".into()),
            };
            Incoming::SubAck { packet: ack.pkid, results: ack.return_codes.iter().map(result).collect() }
        }
        Packet::UnsubAck(_) => Incoming::UnsubAck,
        Packet::PingResp => Incoming::PingResp,
        Packet::Connect(_) | Packet::Subscribe(_) | Packet::Unsubscribe(_) | Packet::PingReq | Packet::Disconnect => {
            Incoming::Strange
        }
    }))
}

fn quality(qos: u8) -> QoS {
    match qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}
