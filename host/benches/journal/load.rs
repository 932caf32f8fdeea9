//! What is written: poll sets as a Modbus driver gives them, with values, states, status words and the bits from the wire.

use std::sync::Arc;

use anyhow::{Context, Result};
use tutin::config::model;
use tutin::journal::{Journal, Nothing, Running};
use tutin::reading::{Columns, DeviceCatalog, InstrumentState, Point, PointKind, PollSet};
use tutin::time::Timestamp;

/// Rows of a set.
pub const ROWS: u64 = 100;
/// Devices that take turns.
const DEVICES: u64 = 100;

/// Devices that are polled one after the other.
pub struct Load {
    catalogs: Vec<Arc<DeviceCatalog>>,
    /// Sets that were made.
    pub sets: u64,
}

impl Load {
    /// A hundred devices with a hundred points each.
    pub fn new() -> Self {
        let point = |row: u64| Point {
            id: format!("r{row}"),
            label: String::new(),
            unit: "[ppb]".into(),
            kind: PointKind::Number,
        };
        let catalog = |device: u64| {
            Arc::new(DeviceCatalog {
                device: format!("d{device}"),
                plugin: "bench 1".into(),
                plugin_digest: "00".into(),
                points: (0..ROWS).map(point).collect(),
            })
        };
        Load { catalogs: (0..DEVICES).map(catalog).collect(), sets: 0 }
    }

    /// Readings in the sets that were made.
    pub fn readings(&self) -> u64 {
        self.sets * ROWS
    }
}

impl Iterator for Load {
    type Item = Arc<PollSet>;

    fn next(&mut self) -> Option<Arc<PollSet>> {
        let catalog = self.catalogs.get(usize::try_from(self.sets % DEVICES).ok()?)?;
        let value = |row: u64| ((self.sets * 7919 + row * 104_729) % 65_536) as f32;
        let columns = Columns {
            points: (0..).take(ROWS as usize).collect(),
            values: (0..ROWS).map(|row| f64::from(value(row))).collect(),
            states: vec![InstrumentState::Valid; ROWS as usize],
            statuses: vec![self.sets % 256; ROWS as usize],
            raws: (0..ROWS).map(|row| u64::from(value(row).to_bits())).collect(),
            ..Columns::default()
        };
        self.sets += 1;
        Some(Arc::new(PollSet { catalog: Arc::clone(catalog), received_at: Timestamp::now(), columns }))
    }
}

/// The next set of a load, which has no end.
pub fn next(load: &mut Load) -> Result<Arc<PollSet>> {
    load.next().context("a load has no end")
}

/// Ends a journal's writer and waits for its last commit.
pub async fn close(journal: Journal, running: Running) -> Result<()> {
    drop(journal);
    tokio::task::spawn_blocking(move || running.join()).await.context("the journal's writer")
}

/// Opens a journal from which nothing is derived.
pub fn open(file: &std::path::Path, settings: &model::Journal) -> Result<(Journal, Running)> {
    Journal::open(file, settings, Nothing).with_context(|| file.display().to_string())
}
