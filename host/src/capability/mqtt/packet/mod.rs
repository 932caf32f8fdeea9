//! Packets as the session knows them, the same for 3.1.1 and 5.
//!
//! Only this folder names the library that reads and writes them: it is used as a codec, not as a client (see the module above for
//! why). Names of packets are those of the standard, section 2.1.2 of both versions.

mod v3;
mod v5;

use std::time::Duration;

use tokio_util::bytes::{Bytes, BytesMut};

use crate::capability::wire::{Content, MessageHead, Shown, printable};
use crate::config::model::MqttVersion;

/// Payload bytes that a trace shows as text.
const SHOWN: usize = 2048;

/// What the hub introduces itself with.
#[derive(Clone)]
pub(super) struct Connect {
    pub client_id: String,
    pub user: Option<String>,
    pub password: Option<String>,
    pub keep_alive: Duration,
    /// How long the broker keeps the session of an absent client; zero: it does not.
    pub session_expiry: Duration,
    /// Messages of quality 1 and 2 that may be unacknowledged. Only 5 can say so.
    pub receive_maximum: u16,
}

/// A message from the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Publish {
    pub topic: String,
    pub payload: Bytes,
    pub qos: u8,
    pub retain: bool,
    pub dup: bool,
    /// Zero when the quality of service is 0.
    pub packet: u16,
}

/// What the broker agrees to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ConnAck {
    pub session_present: bool,
    /// What it wants instead of the client's.
    pub keep_alive: Option<Duration>,
    /// Messages of quality 1 and 2 that it takes at a time.
    pub receive_maximum: u16,
    /// Largest packet that it takes.
    pub largest_packet: usize,
    /// Highest quality that it takes.
    pub highest_qos: u8,
    pub keeps_retained: bool,
}

/// A packet from the broker. A refusal is in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Incoming {
    ConnAck(Result<ConnAck, String>),
    Publish(Publish),
    PubAck {
        packet: u16,
        result: Result<(), String>,
    },
    PubRec {
        packet: u16,
        result: Result<(), String>,
    },
    PubRel {
        packet: u16,
    },
    PubComp {
        packet: u16,
    },
    SubAck {
        packet: u16,
        results: Vec<Result<u8, String>>,
    },
    UnsubAck,
    PingResp,
    Disconnect {
        reason: String,
    },
    /// What a broker never sends.
    Strange,
}

/// A packet to the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outgoing {
    Publish(Publish),
    PubAck { packet: u16 },
    PubRec { packet: u16 },
    PubRel { packet: u16 },
    PubComp { packet: u16 },
    Subscribe { packet: u16, filters: Vec<(String, u8)>, retained: Retained },
    Unsubscribe { packet: u16, filters: Vec<String> },
    PingReq,
    Disconnect,
}

/// Whether a subscription brings the messages that the broker has kept. 3.1.1 knows only `Always`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retained {
    /// Each time.
    Always,
    /// When the session did not have it yet.
    WhenNew,
}

/// Writes the first packet.
pub(super) fn write_connect(version: MqttVersion, connect: &Connect, out: &mut BytesMut) -> Result<(), String> {
    match version {
        MqttVersion::V3 => v3::connect(connect).write(out, usize::MAX).map_err(|error| error.to_string())?,
        MqttVersion::V5 => v5::connect(connect).write(out, None).map_err(|error| error.to_string())?,
    };
    Ok(())
}

/// Writes a packet. What cannot be written leaves nothing behind.
pub(super) fn write(version: MqttVersion, packet: Outgoing, out: &mut BytesMut) -> Result<(), String> {
    let before = out.len();
    let written = match version {
        MqttVersion::V3 => v3::outgoing(packet).write(out, usize::MAX).map_err(|error| error.to_string()),
        MqttVersion::V5 => v5::outgoing(packet).write(out, None).map_err(|error| error.to_string()),
    };
    if written.is_err() {
        out.truncate(before);
    }
    written.map(drop)
}

