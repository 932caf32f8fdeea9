//! How time is cut into blocks, and what a block is called where it is reported.
//!
//! Blocks are aligned to UTC multiples of their length, so that a change of the zone moves no edge. Only a block of 24 h is a local
//! day, from midnight to midnight: it has 25 h, or 75 blocks of 20 minutes, on the day on which the clocks go back.
//!
//! Invariant: every moment belongs to exactly one block; a moment on an edge belongs to the block that begins there.

use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::method::Label;
use crate::time::Timestamp;

/// A block of this length is a local day.
pub const DAY: Duration = Duration::from_secs(86_400);

/// The edges of all blocks of one rule set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "GridText", into = "GridText")]
pub struct Grid {
    length: Duration,
    zone: String,
    rules: TimeZone,
}

/// First moment of a block, and the moment after its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// First moment.
    pub start: Timestamp,
    /// The moment after the last.
    pub end: Timestamp,
}

/// No such time zone.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is no time zone of the IANA database")]
pub struct NoSuchZone(pub String);

/// A grid as it is recorded.
#[derive(Serialize, Deserialize)]
struct GridText {
    block: Duration,
    zone: String,
}

impl Grid {
    /// Blocks of this length; the zone is an IANA name.
    pub fn new(length: Duration, zone: &str) -> Result<Self, NoSuchZone> {
        let rules = TimeZone::get(zone).map_err(|_| NoSuchZone(zone.to_owned()))?;
        Ok(Grid { length: length.max(Duration::from_nanos(1)), zone: zone.to_owned(), rules })
    }

    /// Blocks of this length with labels in UTC.
    pub fn utc(length: Duration) -> Self {
        Grid { length: length.max(Duration::from_nanos(1)), zone: "UTC".to_owned(), rules: TimeZone::UTC }
    }

    /// Length of a block; of a local day the usual one.
    pub fn length(&self) -> Duration {
        self.length
    }

    /// The block that a moment belongs to.
    pub fn block(&self, at: Timestamp) -> Span {
        if self.length == DAY
            && let Some(day) = self.local_day(at)
        {
            return day;
        }
        let start = at.block_start(self.length);
        Span { start, end: start.after(self.length) }
    }

    /// The block after one.
    pub fn after(&self, block: Span) -> Span {
        self.block(block.end)
    }

    /// What a block is called: local time with its offset, RFC 3339.
    pub fn label(&self, block: Span, label: Label) -> String {
        let at = match label {
            Label::Start => block.start,
            Label::End => block.end,
        };
        self.local(at)
    }

    /// A moment in local time with its offset, RFC 3339.
    pub fn local(&self, at: Timestamp) -> String {
        let Ok(moment) = jiff::Timestamp::from_nanosecond(i128::from(at.0)) else { return at.to_string() };
        let offset = self.rules.to_offset(moment);
        moment.display_with_offset(offset).to_string()
    }

    fn local_day(&self, at: Timestamp) -> Option<Span> {
        let moment = jiff::Timestamp::from_nanosecond(i128::from(at.0)).ok()?;
        let start = moment.to_zoned(self.rules.clone()).start_of_day().ok()?;
        let end = start.tomorrow().ok()?.start_of_day().ok()?;
        let nanoseconds = |moment: jiff::Zoned| i64::try_from(moment.timestamp().as_nanosecond()).ok();
        Some(Span { start: Timestamp(nanoseconds(start)?), end: Timestamp(nanoseconds(end)?) })
    }
}

impl Span {
    /// True when the moment belongs to the block.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }

    /// From the first moment to the end.
    pub fn length(&self) -> Duration {
        self.end.since(self.start)
    }
}

impl TryFrom<GridText> for Grid {
    type Error = NoSuchZone;

    fn try_from(text: GridText) -> Result<Self, NoSuchZone> {
        Grid::new(text.block, &text.zone)
    }
}

impl From<Grid> for GridText {
    fn from(grid: Grid) -> Self {
        GridText { block: grid.length, zone: grid.zone }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("vectors/time.json")).unwrap()
    }

    fn at(text: &Value) -> Timestamp {
        text.as_str().unwrap().parse().unwrap()
    }

    #[test]
    fn published_block_starts_hold() {
        let rows = vectors()["block_start"].as_array().unwrap().clone();
        assert_eq!(rows.len(), 5);
        for row in rows {
            let grid = Grid::utc(Duration::from_secs(60 * row["length_min"].as_u64().unwrap()));
            assert_eq!(grid.block(at(&row["sample"])).start, at(&row["block_start"]), "{row}");
        }
    }

    #[test]
    fn blocks_go_on_across_a_change_of_the_zone_and_their_labels_tell_them_apart() {
        let change = vectors()["zone_change"].clone();
        let grid = Grid::new(Duration::from_secs(1200), change["zone"].as_str().unwrap()).unwrap();
        let rows = change["blocks_20min"].as_array().unwrap();
        let mut labels = std::collections::BTreeSet::new();
        let mut block = grid.block(at(&rows[0]["utc"]));
        for row in rows {
            assert_eq!(block.start, at(&row["utc"]));
            assert_eq!(grid.label(block, Label::Start), row["local"].as_str().unwrap());
            assert!(labels.insert(grid.label(block, Label::Start)), "two blocks have one label");
            block = grid.after(block);
        }
    }

    #[test]
    fn a_local_day_is_as_long_as_it_is() {
        let day = vectors()["day_block"].clone();
        let grid = Grid::new(DAY, "Asia/Almaty").unwrap();
        let blocks = |text: &str| grid.block(text.parse().unwrap()).length().as_secs() / 1200;
        assert_eq!(blocks("2024-02-28T12:00:00Z"), day["normal"].as_u64().unwrap());
        assert_eq!(blocks("2024-02-29T12:00:00Z"), day["on_2024_02_29_Almaty"].as_u64().unwrap());
        let today = grid.block("2026-11-26T18:59:59.999Z".parse().unwrap());
        assert_eq!(grid.label(today, Label::Start), "2026-11-26T00:00:00+05:00");
        assert_eq!(grid.label(today, Label::End), "2026-11-27T00:00:00+05:00");
    }

    #[test]
    fn every_kazakh_zone_has_its_published_offset() {
        for (zone, offset) in vectors()["zones_2026"].as_object().unwrap() {
            let grid = Grid::new(DAY, zone).unwrap();
            let label = grid.local("2026-06-01T00:00:00Z".parse().unwrap());
            assert!(label.ends_with(offset.as_str().unwrap()), "{zone}: {label}");
        }
    }

    #[test]
    fn a_grid_reads_back_as_it_was_recorded() {
        let grid = Grid::new(DAY, "Asia/Almaty").unwrap();
        let text = serde_json::to_string(&grid).unwrap();
        assert_eq!(serde_json::from_str::<Grid>(&text).unwrap(), grid);
        assert_eq!(
            Grid::new(DAY, "Asia/Alma-Ata-2").unwrap_err().to_string(),
            "\"Asia/Alma-Ata-2\" is no time zone of the IANA database"
        );
    }
}
