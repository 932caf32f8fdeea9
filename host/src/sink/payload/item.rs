//! What one payload object speaks of: a record is one of them or several.

use std::borrow::Cow;
use std::ops::Range;

use crate::alarm::Change;
use crate::average::Average;
use crate::config::model::Shape;
use crate::reading::Reading;
use crate::sink::{Content, PollSelection, Record, Timeliness};

/// One payload object to be.
#[derive(Debug, Clone)]
pub struct Item<'a> {
    record_key: &'a str,
    pub(super) timeliness: Timeliness,
    /// What it speaks of.
    pub subject: Subject<'a>,
}

/// What a payload object speaks of.
#[derive(Debug, Clone)]
pub enum Subject<'a> {
    /// One closed block.
    Average(&'a Average),
    /// What became of an alarm.
    Alarm(&'a Change),
    /// One reading, with its row in the poll.
    Reading {
        /// Position in the whole poll, wanted or not.
        row: usize,
        /// The reading.
        reading: Reading<'a>,
    },
    /// The rows of a poll in which no point comes twice: usually all of them. A driver that drains a buffer may bring
    /// several samples of one point, and an object cannot hold a key twice.
    Poll {
        /// The poll.
        selection: &'a PollSelection,
        /// Which of its rows.
        rows: Range<usize>,
    },
}

impl<'a> Item<'a> {
    /// The objects that a record becomes, in order. A poll of which nothing was selected becomes none.
    pub fn of(record: &'a Record, shape: Shape) -> Vec<Item<'a>> {
        let item = |subject| Item { record_key: &record.key, timeliness: record.timeliness, subject };
        match (&record.content, shape) {
            (Content::Average(average), _) => vec![item(Subject::Average(average))],
            (Content::Alarm(change), _) => vec![item(Subject::Alarm(change))],
            (Content::Poll(selection), Shape::Reading) => {
                selection.rows().map(|(row, reading)| item(Subject::Reading { row, reading })).collect()
            }
            (Content::Poll(selection), Shape::Poll) => {
                parts(selection).into_iter().map(|rows| item(Subject::Poll { selection, rows })).collect()
            }
        }
    }

    /// Stable key of this object: the record's, and for one of several the row of the poll where it begins.
    pub fn key(&self) -> Cow<'a, str> {
        match &self.subject {
            Subject::Average(_) | Subject::Alarm(_) => Cow::Borrowed(self.record_key),
            Subject::Reading { row, .. } => Cow::Owned(format!("{}/{row}", self.record_key)),
            Subject::Poll { rows, .. } if rows.start == 0 => Cow::Borrowed(self.record_key),
            Subject::Poll { rows, .. } => Cow::Owned(format!("{}/{}", self.record_key, rows.start)),
        }
    }
}

/// Cuts the rows of a poll wherever a point comes again.
fn parts(selection: &PollSelection) -> Vec<Range<usize>> {
    let points = &selection.set.columns.points;
    if selection.rows().next().is_none() {
        return Vec::new();
    }
    if points.is_sorted_by(|earlier, later| earlier < later) {
        return std::iter::once(0..points.len()).collect();
    }
    let mut parts = Vec::new();
    let mut seen = vec![false; selection.set.catalog.points.len()];
    let mut start = 0;
    for (row, _) in selection.rows() {
        let Some(point) = points.get(row).map(|point| usize::from(*point)) else { continue };
        if seen.get(point).copied().unwrap_or(false) {
            parts.push(start..row);
            start = row;
            seen.fill(false);
        }
        if let Some(seen) = seen.get_mut(point) {
            *seen = true;
        }
    }
    parts.push(start..points.len());
    parts
}