/// Takes a packet from the front; nothing when it is not whole yet.
pub(super) fn read(version: MqttVersion, input: &mut BytesMut) -> Result<Option<Incoming>, String> {
    match version {
        MqttVersion::V3 => v3::read(input),
        MqttVersion::V5 => v5::read(input),
    }
}

impl Incoming {
    /// In words, for whoever watches.
    pub(super) fn meaning(&self) -> String {
        match self {
            Incoming::ConnAck(Ok(ack)) => format!("CONNACK, session present: {}", ack.session_present),
            Incoming::ConnAck(Err(reason)) => format!("CONNACK: {reason}"),
            Incoming::Publish(publish) => publish.meaning(),
            Incoming::PubAck { packet, result } => format!("PUBACK {packet}{}", refusal(result)),
            Incoming::PubRec { packet, result } => format!("PUBREC {packet}{}", refusal(result)),
            Incoming::PubRel { packet } => format!("PUBREL {packet}"),
            Incoming::PubComp { packet } => format!("PUBCOMP {packet}"),
            Incoming::SubAck { packet, results } => {
                let result = |result: &Result<u8, String>| match result {
                    Ok(qos) => format!("quality {qos}"),
                    Err(reason) => reason.clone(),
                };
                format!("SUBACK {packet}: {}", results.iter().map(result).collect::<Vec<_>>().join(", "))
            }
            Incoming::UnsubAck => "UNSUBACK".into(),
            Incoming::PingResp => "PINGRESP".into(),
            Incoming::Disconnect { reason } => format!("DISCONNECT: {reason}"),
            Incoming::Strange => "a packet that no broker sends".into(),
        }
    }
}

impl Outgoing {
    /// In words, for whoever watches.
    pub(super) fn meaning(&self) -> String {
        match self {
            Outgoing::Publish(publish) => publish.meaning(),
            Outgoing::PubAck { packet } => format!("PUBACK {packet}"),
            Outgoing::PubRec { packet } => format!("PUBREC {packet}"),
            Outgoing::PubRel { packet } => format!("PUBREL {packet}"),
            Outgoing::PubComp { packet } => format!("PUBCOMP {packet}"),
            Outgoing::Subscribe { packet, filters, .. } => {
                let filters: Vec<_> = filters.iter().map(|(filter, qos)| format!("{filter} (quality {qos})")).collect();
                format!("SUBSCRIBE {packet}: {}", filters.join(", "))
            }
            Outgoing::Unsubscribe { packet, filters } => format!("UNSUBSCRIBE {packet}: {}", filters.join(", ")),
            Outgoing::PingReq => "PINGREQ".into(),
            Outgoing::Disconnect => "DISCONNECT".into(),
        }
    }
}

impl Publish {
    /// What a trace shows of it besides its payload.
    pub(super) fn shown(&self) -> Shown {
        let message = MessageHead {
            topic: self.topic.clone(),
            qos: self.qos,
            retained: self.retain,
            again: self.dup,
            packet: self.packet,
            length: self.payload.len(),
        };
        Shown::with(self.meaning(), Content::Message(message))
    }

    fn meaning(&self) -> String {
        let marks = [(self.retain, ", retained"), (self.dup, ", again")];
        let marks: String = marks.iter().filter(|(is_set, _)| *is_set).map(|(_, mark)| *mark).collect();
        let payload = self.payload.get(..SHOWN).unwrap_or(&self.payload);
        format!("PUBLISH {} (quality {}{marks}) {}: {}", self.packet, self.qos, self.topic, printable(payload))
    }
}

fn refusal(result: &Result<(), String>) -> String {
    result.as_ref().err().map(|reason| format!(": {reason}")).unwrap_or_default()
}

/// `BadUserNamePassword` as people write it: `bad user name password`.
fn words(name: &impl std::fmt::Debug) -> String {
    let mut text = String::new();
    for letter in format!("{name:?}").chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}
