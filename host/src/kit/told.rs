//! What came of a step, as lines of JSON, and their comparison with those that are expected.
//!
//! ```text
//! {"step":1,"point":"no2","value":12.5,"unit":"[ppb]","state":"valid","status":16384}
//! {"step":2,"failure":{"code":1,"text":"R: timeout after 300 ms"}}
//! {"step":3,"answer":"zero gas flows for 5 min"}
//! {"step":4,"written":"coil 20 = 1"}
//! {"step":5,"acknowledged":"##0087QN=1;…<CR><LF>"}
//! ```
//!
//! `value` is a number, a text, or null; NaN and infinities are the texts `NaN`, `inf` and `-inf`. `status`, `qualifiers` and `time`
//! stand only where the driver gave them, and `time` not where it is that of the play itself. `written` is what a Modbus device was told to
//! change, `acknowledged` what the instrument on a byte stream got once the samples of the step were durable, and not before.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use crate::capability::wire::printable;
use crate::reading::{Reading, Value};
use crate::time::Timestamp;

/// One line.
pub type Line = Map<String, Json>;

/// When a step was played.
#[derive(Debug, Clone)]
pub struct Moment {
    /// The time of its poll.
    pub poll: Timestamp,
    /// From the time that its first frame can have come to that of its last.
    pub span: RangeInclusive<Timestamp>,
    /// Times that the case itself gives to values.
    pub own: Arc<HashSet<Timestamp>>,
}

impl Moment {
    /// One at which everything was said.
    pub fn at(poll: Timestamp) -> Self {
        Moment { poll, span: poll..=poll, own: Arc::default() }
    }

    /// Whether a time is that of the play, not of the instrument: the poll's, or one at which something came. Instruments tell no fractions of a
    /// millisecond, the machine's clock does.
    fn has(&self, time: Timestamp) -> bool {
        !self.own.contains(&time) && (time == self.poll || self.span.contains(&time) && time.0 % 1_000_000 != 0)
    }
}

/// A reading of a step. Times of the play are left out: they are others each time.
pub fn reading(step: usize, reading: &Reading<'_>, moment: &Moment) -> Line {
    let value = match reading.value {
        Value::Number(number) if number.is_finite() => json!(number),
        Value::Number(number) => json!(number.to_string()),
        Value::Text(text) => json!(text),
        Value::None => Json::Null,
    };
    let qualifiers = Some(reading.qualifiers.0).filter(|bits| *bits != 0);
    let time = Some(reading.sampled_at).filter(|time| !moment.has(*time) && *time != reading.received_at);
    let members = [
        ("step", Some(json!(step))),
        ("point", Some(json!(reading.point.id))),
        ("value", Some(value)),
        ("unit", Some(json!(reading.point.unit))),
        ("state", Some(json!(reading.state))),
        ("status", reading.status.map(|status| json!(status))),
        ("qualifiers", qualifiers.map(|bits| json!(bits))),
        ("time", time.map(|time| json!(time.to_string()))),
    ];
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// A failure that the driver told, without its text where that speaks of the play's own connection: it is another each time.
pub fn failure(step: usize, code: u16, text: &str) -> Line {
    let is_of_the_play = text.contains("127.0.0.1:") || text.contains("(os error ") || text.contains("connection");
    line(step, "failure", if is_of_the_play { json!({ "code": code }) } else { json!({ "code": code, "text": text }) })
}

/// The answer to a command.
pub fn answer(step: usize, text: &str) -> Line {
    line(step, "answer", json!(text))
}

/// What a device was told to change.
pub fn written(step: usize, what: &str) -> Line {
    line(step, "written", json!(what))
}

/// What an instrument got when the step's samples were durable.
pub fn acknowledged(step: usize, frames: &[u8]) -> Line {
    line(step, "acknowledged", json!(printable(frames)))
}

fn line(step: usize, member: &str, value: Json) -> Line {
    [("step".to_owned(), json!(step)), (member.to_owned(), value)].into_iter().collect()
}

/// Reads lines; empty ones do not count.
pub fn parse(text: &str) -> Result<Vec<Line>, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(at, line)| serde_json::from_str(line).map_err(|error| format!("line {}: {error}", at + 1))).collect()
}

