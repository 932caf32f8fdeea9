//! From the status word to the state of a value.

use tutin_sdk::settings::wrong;
use tutin_sdk::{Failure, State};

use crate::dialect::UnitBits;
use crate::settings::{FlagSettings, Settings};

/// What the bits of one device mean.
#[derive(Debug)]
pub(crate) struct Flags {
    /// Masks with the states that they lead to.
    effects: Vec<(u16, State)>,
    /// Bits that have a meaning.
    known: u16,
    unit_bits: UnitBits,
}

impl Flags {
    /// The dialect's table with what the settings say of it.
    pub fn new(settings: &Settings) -> Result<Flags, Failure> {
        let table = settings.dialect.flags();
        let mut effects = Vec::new();
        for flag in table {
            let said = settings.flags.get(flag.name);
            let mask = said.and_then(|said| said.mask).unwrap_or(flag.mask);
            effects.push((mask, said.and_then(|said| said.state).unwrap_or(flag.state)));
        }
        for (name, said) in &settings.flags {
            if table.iter().all(|flag| flag.name != name) {
                effects.push(further(name, *said, table.iter().map(|flag| flag.name))?);
            }
        }
        if settings.dialect.flags().is_empty() && effects.is_empty() {
            return Err(wrong("flags", "the dialect `own` knows no bits, so at least one must be given"));
        }
        let known = effects.iter().fold(0, |known, (mask, _)| known | mask);
        let unit_bits = if settings.check_units { settings.dialect.unit_bits() } else { UnitBits::None };
        if known & unit_bits.mask() != 0 {
            return Err(wrong(
                "flags",
                "bits that tell the unit have another meaning too; check_units = false allows it",
            ));
        }
        let known = known | settings.dialect.unit_bits().mask();
        Ok(Flags { effects, known, unit_bits })
    }

    /// The state that a status word leads to. A bit that is set and has no known meaning makes a value suspect.
    pub fn state(&self, status: u16) -> State {
        let unknown = if status & !self.known == 0 { State::Valid } else { State::Suspect };
        let said = self.effects.iter().filter(|(mask, _)| status & mask != 0).map(|(_, state)| *state);
        said.fold(unknown, State::or_worse)
    }

    /// The unit that the status names, when it is not this one.
    pub fn other_unit(&self, status: u16, unit: &str) -> Option<&'static str> {
        self.unit_bits.contradiction(status, unit)
    }
}

/// A flag that the dialect does not have. A name without a place is a misspelt one.
fn further<'a>(name: &str, said: FlagSettings, known: impl Iterator<Item = &'a str>) -> Result<(u16, State), Failure> {
    let member = format!("flags.{name}");
    let (Some(mask), Some(state)) = (said.mask, said.state) else {
        let meant = tutin_sdk::settings::nearest(name, known)
            .map_or(String::new(), |meant| format!("; did you mean `{meant}`?"));
        return Err(wrong(&member, format_args!("unknown to the dialect, so it needs a mask and a state{meant}")));
    };
    Ok((mask, state))
}
