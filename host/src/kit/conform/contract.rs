//! What the contract asks of every driver while all is well.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::Trial;
use super::report::Outcome;
use crate::pipeline::units;
use crate::plugin::{self, Failure};
use crate::reading::Point;
use crate::time::Timestamp;

/// Time of the memory that is asked for.
const HOUR: Duration = Duration::from_secs(3_600);
/// Most pages that are looked at.
const PAGES: usize = 20;
/// Polls in a row.
const POLLS: usize = 200;
/// Time for them: a driver that waits for its instrument at each poll makes fewer.
const LONG: Duration = Duration::from_secs(6);
/// Memory that a driver may take after the first quarter of its polls: one page of WebAssembly.
const GROWTH: u64 = 64 << 10;

pub(super) async fn description(trial: &Trial<'_>) -> Outcome {
    let description = match trial.plugin.description(&Default::default()).await {
        Ok(description) => description,
        Err(error) => return Outcome::Failed(vec![error.to_string()]),
    };
    let mut faults = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            faults.push(what.to_owned());
        }
    };
    let is_version = |text: &str| {
        text.split(['-', '+'])
            .next()
            .is_some_and(|core| core.split('.').filter(|part| part.parse::<u64>().is_ok()).count() == 3)
    };
    must(!description.name.is_empty(), "it has no name");
    must(is_version(&description.version), "its version is none such as 0.1.0");
    let schema: Value = serde_json::from_str(&description.settings).unwrap_or_default();
    must(schema.is_object(), "its settings are no JSON Schema");
    must(
        schema.get("additionalProperties") == Some(&Value::Bool(false)),
        "its schema does not say that unknown members are refused (additionalProperties)",
    );
    let none = serde_json::Map::new();
    let members = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    for (name, member) in members {
        must(
            member.get("description").and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty()),
            &format!("setting {name} has no description"),
        );
    }
    for command in &description.commands {
        must(!command.purpose.is_empty(), &format!("command {} does not say what it does", command.name));
        let is_schema = command.arguments.is_empty() || serde_json::from_str::<Value>(&command.arguments).is_ok();
        must(is_schema, &format!("the arguments of command {} are no JSON Schema", command.name));
    }
    for link in &description.links {
        let is_asked = trial.plugin.wanted.iter().any(|wanted| wanted.offer.interface == link.capability);
        must(is_asked, &format!("link {} is opened through {}, which it does not import", link.name, link.capability));
    }
    Outcome::of(faults, format!("{} settings, {} commands", members.len(), description.commands.len()))
}

pub(super) async fn points(trial: &Trial<'_>) -> Outcome {
    let mut actor = match trial.actor().await {
        Ok(actor) => actor,
        Err(outcome) => return outcome,
    };
    // Some instruments name their components only once they answer.
    if let Err(outcome) = trial.read(&mut actor).await {
        return outcome;
    }
    let points = actor.points();
    let unknown = points.iter().filter_map(unknown_unit);
    let unnamed = points.iter().filter(|point| point.label.trim().is_empty());
    let unnamed = unnamed.map(|point| format!("point {} has no label", point.id));
    let faults: Vec<String> = unknown.chain(unnamed).collect();
    Outcome::of(
        faults,
        points.iter().map(|point| point.id.as_str()).take(6).collect::<Vec<_>>().join(", ")
            + if points.len() > 6 { ", …" } else { "" },
    )
}

/// What is wrong with the unit of a point. One without a unit is a count or a text.
fn unknown_unit(point: &Point) -> Option<String> {
    let error = units::check(&point.unit).err().filter(|_| !point.unit.is_empty())?;
    Some(format!("point {}: {error}", point.id))
}

pub(super) async fn commands(trial: &Trial<'_>) -> Outcome {
    let actor = match trial.actor().await {
        Ok(actor) => actor,
        Err(outcome) => return outcome,
    };
    let spec = &actor.stage.single.spec;
    let names = match spec.plugin.description(&spec.limits).await {
        Ok(description) => description.commands.iter().map(|command| command.name.clone()).collect::<Vec<_>>(),
        Err(error) => return Outcome::Failed(vec![error.to_string()]),
    };
    let mut faults = Vec::new();
    let tries = names.iter().map(|name| (name.as_str(), "{ this is no JSON")).chain([("no-such-command", "")]);
    for (name, arguments) in tries {
        let mut opened = match plugin::open(spec).await {
            Ok(opened) => opened,
            Err(error) => return Outcome::Failed(vec![crate::hub::describe(&error)]),
        };
        match (name, opened.driver.command(name, arguments).await) {
            (_, Err(error)) => faults.push(format!("command {name} {arguments:?}: {error}")),
            (_, Ok(Ok(_))) => faults.push(format!("command {name} {arguments:?}: it takes that")),
            ("no-such-command", Ok(Err(Failure::Unsupported(_)))) | (_, Ok(Err(_))) => {}
        }
    }
    faults.extend(actor.stage.written().iter().map(|what| format!("it changed the instrument all the same: {what}")));
    Outcome::of(faults, format!("{} commands, and one that it does not have", names.len()))
}

