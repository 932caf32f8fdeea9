//! From a payload to findings: what a message says of which point.
//!
//! Invariant: a finding without a value has a state that says why, and nothing in a payload is an error for more than its own point.

use std::collections::BTreeMap;

use serde_json::Value;
use tutin_sdk::{State, Timestamp};

use crate::complaints::cut;
use crate::path::Path;
use crate::settings::{DeviceStateRule, Format, MessageRule, ValueRule};
use crate::topic::Captures;

/// What a message says of one point.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Name of the point as the rule makes it.
    pub name: String,
    /// What the placeholders met.
    pub captures: Captures,
    /// What was found.
    pub outcome: Outcome,
    /// State by quality or error.
    pub state: State,
    /// The sender's own code of quality or error, when it is a whole number.
    pub status: u64,
    /// The time in the record.
    pub time: Option<Timestamp>,
    /// The unit in the message.
    pub unit: Option<String>,
    /// Why something is wrong, for the log.
    pub complaint: Option<String>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// No value.
    Nothing,
}

/// The payload as a document, or why it is none.
pub fn document(payload: &[u8], format: Format) -> Result<Value, String> {
    let text = std::str::from_utf8(payload).map_err(|_| format!("{} bytes that are no UTF-8 text", payload.len()))?;
    match format {
        Format::Json => serde_json::from_str(text).map_err(|err| format!("no JSON: {err}: {}", cut(text))),
        Format::Plain => Ok(plain(text.trim())),
    }
}

fn plain(text: &str) -> Value {
    match (text, text.parse::<f64>()) {
        ("true", _) => Value::Bool(true),
        ("false", _) => Value::Bool(false),
        // A number that is not finite has no JSON.
        (_, Ok(number)) => serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number),
        _ => Value::String(text.to_owned()),
    }
}

/// Everything that the rule finds in a document.
pub fn findings(rule: &MessageRule, document: &Value, topic: &Captures) -> Vec<Finding> {
    let leads = |path: &Path| path.first(document).is_some();
    if !rule.when.iter().all(leads) || rule.unless.iter().any(leads) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let records = rule.records.select(document, topic);
    for (record, mut captures) in records {
        capture(&rule.captures, record, &mut captures);
        let time = rule.time.as_ref().zip(rule.time_format);
        let at = time.as_ref().map(|(path, format)| path.first(record).and_then(|value| format.read(value)));
        let untimed = at.is_some_and(|at| at.is_none()).then(|| "the record has no time that can be read".to_owned());
        for values in &rule.values {
            values_of(values, record, &captures, &mut findings, |mut finding| {
                finding.time = at.flatten();
                finding.complaint = finding.complaint.or_else(|| untimed.clone());
                finding
            });
        }
    }
    // Records may stand in any order; points are told their oldest first.
    findings.sort_by_key(|finding| finding.time);
    findings
}

fn values_of(
    rule: &ValueRule,
    record: &Value,
    captures: &Captures,
    findings: &mut Vec<Finding>,
    finish: impl Fn(Finding) -> Finding,
) {
    let places = rule.select.select(record, captures);
    if places.is_empty() && rule.select.is_single() && !rule.optional {
        if let Some(name) = rule.id.render(captures) {
            findings.push(finish(Finding::fault(name, captures.clone(), format!("{} leads nowhere", rule.select))));
        }
        return;
    }
    for (place, mut captures) in places {
        capture(&rule.captures, place, &mut captures);
        let Some(name) = rule.id.render(&captures) else { continue };
        let found = found(rule, place, name, captures);
        findings.extend(found.map(&finish));
    }
}

fn found(rule: &ValueRule, place: &Value, name: String, captures: Captures) -> Option<Finding> {
    let unit = rule.unit.as_ref().and_then(|path| path.first(place)).and_then(Value::as_str).map(str::to_owned);
    let mut finding = Finding { unit, ..Finding::empty(name, captures) };
    if let Some(error) = rule.error.as_ref().and_then(|path| path.first(place)).filter(|error| is_error(error)) {
        let word = word(error);
        finding.state = rule.error_states.get(&word).copied().unwrap_or(State::Fault);
        finding.status = whole(error);
        finding.complaint = Some(format!("the sender reports error {}", cut(&word)));
        return Some(finding);
    }
    if let Some(quality) = &rule.quality {
        let said = quality.path.first(place);
        finding.state =
            said.map_or(quality.absent, |said| quality.states.get(&word(said)).copied().unwrap_or(quality.otherwise));
        finding.status = said.map_or(0, whole);
    }
    match rule.value.first(place) {
        // An error of 0 with nothing else beside it is no value of 0.
        Some(_) if rule.error.as_ref() == Some(&rule.value) => return None,
        None if rule.optional => return None,
        None => {
            finding.state = finding.state.or_worse(State::Fault);
            finding.complaint = Some(format!("{} leads nowhere", rule.value));
        }
        Some(Value::Null) => {
            finding.state = if finding.state == State::Valid { State::Missing } else { finding.state };
        }
        Some(Value::Number(number)) => finding.outcome = Outcome::Number(number.as_f64().unwrap_or(f64::NAN)),
        Some(Value::Bool(value)) => finding.outcome = Outcome::Number(f64::from(u8::from(*value))),
        Some(Value::String(text)) => {
            let number = text.trim().parse().ok().filter(|_| rule.text_numbers);
            finding.outcome = number.map_or_else(|| Outcome::Text(text.clone()), Outcome::Number);
        }
        Some(other) => {
            finding.state = finding.state.or_worse(State::Fault);
            let kind = if other.is_array() { "an array" } else { "an object" };
            finding.complaint = Some(format!("{} is {kind}, not a value", rule.value));
        }
    }
    Some(finding)
}

/// The word that a device state message says, and the state that it means.
pub fn device_state(rule: &DeviceStateRule, payload: &[u8]) -> (String, State) {
    let said = document(payload, rule.format).ok().and_then(|document| rule.value.first(&document).map(word));
    match said {
        Some(word) => {
            let state = rule.states.get(&word).copied().unwrap_or(rule.otherwise);
            (word, state)
        }
        None => (String::new(), rule.otherwise),
    }
}

impl Finding {
    fn empty(name: String, captures: Captures) -> Self {
        Finding {
            name,
            captures,
            outcome: Outcome::Nothing,
            state: State::Valid,
            status: 0,
            time: None,
            unit: None,
            complaint: None,
        }
    }

    /// A point without a value, and why.
    pub fn fault(name: String, captures: Captures, why: String) -> Self {
        Finding { state: State::Fault, complaint: Some(why), ..Finding::empty(name, captures) }
    }
}

fn capture(paths: &BTreeMap<String, Path>, place: &Value, captures: &mut Captures) {
    for (name, path) in paths {
        if let Some(value) = path.first(place) {
            captures.insert(name.clone(), word(value));
        }
    }
}

fn is_error(value: &Value) -> bool {
    !(value.is_null() || value == &Value::Bool(false) || value.as_f64() == Some(0.0))
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn whole(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_i64().map(i64::cast_unsigned)).unwrap_or_default()
}
