//! The register map as the administrator writes it.

use schemars::JsonSchema;
use serde::Deserialize;
use tutin_sdk::modbus::{MAX_REGISTERS, Table};
use tutin_sdk::words::{Format, WordOrder};
use tutin_sdk::{Qualifier, State};

/// A Modbus instrument.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What the manual calls the first address of a table: 0 or 1. It is taken off every address. Default 0.
    #[serde(default)]
    #[schemars(range(max = 1))]
    pub address_base: u8,
    /// Most addresses that nobody asked for and that are still read along, to save a request. 0 when the instrument refuses
    /// addresses that it does not have. Default 8, 0 to 2000.
    #[serde(default = "max_gap")]
    #[schemars(range(max = 2000))]
    pub max_gap: u16,
    /// Most registers in one request. Default 125, 4 to 125.
    #[serde(default = "max_registers")]
    #[schemars(range(min = 4, max = 125))]
    pub max_registers: u16,
    /// Word order of every point that names none. No default: a point wider than 16 bits needs one from here or of its own.
    pub word_order: Option<WordOrder>,
    /// State of a value that is not a number. Default fault.
    #[serde(default = "nan")]
    pub nan: State,
    /// What is read; at least one.
    #[schemars(length(min = 1))]
    pub points: Vec<PointSettings>,
    /// Which bits and codes of the instrument change the state of its values. When several hold, the worst state
    /// is reported (comm_error, fault, over_range, under_range, maintenance, calibration, purge, warm_up, suspect, manual).
    #[serde(default)]
    pub status_rules: Vec<StatusRule>,
}

/// A point, or several of one kind.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PointSettings {
    /// Lower case letters, digits and `_`, starting with a letter, at most 64. With `repeat`, `{n}` stands for the number.
    pub id: String,
    /// What it is, in words. Default: the id. `{n}` as in the id.
    pub label: Option<String>,
    /// Which table.
    pub table: Table,
    /// Address of the (first) register or bit, counted from `address_base`.
    pub address: u32,
    /// What the bits mean. Coils and discrete inputs are always `bit`; registers need one.
    #[serde(rename = "type")]
    pub kind: Option<Type>,
    /// For a `bit` in a register: which one, 0 (least significant) to 15.
    #[schemars(range(max = 15))]
    pub bit: Option<u8>,
    /// Order of the words of a value wider than 16 bits. Default: that of the settings.
    pub word_order: Option<WordOrder>,
    /// What the number is multiplied with. Default 1.
    pub scale: Option<f64>,
    /// What is added after that, in the point's unit. Default 0.
    pub offset: Option<f64>,
    /// Lowest and highest number that the instrument can show, in the point's unit. What is outside is kept but is at fault, and the log
    /// says so, and which word order would fit. Default: any number will do.
    pub range: Option<[f64; 2]>,
    /// UCUM code of the scaled value's unit. Default empty: nobody said.
    #[serde(default)]
    pub unit: String,
    /// Modbus unit behind the same link, 0 to 255. Default: the device's own.
    pub unit_id: Option<u8>,
    /// Several points at a fixed distance.
    pub repeat: Option<Repeat>,
}

/// Several points at a fixed distance: `{ count = 100, stride = 1 }` with the id `r{n}` makes r0 to r99.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// How many, 1 to 65535.
    pub count: u16,
    /// Addresses from one to the next. Default: as many as one takes.
    pub stride: Option<u16>,
    /// Number of the first. Default 0.
    #[serde(default)]
    pub first: u32,
}

/// What bits mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// Unsigned, one register.
    U16,
    /// Two's complement, one register.
    I16,
    /// Unsigned, two registers.
    U32,
    /// Two's complement, two registers.
    I32,
    /// Unsigned, four registers.
    U64,
    /// Two's complement, four registers.
    I64,
    /// IEEE 754 binary32, two registers.
    F32,
    /// IEEE 754 binary64, four registers.
    F64,
    /// 0 or 1.
    Bit,
}

impl Type {
    /// `None` for a bit.
    pub fn format(self) -> Option<Format> {
        Some(match self {
            Type::U16 => Format::U16,
            Type::I16 => Format::I16,
            Type::U32 => Format::U32,
            Type::I32 => Format::I32,
            Type::U64 => Format::U64,
            Type::I64 => Format::I64,
            Type::F32 => Format::F32,
            Type::F64 => Format::F64,
            Type::Bit => return None,
        })
    }
}

/// A condition on the instrument's status, and what it says of values.
///
/// A bit (of a coil, of a discrete input, or `bit` of a register) holds when it is set. A register with `mask` holds when any of
/// those bits is set; with `equals`, when the masked register is that number. `is = false` turns it round.
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
    /// Remarks on the values while the rule holds. Default none.
    #[serde(default)]
    pub qualifiers: Vec<Qualifier>,
    /// Ids of the points that it speaks of, in which one `*` stands for any text. Default all.
    pub points: Option<Vec<String>>,
}

fn max_gap() -> u16 {
    8
}

fn max_registers() -> u16 {
    MAX_REGISTERS
}

fn nan() -> State {
    State::Fault
}

fn is() -> bool {
    true
}
