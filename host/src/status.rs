//! The three axes of status: what the instrument says of itself, what the plant was doing, and what else is known.
//!
//! They are never merged into one code. Codes of instrument states and qualifier bits are those of the
//! driver contract (`wit/driver/driver.wit`).

use serde::{Deserialize, Serialize};

/// Whether the instrument stands for a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are the field's own")]
pub enum InstrumentState {
    Valid = 0,
    Calibration = 1,
    Maintenance = 2,
    Purge = 3,
    WarmUp = 4,
    Fault = 5,
    CommError = 6,
    OverRange = 7,
    UnderRange = 8,
    Suspect = 9,
    Manual = 10,
    Missing = 11,
}

impl InstrumentState {
    /// All states, by code.
    pub const ALL: [InstrumentState; 12] = {
        use InstrumentState::*;
        [
            Valid,
            Calibration,
            Maintenance,
            Purge,
            WarmUp,
            Fault,
            CommError,
            OverRange,
            UnderRange,
            Suspect,
            Manual,
            Missing,
        ]
    };

    /// When several hold, the first of these is reported; ties between causes of a lost block go by the same order.
    pub const PRECEDENCE: [InstrumentState; 12] = {
        use InstrumentState::*;
        [
            CommError,
            Fault,
            OverRange,
            UnderRange,
            Maintenance,
            Calibration,
            Purge,
            WarmUp,
            Suspect,
            Manual,
            Missing,
            Valid,
        ]
    };

    /// The state of this code; a code that this version does not know is `suspect`.
    pub fn from_code(code: u8) -> Self {
        Self::ALL.get(usize::from(code)).copied().unwrap_or(InstrumentState::Suspect)
    }

    /// What to report when these hold together: the first of them in the order of precedence. None at all is `valid`.
    pub fn worst(states: impl IntoIterator<Item = InstrumentState>) -> Self {
        let rank = |state: &InstrumentState| Self::PRECEDENCE.iter().position(|ranked| ranked == state);
        states.into_iter().min_by_key(rank).unwrap_or(InstrumentState::Valid)
    }

    /// The code in the driver contract.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The state's name, as in configurations and payloads.
    pub fn name(self) -> &'static str {
        match self {
            InstrumentState::Valid => "valid",
            InstrumentState::Calibration => "calibration",
            InstrumentState::Maintenance => "maintenance",
            InstrumentState::Purge => "purge",
            InstrumentState::WarmUp => "warm_up",
            InstrumentState::Fault => "fault",
            InstrumentState::CommError => "comm_error",
            InstrumentState::OverRange => "over_range",
            InstrumentState::UnderRange => "under_range",
            InstrumentState::Suspect => "suspect",
            InstrumentState::Manual => "manual",
            InstrumentState::Missing => "missing",
        }
    }

    /// False where nothing was received, so that a number would be an invention.
    pub fn has_value(self) -> bool {
        !matches!(self, InstrumentState::CommError | InstrumentState::Missing)
    }
}

/// What the plant was doing. It never makes a value invalid by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the field's own")]
pub enum PlantState {
    Operating,
    Startup,
    Shutdown,
    Standby,
    Stopped,
    AbatementOutage,
    #[default]
    Unknown,
}

impl PlantState {
    /// All states.
    pub const ALL: [PlantState; 7] = {
        use PlantState::*;
        [Operating, Startup, Shutdown, Standby, Stopped, AbatementOutage, Unknown]
    };

    /// The state's name, as in configurations and payloads.
    pub fn name(self) -> &'static str {
        match self {
            PlantState::Operating => "operating",
            PlantState::Startup => "startup",
            PlantState::Shutdown => "shutdown",
            PlantState::Standby => "standby",
            PlantState::Stopped => "stopped",
            PlantState::AbatementOutage => "abatement_outage",
            PlantState::Unknown => "unknown",
        }
    }
}

/// A set of remarks on a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Qualifiers(pub u32);

impl Qualifiers {
    /// No remark.
    pub const NONE: Qualifiers = Qualifiers(0);
    /// Outside the range that the calibration function is valid for.
    pub const OUTSIDE_CALIBRATION_RANGE: Qualifiers = Qualifiers(1);
    /// Above a limit.
    pub const ABOVE_LIMIT: Qualifiers = Qualifiers(2);
    /// Not measured, but put in place of a measurement by a rule.
    pub const SUBSTITUTED: Qualifiers = Qualifiers(4);
    /// Computed from other values.
    pub const DERIVED: Qualifiers = Qualifiers(8);
    /// Arrived, or is delivered, later than its time allowed.
    pub const LATE: Qualifiers = Qualifiers(16);
    /// Changed by a person or a rule after it was measured.
    pub const CORRECTED: Qualifiers = Qualifiers(32);
    /// From a test, not from the process.
    pub const TEST: Qualifiers = Qualifiers(64);
    /// The plausibility gate did not let some of it count. Never from a driver.
    pub const IMPLAUSIBLE: Qualifiers = Qualifiers(128);

    /// All remarks and their names, in the order of their bits.
    pub const NAMES: [(Qualifiers, &'static str); 8] = [
        (Qualifiers::OUTSIDE_CALIBRATION_RANGE, "outside_calibration_range"),
        (Qualifiers::ABOVE_LIMIT, "above_limit"),
        (Qualifiers::SUBSTITUTED, "substituted"),
        (Qualifiers::DERIVED, "derived"),
        (Qualifiers::LATE, "late"),
        (Qualifiers::CORRECTED, "corrected"),
        (Qualifiers::TEST, "test"),
        (Qualifiers::IMPLAUSIBLE, "implausible"),
    ];

    /// [`Qualifiers::NAMES`], the name first.
    pub const NAMES_FIRST: [(&'static str, Qualifiers); Self::NAMES.len()] = {
        let [a, b, c, d, e, f, g, h] = Self::NAMES;
        [(a.1, a.0), (b.1, b.0), (c.1, c.0), (d.1, d.0), (e.1, e.0), (f.1, f.0), (g.1, g.0), (h.1, h.0)]
    };

    /// Both sets.
    pub fn with(self, other: Qualifiers) -> Qualifiers {
        Qualifiers(self.0 | other.0)
    }

    /// This set, but for those of the other.
    pub fn without(self, other: Qualifiers) -> Qualifiers {
        Qualifiers(self.0 & !other.0)
    }

    /// True when every remark of `other` is here.
    pub fn contains(self, other: Qualifiers) -> bool {
        self.0 & other.0 == other.0
    }

    /// Names of the remarks, in the order of their bits.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(bit, _)| self.contains(*bit)).map(|(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_leads_back_to_its_state() {
        for state in InstrumentState::ALL {
            assert_eq!(InstrumentState::from_code(state.code()), state);
        }
        assert_eq!(InstrumentState::from_code(200), InstrumentState::Suspect);
    }

    #[test]
    fn every_state_has_a_place_in_the_precedence() {
        for state in InstrumentState::ALL {
            assert!(InstrumentState::PRECEDENCE.contains(&state), "{} has no rank", state.name());
        }
    }

    #[test]
    fn of_several_states_the_first_in_precedence_is_reported() {
        use InstrumentState::*;
        let check = |states: &[InstrumentState], expected| {
            assert_eq!(InstrumentState::worst(states.iter().copied()), expected, "{states:?}");
        };
        check(&[], Valid);
        check(&[Valid, Manual], Manual);
        check(&[Calibration, Maintenance, Suspect], Maintenance);
        check(&InstrumentState::ALL, CommError);
    }
}
