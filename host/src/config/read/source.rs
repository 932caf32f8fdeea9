//! `[sources.NAME]`.

use crate::config::kind::{Choice, List, Members, Real, Reference, Span, Text};
use crate::config::mistake::Mistake;
use crate::config::model::{PlantPoint, Source};
use crate::config::read::parameter;
use crate::config::section::Section;
use crate::method::{Companion, Companions, Role};
use crate::status::PlantState;

pub(super) const PLANT: Choice<PlantState> = Choice {
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

const STATES: Members<Choice<PlantState>> = Members {
    what: "a table of the point's values, each with a plant state such as \"operating\"",
    name: None,
    value: PLANT,
};

pub(super) fn source(section: &mut Section<'_, '_>, name: &str) -> Option<Source> {
    let label = section.or("label", &Text::ANY, name);
    let rule_sets = List::some(Reference { section: "rule_sets", member: "rule set" });
    let rule_sets = section.or("rule_sets", &rule_sets, "[\"kz-20min\"]");
    let plant = section.or("plant", &PLANT, "unknown");
    let plant_point = section.optional_part("plant_point", plant_point);
    let companions = section.part("companions", companions);
    let parameters = section.named("parameters", |section, _| parameter::parameter(section));
    Some(Source {
        label: label?,
        rule_sets: rule_sets?,
        plant: plant?,
        plant_point: plant_point?,
        companions: companions?,
        parameters: parameters?,
    })
}

fn plant_point(section: &mut Section<'_, '_>) -> Option<PlantPoint> {
    let device = section.required("device", &Reference { section: "devices", member: "device" });
    let point = section.required("point", &Text::NAME);
    let states = section.required("states", &STATES);
    let fresh = section.or("fresh", &Span::millis(1_000, 86_400_000), "1min");
    Some(PlantPoint { device: device?, point: point?, states: states?.into_iter().collect(), fresh: fresh? })
}

fn companions(section: &mut Section<'_, '_>) -> Option<Companions> {
    let (mut companions, mut whole) = (Companions::new(), true);
    for role in Role::ALL {
        match section.optional_part(role.name(), companion) {
            Some(None) => {}
            Some(Some(companion)) => drop(companions.insert(role, companion)),
            None => whole = false,
        }
    }
    whole.then_some(companions)
}

fn companion(section: &mut Section<'_, '_>) -> Option<Companion> {
    let parameter = section.optional("parameter", &Text::NAME);
    let fresh = section.or("fresh", &Span::millis(0, 86_400_000), "1min");
    let hold = section.or("hold", &Span::millis(0, 86_400_000), "0s");
    let substitute = section.optional("substitute", &Real { min: -1e9, max: 1e9, unit: "" });
    if let (Some(None), Some(None)) = (&parameter, &substitute) {
        section.note("parameter", Mistake::CompanionOfNothing);
        return None;
    }
    Some(Companion { parameter: parameter?, fresh: fresh?, hold: hold?, substitute: substitute? })
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
