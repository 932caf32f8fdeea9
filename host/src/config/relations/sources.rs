//! What the parameters of a source, its companions and its rule sets need of each other.

use std::time::Duration;

use crate::config::mistake::{Mistake, nearest};
use crate::config::model::{Name, Origin, RuleSet, Source};
use crate::config::path::quoted;
use crate::config::places::Places;
use crate::config::problem::Problem;
use crate::config::quantity::show_duration;
use crate::config::read::Draft;
use crate::config::relations::problem_at;
use crate::method::{Chain, Companion, Duct, Mean, Role};

const DAY: Duration = Duration::from_secs(86_400);
/// The start of 2024, and the months that are looked at from there.
const AROUND: (i64, i64) = (1_704_067_200, 120);

pub(super) fn check(draft: &Draft, places: &Places, problems: &mut Vec<Problem>) {
    for (name, rules) in &draft.rule_sets {
        longer_blocks(name, rules, draft, places, problems);
    }
    for (name, source) in &draft.sources {
        bases(name, source, draft, places, problems);
        companions(name, source, places, problems);
        parameters(name, source, places, problems);
    }
    intervals(draft, places, problems);
}

/// Each device is told once per rule set, however many parameters it has.
fn intervals(draft: &Draft, places: &Places, problems: &mut Vec<Problem>) {
    let mut told = Vec::new();
    for (source_name, source) in &draft.sources {
        for rule_set in &source.rule_sets {
            let Some(rules) = draft.rule_sets.get(rule_set).filter(|rules| rules.from.is_none()) else { continue };
            for device in source.parameters.values().filter_map(|parameter| parameter.device()) {
                let Some(interval) = draft.devices.get(device).map(|device| device.interval) else { continue };
                if told.contains(&(device, rule_set)) || (!interval.is_zero() && interval <= rules.block) {
                    continue;
                }
                told.push((device, rule_set));
                let mistake = if interval.is_zero() {
                    Mistake::NoInterval { source_name: source_name.clone() }
                } else {
                    Mistake::IntervalOverBlock {
                        interval: show_duration(interval),
                        block: show_duration(rules.block),
                        rule_set: rule_set.clone(),
                        source_name: source_name.clone(),
                    }
                };
                problems.push(problem_at(places, &["devices", device, "interval"], &mistake));
            }
        }
    }
}

fn longer_blocks(name: &Name, rules: &RuleSet, draft: &Draft, places: &Places, problems: &mut Vec<Problem>) {
    let Some((from, of)) = rules.from.as_ref().and_then(|from| Some((from, draft.rule_sets.get(from)?))) else {
        return;
    };
    let is_multiple = rules.block > of.block && rules.block.as_nanos().is_multiple_of(of.block.as_nanos().max(1));
    if is_multiple && rules.block == DAY && !midnights_fit(&rules.zone, of.block) {
        let (zone, of) = (rules.zone.clone(), show_duration(of.block));
        let mistake = Mistake::DayBetweenBlocks { zone, of, from: from.clone() };
        problems.push(problem_at(places, &["rule_sets", name, "from"], &mistake));
    }
    if !is_multiple {
        let (block, of) = (show_duration(rules.block), show_duration(of.block));
        let mistake = Mistake::BlockOfLonger { block, of, from: from.clone() };
        problems.push(problem_at(places, &["rule_sets", name, "from"], &mistake));
    }
}

/// Whether the midnights of a zone, now and in the years around, are edges of blocks of this length.
fn midnights_fit(zone: &str, block: Duration) -> bool {
    let Ok(zone) = jiff::tz::TimeZone::get(zone) else { return true };
    let block = i64::try_from(block.as_secs()).unwrap_or(i64::MAX).max(1);
    let fits = |month: i64| {
        let moment = jiff::Timestamp::from_second(AROUND.0 + month * 30 * 86_400);
        moment.is_ok_and(|moment| i64::from(zone.to_offset(moment).seconds()) % block == 0)
    };
    (0..AROUND.1).all(fits)
}

