//! What the instrument's status says of its values.

use schemars::JsonSchema;
use serde::Deserialize;
use tutin_sdk::modbus::Table;
use tutin_sdk::{Qualifier, State};

use crate::settings::{Codes, Repeat};

/// A condition on the instrument's status, and what it says of values.
///
/// A bit (of a coil, of a discrete input, or `bit` of a register) holds when it is set. A register with `mask` holds when any of
/// those bits is set; with `equals`, when the masked register is that number. `is = false` turns it round.
///
/// `codes`, `bits` and `meaning` say several things at once: what they say is a text of words with blanks between, each a state, a letter
/// of NE 107 (F, C, S, M) or a qualifier, as in "over_range outside_calibration_range".
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusRule {
    /// Which table.
    pub table: Table,
    /// Address of the register or bit, counted from `address_base`.
    pub address: u32,
    /// Modbus unit behind the same link. Default: the device's own.
    pub unit_id: Option<u8>,
    /// Bit of a register, 0 (least significant) to 15.
    #[schemars(range(max = 15))]
    pub bit: Option<u8>,
    /// Bits of a register that count. Default all.
    pub mask: Option<u16>,
    /// What the masked register must be.
    pub equals: Option<u16>,
    /// False when the rule holds where the condition does not. Default true.
    #[serde(default = "is")]
    pub is: bool,
    /// State of the values while the rule holds. Default: no change.
    #[serde(default)]
    pub state: State,
    /// The letter of NAMUR NE 107 instead of a state; `ne107` of the settings says which state that is.
    pub ne107: Option<Letter>,
    /// Remarks on the values while the rule holds. Default none.
    #[serde(default)]
    pub qualifiers: Vec<Qualifier>,
    /// Ids of the points that it speaks of, in which one `*` stands for any text. Default all. With `repeat`, `{n}` stands for the number.
    pub points: Option<Vec<String>>,
    /// What each number of the masked register says.
    pub codes: Option<Codes>,
    /// What a number says that is not in `codes`. Default suspect.
    pub otherwise: Option<String>,
    /// What each bit of the register, 0 (least significant) to 15, says while it is set. Others say nothing.
    pub bits: Option<Codes>,
    /// A standard meaning of the masked register; `codes` beside it go first.
    pub meaning: Option<Meaning>,
    /// Several rules at a fixed distance, one for each block.
    pub repeat: Option<Repeat>,
    /// What the bit or register is, in words. For people.
    pub about: Option<String>,
}

/// A meaning that a standard gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// PROFIBUS PA quality byte in the low byte: bits 7 and 6 are 2 for good (valid), 1 for uncertain (suspect), 0 for bad (fault). 3 is
    /// suspect.
    PaQuality,
}

/// A letter of NAMUR NE 107.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Letter {
    /// Failure.
    F,
    /// Function check.
    C,
    /// Out of specification.
    S,
    /// Maintenance required.
    M,
}

/// State of each letter.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[expect(non_snake_case, reason = "the standard's own letters")]
pub struct Letters {
    /// Failure. Default fault.
    pub F: State,
    /// Function check: somebody works on it, or it checks itself. Default maintenance.
    pub C: State,
    /// Out of specification. Default suspect.
    pub S: State,
    /// Maintenance required. Default maintenance; `valid` where such values still count.
    pub M: State,
}

impl Default for Letters {
    fn default() -> Self {
        Letters { F: State::Fault, C: State::Maintenance, S: State::Suspect, M: State::Maintenance }
    }
}

impl Letters {
    /// The state of a letter.
    pub fn state(&self, letter: Letter) -> State {
        match letter {
            Letter::F => self.F,
            Letter::C => self.C,
            Letter::S => self.S,
            Letter::M => self.M,
        }
    }
}

fn is() -> bool {
    true
}
