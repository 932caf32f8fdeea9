//! What is read.

use schemars::JsonSchema;
use serde::Deserialize;
use tutin_sdk::State;
use tutin_sdk::modbus::Table;
use tutin_sdk::words::{Format, WordOrder};

use crate::settings::{CodeFrom, Codes, NameFrom};

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
    /// For a `text`: how many registers, 1 to 125, two characters in each, the first in the high byte.
    pub length: Option<u16>,
    /// Makes a text of a code: what each says. A code that is not in the table is given as its number.
    pub texts: Option<Codes>,
    /// The unit is in `units`, by this name, because the instrument's set-up decides; `{n}` as in the id.
    pub unit_key: Option<String>,
    /// The unit is what this code says, as UCUM. A code that is not in the table leaves the unit open, and the log says so.
    pub unit_from: Option<CodeFrom>,
    /// What the point is, is what this code says. `id` is then only what rules and filters call it.
    pub name_from: Option<NameFrom>,
    /// Numbers that stand for something else.
    #[serde(default)]
    pub sentinels: Vec<Sentinel>,
    /// How far this point is proven, as in `about`. Default: as the map.
    pub proof: Option<String>,
}

/// A number that stands for something else: 32767 for no sensor, 0 while the instrument does not measure.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sentinel {
    /// The number in the register, before `scale` and `offset`.
    pub number: Option<f64>,
    /// Its bits, right aligned, for what is no number.
    pub raw: Option<u64>,
    /// State of such a value when the status says nothing worse.
    pub state: State,
}

/// What the site knows of a point. Members that are not there leave the map's.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Adjust {
    /// Its id in the record; rules and filters go on knowing it by the map's.
    pub id: Option<String>,
    /// In words.
    pub label: Option<String>,
    /// UCUM code.
    pub unit: Option<String>,
    /// See the point.
    pub range: Option<[f64; 2]>,
    /// See the point.
    pub scale: Option<f64>,
    /// See the point.
    pub offset: Option<f64>,
    /// See the point.
    pub word_order: Option<WordOrder>,
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
    /// Characters, `length` registers.
    Text,
}

impl Type {
    /// `None` for a bit and for text.
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
            Type::Bit | Type::Text => return None,
        })
    }
}
