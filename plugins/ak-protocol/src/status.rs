//! From the running function, the error digit and the error list to the state of values.
//!
//! The states are a proposal after NAMUR NE 107, no maker's word. That of STBY is a setting, because makers differ. Sources: Testo CU-2
//! manual p. 30 to 32; Emerson NGA 2000 AK manual 90003752(1), p. 2-74 and 2-76; NGA 2000 manual 90003749(1), 3.4.4.

use tutin_sdk::State;

use crate::settings::Settings;

/// Codes that ASTZ tells, and what they say of values.
pub(crate) const FUNCTIONS: [(&str, State); 10] = [
    ("SREM", State::Valid),
    ("SMAN", State::Valid),
    ("SRBS", State::Valid),
    ("SMGA", State::Valid),
    ("SINT", State::Valid),
    ("SNGA", State::Calibration),
    ("SCAL", State::Calibration),
    ("SLEC", State::Calibration),
    ("SPAU", State::Maintenance),
    ("#", State::Fault),
];

/// What the instrument says of a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Status {
    /// The channel that ASTZ and ASTF were asked of.
    pub channel: u16,
    /// The last error digit that a reply had.
    pub digit: u8,
    /// What ASTZ told; `None` when it could not be had.
    pub functions: Option<Vec<String>>,
    /// What ASTF told; `None` when it was not asked or could not be had.
    pub errors: Option<Vec<String>>,
}

impl Status {
    /// The state that the running functions lead to.
    pub fn of_functions(&self, settings: &Settings) -> State {
        let Some(functions) = &self.functions else { return State::Suspect };
        let state = |code: &String| {
            let said = settings.functions.get(code).copied();
            let standby = if code == "STBY" { settings.standby } else { None };
            let known = FUNCTIONS.iter().find(|(known, _)| known == code).map(|(_, state)| *state);
            said.or(standby).or(known).unwrap_or(State::Suspect)
        };
        match functions.as_slice() {
            // Without a mode, which is always the first code, the answer says nothing.
            [] => State::Suspect,
            codes => codes.iter().map(state).fold(State::Valid, State::or_worse),
        }
    }

    /// The state that the errors lead to, with an error digit that stood beside a value.
    pub fn of_errors(&self, settings: &Settings, digit: u8) -> State {
        of_errors(settings, digit.max(self.digit), self.errors.as_deref())
    }

    /// Error digit, then three error numbers of 16 bits each from bit 8 on; 0xFFFF for one that is no such number.
    pub fn word(&self, digit: u8) -> u64 {
        let numbers = self.errors.iter().flatten().take(3).map(|number| number.parse().unwrap_or(u16::MAX));
        let word = (0..).zip(numbers).fold(0, |word, (place, number)| word | u64::from(number) << (8 + 16 * place));
        word | u64::from(digit.max(self.digit))
    }
}

/// The state that an error digit and an error list lead to.
fn of_errors(settings: &Settings, digit: u8, errors: Option<&[String]>) -> State {
    let of = |number: &String| settings.errors.get(number).copied().unwrap_or(settings.other_errors);
    match errors {
        Some(errors) if !errors.is_empty() => errors.iter().map(of).fold(State::Valid, State::or_worse),
        _ if digit == 0 => State::Valid,
        _ => settings.other_errors,
    }
}
