//! Packets as a broker knows them, the same for 3.1.1 and 5. Only this folder names the codec.
//!
//! Names of packets are those of the standard, section 2.1.2 of both versions.

mod v3;
mod v5;

use std::time::Duration;

use tokio_util::bytes::BytesMut;

use super::Message;

/// Largest packet that is read.
const LARGEST: u32 = 64 << 20;

/// First byte of CONNECT (3.1.1).
const CONNECT: u8 = 0x10;

/// Version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// 3.1.1
    V3,
    /// 5
    V5,
}

/// CONNECT.
#[derive(Debug)]
pub(super) struct Hello {
    pub version: Version,
    /// Empty when the broker is to choose.
    pub client: String,
    /// Whether it wants the session that it had.
    pub takes_up: bool,
    /// Whether its session outlives the connection.
    pub is_kept: bool,
    /// Messages of quality 1 and 2 that may be unacknowledged.
    pub window: u16,
    /// Longest silence; nothing: any.
    pub keep_alive: Option<Duration>,
    pub will: Option<Message>,
}

/// A subscription that a client wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    pub filter: String,
    pub qos: u8,
    /// The client does not want its own messages.
    pub is_without_own: bool,
    /// Messages keep their mark when they are handed on.
    pub keeps_retained: bool,
    pub retained: Retained,
}

/// Whether a subscription brings the messages that are retained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retained {
    Always,
    /// When the session did not have it yet.
    WhenNew,
    Never,
}

/// PUBLISH, either way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Publish {
    pub message: Message,
    pub is_again: bool,
    /// Zero when the quality of service is 0.
    pub packet: u16,
}

/// The second half of a message of quality 1 or 2, either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "they are the standard's")]
pub(super) enum Receipt {
    PubAck(u16),
    PubRec(u16),
    PubRel(u16),
    PubComp(u16),
}

/// A packet of a client that has introduced itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FromClient {
    Publish(Publish),
    Receipt(Receipt),
    Subscribe {
        packet: u16,
        wishes: Vec<Wish>,
    },
    Unsubscribe {
        packet: u16,
        filters: Vec<String>,
    },
    PingReq,
    /// The will is published only if it says so.
    Disconnect {
        with_will: bool,
    },
    /// What a client never sends.
    Strange,
}

/// A packet to a client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ToClient {
    ConnAck {
        is_present: bool,
        /// The name that the broker chose.
        client: Option<String>,
    },
    Publish(Publish),
    Receipt(Receipt),
    SubAck {
        packet: u16,
        /// What is granted; nothing: refused.
        granted: Vec<Option<u8>>,
    },
    UnsubAck {
        packet: u16,
        filters: usize,
    },
    PingResp,
}

/// Takes the first packet from the front; nothing when it is not whole yet.
pub(super) fn read_hello(input: &mut BytesMut) -> Result<Option<Hello>, String> {
    if input.first().is_some_and(|first| *first != CONNECT) {
        return Err("something else than CONNECT comes first".into());
    }
    // It is only known which version reads it once one has tried.
    let mut tried = input.clone();
    match v3::hello(&mut tried) {
        v3::Greeting::Other => v5::hello(input),
        v3::Greeting::Mine(hello) => {
            *input = tried;
            Ok(Some(*hello))
        }
        v3::Greeting::Incomplete => Ok(None),
        v3::Greeting::Unreadable(fault) => Err(fault),
    }
}

/// Takes a packet from the front; nothing when it is not whole yet.
pub(super) fn read(version: Version, input: &mut BytesMut) -> Result<Option<FromClient>, String> {
    match version {
        Version::V3 => v3::read(input),
        Version::V5 => v5::read(input),
    }
}

/// Writes a packet.
pub(super) fn write(version: Version, packet: ToClient, out: &mut BytesMut) -> Result<(), String> {
    match version {
        Version::V3 => v3::write(packet, out),
        Version::V5 => v5::write(packet, out),
    }
}