fn bases(name: &Name, source: &Source, draft: &Draft, places: &Places, problems: &mut Vec<Problem>) {
    for rule_set in &source.rule_sets {
        let Some(from) = draft.rule_sets.get(rule_set).and_then(|rules| rules.from.as_ref()) else { continue };
        if !source.rule_sets.contains(from) {
            let mistake =
                Mistake::BaseNotUsed { rule_set: rule_set.clone(), from: from.clone(), source_name: name.clone() };
            problems.push(problem_at(places, &["sources", name, "rule_sets"], &mistake));
        }
    }
}

fn companions(name: &Name, source: &Source, places: &Places, problems: &mut Vec<Problem>) {
    for (role, companion) in &source.companions {
        let twin = |(other, of): &(&Role, &Companion)| *other < role && of.parameter == companion.parameter;
        if let Some(parameter) = &companion.parameter
            && let Some((other, _)) = source.companions.iter().find(twin)
        {
            let keys = ["sources", name, "companions", role.name(), "parameter"];
            let mistake = Mistake::CompanionTwice { parameter: parameter.clone(), other: other.name() };
            problems.push(problem_at(places, &keys, &mistake));
        }
        if let Some(parameter) = &companion.parameter
            && !source.parameters.contains_key(parameter)
        {
            let keys = ["sources", name, "companions", role.name(), "parameter"];
            let mistake = no_such(name, source, role.name(), parameter);
            problems.push(problem_at(places, &keys, &mistake));
        }
    }
}

fn parameters(name: &Name, source: &Source, places: &Places, problems: &mut Vec<Problem>) {
    for (parameter_name, parameter) in &source.parameters {
        let keys = |option: &'static str| ["sources", name, "parameters", parameter_name, option];
        for rule_set in parameter.limits.keys().filter(|rule_set| !source.rule_sets.contains(rule_set)) {
            let mistake = Mistake::LimitWithoutRuleSet { rule_set: rule_set.clone(), source_name: name.clone() };
            problems.push(problem_at(places, &keys("limits"), &mistake));
        }
        if let Origin::Derived(derived) = &parameter.origin {
            let inputs = derived.inputs();
            for input in inputs.iter().filter(|input| !source.parameters.contains_key(**input)) {
                let mistake = no_such(name, source, "the formula", input);
                problems.push(problem_at(places, &keys("derived"), &mistake));
            }
            continue;
        }
        for (option, what, role) in needs(&parameter.chain) {
            if !source.companions.contains_key(&role) {
                let mistake = Mistake::NoCompanion { what, role: role.name(), source_name: name.clone() };
                problems.push(problem_at(places, &keys(option), &mistake));
            }
        }
    }
}

/// Which option needs which companion.
fn needs(chain: &Chain) -> Vec<(&'static str, &'static str, Role)> {
    let mut needs = Vec::new();
    if chain.actual {
        needs.push(("conditions", "conditions = \"actual\"", Role::Temperature));
        needs.push(("conditions", "conditions = \"actual\"", Role::Pressure));
    }
    if matches!(chain.duct, Some(Duct::Pitot { .. })) && !chain.actual {
        needs.push(("duct", "a pitot probe", Role::Temperature));
        needs.push(("duct", "a pitot probe", Role::Pressure));
    }
    if chain.wet {
        needs.push(("moisture", "moisture = \"wet\"", Role::Moisture));
    }
    if chain.per_kelvin.is_some() {
        needs.push(("per_kelvin", "per_kelvin", Role::Temperature));
    }
    if chain.mean == Mean::FlowWeighted {
        needs.push(("mean", "a mean weighted with the flow", Role::Flow));
    }
    if chain.reference_oxygen.is_some() {
        needs.push(("reference_oxygen", "reference_oxygen", Role::Oxygen));
    }
    needs
}

fn no_such(name: &Name, source: &Source, what: &str, found: &str) -> Mistake {
    let known = || source.parameters.keys().map(String::as_str);
    Mistake::NoSuchParameter {
        source_name: name.clone(),
        what: what.to_owned(),
        found: found.to_owned(),
        nearest: nearest(found, known()).map(quoted),
        known: known().map(str::to_owned).collect(),
    }
}