/// Writes lines.
pub fn write(lines: &[Line]) -> String {
    lines.iter().map(|line| format!("{}\n", Json::Object(line.clone()))).collect()
}

/// Compares; `None` when what was found is what is expected, else both, line by line. Of each expected line the members count that it has.
pub fn difference(expected: &[Line], found: &[Line]) -> Option<String> {
    let is_same = |(expected, found): (&Line, &Line)| {
        expected.iter().all(|(name, value)| found.get(name).is_some_and(|found| same(found, value)))
    };
    if expected.len() == found.len() && expected.iter().zip(found).all(is_same) {
        return None;
    }
    let mut text = String::from("(- expected, + found)");
    // A line too many or too few shifts only those after it: both are walked by step.
    let steps = expected.iter().chain(found).filter_map(step).collect::<std::collections::BTreeSet<_>>();
    for number in steps {
        let of_step =
            |lines: &[Line]| lines.iter().filter(|line| step(line) == Some(number)).cloned().collect::<Vec<_>>();
        let (expected, found) = (of_step(expected), of_step(found));
        for row in 0..expected.len().max(found.len()) {
            let (expected, found) = (expected.get(row), found.get(row));
            if let Some(found) = found.filter(|found| expected.is_some_and(|expected| is_same((expected, found)))) {
                text += &format!("\n    {}", Json::Object(found.clone()));
                continue;
            }
            for (mark, line) in [("-", expected), ("+", found)] {
                text += &line.map(|line| format!("\n  {mark} {}", Json::Object(line.clone()))).unwrap_or_default();
            }
        }
    }
    Some(text)
}

fn step(line: &Line) -> Option<u64> {
    line.get("step")?.as_u64()
}

/// Numbers may be written as 1 or 1.0; objects are compared by the members that are expected.
fn same(found: &Json, expected: &Json) -> bool {
    let is_whole = |value: &Json| value.is_u64() || value.is_i64();
    match (found, expected) {
        (Json::Object(found), Json::Object(expected)) => {
            expected.iter().all(|(name, value)| found.get(name).is_some_and(|found| same(found, value)))
        }
        (Json::Number(a), Json::Number(b)) if !(is_whole(found) && is_whole(expected)) => a.as_f64() == b.as_f64(),
        _ => found == expected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_members_that_are_expected_count_and_a_difference_shows_both() {
        let read = |text: &str| parse(text).unwrap();
        let found = read(
            "{\"step\":1,\"point\":\"no\",\"value\":1.0,\"state\":\"valid\"}\n{\"step\":2,\"failure\":{\"code\":1,\"text\":\"timeout\"}}",
        );
        let check = |expected: &str, shown: Option<&str>| {
            let difference = difference(&read(expected), &found);
            match (&difference, shown) {
                (Some(text), Some(part)) => assert!(text.contains(part), "{text}"),
                _ => assert_eq!(difference.is_none(), shown.is_none(), "{difference:?}"),
            }
        };
        check("{\"step\":1,\"point\":\"no\",\"value\":1}\n{\"step\":2,\"failure\":{\"code\":1}}", None);
        check(
            "{\"step\":1,\"point\":\"no\",\"value\":2}\n{\"step\":2,\"failure\":{\"code\":1}}",
            Some("- {\"step\":1,\"point\":\"no\",\"value\":2}"),
        );
        check("{\"step\":1,\"point\":\"no\",\"value\":1}", Some("+ {\"step\":2,\"failure\""));
        assert!(parse("{\"step\":1}\n\n{").unwrap_err().starts_with("line 3: "));
    }
}
