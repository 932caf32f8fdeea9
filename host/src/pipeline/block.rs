//! The steps of a block: its mean and whether it counts, the reference oxygen, mass, and what is reported of it.
//!
//! Invariant: mass is computed with the concentration before the oxygen step; a block that is not valid reports nothing.

use std::collections::BTreeMap;

use super::formula::{flare, mass, nitrogen, oxygen, statistics};
use super::grid::Span;
use super::member::Member;
use super::recipe::{Assignment, Input};
use super::rules::{Evidence, coverage, expected};
use super::track::{Known, Origin};
use super::units::{Conversion, Kind, kind, molar_mass};
use super::window::Window;
use crate::average::{Average, AverageKey, Companionship, Mass, Report};
use crate::method::{Derived, Duct, Negative, OxygenStep, Plant, Role};
use crate::status::{InstrumentState, PlantState, Qualifiers};

/// A block on its way to become an average.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// What it is so far.
    pub average: Average,
    /// Lost because of what the plant did.
    pub idle: bool,
}

/// A block without anything in it.
pub fn empty(assignment: &Assignment, unit: &str, block: Span, configuration: &str) -> Average {
    let rules = &assignment.rules;
    let key = AverageKey {
        source: assignment.source.clone(),
        parameter: assignment.parameter.clone(),
        rule_set: assignment.rule_set.clone(),
        start: block.start,
        revision: 0,
    };
    Average {
        report: assignment.decimals.map(|decimals| Report { decimals, rounding: rules.rounding }),
        plant: match &assignment.plant {
            Plant::Always(state) => *state,
            Plant::Point { .. } => PlantState::Unknown,
        },
        label: rules.grid.label(block, rules.label),
        ..Average::empty(key, block.length(), unit, configuration)
    }
}

/// What the samples of a block make. `window`: `None` when there was not even a reading that says why it has no value.
pub fn of_samples(member: &Member, window: Option<&Window>, block: Span, configuration: &str) -> Draft {
    let assignment = &member.assignment;
    let blank = Window::default();
    let window = window.unwrap_or(&blank);
    let unit = if window.seen() { member.unit() } else { member.unit_said() };
    let mut average = empty(assignment, unit, block, configuration);
    let Input::Point { interval, .. } = &assignment.input else { return Draft { average, idle: false } };
    average.expected = expected(block.length(), *interval);
    average.received_until = member.until.get(&block.start).copied();
    let (chain, rules) = (&assignment.chain, &assignment.rules);
    if window.seen() {
        // Of a block without a reading nobody can say what unit the instrument had.
        member.unit_raw().clone_into(&mut average.unit_raw);
    }
    (average.received, average.valid) = (window.received, window.distinct);
    average.coverage = coverage(window.distinct, average.expected);
    if window.distinct > 0 {
        (average.mean_raw, average.mean) = (window.mean_raw(), window.mean(chain.mean));
        (average.min, average.max) = (Some(window.min), Some(window.max));
    }
    if rules.oxygen == OxygenStep::Sample {
        average.corrected = window.corrected();
    }
    average.qualifiers = window.qualifiers;
    average.implausible = window.codes().map(|(code, count)| (code.name().to_owned(), count)).collect();
    let total: u32 = window.plants.iter().sum();
    if matches!(assignment.plant, Plant::Point { .. }) && total > 0 {
        let counts = PlantState::ALL.into_iter().zip(window.plants);
        average.plant = counts.clone().max_by_key(|(_, count)| *count).map_or(PlantState::Unknown, |(state, _)| state);
        let shares = counts.filter(|(_, count)| *count > 0);
        average.plants = shares.map(|(state, count)| (state, f64::from(count) / f64::from(total))).collect();
    }
    for role in Role::ALL {
        if let Some(companion) = window.companion(role) {
            average.used.companions.insert(role.name().to_owned(), companion);
            if companion.missing > 0 {
                average.notes.push(format!("{} was missing for {} samples", role.name(), companion.missing));
            }
        }
    }
    if window.distinct > 0 {
        average.used.numbers = numbers(member);
    }
    let evidence = Evidence {
        expected: average.expected,
        valid: window.distinct,
        parts: window.parts,
        spread: window.counted.map_or(std::time::Duration::ZERO, |(first, last)| last.since(first)),
        length: block.length(),
        serviced: window.serviced(),
    };
    let counts = rules.validity.holds(&evidence);
    average.notes.extend(rules.validity.parts_lack(&evidence));
    let cause = window.cause(average.expected);
    let idle =
        !counts && window.idle > 0 && window.idle >= average.expected.saturating_sub(window.distinct).div_ceil(2);
    average.state = match (counts, average.mean) {
        (true, Some(_)) => InstrumentState::Valid,
        // A sum beyond all numbers.
        (true, None) => InstrumentState::Suspect,
        (false, _) if idle => InstrumentState::Missing,
        (false, _) => cause,
    };
    Draft { average, idle }
}

