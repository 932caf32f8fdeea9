//! `[rule_sets.NAME]` and `[sources.NAME]`.

use std::time::Duration;

use crate::config::kind::{Choice, List, Real, Reference, Share, Span, Text};
use crate::config::mistake::Mistake;
use crate::config::model::{Parameter, RuleSet, Source};
use crate::config::quantity::show_duration;
use crate::config::section::Section;
use crate::status::PlantState;

const PLANT: Choice<PlantState> = Choice {
    what: "plant state",
    words: &[
        ("operating", PlantState::Operating),
        ("startup", PlantState::Startup),
        ("shutdown", PlantState::Shutdown),
        ("standby", PlantState::Standby),
        ("stopped", PlantState::Stopped),
        ("abatement_outage", PlantState::AbatementOutage),
        ("unknown", PlantState::Unknown),
    ],
};

pub(super) fn rule_set(section: &mut Section<'_, '_>) -> Option<RuleSet> {
    let block = section.required("block", &Span::millis(1_000, 86_400_000));
    let coverage = section.or("coverage", &Share, "2/3");
    let lateness = section.or("lateness", &Span::millis(0, 3_600_000), "2s");
    let molar_volume = section.or("molar_volume", &Real { min: 20.0, max: 26.0, unit: "L/mol" }, "22.414");
    let block = block?;
    if !Duration::from_secs(86_400).as_nanos().is_multiple_of(block.as_nanos()) {
        section.note("block", Mistake::BlockDoesNotDivideDay { block: show_duration(block) });
        return None;
    }
    Some(RuleSet { block, coverage: coverage?, lateness: lateness?, molar_volume: molar_volume? })
}

pub(super) fn source(section: &mut Section<'_, '_>, name: &str) -> Option<Source> {
    let label = section.or("label", &Text::ANY, name);
    let rule_sets = List::some(Reference { section: "rule_sets", member: "rule set" });
    let rule_sets = section.or("rule_sets", &rule_sets, "[\"kz-20min\"]");
    let plant = section.or("plant", &PLANT, "unknown");
    let parameters = section.named("parameters", parameter);
    Some(Source { label: label?, rule_sets: rule_sets?, plant: plant?, parameters: parameters? })
}

fn parameter(section: &mut Section<'_, '_>) -> Option<Parameter> {
    let device = section.required("device", &Reference { section: "devices", member: "device" });
    let point = section.required("point", &Text::NAME);
    let unit = section.optional("unit", &Text::UNIT);
    let molar_mass = section.optional("molar_mass", &Real { min: 1.0, max: 1000.0, unit: "g/mol" });
    Some(Parameter { device: device?, point: point?, unit: unit?, molar_mass: molar_mass? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plant_state_can_be_configured_by_its_name() {
        for state in PlantState::ALL {
            assert!(PLANT.words.contains(&(state.name(), state)), "{} cannot be written", state.name());
        }
    }
}
