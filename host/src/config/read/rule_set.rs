//! `[rule_sets.NAME]`.

use std::time::Duration;

use crate::config::kind::{Choice, Flag, List, Real, Reference, Share, Span, Whole, Zone};
use crate::config::mistake::Mistake;
use crate::config::model::RuleSet;
use crate::config::quantity::show_duration;
use crate::config::read::source::PLANT;
use crate::config::read::status_table::STATE;
use crate::config::section::Section;
use crate::method::{Constants, Label, Negative, OxygenStep, Substitution, Validity};
use crate::rounding::Rounding;

const LABELS: Choice<Label> = Choice { what: "end", words: &[("start", Label::Start), ("end", Label::End)] };
const OXYGEN: Choice<OxygenStep> =
    Choice { what: "step", words: &[("block", OxygenStep::Block), ("sample", OxygenStep::Sample)] };
const NEGATIVE: Choice<Negative> = Choice {
    what: "rule",
    words: &[("keep", Negative::Keep), ("zero", Negative::Zero), ("invalid", Negative::Invalid)],
};
#[derive(Clone, Copy)]
enum Substitute {
    None,
    Spread,
}

const SUBSTITUTE: Choice<Substitute> =
    Choice { what: "method", words: &[("none", Substitute::None), ("spread", Substitute::Spread)] };
const ROUNDING: Choice<Rounding> =
    Choice { what: "rounding", words: &[("half_up", Rounding::HalfUp), ("half_even", Rounding::HalfEven)] };
const ALL_PLANT_STATES: &str =
    "[\"operating\", \"startup\", \"shutdown\", \"standby\", \"stopped\", \"abatement_outage\", \"unknown\"]";

pub(super) fn rule_set(section: &mut Section<'_, '_>) -> Option<RuleSet> {
    let block = section.required("block", &Span::millis(1_000, 86_400_000));
    let from = section.optional("from", &Reference { section: "rule_sets", member: "rule set" });
    let zone = section.or("zone", &Zone, "UTC");
    let label = section.or("label", &LABELS, "start");
    let validity = validity(section);
    let lateness = section.or("lateness", &Span::millis(0, 3_600_000), "2s");
    let molar_volume = section.or("molar_volume", &Real { min: 20.0, max: 26.0, unit: "L/mol" }, "22.414");
    let zero_celsius = section.or("zero_celsius", &Real { min: 273.0, max: 273.15, unit: "K" }, "273.15");
    let standard_celsius = section.or("standard_celsius", &Real { min: 0.0, max: 25.0, unit: "°C" }, "0");
    let pressure = section.or("pressure", &Real { min: 90_000.0, max: 110_000.0, unit: "Pa" }, "101325");
    let oxygen = section.or("oxygen", &OXYGEN, "block");
    let most_oxygen = section.or("most_oxygen", &Real { min: 1.0, max: 20.9, unit: "%" }, "20");
    let negative = section.or("negative", &NEGATIVE, "keep");
    let substitute = section.or("substitute", &SUBSTITUTE, "none");
    let substitute_from = section.or("substitute_from", &Whole::<u32>::from_to(2, 10_000), "48");
    let rounding = section.or("rounding", &ROUNDING, "half_up");
    let block = block?;
    if !Duration::from_secs(86_400).as_nanos().is_multiple_of(block.as_nanos()) {
        section.note("block", Mistake::BlockDoesNotDivideDay { block: show_duration(block) });
        return None;
    }
    Some(RuleSet {
        block,
        from: from?,
        zone: zone?,
        label: label?,
        validity: validity?,
        lateness: lateness?,
        constants: Constants {
            zero_celsius: zero_celsius?,
            standard_celsius: standard_celsius?,
            pressure: pressure?,
            molar_volume: molar_volume?,
        },
        oxygen: oxygen?,
        most_oxygen: most_oxygen?,
        negative: negative?,
        substitution: match (substitute?, substitute_from?) {
            (Substitute::None, _) => Substitution::None,
            (Substitute::Spread, of) => Substitution::Spread { of },
        },
        rounding: rounding?,
    })
}

fn validity(section: &mut Section<'_, '_>) -> Option<Validity> {
    let coverage = section.or("coverage", &Share, "2/3");
    let least = section.or("least", &Whole::from_to(0, 1_000_000), "0");
    let parts = section.or("parts", &Whole::from_to(0, 60), "0");
    let two_apart = section.or("two_apart", &Flag, "false");
    let states = section.or("states", &List::some(STATE), "[\"valid\"]");
    let plants = section.or("plants", &List::some(PLANT), ALL_PLANT_STATES);
    Some(Validity {
        coverage: coverage?,
        least: least?,
        parts: parts?,
        two_apart: two_apart?,
        states: states?,
        plants: plants?,
    })
}