/// The numbers of the configuration that a block was computed with.
pub fn numbers(member: &Member) -> BTreeMap<String, f64> {
    let Assignment { chain, rules, molar_mass, confidence, .. } = &member.assignment;
    let mut numbers = BTreeMap::new();
    let mut note = |name: &str, number: f64| {
        numbers.insert(name.to_owned(), number);
    };
    if let Some(signal) = &chain.signal {
        note("signal_low", signal.low);
        note("signal_high", signal.high);
    }
    if let Some(units) = member.units()
        && units.inward != Conversion::NONE
    {
        note("unit_factor", units.inward.factor);
        note("unit_offset", units.inward.offset);
        if let Some(molar_mass) = molar_mass
            && kind(member.unit()) == Some(Kind::MassConcentration)
            && kind(member.unit_raw()) == Some(Kind::Fraction)
        {
            note("molar_mass", *molar_mass);
            note("molar_volume", rules.constants.molar_volume);
        }
    }
    if let Some(calibration) = &chain.calibration {
        note("calibration_a", calibration.offset);
        note("calibration_b", calibration.slope);
    }
    match chain.duct {
        None => {}
        Some(Duct::Velocity { area }) => note("area", area),
        Some(Duct::Pitot { area, factor, density }) => {
            note("area", area);
            note("pitot_factor", factor);
            note("gas_density", density);
        }
    }
    if chain.actual || matches!(chain.duct, Some(Duct::Pitot { .. })) {
        note("zero_celsius", rules.constants.zero_celsius);
        note("standard_celsius", rules.constants.standard_celsius);
        note("standard_pressure", rules.constants.pressure);
    }
    if let Some(coefficient) = chain.per_kelvin {
        note("per_kelvin", coefficient);
    }
    if let Some(reference) = chain.reference_oxygen {
        note("reference_oxygen", reference);
        note("most_oxygen", rules.most_oxygen);
    }
    if let Some(confidence) = confidence {
        note("confidence_share", confidence.share);
        note("confidence_limit", confidence.limit);
    }
    numbers
}

/// The mean at the reference oxygen, from the means of the block.
pub fn correct(average: &mut Average, assignment: &Assignment, oxygen: Option<Known>) {
    let Some(reference) = assignment.chain.reference_oxygen else { return };
    let Some(mean) = average.mean else { return };
    if assignment.rules.oxygen == OxygenStep::Sample {
        if average.corrected.is_none() {
            average.notes.push("no sample could be brought to the reference oxygen".to_owned());
        }
        return;
    }
    note_companion(average, Role::Oxygen, oxygen);
    let Some(oxygen) = oxygen else {
        average.notes.push("not brought to the reference oxygen: oxygen is missing".to_owned());
        return;
    };
    average.corrected = oxygen::to_reference(mean, reference, oxygen.value, assignment.rules.most_oxygen);
    if average.corrected.is_none() {
        let most = assignment.rules.most_oxygen;
        average.notes.push(format!("not brought to the reference oxygen: {} % is above {most} %", oxygen.value));
    }
}

/// What was emitted: from the mean before the oxygen step, and the flow.
pub fn weigh(average: &mut Average, flow: Option<Known>) {
    if average.state != InstrumentState::Valid || kind(&average.unit) != Some(Kind::MassConcentration) {
        return;
    }
    let Some(mean) = average.mean else { return };
    note_companion(average, Role::Flow, flow);
    let Some(flow) = flow else {
        average.notes.push("no mass: the flow is missing".to_owned());
        return;
    };
    let Ok(conversion) = Conversion::between(&average.unit, "mg/m3", None) else { return };
    let rate = mass::rate_kg_h(conversion.apply(mean), flow.value);
    average.mass = Some(Mass { g_s: mass::rate_g_s(rate), kg: mass::block_kg(rate, average.length.as_secs_f64()) });
}

/// What counts of a valid block. Last of all steps.
pub fn validate(average: &mut Average, assignment: &Assignment, base: Option<f64>) {
    if average.state != InstrumentState::Valid {
        return;
    }
    let Some(mut value) = base else {
        average.state = InstrumentState::Missing;
        return;
    };
    if value < 0.0 {
        match assignment.rules.negative {
            Negative::Keep => {}
            Negative::Zero => value = 0.0,
            Negative::Invalid => {
                average.state = InstrumentState::UnderRange;
                average.notes.push("a block below zero does not count".to_owned());
                return;
            }
        }
    }
    if let Some(confidence) = assignment.confidence
        && assignment.rules.from.is_none()
    {
        value = statistics::subtract_confidence(value, confidence.share, confidence.limit);
    }
    average.validated = Some(value);
    if assignment.limit.is_some_and(|limit| value > limit) {
        average.qualifiers = average.qualifiers.with(Qualifiers::ABOVE_LIMIT);
    }
}

