//! What the instrument says of a value, and what else is known about it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether the instrument stands for a value. Derived from its status, never from the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the field's own")]
pub enum State {
    #[default]
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

impl State {
    /// All states, by code.
    pub const ALL: [State; 12] = {
        use State::*;
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

    /// The code in the contract.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The state of this code; `suspect` for a code that is not in the contract.
    pub fn from_code(code: u8) -> State {
        State::ALL.get(usize::from(code)).copied().unwrap_or(State::Suspect)
    }

    /// The one of the two that is to be reported when both hold.
    #[must_use]
    pub fn or_worse(self, other: State) -> State {
        if other.rank() < self.rank() { other } else { self }
    }

    /// False where nothing was received, so that a number would be an invention.
    pub fn has_value(self) -> bool {
        !matches!(self, State::CommError | State::Missing)
    }

    /// Place in the contract's order of precedence; 0 is reported before all others.
    fn rank(self) -> u8 {
        match self {
            State::CommError => 0,
            State::Fault => 1,
            State::OverRange => 2,
            State::UnderRange => 3,
            State::Maintenance => 4,
            State::Calibration => 5,
            State::Purge => 6,
            State::WarmUp => 7,
            State::Suspect => 8,
            State::Manual => 9,
            State::Missing => 10,
            State::Valid => 11,
        }
    }
}

/// One remark on a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the field's own")]
pub enum Qualifier {
    OutsideCalibrationRange = 1,
    AboveLimit = 2,
    Substituted = 4,
    Derived = 8,
    Late = 16,
    Corrected = 32,
    Test = 64,
}

/// A set of remarks on a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Qualifiers(pub u32);

impl Qualifiers {
    /// No remark.
    pub const NONE: Qualifiers = Qualifiers(0);

    /// Both sets.
    #[must_use]
    pub fn with(self, other: Qualifiers) -> Qualifiers {
        Qualifiers(self.0 | other.0)
    }

    /// True when the remark is in the set.
    pub fn contains(self, qualifier: Qualifier) -> bool {
        self.0 & qualifier as u32 != 0
    }
}

impl From<Qualifier> for Qualifiers {
    fn from(qualifier: Qualifier) -> Self {
        Qualifiers(qualifier as u32)
    }
}

impl FromIterator<Qualifier> for Qualifiers {
    fn from_iter<I: IntoIterator<Item = Qualifier>>(qualifiers: I) -> Self {
        qualifiers.into_iter().fold(Qualifiers::NONE, |set, qualifier| set.with(qualifier.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_contract() {
        let names: Vec<String> =
            State::ALL.iter().map(|state| serde_json::to_value(state).unwrap().as_str().unwrap().to_owned()).collect();
        assert_eq!(
            names.join(" "),
            "valid calibration maintenance purge warm_up fault comm_error over_range under_range suspect manual missing"
        );
        for (code, state) in (0..).zip(State::ALL) {
            assert_eq!(state.code(), code);
        }
    }

    #[test]
    fn the_state_reported_is_the_first_of_the_contracts_order() {
        use State::*;
        let order =
            [CommError, Fault, OverRange, UnderRange, Maintenance, Calibration, Purge, WarmUp, Suspect, Manual, Valid];
        for pair in order.windows(2) {
            assert_eq!(pair[0].or_worse(pair[1]), pair[0]);
            assert_eq!(pair[1].or_worse(pair[0]), pair[0]);
        }
    }
}
