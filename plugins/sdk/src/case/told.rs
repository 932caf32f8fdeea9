//! Samples as JSON objects, and their comparison with the lines of a case.

use serde_json::{Map, Value, json};

use crate::case::Deviation;
use crate::clock::SECOND;
use crate::driver::{Point, Timestamp};
use crate::samples::{Sample, Samples};
use crate::state::Qualifier;

/// Which members of a sample are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Members {
    /// Those that the expected line has.
    Listed,
    /// All: the expected line has no others and lacks none.
    All,
}

/// What samples say, for cases that count seconds from a moment and leave out what says nothing: `point`, `state`, `value` when there is
/// one (a number is none in a state without a value), `late` when it is, `status` when it is not 0, and the second `at`.
pub fn lines_since(begin: Timestamp, points: &[Point], samples: &Samples) -> Vec<Value> {
    let line = |(row, sample): (usize, Sample)| {
        let id = points.get(usize::from(sample.point)).map(|point| point.id.as_str());
        let at = sample.time.map(|time| (time.0 - begin.0) as f64 / SECOND as f64);
        let value = value(samples, row, sample);
        let members = [
            ("point", Some(json!(id))),
            ("state", Some(json!(sample.state))),
            ("value", Some(value).filter(|value| value.is_string() || value.is_number() && sample.state.has_value())),
            ("late", sample.qualifiers.contains(Qualifier::Late).then_some(json!(true))),
            ("status", sample.status.filter(|status| *status != 0).map(|status| json!(status))),
            ("at", Some(json!(at))),
        ];
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect::<Map<_, _>>().into()
    };
    samples.iter().enumerate().map(line).collect()
}

fn value(samples: &Samples, row: usize, sample: Sample) -> Value {
    match samples.text(row) {
        Some(text) => json!(text),
        None => json!(Some(sample.value).filter(|value| value.is_finite())),
    }
}

/// Compares what was found with expected lines of JSON, in order. Numbers may be written as 1 or 1.0.
pub fn compare(expected: &str, found: &[Value], members: Members) -> Result<(), Deviation> {
    let rows = expected.lines().filter(|line| !line.trim().is_empty());
    let rows = rows.map(|line| {
        serde_json::from_str::<Map<String, Value>>(line).map_err(|err| Deviation(format!("{line}: {err}")))
    });
    let expected = rows.collect::<Result<Vec<_>, _>>()?;
    let is_same = |(found, expected): (&Value, &Map<String, Value>)| {
        let is_whole = members == Members::Listed || found.as_object().map(Map::len) == Some(expected.len());
        is_whole && expected.iter().all(|(name, value)| found.get(name).is_some_and(|found| same(found, value)))
    };
    if found.len() == expected.len() && found.iter().zip(&expected).all(is_same) {
        return Ok(());
    }
    let mut text = String::from("samples (- expected, + found):");
    for row in 0..found.len().max(expected.len()) {
        let (found, expected) = (found.get(row), expected.get(row));
        if let Some((found, _)) = found.zip(expected).filter(|pair| is_same(*pair)) {
            text += &format!("\n  {found}");
            continue;
        }
        if let Some(expected) = expected {
            text += &format!("\n- {}", Value::from(expected.clone()));
        }
        if let Some(found) = found {
            text += &format!("\n+ {found}");
        }
    }
    Err(Deviation(text))
}

fn same(a: &Value, b: &Value) -> bool {
    let is_whole = |value: &Value| value.is_u64() || value.is_i64();
    match (a.as_f64(), b.as_f64()) {
        (Some(one), Some(other)) if !(is_whole(a) && is_whole(b)) => one == other,
        _ => a == b,
    }
}
