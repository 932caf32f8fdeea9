//! `[status_tables.NAME]`.

use crate::config::kind::{Choice, Flag, List, Text};
use crate::config::mistake::Mistake;
use crate::config::read::source::PLANT;
use crate::config::section::Section;
use crate::status::{InstrumentState, Qualifiers};
use crate::status_table::{Direction, StatusCode, StatusTable};

pub(super) const STATE: Choice<InstrumentState> = {
    use InstrumentState::*;
    Choice {
        what: "instrument state",
        words: &[
            ("valid", Valid),
            ("calibration", Calibration),
            ("maintenance", Maintenance),
            ("purge", Purge),
            ("warm_up", WarmUp),
            ("fault", Fault),
            ("comm_error", CommError),
            ("over_range", OverRange),
            ("under_range", UnderRange),
            ("suspect", Suspect),
            ("manual", Manual),
            ("missing", Missing),
        ],
    }
};

const QUALIFIER: Choice<Qualifiers> = Choice { what: "qualifier", words: &Qualifiers::NAMES_FIRST };

const DIRECTION: Choice<Direction> =
    Choice { what: "direction", words: &[("both", Direction::Both), ("in", Direction::In), ("out", Direction::Out)] };

pub(super) fn status_table(section: &mut Section<'_, '_>) -> Option<StatusTable> {
    let source = section.required("source", &Text::ANY);
    let bits = section.or("bits", &Flag, "false");
    let codes = section.named("codes", |section, name| code(section, name));
    let table = StatusTable { source: source?, bits: bits?, codes: codes?.into_values().collect() };
    for problem in table.problems() {
        section.note("codes", Mistake::StatusTable { problem });
    }
    Some(table)
}

fn code(section: &mut Section<'_, '_>, name: &str) -> Option<StatusCode> {
    let state = section.optional("state", &STATE);
    let plant = section.optional("plant", &PLANT);
    let qualifiers = section.or("qualifiers", &List::of(QUALIFIER), "[]");
    let direction = section.or("direction", &DIRECTION, "both");
    let label = section.optional("label", &Text::ANY);
    let qualifiers = qualifiers?.into_iter().fold(Qualifiers::NONE, Qualifiers::with);
    Some(StatusCode {
        code: name.to_owned(),
        state: state?,
        plant: plant?,
        qualifiers,
        direction: direction?,
        label: label?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_and_qualifier_can_be_configured_by_its_name() {
        for state in InstrumentState::ALL {
            assert!(STATE.words.contains(&(state.name(), state)), "{} cannot be written", state.name());
        }
        for (qualifier, name) in Qualifiers::NAMES {
            assert!(QUALIFIER.words.contains(&(name, qualifier)), "{name} cannot be written");
        }
    }
}
