//! Settings that are wrong in each member, made from the driver's own schema.

use serde_json::{Value, json};

use super::Trial;
use super::report::Outcome;
use crate::plugin::{self, Failure, OpenError};

/// One mistake in the settings.
struct Mistake {
    /// What is wrong, for people.
    what: String,
    /// Word that the driver's answer must have, so that somebody finds it.
    member: String,
    settings: Value,
}

pub(super) async fn each_is_checked(trial: &Trial<'_>) -> Outcome {
    let actor = match trial.actor().await {
        Ok(actor) => actor,
        Err(outcome) => return outcome,
    };
    let spec = actor.stage.single.spec.clone();
    let description = match spec.plugin.description(&spec.limits).await {
        Ok(description) => description,
        Err(error) => return Outcome::Failed(vec![error.to_string()]),
    };
    let schema: Value = serde_json::from_str(&description.settings).unwrap_or_default();
    let good: Value = serde_json::from_str(&spec.settings).unwrap_or_else(|_| json!({}));
    let mistakes = mistakes(&schema, &good);
    let mut faults = Vec::new();
    for Mistake { what, member, settings } in &mistakes {
        let spec = plugin::DeviceSpec { settings: settings.to_string(), ..spec.clone() };
        match plugin::open(&spec).await {
            Ok(_) => faults.push(format!("{what}: it takes that")),
            Err(OpenError::Failure(Failure::Settings(text))) if text.contains(member.as_str()) => {}
            Err(OpenError::Failure(Failure::Settings(text))) => {
                faults.push(format!("{what}: its answer does not name the member: {text}"));
            }
            Err(OpenError::Failure(failure)) => {
                faults.push(format!(
                    "{what}: it answers with code {} where 3 (settings) is meant: {failure}",
                    failure.code()
                ));
            }
            Err(error) => faults.push(format!("{what}: {}", crate::hub::describe(&error))),
        }
    }
    Outcome::of(faults, format!("{} mistakes, each refused by name", mistakes.len()))
}

/// A mistake for each member: another type, a word that is no choice, a number beyond the range, missing where it is required; and a member
/// that does not exist.
fn mistakes(schema: &Value, good: &Value) -> Vec<Mistake> {
    let none = serde_json::Map::new();
    let members = schema["properties"].as_object().unwrap_or(&none);
    let with = |name: &str, value: Value| {
        let mut settings = good.clone();
        if let Some(object) = settings.as_object_mut() {
            object.insert(name.to_owned(), value);
        }
        settings
    };
    let mut mistakes = vec![Mistake {
        what: "a member that does not exist".into(),
        member: "not_a_setting".into(),
        settings: with("not_a_setting", json!(1)),
    }];
    for (name, member) in members {
        let mistake =
            |what: &str, settings| Mistake { what: format!("{name}: {what}"), member: name.clone(), settings };
        let member = resolved(schema, member);
        if let Some((what, wrong)) = wrong_type(schema, member) {
            mistakes.push(mistake(what, with(name, wrong)));
        }
        if let Some(highest) = member["maximum"].as_f64() {
            mistakes.push(mistake("beyond its maximum", with(name, beyond(member, highest, 1.0))));
        }
        if let Some(lowest) = member["minimum"].as_f64() {
            mistakes.push(mistake("below its minimum", with(name, beyond(member, lowest, -1.0))));
        }
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let mut settings = good.clone();
        let was_there = settings.as_object_mut().is_some_and(|object| object.shift_remove(name).is_some());
        if was_there {
            mistakes.push(Mistake { what: format!("{name}: missing"), member: name.to_owned(), settings });
        }
    }
    mistakes
}

fn beyond(member: &Value, bound: f64, by: f64) -> Value {
    if member["type"] == "integer" { json!((bound + by) as i64) } else { json!(bound + by) }
}

/// The schema of a member, references followed.
fn resolved<'a>(schema: &'a Value, member: &'a Value) -> &'a Value {
    let target = member["$ref"].as_str().and_then(|path| schema.pointer(path.trim_start_matches('#')));
    target.map_or(member, |target| resolved(schema, target))
}

/// A value of a type that the member does not take.
fn wrong_type(schema: &Value, member: &Value) -> Option<(&'static str, Value)> {
    let kinds = kinds(schema, member);
    let has = |kind: &str| kinds.iter().any(|known| known == kind);
    let candidates = [
        ("string", json!("no such word")),
        ("boolean", json!(true)),
        ("number", json!(-1.5)),
        ("array", json!([])),
        ("object", json!({})),
    ];
    // A word that is none of the choices is the nearest mistake.
    if has("choice") {
        return Some(("a word that is none of its choices", json!("no such word")));
    }
    if kinds.is_empty() {
        return None;
    }
    let wrong = candidates.into_iter().find(|(kind, _)| !has(kind) && (*kind != "number" || !has("integer")));
    wrong.map(|(kind, value)| match kind {
        "string" => ("a text", value),
        "boolean" => ("true", value),
        "number" => ("a number", value),
        "array" => ("a list", value),
        _ => ("a table", value),
    })
}

/// What a member takes: JSON types, and `choice` for a list of words.
fn kinds(schema: &Value, member: &Value) -> Vec<String> {
    let member = resolved(schema, member);
    let mut kinds = Vec::new();
    match &member["type"] {
        Value::String(kind) => kinds.push(kind.clone()),
        Value::Array(list) => kinds.extend(list.iter().filter_map(Value::as_str).map(str::to_owned)),
        _ => {}
    }
    for list in ["oneOf", "anyOf", "allOf"] {
        kinds.extend(member[list].as_array().into_iter().flatten().flat_map(|part| self::kinds(schema, part)));
    }
    let is_word = |value: &Value| value.is_string();
    if member["enum"].as_array().is_some_and(|list| list.iter().all(is_word)) || is_word(&member["const"]) {
        kinds.retain(|kind| kind != "string");
        kinds.push("choice".into());
    }
    kinds.retain(|kind| kind != "null");
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_member_gets_a_value_that_it_cannot_take() {
        let schema = json!({
            "properties": {
                "model": { "$ref": "#/$defs/model" },
                "range": { "type": "integer", "minimum": 1, "maximum": 3 },
                "points": { "type": ["array", "null"] },
                "free": {},
            },
            "required": ["model"],
            "$defs": { "model": { "oneOf": [{ "const": "T200", "type": "string" }, { "const": "T300", "type": "string" }] } },
        });
        let whats: Vec<_> =
            mistakes(&schema, &json!({ "model": "T200" })).into_iter().map(|m| (m.what, m.settings)).collect();
        let expected = [
            ("a member that does not exist", json!({ "model": "T200", "not_a_setting": 1 })),
            ("model: a word that is none of its choices", json!({ "model": "no such word" })),
            ("range: a text", json!({ "model": "T200", "range": "no such word" })),
            ("range: beyond its maximum", json!({ "model": "T200", "range": 4 })),
            ("range: below its minimum", json!({ "model": "T200", "range": 0 })),
            ("points: a text", json!({ "model": "T200", "points": "no such word" })),
            ("model: missing", json!({})),
        ];
        assert_eq!(whats, expected.map(|(what, settings)| (what.to_owned(), settings)));
    }
}
