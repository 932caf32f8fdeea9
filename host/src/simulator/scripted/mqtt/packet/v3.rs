//! MQTT 3.1.1.

use std::time::Duration;

use rumqttc_v4::mqttbytes::v4::{
    self, ConnAck, Connect, ConnectReturnCode, Packet, PubAck, PubComp, PubRec, PubRel, SubAck, SubscribeReasonCode,
    UnsubAck,
};
use rumqttc_v4::mqttbytes::{Error, QoS};
use tokio_util::bytes::{Bytes, BytesMut};

use super::{FromClient, Hello, LARGEST, Message, Publish, Receipt, Retained, ToClient, Version, Wish};

/// What the first packet is.
pub(super) enum Greeting {
    Mine(Box<Hello>),
    /// One of version 5.
    Other,
    Incomplete,
    Unreadable(String),
}

pub(super) fn hello(input: &mut BytesMut) -> Greeting {
    match Packet::read(input, LARGEST as usize) {
        Ok(Packet::Connect(connect)) => Greeting::Mine(Box::new(introduced(connect))),
        Ok(packet) => Greeting::Unreadable(format!("{:?} comes first instead of CONNECT", packet.packet_type())),
        Err(Error::InsufficientBytes(_)) => Greeting::Incomplete,
        Err(Error::InvalidProtocolLevel(5)) => Greeting::Other,
        Err(error) => Greeting::Unreadable(error.to_string()),
    }
}

fn introduced(connect: Connect) -> Hello {
    let will = |will: v4::LastWill| Message {
        topic: will.topic,
        payload: will.message.to_vec(),
        retained: will.retain,
        qos: will.qos as u8,
    };
    Hello {
        version: Version::V3,
        client: connect.client_id,
        takes_up: !connect.clean_session,
        is_kept: !connect.clean_session,
        window: u16::MAX,
        keep_alive: (connect.keep_alive > 0).then(|| Duration::from_secs(connect.keep_alive.into())),
        will: connect.last_will.map(will),
    }
}

pub(super) fn read(input: &mut BytesMut) -> Result<Option<FromClient>, String> {
    let packet = match Packet::read(input, LARGEST as usize) {
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
            let wish = |filter: v4::SubscribeFilter| Wish {
                filter: filter.path,
                qos: filter.qos as u8,
                is_without_own: false,
                keeps_retained: false,
                retained: Retained::Always,
            };
            FromClient::Subscribe { packet: subscribe.pkid, wishes: subscribe.filters.into_iter().map(wish).collect() }
        }
        Packet::Unsubscribe(unsubscribe) => {
            FromClient::Unsubscribe { packet: unsubscribe.pkid, filters: unsubscribe.topics }
        }
        Packet::PingReq => FromClient::PingReq,
        Packet::Disconnect => FromClient::Disconnect { with_will: false },
        Packet::Connect(_) | Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp => {
            FromClient::Strange
        }
    }))
}

pub(super) fn write(packet: ToClient, out: &mut BytesMut) -> Result<(), String> {
    let packet = match packet {
        ToClient::ConnAck { is_present, client: _ } => {
            Packet::ConnAck(ConnAck::new(ConnectReturnCode::Success, is_present))
        }
        ToClient::Publish(Publish { message, is_again, packet }) => Packet::Publish(v4::Publish {
            dup: is_again,
            qos: quality(message.qos),
            retain: message.retained,
            topic: Bytes::from(message.topic),
            pkid: packet,
            payload: Bytes::from(message.payload),
        }),
        ToClient::Receipt(Receipt::PubAck(packet)) => Packet::PubAck(PubAck::new(packet)),
        ToClient::Receipt(Receipt::PubRec(packet)) => Packet::PubRec(PubRec::new(packet)),
        ToClient::Receipt(Receipt::PubRel(packet)) => Packet::PubRel(PubRel::new(packet)),
        ToClient::Receipt(Receipt::PubComp(packet)) => Packet::PubComp(PubComp::new(packet)),
        ToClient::SubAck { packet, granted } => {
            let code = |qos: Option<u8>| {
                qos.map_or(SubscribeReasonCode::Failure, |qos| SubscribeReasonCode::Success(quality(qos)))
            };
            Packet::SubAck(SubAck::new(packet, granted.into_iter().map(code).collect()))
        }
        ToClient::UnsubAck { packet, filters: _ } => Packet::UnsubAck(UnsubAck::new(packet)),
        ToClient::PingResp => Packet::PingResp,
    };
    packet.write(out, usize::MAX).map(drop).map_err(|error| error.to_string())
}

fn quality(qos: u8) -> QoS {
    match qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}
