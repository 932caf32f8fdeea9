//! From what the configuration says of a source to how each of its parameters is made.

use crate::config::model::{Config, Name, Origin, Parameter, RuleSet, Source};
use crate::method::Plant;
use crate::pipeline::alarm::{ChartSettings, Watched};
use crate::pipeline::{Assignment, Grid, Input, Rules, units};

/// The streams of a source. `None`: there is no such source.
pub fn assignments(config: &Config, name: &str) -> Option<Vec<Assignment>> {
    let source = config.sources.get(name)?;
    let rule_sets = source.rule_sets.iter().filter_map(|name| Some((name, config.rule_sets.get(name)?)));
    let mut assignments = Vec::new();
    for (rule_set_name, rule_set) in rule_sets {
        let Some(rules) = rules(rule_set) else { continue };
        for (parameter_name, parameter) in &source.parameters {
            let Some(input) = input(config, parameter) else { continue };
            let key = (name, parameter_name, rule_set_name);
            assignments.push(assignment(config, source, parameter, key, input, rules.clone()));
        }
    }
    Some(assignments)
}

/// What is looked after of all sources.
pub fn watched(config: &Config) -> Vec<Watched> {
    let parameters = config.sources.iter().flat_map(|(source, of)| of.parameters.iter().map(move |one| (source, one)));
    let watched = parameters.map(|(source, (name, parameter))| Watched {
        source: source.clone(),
        parameter: name.clone(),
        point: match &parameter.origin {
            Origin::Point { device, point } => Some((device.clone(), point.clone())),
            Origin::Derived(_) => None,
        },
        limits: parameter.limits.clone(),
        stale_after: parameter.stale_after,
        calibration_due: parameter.calibration_due,
        zero_span: parameter.zero_span.map(|of| {
            let chart = |reference, deviation| ChartSettings { reference, deviation };
            (chart(of.zero, of.zero_deviation), chart(of.span, of.span_deviation))
        }),
    });
    watched.collect()
}

fn assignment(
    config: &Config,
    source: &Source,
    parameter: &Parameter,
    (source_name, parameter_name, rule_set): (&str, &Name, &Name),
    input: Input,
    rules: Rules,
) -> Assignment {
    let status = parameter.status.as_ref().and_then(|name| config.status_tables.get(name));
    Assignment {
        source: source_name.to_owned(),
        parameter: parameter_name.clone(),
        rule_set: rule_set.clone(),
        input,
        unit: parameter.unit.clone(),
        molar_mass: parameter.molar_mass.or_else(|| units::molar_mass(parameter_name)),
        chain: parameter.chain.clone(),
        companions: source.companions.clone(),
        gate: parameter.gate.clone(),
        rules,
        plant: plant(source),
        limit: parameter.limits.get(rule_set).copied(),
        confidence: parameter.confidence,
        decimals: parameter.decimals,
        status: status.cloned(),
    }
}

/// The zone of a rule set was found when the configuration was read.
fn rules(rule_set: &RuleSet) -> Option<Rules> {
    Some(Rules {
        grid: Grid::new(rule_set.block, &rule_set.zone).ok()?,
        label: rule_set.label,
        from: rule_set.from.clone(),
        validity: rule_set.validity.clone(),
        lateness: rule_set.lateness,
        constants: rule_set.constants,
        oxygen: rule_set.oxygen,
        most_oxygen: rule_set.most_oxygen,
        negative: rule_set.negative,
        substitution: rule_set.substitution,
        rounding: rule_set.rounding,
    })
}

fn input(config: &Config, parameter: &Parameter) -> Option<Input> {
    Some(match &parameter.origin {
        Origin::Derived(derived) => Input::Derived(derived.clone()),
        Origin::Point { device, point } => {
            let interval = config.devices.get(device)?.interval;
            Input::Point { device: device.clone(), point: point.clone(), interval }
        }
    })
}

fn plant(source: &Source) -> Plant {
    match &source.plant_point {
        None => Plant::Always(source.plant),
        Some(point) => Plant::Point {
            device: point.device.clone(),
            point: point.point.clone(),
            states: point.states.clone(),
            fresh: point.fresh,
        },
    }
}
