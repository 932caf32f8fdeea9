//! Settings that the types alone cannot refuse.

use tutin_sdk::settings::{check_id, within, wrong};
use tutin_sdk::{Failure, State};

use crate::settings::{KnownPoint, MessageRule, Settings, ValueRule};

const MOST_KNOWN: usize = 5_000;

/// Everything that stands for itself.
pub fn settings(settings: &Settings) -> Result<(), Failure> {
    within("stale_after_s", settings.stale_after_s, 1, 604_800)?;
    within("most_discovered", settings.most_discovered, 0, 60_000)?;
    within("oldest_days", settings.oldest_days, 1, 36_500)?;
    within("qos", settings.qos.into(), 0, 2)?;
    if settings.retained_without_time == State::Valid {
        return Err(wrong("retained_without_time", "a value of unknown age cannot be valid"));
    }
    known_points(&settings.points)
}

/// The rules, those of a preset included.
pub fn rules(rules: &[MessageRule]) -> Result<(), Failure> {
    if rules.is_empty() {
        return Err(wrong("messages", "no rule and no preset: nothing could be read"));
    }
    for (at, rule) in rules.iter().enumerate() {
        let member = format!("messages[{at}]");
        match (&rule.time, rule.time_format) {
            (Some(_), None) => return Err(wrong(&format!("{member}.time_format"), "is needed with time")),
            (None, Some(_)) => return Err(wrong(&format!("{member}.time"), "is needed with time_format")),
            _ => {}
        }
        if rule.values.is_empty() {
            return Err(wrong(&format!("{member}.values"), "is empty"));
        }
        for (number, values) in rule.values.iter().enumerate() {
            value_rule(rule, values, &format!("{member}.values[{number}]"))?;
        }
    }
    Ok(())
}

fn value_rule(rule: &MessageRule, values: &ValueRule, member: &str) -> Result<(), Failure> {
    let filled: Vec<&str> = rule
        .topic
        .placeholders()
        .chain(rule.records.placeholders())
        .chain(rule.captures.keys().map(String::as_str))
        .chain(values.select.placeholders())
        .chain(values.captures.keys().map(String::as_str))
        .collect();
    if let Some(unfilled) = values.id.placeholders().find(|name| !filled.contains(name)) {
        let why = match filled.as_slice() {
            [] => format!("nothing fills {{{unfilled}}}: the rule has no placeholder"),
            filled => format!("nothing fills {{{unfilled}}}: the rule has {}", filled.join(", ")),
        };
        return Err(wrong(&format!("{member}.id"), why));
    }
    match values.error_states.iter().find(|(_, state)| **state == State::Valid) {
        Some((error, _)) => {
            Err(wrong(&format!("{member}.error_states.{error}"), "what has an error has no value, and cannot be valid"))
        }
        None => Ok(()),
    }
}

fn known_points(points: &[KnownPoint]) -> Result<(), Failure> {
    if points.len() > MOST_KNOWN {
        return Err(wrong("points", format_args!("at most {MOST_KNOWN}")));
    }
    let name = |point: &KnownPoint| point.name.clone().unwrap_or_else(|| point.id.clone());
    for (at, point) in points.iter().enumerate() {
        check_id(&format!("points[{at}].id"), &point.id)?;
        for other in points.iter().take(at) {
            if other.id == point.id {
                return Err(wrong(&format!("points[{at}].id"), format_args!("{:?} is there twice", point.id)));
            }
            if name(other) == name(point) {
                return Err(wrong(&format!("points[{at}].name"), format_args!("{:?} is there twice", name(point))));
            }
        }
    }
    Ok(())
}
