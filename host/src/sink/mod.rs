//! Where the hub's results go.
//!
//! A sink turns records into one protocol's requests and says of each what became of it; it owns a connection and
//! nothing else. Batching, time limits, retries and acknowledgement are written once, in [`runner`]. A built-in sink is
//! one folder (its settings are with the others in `crate::config`) and one line in each match of [`Built`].
//!
//! Invariant: a record counts as accepted only when the far end confirmed it.

mod both;
mod built;
mod cause;
mod file;
mod http_json;
mod live;
mod mqtt;
pub mod payload;
mod record;
pub mod runner;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod samples;

use std::future::Future;
use std::time::Duration;

use crate::time::Timestamp;

pub use both::Both;
pub use built::{BuildError, Built};
pub use live::{LiveQueue, LiveSender, live_queue};
pub use mqtt::{Placeholder, TopicError, placeholders};
pub use record::{Content, PollSelection, Record, Timeliness};

/// What became of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The far end confirmed it. The text is its answer (a receipt number, a status line), kept with the delivery.
    Accepted {
        /// The far end's words.
        answer: String,
    },
    /// The far end says it will never take this record; trying again is useless.
    Rejected {
        /// The far end's words.
        reason: String,
    },
    /// Not now: the link is down, the far end is busy, the answer did not come.
    Retry {
        /// What happened.
        reason: String,
    },
}

/// One kind of destination. One value of it serves one configured sink; calls come one at a time.
pub trait Sink: Send {
    /// Tries once to hand over the records, in order, and says of each what became of it: as many outcomes as records.
    /// Cancel safe in this sense: when the future is dropped (the runner's time limit), every record counts as `Retry`
    /// and the next call starts with a clean connection.
    fn deliver(&mut self, records: &[Record]) -> impl Future<Output = Vec<Outcome>> + Send;

    /// The largest number of records for one call.
    fn batch(&self) -> usize;

    /// How long one call may take.
    fn timeout(&self) -> Duration;

    /// Flushes and closes. Called once, when the hub drains.
    fn close(&mut self) -> impl Future<Output = ()> + Send;
}

/// A record on its way, with the number under which its queue knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Queued {
    /// The queue's number for it; rises with the order of delivery.
    pub id: u64,
    /// What is delivered.
    pub record: Record,
}

/// What a runner tells its queue about one attempt at one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// [`Queued::id`].
    pub id: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// When it was tried.
    pub attempt: Attempt,
}

/// The times of one attempt, by the wall clock: a clock that was set meanwhile shows in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Before the records were handed to the sink.
    pub sent: Timestamp,
    /// When the sink had answered, or its time was over.
    pub answered: Timestamp,
}

/// Where a runner takes its records from and reports what became of them. The journal's outbox is one, the
/// bounded channel of a live route another.
pub trait Queue: Send {
    /// The next records that are neither accepted nor rejected, oldest first, at most `max`. Waits until there
    /// is at least one; an empty list means that no more will come. A record that was settled as `Retry` comes again.
    /// Cancel safe.
    fn next(&mut self, max: usize) -> impl Future<Output = Vec<Queued>> + Send;

    /// Takes note of one attempt. Returns when what was accepted will not come back after a restart.
    fn settle(&mut self, settled: Vec<Settled>) -> impl Future<Output = ()> + Send;
}