/// What a rule set orders in place of a block that does not count, from what counted before.
pub fn substitute(average: &mut Average, before: &[f64]) {
    if average.validated.is_some() {
        return;
    }
    let Some(value) = statistics::substitute_by_spread(before) else {
        average.notes.push(format!("no substitute: only {} blocks before it count", before.len()));
        return;
    };
    average.validated = Some(value);
    average.qualifiers = average.qualifiers.with(Qualifiers::SUBSTITUTED);
    average.notes.push(format!("substituted: mean and twice the standard deviation of {} blocks", before.len()));
}

/// What is reported before limits and rounding: corrected where that is asked for, else the mean.
pub fn base(average: &Average, assignment: &Assignment) -> Option<f64> {
    if assignment.chain.reference_oxygen.is_some() { average.corrected } else { average.mean }
}

/// A parameter that follows from others, all of the same block.
pub fn derived(
    assignment: &Assignment,
    how: &Derived,
    unit: &str,
    inputs: &[&Average],
    block: Span,
    configuration: &str,
) -> Average {
    let mut average = empty(assignment, unit, block, configuration);
    average.unit_raw = how.unit().to_owned();
    average.expected = inputs.iter().map(|input| input.expected).max().unwrap_or(0);
    average.received = inputs.iter().map(|input| input.received).min().unwrap_or(0);
    average.valid = inputs.iter().map(|input| input.valid).min().unwrap_or(0);
    average.coverage = inputs.iter().map(|input| input.coverage).fold(1.0, f64::min);
    let remarks = inputs.iter().fold(Qualifiers::DERIVED, |remarks, input| remarks.with(input.qualifiers));
    average.qualifiers = remarks.without(Qualifiers::ABOVE_LIMIT);
    if let Some(first) = inputs.first() {
        (average.plant, average.plants) = (first.plant, first.plants.clone());
    }
    if inputs.len() < how.inputs().len() {
        average.coverage = 0.0;
        average.notes.push("not all parameters that it follows from have a block".to_owned());
        return average;
    }
    let own = Conversion::between(how.unit(), unit, None).unwrap_or_default();
    let of = |pick: fn(&Average) -> Option<f64>| {
        compute(how, inputs, assignment.rules.constants.molar_volume, pick).map(|value| own.apply(value))
    };
    average.mean = of(|input| input.mean);
    average.mean_raw = average.mean;
    average.corrected = of(|input| input.corrected);
    (average.min, average.max) = (average.mean, average.mean);
    let worst = inputs.iter().map(|input| input.state);
    average.state = InstrumentState::worst(worst);
    if average.state == InstrumentState::Valid && average.mean.is_none() {
        average.state = InstrumentState::Missing;
        average.notes.push("it cannot be computed from what it follows from".to_owned());
    }
    average
}

fn compute(how: &Derived, inputs: &[&Average], molar_volume: f64, pick: fn(&Average) -> Option<f64>) -> Option<f64> {
    let input = |at: usize, unit: &str| {
        let average = inputs.get(at)?;
        Some(Conversion::between(&average.unit, unit, None).ok()?.apply(pick(average)?))
    };
    let (no, no2) = (molar_mass("NO")?, molar_mass("NO2")?);
    match how {
        Derived::NoxAsNo2 { .. } => Some(nitrogen::nox_as_no2(input(0, "mg/m3")?, input(1, "mg/m3")?, no, no2)),
        Derived::NoOfNox { no2_share, .. } => Some(nitrogen::no_of_nox(input(0, "mg/m3")?, *no2_share, no, no2)),
        Derived::No2OfNox { no2_share, .. } => Some(nitrogen::no2_of_nox(input(0, "mg/m3")?, *no2_share)),
        Derived::ExcessAir { .. } => oxygen::excess_air(input(0, "%")?),
        Derived::GasDensity { fractions } => {
            let parts = fractions.iter().enumerate().map(|(at, (_, molar_mass))| Some((input(at, "1")?, *molar_mass)));
            flare::normal_density(&parts.collect::<Option<Vec<_>>>()?, molar_volume)
        }
        Derived::GasMass { .. } => Some(flare::mass_flow(input(0, "m3/h")?, input(1, "kg/m3")?)),
    }
}

/// Notes what stood for a companion of the whole block.
fn note_companion(average: &mut Average, role: Role, known: Option<Known>) {
    let is = |origin: Origin| u32::from(known.is_some_and(|known| known.origin == origin));
    let companion = Companionship {
        mean: known.map(|known| known.value),
        measured: is(Origin::Measured),
        held: is(Origin::Held),
        substituted: is(Origin::Substituted),
        missing: u32::from(known.is_none()),
    };
    // What the samples used is told already, and is the finer truth.
    average.used.companions.entry(role.name().to_owned()).or_insert(companion);
    if known.is_some_and(|known| known.origin == Origin::Substituted) {
        average.notes.push(format!("{} is a substitute", role.name()));
    }
}
