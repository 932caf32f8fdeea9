//! Takes rows from the journal to a table, piece by piece.
//!
//! Readings come in the order of their commit, averages in the order of their blocks, then by name.

use std::ops::ControlFlow;
use std::time::Duration;

use super::error::ExportError;
use super::selection::{AverageSelection, ReadingSelection};
use super::{Table, rows};
use crate::average::Average;
use crate::journal::{Content, Found, Passed, Reader, Revisions};
use crate::reading::PollSet;

/// How far a device's clock may be ahead of the hub's before its readings are missed at the beginning of a period.
pub const CLOCK_SLACK: Duration = Duration::from_secs(3600);
/// How late a sample may reach the hub before it is missed at the end of a period.
pub const BACK_FILL: Duration = Duration::from_secs(31 * 24 * 3600);

/// What happens at an entry that is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// The export ends.
    Stop,
    /// It is left out and noted in the summary.
    Skip,
}

/// How far an export is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Entries of the journal that were passed, or averages.
    pub passed: Passed,
    /// Rows that the table took.
    pub rows: u64,
}

/// What an export came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Rows that the table took.
    pub rows: u64,
    /// Entries that were left out, and why. At most [`Summary::NAMED`]; the others are only counted.
    pub damaged: Vec<(u64, String)>,
    /// Entries that were left out, in all.
    pub damaged_in_all: u64,
}

impl Summary {
    /// Damaged entries that are named.
    pub const NAMED: usize = 1000;

    /// What the entry holds, unless it holds nothing that can be exported.
    fn admit<T>(&mut self, found: Found<T>, damage: Damage) -> Result<Option<T>, ExportError> {
        match found.content {
            Content::Kept(content) => return Ok(Some(content)),
            Content::Damaged(what) if damage == Damage::Stop => {
                return Err(ExportError::Damaged { entry: found.entry, what });
            }
            Content::Damaged(what) => {
                self.damaged_in_all += 1;
                if self.damaged.len() < Self::NAMED {
                    self.damaged.push((found.entry, what));
                }
            }
        }
        Ok(None)
    }
}

/// Copies the readings that were selected. `watch` is told after every piece how far it is and may end it.
///
/// Entries are found by the time of their commit, with [`CLOCK_SLACK`] and [`BACK_FILL`]; readings in them by the time of their sample.
pub fn readings(
    reader: &mut Reader,
    selection: &ReadingSelection,
    damage: Damage,
    table: &mut dyn Table,
    watch: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Summary, ExportError> {
    let period = selection.period;
    let (from, until) = (period.from.map(|from| from.before(CLOCK_SLACK)), period.to.map(|to| to.after(BACK_FILL)));
    let mut scan = reader.scan_readings(from, until)?;
    let mut summary = Summary::default();
    loop {
        let piece = reader.next_readings(&mut scan)?;
        if piece.is_empty() {
            return Ok(summary);
        }
        for found in piece {
            let entry = found.entry;
            for set in summary.admit(found, damage)?.unwrap_or_default() {
                summary.rows += write_set(entry, &set, selection, table)?;
            }
        }
        go_on(watch, scan.passed(), &summary)?;
    }
}

/// Copies the averages that were selected. `watch` is told after every piece how far it is and may end it.
pub fn averages(
    reader: &Reader,
    selection: &AverageSelection,
    revisions: Revisions,
    damage: Damage,
    table: &mut dyn Table,
    watch: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Summary, ExportError> {
    let period = selection.period;
    let mut scan = reader.scan_averages(period.from, period.to, revisions)?;
    let mut summary = Summary::default();
    loop {
        let piece = reader.next_averages(&mut scan)?;
        if piece.is_empty() {
            return Ok(summary);
        }
        for found in piece {
            let entry = found.entry;
            let average: Option<Average> = summary.admit(found, damage)?;
            if let Some(average) = average.filter(|average| selection.has(&average.key)) {
                super::write_average(table, entry, &average)?;
                summary.rows += 1;
            }
        }
        go_on(watch, scan.passed(), &summary)?;
    }
}

/// Returns how many rows of the set were selected.
fn write_set(
    entry: u64,
    set: &PollSet,
    selection: &ReadingSelection,
    table: &mut dyn Table,
) -> Result<u64, ExportError> {
    let device = &set.catalog.device;
    if !selection.has_device(device) {
        return Ok(0);
    }
    let mut rows = 0;
    for reading in set.readings() {
        if selection.period.contains(reading.sampled_at) && selection.has_point(device, &reading.point.id) {
            table.write(&rows::of_reading(entry, &reading))?;
            rows += 1;
        }
    }
    Ok(rows)
}

fn go_on(
    watch: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    passed: Passed,
    summary: &Summary,
) -> Result<(), ExportError> {
    match watch(Progress { passed, rows: summary.rows }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(ExportError::Interrupted),
    }
}
