//! What the writer is told, and what it is told back.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::event::Event;
use crate::average::Average;
use crate::gap::Gap;
use crate::reading::PollSet;
use crate::time::Timestamp;

/// What follows from the journal. Pure towards it: it is told what is durable and says what to add.
pub trait Derive: Send + 'static {
    /// These sets now stand in this entry.
    fn committed(&mut self, entry: u64, sets: &[Arc<PollSet>]);
    /// This happened, and stands in the journal.
    fn happened(&mut self, at: Timestamp, event: &Event);
    /// What follows at this moment from all that was committed before it.
    fn derive(&mut self, now: Timestamp) -> Vec<Derived>;
    /// These averages have another revision now.
    fn revised(&mut self, _averages: &[Average]) {}
    /// What was found on the way since the last call.
    fn occurred(&mut self) -> Vec<Occurred> {
        Vec::new()
    }
    /// Readings from this moment on are still needed, and must not be pruned.
    fn needed_from(&self) -> Option<Timestamp>;
}

/// Nothing follows: for a journal that is opened to record something and closed again.
pub struct Nothing;

impl Derive for Nothing {
    fn committed(&mut self, _: u64, _: &[Arc<PollSet>]) {}
    fn happened(&mut self, _: Timestamp, _: &Event) {}
    fn derive(&mut self, _: Timestamp) -> Vec<Derived> {
        Vec::new()
    }
    fn needed_from(&self) -> Option<Timestamp> {
        None
    }
}

/// A closed average, where it goes, and why it is not valid.
#[derive(Debug, Clone, PartialEq)]
pub struct Derived {
    /// The average.
    pub average: Average,
    /// Sinks and the idempotency key of the average there.
    pub deliveries: Vec<(String, String)>,
    /// Why there is not enough valid data in it.
    pub gap: Option<Gap>,
    /// Why its deliveries wait for a person; `None`: they do not.
    pub hold: Option<String>,
}

/// Something that was found while deriving, and who is to be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Occurred {
    /// What.
    pub event: Event,
    /// Sinks and the idempotency key of the event there.
    pub deliveries: Vec<(String, String)>,
}

/// A parameter under a rule set that has blocks from this moment on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// The source.
    pub source: String,
    /// The parameter.
    pub parameter: String,
    /// The rule set.
    pub rule_set: String,
    /// A moment in its first block.
    pub begins: Timestamp,
}

/// What became of deliveries to one sink.
#[derive(Debug, Clone, PartialEq)]
pub struct Settlement {
    /// The sink.
    pub sink: String,
    /// Attempts at averages.
    pub averages: Vec<Tried>,
    /// What becomes of the sink's place in the readings; `None`: it stays.
    pub place: Option<Place>,
    /// Readings that the far end will never take: key and reason.
    pub rejected: Vec<(String, String)>,
}

/// One attempt at one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// The delivery's number.
    pub delivery: i64,
    /// Its idempotency key.
    pub key: String,
    /// What became of it.
    pub verdict: Verdict,
    /// When it was sent.
    pub sent: Timestamp,
    /// When the answer came, or was given up.
    pub answered: Timestamp,
    /// Whether it was marked late.
    pub late: bool,
}

/// A sink's place in the readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Readings up to here are settled.
    At(Cursor),
    /// No route brings readings to the sink any more.
    Forgotten,
}

/// What became of one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Confirmed; the far end's words.
    Acknowledged(String),
    /// Never to be taken; the far end's words.
    Rejected(String),
    /// To be tried again; what happened.
    Again(String),
}

/// A place in the readings: an entry and the poll set in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// Sequence number of the entry.
    pub entry: u64,
    /// Position of the set in the entry's block.
    pub item: u32,
}

/// Averages of a period that were held and may go now.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Release {
    /// The source; `None`: all.
    pub source: Option<String>,
    /// Blocks that begin at this moment or later,
    pub from: Timestamp,
    /// and before this one.
    pub to: Timestamp,
    /// Why.
    pub reason: String,
    /// On whose behalf.
    pub author: String,
}

/// A period that a sink is to be given once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resend {
    /// The sink.
    pub sink: String,
    /// Blocks that begin at this moment or later,
    pub from: Timestamp,
    /// and before this one.
    pub to: Timestamp,
}

/// Orders to the writer.
pub enum Order {
    Append(Arc<PollSet>),
    Event(Event),
    Begin(Vec<Stream>, oneshot::Sender<()>),
    Settle(Settlement, oneshot::Sender<()>),
    Resend(Resend, oneshot::Sender<u64>),
    Release(Release, oneshot::Sender<u64>),
    Revise(Vec<Average>, oneshot::Sender<()>),
    Flush(oneshot::Sender<()>),
}
