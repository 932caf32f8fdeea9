//! The flags and the gas mode become the state of the concentrations.

use std::collections::BTreeMap;

use tutin_sdk::settings::wrong;
use tutin_sdk::{Failure, Qualifier, Qualifiers, State};

use crate::model::Effect;
use crate::settings::Settings;

/// Effects by bit.
#[derive(Debug)]
pub(crate) struct Flags {
    effects: BTreeMap<u32, Effect>,
    names: BTreeMap<u32, &'static str>,
}

/// What the instrument says of its concentrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub state: State,
    pub remarks: Qualifiers,
    /// The flags as they came.
    pub word: u64,
}

impl Flags {
    /// The model's own table with what the settings change.
    pub fn new(settings: &Settings) -> Result<Self, Failure> {
        let own = settings.model.flags().unwrap_or_default();
        let mut effects: BTreeMap<u32, Effect> = own.iter().map(|flag| (flag.bit, flag.effect)).collect();
        for (name, state) in settings.flag_states.iter().flatten() {
            effects.insert(bit(&format!("flag_states.{name}"), name)?, Effect::State(*state));
        }
        for (at, name) in settings.limit_flags.iter().enumerate() {
            effects.insert(bit(&format!("limit_flags[{at}]"), name)?, Effect::AboveLimit);
        }
        Ok(Flags { effects, names: own.iter().map(|flag| (flag.bit, flag.name)).collect() })
    }

    /// Which flags are set, in words where there are some.
    pub fn words(&self, word: u32) -> String {
        let name = |bit| self.names.get(&bit).map_or_else(|| format!("0x{bit:08x}"), |name| (*name).to_owned());
        bits(word).map(name).collect::<Vec<_>>().join(", ")
    }

    /// What these flags say.
    pub fn verdict(&self, word: u32) -> Verdict {
        let mut verdict = Verdict { state: State::Valid, remarks: Qualifiers::NONE, word: word.into() };
        for bit in bits(word) {
            match self.effects.get(&bit) {
                Some(Effect::State(state)) => verdict.state = verdict.state.or_worse(*state),
                Some(Effect::AboveLimit) => verdict.remarks = verdict.remarks.with(Qualifier::AboveLimit.into()),
                None => verdict.state = verdict.state.or_worse(State::Suspect),
            }
        }
        verdict
    }
}

impl Verdict {
    /// Of an instrument that does not tell its flags.
    pub fn unknown() -> Self {
        Verdict { state: State::Suspect, remarks: Qualifiers::NONE, word: 0 }
    }

    /// With another reason for a state.
    pub fn with(self, state: State) -> Self {
        Verdict { state: self.state.or_worse(state), ..self }
    }
}

fn bits(word: u32) -> impl Iterator<Item = u32> {
    (0..32).map(|number| 1_u32 << number).filter(move |bit| word & bit != 0)
}

/// The word of flags: eight hexadecimal digits.
pub(crate) fn word(answer: &str) -> Option<u32> {
    let is_word = (1..=8).contains(&answer.len()) && answer.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_word { u32::from_str_radix(answer, 16).ok() } else { None }
}

/// The state that a gas mode gives: `sample` is the only one that measures.
pub(crate) fn of_gas_mode(answer: &str) -> State {
    let mode = answer.to_ascii_lowercase();
    if mode == "sample" {
        State::Valid
    } else if mode.contains("zero") || mode.contains("span") || mode.contains("cal") {
        State::Calibration
    } else if mode.contains("purge") {
        State::Purge
    } else {
        State::Suspect
    }
}

fn bit(member: &str, name: &str) -> Result<u32, Failure> {
    let digits = name.strip_prefix("0x").unwrap_or_default();
    match word(digits) {
        Some(bit) if bit.count_ones() == 1 => Ok(bit),
        _ => Err(wrong(member, "must be one bit as in 0x20000000")),
    }
}
