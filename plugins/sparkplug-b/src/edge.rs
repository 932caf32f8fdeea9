//! What is known of an edge node.

use std::collections::{BTreeMap, BTreeSet};

use tutin_sdk::Timestamp;

use crate::payload::Payload;
use crate::sequence::Sequence;
use crate::topic::Topic;

/// A message that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrived {
    /// Where it was published.
    pub topic: Topic,
    /// What it carries.
    pub payload: Payload,
    /// When it arrived.
    pub at: Timestamp,
}

/// An edge node.
#[derive(Debug, Default)]
pub struct Edge {
    /// Its session, between birth and death.
    pub session: Option<Session>,
    /// When it was last asked for its births.
    pub asked: Option<Timestamp>,
    /// It must be asked for its births, and why.
    pub ask: Option<&'static str>,
    /// When it was last heard of.
    pub heard: Option<Timestamp>,
}

/// From a birth to the death of the same number.
#[derive(Debug)]
pub struct Session {
    /// Number that birth and death share.
    pub bd_seq: Option<u64>,
    /// The order of its messages.
    pub sequence: Sequence<Arrived>,
    /// What aliases stand for: the device, if any, and the metric.
    pub aliases: BTreeMap<u64, (Option<String>, String)>,
    /// Full names of everything in its births.
    pub metrics: BTreeSet<String>,
    /// Devices that were born and did not die.
    pub devices: BTreeSet<String>,
    /// Whether its values are believed.
    pub trust: Trust,
}

/// Whether the values of a session are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// No message is missing.
    Sure,
    /// The connection was away: messages may be missing until the next one proves the opposite.
    Unsure,
    /// Messages are missing: until the next birth.
    Broken,
}

impl Session {
    /// After a birth.
    pub fn new(seq: u8, bd_seq: Option<u64>) -> Self {
        Session {
            bd_seq,
            sequence: Sequence::after(seq),
            aliases: BTreeMap::new(),
            metrics: BTreeSet::new(),
            devices: BTreeSet::new(),
            trust: Trust::Sure,
        }
    }

    /// True when the device, or the edge node itself, is alive.
    pub fn has(&self, device: Option<&String>) -> bool {
        device.is_none_or(|device| self.devices.contains(device))
    }
}

/// The number of a birth or death.
pub fn bd_seq(payload: &Payload) -> Option<u64> {
    use crate::payload::Value;
    let metric = payload.metrics.iter().find(|metric| metric.name.as_deref() == Some("bdSeq"))?;
    match metric.value {
        Value::Int(number) => Some(number.into()),
        Value::Long(number) => Some(number),
        _ => None,
    }
}

/// The sequence number of a message, when it has one that is allowed.
pub fn seq(payload: &Payload) -> Option<u8> {
    payload.seq.and_then(|seq| u8::try_from(seq).ok())
}
