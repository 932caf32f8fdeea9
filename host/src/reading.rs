//! The vocabulary of a measurement: points, readings and the sets in which they travel.
//!
//! One poll of a device is one [`PollSet`] from the wire to the disk: columns, not a list of objects, so that a
//! hundred values cost one allocation per column. A [`Reading`] is a view of one row.
//!
//! Invariant: a value without a state cannot be represented, and a row whose state is `comm_error` or `missing` has
//! no value.

use std::sync::Arc;

pub use crate::status::{InstrumentState, PlantState, Qualifiers};
use crate::time::Timestamp;

/// One measured or reported quantity of a device.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Point {
    /// Key of the point within its device.
    pub id: String,
    /// What it is, in words.
    pub label: String,
    /// UCUM code; `1` for a pure number, empty when nobody said.
    pub unit: String,
    /// Number or text.
    pub kind: PointKind,
}

/// What the values of a point are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PointKind {
    /// IEEE 754 binary64, kept bit for bit.
    Number,
    /// UTF-8 text.
    Text,
}

/// What the readings of one running device have in common. Shared by all its poll sets.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DeviceCatalog {
    /// The device's name in the configuration.
    pub device: String,
    /// Plugin that reads it, as `name version`.
    pub plugin: String,
    /// SHA-256 of the plugin's file, in hex.
    pub plugin_digest: String,
    /// The points, in the order that rows refer to.
    pub points: Vec<Point>,
}

/// The columns of one poll. `points`, `values` and `states` have one item per row; each other column has
/// one item per row or is empty, as its text says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Columns {
    /// Index into the catalog's points.
    pub points: Vec<u16>,
    /// Values in the point's unit; without meaning where [`InstrumentState::has_value`] is false and for text points.
    pub values: Vec<f64>,
    /// Instrument states.
    pub states: Vec<InstrumentState>,
    /// Empty: no qualifier in any row.
    pub qualifiers: Vec<Qualifiers>,
    /// The device's own status word. Empty: the device has none.
    pub statuses: Vec<u64>,
    /// Bits of the value as they stood on the wire. Empty: the protocol has none.
    pub raws: Vec<u64>,
    /// When the device measured. Empty: at [`PollSet::received_at`].
    pub times: Vec<Timestamp>,
    /// Values of text points as (row, text), by rising row.
    pub texts: Vec<(u32, String)>,
}

/// What one poll of one device brought.
#[derive(Debug, Clone, PartialEq)]
pub struct PollSet {
    /// Whose readings these are.
    pub catalog: Arc<DeviceCatalog>,
    /// When the host had them, by its wall clock.
    pub received_at: Timestamp,
    /// The rows.
    pub columns: Columns,
}

/// The value of one reading.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// A number, NaN and infinities included.
    Number(f64),
    /// A text.
    Text(&'a str),
    /// The state says why there is none.
    None,
}

/// One row of a [`PollSet`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading<'a> {
    /// The device's name.
    pub device: &'a str,
    /// Position of the point in the catalog.
    pub index: u16,
    /// What was measured.
    pub point: &'a Point,
    /// When the device measured it.
    pub sampled_at: Timestamp,
    /// When the host had it.
    pub received_at: Timestamp,
    /// What it said.
    pub value: Value<'a>,
    /// Whether the instrument stood for it.
    pub state: InstrumentState,
    /// What else is known about it.
    pub qualifiers: Qualifiers,
    /// The device's own status word.
    pub status: Option<u64>,
    /// Bits of the value on the wire.
    pub raw: Option<u64>,
}

impl PollSet {
    /// A set that says the same of every point: no value, and why.
    pub fn without_values(catalog: Arc<DeviceCatalog>, received_at: Timestamp, state: InstrumentState) -> Self {
        let rows = catalog.points.len();
        let columns = Columns {
            points: (0..=u16::MAX).take(rows).collect(),
            values: vec![f64::NAN; rows],
            states: vec![state; rows],
            ..Columns::default()
        };
        PollSet { catalog, received_at, columns }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.columns.points.len()
    }

    /// True when the poll brought nothing.
    pub fn is_empty(&self) -> bool {
        self.columns.points.is_empty()
    }

    /// The rows in order. A row whose point is not in the catalog is skipped; the host refuses such sets on arrival.
    pub fn readings(&self) -> impl Iterator<Item = Reading<'_>> {
        (0..self.len()).filter_map(|row| self.reading(row))
    }

    /// One row.
    pub fn reading(&self, row: usize) -> Option<Reading<'_>> {
        let columns = &self.columns;
        let index = *columns.points.get(row)?;
        let point = self.catalog.points.get(usize::from(index))?;
        let state = *columns.states.get(row)?;
        let value = match point.kind {
            _ if !state.has_value() => Value::None,
            PointKind::Number => Value::Number(*columns.values.get(row)?),
            PointKind::Text => self.text(row).map_or(Value::None, Value::Text),
        };
        Some(Reading {
            device: &self.catalog.device,
            index,
            point,
            sampled_at: columns.times.get(row).copied().unwrap_or(self.received_at),
            received_at: self.received_at,
            value,
            state,
            qualifiers: columns.qualifiers.get(row).copied().unwrap_or_default(),
            status: columns.statuses.get(row).copied(),
            raw: columns.raws.get(row).copied(),
        })
    }

    fn text(&self, row: usize) -> Option<&str> {
        let texts = &self.columns.texts;
        let found = texts.binary_search_by_key(&row, |(row, _)| *row as usize).ok()?;
        texts.get(found).map(|(_, text)| text.as_str())
    }
}
