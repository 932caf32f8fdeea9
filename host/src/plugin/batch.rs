//! From the columns that a driver returned to a poll set: checked, stamped, nothing invented.

use std::sync::Arc;

use thiserror::Error;

use super::instance::{Batch, ContractPoint};
use super::told;
use crate::capability::{Overrun, aside};
use crate::reading::{Columns, DeviceCatalog, InstrumentState, Point, PointKind, PollSet, Qualifiers};
use crate::time::Timestamp;

/// Rows or points that take long enough for others to notice.
const MANY: usize = 5_000;
/// Longest label and unit of a point, and longest text of a sample, bytes.
const LONGEST_LABEL: usize = 1_000;
const LONGEST_UNIT: usize = 100;
const LONGEST_TEXT: usize = 64 << 10;

/// What is wrong with what a driver returned. The driver is at fault, not the instrument.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BatchFault {
    /// Columns of different lengths.
    #[error("column {column} has {length} items for {rows} samples")]
    Length {
        /// Name of the column in the contract.
        column: &'static str,
        /// Its length.
        length: usize,
        /// What it should be.
        rows: usize,
    },
    /// A point that does not exist.
    #[error("sample {row} names point {point}, and there are {points}")]
    Point {
        /// Which row.
        row: usize,
        /// What it names.
        point: u16,
        /// How many there are.
        points: usize,
    },
    /// A text without a sample.
    #[error("a text belongs to sample {row}, and there are {rows}")]
    Text {
        /// Which row it names.
        row: u32,
        /// How many there are.
        rows: usize,
    },
    /// A text that no instrument says.
    #[error("the text of sample {row} has {bytes} bytes where {LONGEST_TEXT} are allowed")]
    LongText {
        /// Which row it names.
        row: u32,
        /// Its length.
        bytes: usize,
    },
    /// More samples than allowed.
    #[error(transparent)]
    TooMany(#[from] Overrun),
    /// A list of points that the contract does not allow.
    #[error("points: {0}")]
    Points(String),
}

/// Checks the list of points of a freshly opened device.
pub fn points(points: Vec<ContractPoint>) -> Result<Vec<Point>, BatchFault> {
    if points.len() > MANY { aside(|| checked_points(points)) } else { checked_points(points) }
}

fn checked_points(points: Vec<ContractPoint>) -> Result<Vec<Point>, BatchFault> {
    if points.len() > usize::from(u16::MAX) {
        return Err(BatchFault::Points(format!("{} where 65535 are allowed", points.len())));
    }
    let mut seen = std::collections::HashSet::new();
    for point in &points {
        let mut letters = point.id.chars();
        let first = letters.next().is_some_and(|c| c.is_ascii_lowercase());
        let rest = letters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !first || !rest || point.id.len() > 64 {
            let id: String = point.id.chars().take(64).collect();
            return Err(BatchFault::Points(format!("{id:?} is not a point id")));
        }
        for (what, text, allowed) in [("label", &point.label, LONGEST_LABEL), ("unit", &point.unit, LONGEST_UNIT)] {
            if text.len() > allowed {
                let (id, bytes) = (&point.id, text.len());
                return Err(BatchFault::Points(format!(
                    "the {what} of {id} has {bytes} bytes where {allowed} are allowed"
                )));
            }
            if text.contains(char::is_control) {
                let (id, text) = (&point.id, told::sentence(text.clone()));
                return Err(BatchFault::Points(format!("the {what} of {id} has control characters: {text}")));
            }
        }
        if !seen.insert(point.id.as_str()) {
            return Err(BatchFault::Points(format!("{:?} is there twice", point.id)));
        }
    }
    let kind = |kind| if kind == 1 { PointKind::Text } else { PointKind::Number };
    Ok(points.into_iter().map(|p| Point { kind: kind(p.kind), id: p.id, label: p.label, unit: p.unit }).collect())
}

/// Checks a batch and stamps it.
pub fn poll_set(
    batch: Batch,
    catalog: &Arc<DeviceCatalog>,
    received_at: Timestamp,
    most_samples: usize,
) -> Result<PollSet, BatchFault> {
    let rows = batch.points.len();
    if rows > most_samples {
        return Err(Overrun::Samples { returned: rows, limit: most_samples }.into());
    }
    if rows > MANY {
        return aside(|| checked(batch, catalog, received_at));
    }
    checked(batch, catalog, received_at)
}