pub(super) async fn backfill(trial: &Trial<'_>) -> Outcome {
    let mut actor = match trial.actor().await {
        Ok(actor) => actor,
        Err(outcome) => return outcome,
    };
    if let Err(outcome) = trial.read(&mut actor).await {
        return outcome;
    }
    let now = Timestamp::now();
    let (begin, end) = (now.before(HOUR), now);
    let most = actor.stage.single.spec.limits.samples;
    let has_memory = actor.features().backfill();
    let Some(opened) = actor.opened_mut() else { return Outcome::Failed(vec!["there is no driver any more".into()]) };
    let (mut next, mut rows) = (String::new(), 0);
    let mut faults = Vec::new();
    for _ in 0..PAGES {
        match opened.page((begin, end), &next, most).await {
            Err(error) => faults.push(crate::hub::describe(&error)),
            Ok(Err(Failure::Unsupported(_))) if !has_memory => {
                return Outcome::NotApplicable("it says that it has none".into());
            }
            Ok(Err(failure @ (Failure::Settings(_) | Failure::Internal(_)))) => faults.push(failure.to_string()),
            // The instrument of the case need not have a memory.
            Ok(Err(_)) => {}
            Ok(Ok((set, after))) => {
                rows += set.len();
                let outside = set.columns.times.iter().filter(|time| **time < begin || **time >= end).count();
                if set.columns.times.len() != set.len() {
                    faults.push(format!(
                        "{} of {} samples have no time",
                        set.len() - set.columns.times.len(),
                        set.len()
                    ));
                }
                if outside > 0 {
                    faults.push(format!("{outside} samples of a time that was not asked for"));
                }
                next = after;
            }
        }
        if next.is_empty() || !faults.is_empty() {
            break;
        }
    }
    if !has_memory && faults.is_empty() {
        faults.push("it says that it has no back-fill, and answers one".into());
    }
    Outcome::of(faults, format!("{rows} samples of the last hour"))
}

pub(super) async fn endurance(trial: &Trial<'_>) -> Outcome {
    let mut actor = match trial.actor().await {
        Ok(actor) => actor,
        Err(outcome) => return outcome,
    };
    if let Err(outcome) = trial.read(&mut actor).await {
        return outcome;
    }
    let (begin, mut memory) = (Instant::now(), Vec::with_capacity(POLLS));
    while memory.len() < POLLS && begin.elapsed() < LONG {
        let came = trial.poll(&mut actor).await;
        if let Some(reason) = came.fell {
            return Outcome::Failed(vec![format!("at poll {}: {reason}", memory.len() + 1)]);
        }
        memory.push(actor.memory());
    }
    let polls = memory.len();
    let early = memory.get(polls / 4).copied().unwrap_or_default();
    let late = memory.last().copied().unwrap_or_default();
    let kib = |bytes: u64| bytes / 1024;
    let mut faults = Vec::new();
    if late > early + GROWTH {
        faults.push(format!(
            "its memory grew from {} KiB at poll {} to {} KiB at poll {polls}",
            kib(early),
            polls / 4 + 1,
            kib(late)
        ));
    }
    Outcome::of(faults, format!("{} KiB of memory after {polls}", kib(late)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::PointKind;

    #[test]
    fn a_unit_that_the_hub_does_not_know_is_told_with_the_one_that_was_meant() {
        let told = |unit: &str| {
            let (id, label) = ("o3".into(), "Ozone".into());
            unknown_unit(&Point { kind: PointKind::Number, id, label, unit: unit.into() }).unwrap_or_default()
        };
        assert_eq!((told("[ppb]").as_str(), told("mg/m3").as_str(), told("").as_str()), ("", "", ""));
        assert!(told("ppb").contains("[ppb]"), "{}", told("ppb"));
        assert!(told("ppbb").starts_with("point o3: unit \"ppbb\" is not known"), "{}", told("ppbb"));
    }
}
