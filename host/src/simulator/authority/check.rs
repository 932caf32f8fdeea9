//! What an object must have to be accepted.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

use crate::time::Timestamp;

/// A member that must be there. As text: `name`, `name:kind`, or `this|that:kind` when either will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// Any of these names; the first that is there counts.
    pub names: Vec<String>,
    /// What its value must be.
    pub kind: Kind,
}

/// What the value of a member must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Anything.
    Any,
    /// A text that is not empty.
    Text,
    /// A number; or `null` in an object whose `state` says that there is no valid value.
    Number,
    /// A text with an RFC 3339 moment.
    Time,
}

/// Why a text is no requirement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no requirement: it is written name:kind or this|that:kind, with kind any, text, number or time")]
pub struct RequirementError(String);

/// Why an object does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) member: String,
    pub(super) message: String,
}

/// What an average must have when nothing else is said.
pub(super) const AVERAGE: [&str; 4] = ["source:text", "parameter:text", "start:time", "mean|value:number"];

impl Requirement {
    pub(super) fn check(&self, object: &Map<String, Value>) -> Result<(), Problem> {
        let found = self.names.iter().find_map(|name| object.get(name).map(|value| (name, value)));
        let Some((name, value)) = found else {
            let member = self.names.join(" or ");
            return Err(Problem { message: format!("member {member} is missing"), member });
        };
        if self.kind.admits(value, object) {
            return Ok(());
        }
        let message = format!("member {name} must be {}, not {value}", self.kind);
        Err(Problem { message, member: name.clone() })
    }
}

impl Kind {
    fn admits(self, value: &Value, object: &Map<String, Value>) -> bool {
        match (self, value) {
            (Kind::Any, _) | (Kind::Number, Value::Number(_)) => true,
            (Kind::Number, Value::Null) => {
                object.get("state").and_then(Value::as_str).is_some_and(|state| state != "valid")
            }
            (Kind::Text, Value::String(text)) => !text.is_empty(),
            (Kind::Time, Value::String(text)) => text.parse::<Timestamp>().is_ok(),
            _ => false,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Any => "anything",
            Kind::Text => "a text that is not empty",
            Kind::Number => "a number, or null beside a state other than valid",
            Kind::Time => "an RFC 3339 time",
        })
    }
}

impl FromStr for Requirement {
    type Err = RequirementError;

    fn from_str(text: &str) -> Result<Self, RequirementError> {
        let (names, kind) = text.split_once(':').unwrap_or((text, "any"));
        let kind = match kind {
            "any" => Kind::Any,
            "text" => Kind::Text,
            "number" => Kind::Number,
            "time" => Kind::Time,
            _ => return Err(RequirementError(text.into())),
        };
        let names: Vec<String> = names.split('|').map(str::to_owned).collect();
        if names.iter().any(String::is_empty) {
            return Err(RequirementError(text.into()));
        }
        Ok(Requirement { names, kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(object: &str, problem: Option<&str>) {
        let object: Map<String, Value> = serde_json::from_str(object).unwrap();
        let first = AVERAGE
            .iter()
            .find_map(|text| text.parse::<Requirement>().unwrap().check(&object).err())
            .map(|problem| problem.member);
        assert_eq!(first.as_deref(), problem, "{object:?}");
    }

    #[test]
    fn an_object_is_refused_by_the_member_that_does_not_hold() {
        let start = r#""start": "2026-11-01T03:00:00Z""#;
        check(&format!(r#"{{"source": "s", "parameter": "NO2", {start}, "mean": 1.5}}"#), None);
        check(&format!(r#"{{"source": "s", "parameter": "NO2", {start}, "value": 2}}"#), None);
        check(&format!(r#"{{"parameter": "NO2", {start}, "mean": 1.5}}"#), Some("source"));
        check(&format!(r#"{{"source": "", "parameter": "NO2", {start}, "mean": 1.5}}"#), Some("source"));
        check(&format!(r#"{{"source": "s", "parameter": 2, {start}, "mean": 1.5}}"#), Some("parameter"));
        check(r#"{"source": "s", "parameter": "NO2", "start": "yesterday", "mean": 1.5}"#, Some("start"));
        check(&format!(r#"{{"source": "s", "parameter": "NO2", {start}}}"#), Some("mean or value"));
        check(&format!(r#"{{"source": "s", "parameter": "NO2", {start}, "mean": "1.5"}}"#), Some("mean"));
    }

    #[test]
    fn no_value_is_accepted_only_with_a_state_that_says_why() {
        let object = |state: &str| {
            format!(r#"{{"source": "s", "parameter": "p", "start": "2026-11-01T03:00:00Z", "mean": null{state}}}"#)
        };

        check(&object(r#", "state": "comm_error""#), None);
        check(&object(r#", "state": "valid""#), Some("mean"));
        check(&object(""), Some("mean"));
    }

    #[test]
    fn a_text_that_is_no_requirement_is_refused() {
        for text in ["", "a|", "a:integer", ":text"] {
            assert!(text.parse::<Requirement>().is_err(), "{text}");
        }
    }
}