fn checked(batch: Batch, catalog: &Arc<DeviceCatalog>, received_at: Timestamp) -> Result<PollSet, BatchFault> {
    let rows = batch.points.len();
    let full = |column, length| if length == rows { Ok(()) } else { Err(BatchFault::Length { column, length, rows }) };
    let full_or_empty = |column, length| if length == 0 { Ok(()) } else { full(column, length) };
    full("values", batch.values.len())?;
    full_or_empty("states", batch.states.len())?;
    full_or_empty("qualifiers", batch.qualifiers.len())?;
    full_or_empty("statuses", batch.statuses.len())?;
    full_or_empty("raws", batch.raws.len())?;
    full_or_empty("times", batch.times.len())?;
    let points = catalog.points.len();
    if let Some((row, point)) = batch.points.iter().enumerate().find(|(_, point)| usize::from(**point) >= points) {
        return Err(BatchFault::Point { row, point: *point, points });
    }
    let states = match batch.states.as_slice() {
        [] => vec![InstrumentState::Valid; rows],
        codes => codes.iter().map(|code| InstrumentState::from_code(*code)).collect(),
    };
    if let Some(text) = batch.texts.iter().find(|text| text.row as usize >= rows) {
        return Err(BatchFault::Text { row: text.row, rows });
    }
    if let Some(text) = batch.texts.iter().find(|text| text.value.len() > LONGEST_TEXT) {
        return Err(BatchFault::LongText { row: text.row, bytes: text.value.len() });
    }
    let mut texts: Vec<(u32, String)> = batch.texts.into_iter().map(|text| (text.row, text.value)).collect();
    texts.sort_by_key(|(row, _)| *row);
    let columns = Columns {
        points: batch.points,
        values: batch.values,
        states,
        qualifiers: batch.qualifiers.into_iter().map(Qualifiers).collect(),
        statuses: batch.statuses,
        raws: batch.raws,
        times: batch.times.into_iter().map(Timestamp).collect(),
        texts,
    };
    Ok(PollSet { catalog: Arc::clone(catalog), received_at, columns })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> Arc<DeviceCatalog> {
        let point = |id: &str| Point { id: id.into(), label: id.into(), unit: "[ppb]".into(), kind: PointKind::Number };
        Arc::new(DeviceCatalog {
            device: "no2-north".into(),
            plugin: "test 1".into(),
            plugin_digest: String::new(),
            points: vec![point("no"), point("no2")],
        })
    }

    fn batch(points: Vec<u16>, values: Vec<f64>, states: Vec<u8>) -> Batch {
        Batch {
            points,
            values,
            states,
            qualifiers: vec![],
            statuses: vec![],
            raws: vec![],
            times: vec![],
            texts: vec![],
            more: false,
            points_changed: false,
        }
    }

    #[test]
    fn a_batch_that_contradicts_itself_is_refused_whole() {
        let check = |batch, expected: &str| {
            let fault = poll_set(batch, &catalog(), Timestamp(0), 3).unwrap_err();
            assert_eq!(fault.to_string(), expected);
        };
        check(batch(vec![0, 1], vec![1.0], vec![]), "column values has 1 items for 2 samples");
        check(batch(vec![0], vec![1.0], vec![0, 0]), "column states has 2 items for 1 samples");
        check(batch(vec![0, 2], vec![1.0, 2.0], vec![]), "sample 1 names point 2, and there are 2");
        check(
            batch(vec![0; 4], vec![0.0; 4], vec![]),
            "returned 4 samples in one poll where 3 are allowed (limits.samples)",
        );
    }

    #[test]
    fn a_value_that_was_not_received_does_not_exist() {
        let set = poll_set(batch(vec![0, 1], vec![7.0, 8.0], vec![0, 6]), &catalog(), Timestamp(5), 3).unwrap();
        let values: Vec<_> = set.readings().map(|reading| reading.value).collect();
        assert_eq!(values, [crate::reading::Value::Number(7.0), crate::reading::Value::None]);
    }

    #[test]
    fn bits_of_a_value_survive() {
        let nan = f64::from_bits(0x7ff4_0000_0000_beef);
        let set = poll_set(batch(vec![0], vec![nan], vec![]), &catalog(), Timestamp(5), 3).unwrap();
        assert_eq!(set.columns.values.first().map(|value| value.to_bits()), Some(nan.to_bits()));
    }

    #[test]
    fn point_ids_are_checked() {
        let check = |id: &str, ok: bool| {
            let list = vec![ContractPoint { id: id.into(), label: String::new(), unit: String::new(), kind: 0 }];
            assert_eq!(points(list).is_ok(), ok, "{id:?}");
        };
        check("no2", true);
        check("2no", false);
        check("NO2", false);
        check("", false);
        check("sample flow", false);
    }

    #[test]
    fn no_label_and_no_unit_drives_a_terminal() {
        let check = |label: &str, unit: &str, expected: &str| {
            let point = ContractPoint { id: "no2".into(), label: label.into(), unit: unit.into(), kind: 0 };
            let said = points(vec![point]).map_err(|fault| fault.to_string()).err();
            assert_eq!(said.unwrap_or_default(), expected);
        };
        check("Größe", "µg/m3", "");
        check("NO2\u{1b}[2J", "", "points: the label of no2 has control characters: NO2\\u{1b}[2J");
        check("NO2", "\u{9b}1m", "points: the unit of no2 has control characters: \\u{9b}1m");
    }
}
