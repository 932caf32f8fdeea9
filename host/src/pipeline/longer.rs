//! Blocks that are made from shorter ones, each with the same weight.
//!
//! Invariant: nothing is computed again that the shorter blocks say; what they report makes what the longer one reports.

use std::collections::BTreeMap;

use super::block;
use super::formula::sum::ExactSum;
use super::formula::water::{hydrogen_activity, ph_of_activity};
use super::grid::Span;
use super::member::Member;
use super::recipe::Assignment;
use super::rules::{Evidence, Rules, coverage};
use super::window::{most, part};
use crate::average::{Average, Companionship, Mass};
use crate::method::{Mean, Role};
use crate::status::{InstrumentState, PlantState, Qualifiers};

/// A block made from shorter ones. `expected`: how many it should have.
pub fn of_blocks(member: &Member, parts: &[&Average], expected: u32, block: Span, configuration: &str) -> Average {
    let assignment = &member.assignment;
    let rules = &assignment.rules;
    let newest = parts.iter().rev().find(|part| counts(part, rules)).or(parts.last());
    let unit = newest.map_or_else(|| member.unit().to_owned(), |part| part.unit.clone());
    let mut average = block::empty(assignment, &unit, block, configuration);
    let (valid, foreign): (Vec<&&Average>, Vec<&&Average>) =
        parts.iter().filter(|part| counts(part, rules)).partition(|part| part.unit == unit);
    if !foreign.is_empty() {
        average.notes.push(format!("{} blocks are left out: they have another unit", foreign.len()));
    }
    average.mean_raw = exact_mean(valid.iter().filter_map(|part| part.mean_raw));
    average.unit_raw = parts.last().map(|part| part.unit_raw.clone()).unwrap_or_default();
    average.mean = mean(assignment, &valid, |part| part.mean);
    average.corrected = mean(assignment, &valid, |part| part.corrected);
    average.min = valid.iter().filter_map(|part| part.min).reduce(f64::min);
    average.max = valid.iter().filter_map(|part| part.max).reduce(f64::max);
    average.expected = expected;
    average.received = parts.iter().filter(|part| part.received > 0).count() as u32;
    average.valid = valid.len() as u32;
    average.coverage = coverage(average.valid, expected);
    // Its own limit decides whether it is above one; what was implausible anywhere in it is told even where it did not count.
    let remarks = valid.iter().fold(Qualifiers::NONE, |all, part| all.with(part.qualifiers));
    average.qualifiers = remarks.without(Qualifiers::ABOVE_LIMIT);
    let mut seconds: BTreeMap<PlantState, f64> = BTreeMap::new();
    for part in parts {
        for (code, count) in &part.implausible {
            *average.implausible.entry(code.clone()).or_default() += count;
        }
        let length = part.length.as_secs_f64();
        if part.plants.is_empty() {
            *seconds.entry(part.plant).or_default() += length;
        }
        for (state, share) in &part.plants {
            *seconds.entry(*state).or_default() += share * length;
        }
    }
    if !average.implausible.is_empty() {
        average.qualifiers = average.qualifiers.with(Qualifiers::IMPLAUSIBLE);
    }
    let total: f64 = seconds.values().sum();
    let longest = seconds.iter().max_by(|(_, one), (_, other)| one.total_cmp(other));
    average.plant = longest.map_or(average.plant, |(state, _)| *state);
    if seconds.len() > 1 {
        average.plants = seconds.into_iter().map(|(state, seconds)| (state, seconds / total)).collect();
    }
    companions(&mut average, &valid);
    average.mass = total_mass(parts);
    if let Some(part) = valid.last() {
        average.used.numbers = part.used.numbers.clone();
    }
    let spread = valid.first().zip(valid.last()).map(|(first, last)| last.key.start.since(first.key.start));
    let serviced = [InstrumentState::Calibration, InstrumentState::Maintenance];
    let evidence = Evidence {
        expected,
        valid: average.valid,
        parts: valid.iter().fold(0, |bits, one| bits | 1 << part(one.key.start, block, rules.validity.parts)),
        spread: spread.unwrap_or_default(),
        length: block.length(),
        serviced: parts.iter().any(|part| serviced.contains(&part.state)),
    };
    average.notes.extend(rules.validity.parts_lack(&evidence));
    let lost = |state: InstrumentState| parts.iter().filter(|part| part.state == state).count() as u32;
    let silent = expected.saturating_sub(parts.len() as u32);
    average.state = match (rules.validity.holds(&evidence), average.mean) {
        (true, Some(_)) => InstrumentState::Valid,
        (true, None) => InstrumentState::Suspect,
        (false, _) => most(|state| lost(state) + if state == InstrumentState::Missing { silent } else { 0 }),
    };
    let base = mean(assignment, &valid, |part| part.validated);
    block::validate(&mut average, assignment, base);
    average
}

fn counts(part: &Average, rules: &Rules) -> bool {
    part.state == InstrumentState::Valid && rules.validity.plants.contains(&part.plant)
}

/// The mean of what the blocks have, as the parameter's mean is made.
fn mean(assignment: &Assignment, valid: &[&&Average], pick: fn(&Average) -> Option<f64>) -> Option<f64> {
    let values = || valid.iter().filter_map(|part| pick(part));
    match assignment.chain.mean {
        Mean::Arithmetic => exact_mean(values()),
        Mean::HydrogenActivity => exact_mean(values().map(hydrogen_activity)).map(ph_of_activity),
        Mean::FlowWeighted => {
            let (mut sum, mut weights) = (ExactSum::default(), ExactSum::default());
            for part in valid {
                let flow = part.used.companions.get(Role::Flow.name()).and_then(|flow| flow.mean);
                if let Some((value, flow)) = pick(part).zip(flow) {
                    let weight = flow * part.length.as_secs_f64();
                    sum.add(value * weight);
                    weights.add(weight);
                }
            }
            Some(sum.value() / weights.value()).filter(|mean| mean.is_finite())
        }
    }
}

fn exact_mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (ExactSum::default(), 0_u32);
    for value in values {
        sum.add(value);
        count += 1;
    }
    Some(sum.value() / f64::from(count)).filter(|mean| mean.is_finite())
}

fn companions(average: &mut Average, valid: &[&&Average]) {
    for role in Role::ALL {
        let uses = || valid.iter().filter_map(|part| part.used.companions.get(role.name()));
        if uses().next().is_none() {
            continue;
        }
        let sum = |pick: fn(&Companionship) -> u32| uses().map(pick).sum();
        let companion = Companionship {
            mean: exact_mean(uses().filter_map(|companion| companion.mean)),
            measured: sum(|of| of.measured),
            held: sum(|of| of.held),
            substituted: sum(|of| of.substituted),
            missing: sum(|of| of.missing),
        };
        average.used.companions.insert(role.name().to_owned(), companion);
    }
}

/// What the blocks emitted together, and at what rate while it was known.
fn total_mass(parts: &[&Average]) -> Option<Mass> {
    let weighed = || parts.iter().filter_map(|part| Some((part.mass?.kg, part.length.as_secs_f64())));
    weighed().next()?;
    let (mut kg, mut seconds) = (ExactSum::default(), 0.0);
    weighed().for_each(|(mass, length)| {
        kg.add(mass);
        seconds += length;
    });
    let kg = kg.value();
    Some(Mass { g_s: kg * 1000.0 / seconds, kg })
}
