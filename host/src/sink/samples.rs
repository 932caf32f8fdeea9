//! Records for tests of this module.

use std::sync::Arc;
use std::time::Duration;

use super::{Attempt, Content, PollSelection, Record, Timeliness};
use crate::average::{Average, AverageKey};
use crate::reading::{Columns, DeviceCatalog, Point, PointKind, PollSet};
use crate::status::{InstrumentState, PlantState};
use crate::time::Timestamp;

/// The average of the `block`th block of 20 minutes of 2026-11-01T03:00:00Z.
pub(super) fn average(block: u32) -> Average {
    let start: Timestamp = "2026-11-01T03:00:00Z".parse().unwrap();
    let key = AverageKey {
        source: "stack-1".into(),
        parameter: "NO2".into(),
        rule_set: "kz-20min".into(),
        start: start.after(Duration::from_secs(1200) * block),
        revision: 0,
    };
    Average {
        mean_raw: Some(20.125),
        unit_raw: "[ppb]".into(),
        mean: Some(41.25),
        min: Some(40.0),
        max: Some(43.5),
        validated: Some(41.25),
        expected: 1200,
        received: 1199,
        valid: 1190,
        coverage: 1190.0 / 1200.0,
        state: InstrumentState::Valid,
        plant: PlantState::Operating,
        ..Average::empty(key, Duration::from_secs(1200), "mg/m3", "c0ffee")
    }
}

/// One valid reading of each point, received this many seconds after 1970: 0.5, 1.5, 2.5 …
pub(super) fn poll_of(points: &[&str], second: i64) -> PollSet {
    let point =
        |id: &&str| Point { id: (*id).to_owned(), label: String::new(), unit: "[ppb]".into(), kind: PointKind::Number };
    let rows = u16::try_from(points.len()).unwrap();
    PollSet {
        catalog: Arc::new(DeviceCatalog {
            device: "no2-north".into(),
            plugin: "modbus-map 0.1.0".into(),
            plugin_digest: "00".into(),
            points: points.iter().map(point).collect(),
        }),
        received_at: Timestamp::from_seconds(second),
        columns: Columns {
            points: (0..rows).collect(),
            values: (0..rows).map(|row| f64::from(row) + 0.5).collect(),
            states: vec![InstrumentState::Valid; points.len()],
            ..Columns::default()
        },
    }
}

/// An average as a record, `average-BLOCK`.
pub(super) fn average_record(block: u32) -> Record {
    Record {
        key: format!("average-{block}").into(),
        content: Content::Average(Arc::new(average(block))),
        timeliness: Timeliness::OnTime,
    }
}

/// The same record when it goes out late.
pub(super) fn late(record: Record) -> Record {
    Record { timeliness: Timeliness::Late, ..record }
}

/// An attempt for which the times do not matter.
pub(super) const ATTEMPT: Attempt = Attempt { sent: Timestamp(1), answered: Timestamp(2) };

/// A poll of the points `a` and `b` as a record, `poll-SECOND`.
pub(super) fn poll_record(second: i64) -> Record {
    let set = Arc::new(poll_of(&["a", "b"], second));
    Record {
        key: format!("poll-{second}").into(),
        content: Content::Poll(PollSelection { set, wanted: None }),
        timeliness: Timeliness::OnTime,
    }
}
