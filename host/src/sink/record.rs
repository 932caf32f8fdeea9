//! What is handed to a sink.

use std::ops::Range;
use std::sync::Arc;

use crate::alarm::Change;
use crate::average::Average;
use crate::reading::{PollSet, Reading};

/// One thing to deliver, with the key that lets the far end drop a second copy.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Stable over restarts and repetitions: the same content always carries the same key.
    pub key: Arc<str>,
    /// What it is.
    pub content: Content,
    /// Whether it goes out in time.
    pub timeliness: Timeliness,
}

/// Says of the delivery, not of the measurement, that it goes out later than its time allowed. What the journal holds
/// does not change with it, nor does the key: a copy that went out in time and one that is late are the same record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Timeliness {
    /// It goes out in time.
    #[default]
    OnTime,
    /// It goes out late; payloads of averages say so among their `qualifiers`.
    Late,
}

/// Averages, alarms or readings.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// One closed block.
    Average(Arc<Average>),
    /// What became of an alarm.
    Alarm(Arc<Change>),
    /// The readings of one poll of one device.
    Poll(PollSelection),
}

/// A poll, or those of its rows that a route asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct PollSelection {
    /// The whole poll, shared.
    pub set: Arc<PollSet>,
    /// Which points of the catalog are wanted, by position. `None`: all.
    pub wanted: Option<Arc<[bool]>>,
}

impl PollSelection {
    /// The selected rows in order.
    pub fn readings(&self) -> impl Iterator<Item = Reading<'_>> {
        self.rows().map(|(_, reading)| reading)
    }

    /// The selected rows in order, each with its position in the whole poll.
    pub fn rows(&self) -> impl Iterator<Item = (usize, Reading<'_>)> {
        self.rows_in(0..self.set.len())
    }

    /// The selected rows among these, each with its position in the whole poll.
    pub fn rows_in(&self, rows: Range<usize>) -> impl Iterator<Item = (usize, Reading<'_>)> {
        rows.filter_map(|row| Some((row, self.set.reading(row)?))).filter(|(_, reading)| match &self.wanted {
            None => true,
            Some(wanted) => wanted.get(usize::from(reading.index)).copied().unwrap_or(false),
        })
    }
}
