//! Settings that are wrong in each member, made from the driver's own schema.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::Trial;
use super::report::Outcome;
use crate::plugin::{self, Failure, OpenError};

/// Most mistakes that are tried, those near the top first: each opens the driver.
const MOST: usize = 500;
/// A member that no driver has.
const UNKNOWN: &str = "not_a_setting";

/// One mistake in the settings.
struct Mistake {
    /// What is wrong, for people.
    what: String,
    /// Word that the driver's answer must have, so that somebody finds it.
    member: String,
    settings: Value,
}

/// A member or an element of the settings.
struct Place<'a> {
    /// JSON pointer to it.
    pointer: String,
    /// The same for people: `points[0].id`.
    shown: String,
    /// Its name; of an element that of its list.
    name: String,
    schema: &'a Value,
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
    let mut mistakes = mistakes(&schema, &good);
    let left_out = mistakes.len().saturating_sub(MOST);
    mistakes.truncate(MOST);
    let mut faults = Vec::new();
    for Mistake { what, member, settings } in &mistakes {
        let spec = plugin::DeviceSpec { settings: settings.to_string(), ..spec.clone() };
        match plugin::open(&spec).await {
            Ok(_) => faults.push(format!("{what}: it takes that")),
            Err(OpenError::Failure(Failure::Settings(text))) if names(&text, member) => {}
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
    let more = if left_out > 0 { format!("; {left_out} more were not tried") } else { String::new() };
    Outcome::of(faults, format!("{} mistakes, each refused by name{more}", mistakes.len()))
}

/// A mistake for each member, and for each of the tables and lists that the good settings have below: another type, a word that is no choice, a
/// number beyond the range, missing where it is required; and a member that does not exist. Of a list the first element counts.
fn mistakes(schema: &Value, good: &Value) -> Vec<Mistake> {
    let root = Place { pointer: String::new(), shown: String::new(), name: String::new(), schema };
    let (mut places, mut mistakes) = (VecDeque::from([root]), Vec::new());
    while let Some(place) = places.pop_front() {
        mistakes.extend(place.wrong_values(schema, good));
        mistakes.extend(place.wrong_members(schema, good));
        places.extend(place.below(schema, good));
    }
    mistakes
}

impl<'a> Place<'a> {
    /// Something else stands here.
    fn wrong_values(&self, root: &Value, good: &Value) -> Vec<Mistake> {
        if self.pointer.is_empty() {
            return Vec::new();
        }
        let schema = resolved(root, self.schema);
        let is_whole = kinds(root, schema).iter().any(|kind| kind == "integer");
        let (highest, lowest) = (schema["maximum"].as_f64(), schema["minimum"].as_f64());
        let beyond = highest.map(|highest| ("beyond its maximum", number(highest + 1.0, is_whole)));
        let below = lowest.map(|lowest| ("below its minimum", number(lowest - 1.0, is_whole)));
        let wrong = wrong_type(root, schema).into_iter().chain(beyond).chain(below);
        wrong.map(|(what, value)| self.mistake(&self.name, what, with(good, &self.pointer, value))).collect()
    }

    /// Of the table that stands here a member is missing, or there is one too many.
    fn wrong_members(&self, root: &Value, good: &Value) -> Vec<Mistake> {
        let Some(here @ Value::Object(table)) = good.pointer(&self.pointer) else { return Vec::new() };
        let schema = fitting(root, self.schema, here);
        let is_open = schema["additionalProperties"].is_object() || schema["additionalProperties"] == true;
        let is_closed = schema["properties"].is_object() && !is_open;
        let mut mistakes = Vec::new();
        if is_closed || self.pointer.is_empty() {
            let settings = with(good, &format!("{}/{UNKNOWN}", self.pointer), json!(1));
            mistakes.push(self.mistake(UNKNOWN, "a member that does not exist", settings));
        }
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for name in required.filter(|name| table.contains_key(*name)) {
            let mut settings = good.clone();
            if let Some(Value::Object(table)) = settings.pointer_mut(&self.pointer) {
                table.shift_remove(name);
            }
            mistakes.push(self.member(name, self.schema).mistake(name, "missing", settings));
        }
        mistakes
    }

    /// What is in the table or the list that stands here.
    fn below(&self, root: &'a Value, good: &Value) -> Vec<Place<'a>> {
        let Some(here) = good.pointer(&self.pointer) else { return Vec::new() };
        let schema = fitting(root, self.schema, here);
        match here {
            Value::Object(_) => {
                let members = schema["properties"].as_object().into_iter().flatten();
                members.map(|(name, schema)| self.member(name, schema)).collect()
            }
            Value::Array(list) if !list.is_empty() && schema["items"].is_object() => vec![Place {
                pointer: format!("{}/0", self.pointer),
                shown: format!("{}[0]", self.shown),
                name: self.name.clone(),
                schema: &schema["items"],
            }],
            _ => Vec::new(),
        }
    }

    fn member(&self, name: &str, schema: &'a Value) -> Place<'a> {
        let dot = if self.shown.is_empty() { "" } else { "." };
        let escaped = name.replace('~', "~0").replace('/', "~1");
        Place {
            pointer: format!("{}/{escaped}", self.pointer),
            shown: format!("{}{dot}{name}", self.shown),
            name: name.to_owned(),
            schema,
        }
    }

    fn mistake(&self, member: &str, what: &str, settings: Value) -> Mistake {
        let what = if self.shown.is_empty() { what.to_owned() } else { format!("{}: {what}", self.shown) };
        Mistake { what, member: member.to_owned(), settings }
    }
}

/// The good settings with another value in one place, which may be a new member of a table.
fn with(good: &Value, pointer: &str, value: Value) -> Value {
    let mut settings = good.clone();
    if let Some(place) = settings.pointer_mut(pointer) {
        *place = value;
    } else if let Some((table, name)) = pointer.rsplit_once('/')
        && let Some(Value::Object(table)) = settings.pointer_mut(table)
    {
        table.insert(name.replace("~1", "/").replace("~0", "~"), value);
    }
    settings
}

fn number(number: f64, is_whole: bool) -> Value {
    if is_whole { json!(number as i64) } else { json!(number) }
}

/// Whether a text has this name as a word of its own: `id` is not in "invalid".
fn names(text: &str, name: &str) -> bool {
    let is_part = |of: Option<char>| of.is_some_and(|it| it.is_alphanumeric() || it == '_');
    text.match_indices(name).any(|(at, _)| {
        let (before, after) = (text.get(..at).unwrap_or_default(), text.get(at + name.len()..).unwrap_or_default());
        !is_part(before.chars().next_back()) && !is_part(after.chars().next())
    })
}

/// The part of a member's schema that its value follows: of alternatives the only one that takes such a value.
fn fitting<'a>(root: &'a Value, member: &'a Value, value: &Value) -> &'a Value {
    let member = resolved(root, member);
    let kind = if value.is_array() { "array" } else { "object" };
    let parts = ["oneOf", "anyOf", "allOf"].into_iter().flat_map(|list| member[list].as_array().into_iter().flatten());
    let mut parts = parts.filter(|part| kinds(root, part).iter().any(|of| of == kind));
    match (parts.next(), parts.next()) {
        (Some(only), None) => fitting(root, only, value),
        _ => member,
    }
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

    fn check(schema: &Value, good: &Value, expected: &[(&str, Value)]) {
        let found: Vec<_> = mistakes(schema, good).into_iter().map(|m| (m.what, m.member, m.settings)).collect();
        let expected = expected.iter().map(|(what, settings)| {
            let place = what.rsplit_once(": ").map_or(UNKNOWN, |(place, _)| place);
            let name = place.trim_end_matches("[0]").rsplit('.').next().unwrap_or(place);
            let name = if what.ends_with("does not exist") { UNKNOWN } else { name };
            ((*what).to_owned(), name.to_owned(), settings.clone())
        });
        assert_eq!(found, expected.collect::<Vec<_>>());
    }

    #[test]
    fn each_member_gets_a_value_that_it_cannot_take() {
        let schema = json!({
            "properties": {
                "model": { "$ref": "#/$defs/model" },
                "range": { "type": ["integer", "null"], "minimum": 1, "maximum": 3 },
                "points": { "type": ["array", "null"] },
                "free": {},
            },
            "required": ["model"],
            "$defs": { "model": { "oneOf": [{ "const": "T200", "type": "string" }, { "const": "T300", "type": "string" }] } },
        });
        check(
            &schema,
            &json!({ "model": "T200" }),
            &[
                ("a member that does not exist", json!({ "model": "T200", "not_a_setting": 1 })),
                ("model: missing", json!({})),
                ("model: a word that is none of its choices", json!({ "model": "no such word" })),
                ("range: a text", json!({ "model": "T200", "range": "no such word" })),
                ("range: beyond its maximum", json!({ "model": "T200", "range": 4 })),
                ("range: below its minimum", json!({ "model": "T200", "range": 0 })),
                ("points: a text", json!({ "model": "T200", "points": "no such word" })),
            ],
        );
    }

    #[test]
    fn tables_and_first_elements_of_lists_are_made_wrong_within() {
        let schema = json!({
            "properties": {
                "points": { "type": "array", "items": { "$ref": "#/$defs/point" } },
                "names": { "type": "object", "additionalProperties": { "type": "string" } },
            },
            "$defs": {
                "point": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": { "a/b": { "type": "integer" }, "limit": { "anyOf": [{ "$ref": "#/$defs/limit" }, { "type": "null" }] } },
                    "required": ["a/b"],
                },
                "limit": { "type": "object", "properties": { "high": { "type": "number" } } },
            },
        });
        let with = |point: Value| json!({ "points": [point, "second"], "names": { "x": "y" } });
        let point = |a: Value, high: Value| with(json!({ "a/b": a, "limit": { "high": high } }));
        let one = json!(1);
        check(
            &schema,
            &point(one.clone(), one.clone()),
            &[
                ("a member that does not exist", {
                    let mut settings = point(one.clone(), one.clone());
                    settings["not_a_setting"] = one.clone();
                    settings
                }),
                ("points: a text", json!({ "points": "no such word", "names": { "x": "y" } })),
                (
                    "names: a text",
                    json!({ "points": [{ "a/b": 1, "limit": { "high": 1 } }, "second"], "names": "no such word" }),
                ),
                ("points[0]: a text", with(json!("no such word"))),
                (
                    "points[0]: a member that does not exist",
                    with(json!({ "a/b": 1, "limit": { "high": 1 }, "not_a_setting": 1 })),
                ),
                ("points[0].a/b: missing", with(json!({ "limit": { "high": 1 } }))),
                ("points[0].a/b: a text", point(json!("no such word"), one.clone())),
                ("points[0].limit: a text", with(json!({ "a/b": 1, "limit": "no such word" }))),
                (
                    "points[0].limit: a member that does not exist",
                    with(json!({ "a/b": 1, "limit": { "high": 1, "not_a_setting": 1 } })),
                ),
                ("points[0].limit.high: a text", point(one.clone(), json!("no such word"))),
            ],
        );
    }

    #[test]
    fn a_name_counts_where_it_is_a_word() {
        for (text, is_named) in [
            ("settings.points[0].id: invalid type", true),
            ("missing field `id`", true),
            ("invalid type: string", false),
            ("unit_id: must be 0 to 255", false),
        ] {
            assert_eq!(names(text, "id"), is_named, "{text}");
        }
    }
}
