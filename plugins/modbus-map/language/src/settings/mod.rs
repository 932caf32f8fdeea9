//! The register map as its author, and what the site adds to it, writes it.

pub mod about;
pub mod code;
pub mod command;
pub mod point;
pub mod rule;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use tutin_sdk::State;
use tutin_sdk::modbus::MAX_REGISTERS;
use tutin_sdk::words::WordOrder;

pub use about::{About, Source};
pub use code::{CodeFrom, Codes, NameFrom};
pub use command::{Argument, ArgumentKind, Command, ProcessValues, Write};
pub use point::{Adjust, PointSettings, Repeat, Sentinel, Type};
pub use rule::{Letter, Letters, Meaning, StatusRule};

/// A Modbus instrument.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What the map is of, where its facts come from and how far they are proven. For people.
    pub about: Option<About>,
    /// What the map does not know and the site must say: a member (`word_order`, `address_base`, `variant`, `only`, `address_shift.TABLE`,
    /// `tables.NAME`, `units.KEY`), with how to find it out. Without the member the device does not open.
    #[serde(default)]
    pub ask: BTreeMap<String, String>,
    /// What the manual calls the first address of a table: 0 or 1. It is taken off every address. Default 0.
    #[schemars(range(max = 1))]
    pub address_base: Option<u8>,
    /// Added to every address of a table, for an instrument that numbers one table otherwise. Default 0.
    #[serde(default)]
    pub address_shift: AddressShift,
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
    /// Smallest size of a floating point number other than 0 that the instrument can show, in the point's unit. A smaller one is kept but is at
    /// fault, like one outside its `range`: words in the wrong order often make 1e-39. Default 0: any number will do.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub smallest: f64,
    /// State of a value that is not a number. Default fault.
    #[serde(default = "nan")]
    pub nan: State,
    /// What is read; at least one, here or in the chosen variant.
    #[serde(default)]
    pub points: Vec<PointSettings>,
    /// Which bits and codes of the instrument change the state of its values. When several hold, the worst state
    /// is reported (comm_error, fault, over_range, under_range, maintenance, calibration, purge, warm_up, suspect, manual).
    #[serde(default)]
    pub status_rules: Vec<StatusRule>,
    /// State of each NAMUR NE 107 letter. Default: F fault, C maintenance, S suspect, M maintenance.
    #[serde(default)]
    pub ne107: Letters,
    /// Tables of codes by name, for members that take one.
    #[serde(default)]
    pub tables: BTreeMap<String, BTreeMap<String, String>>,
    /// UCUM codes of units that only the site knows, by the points' `unit_key`.
    #[serde(default)]
    pub units: BTreeMap<String, String>,
    /// What the site knows of single points, by id, or by a pattern in which one `*` stands for any text.
    #[serde(default)]
    pub adjust: BTreeMap<String, Adjust>,
    /// Ids of the points that are wanted, in which one `*` stands for any text. Default all.
    pub only: Option<Vec<String>>,
    /// Ids of the points that are not wanted, likewise. Default none.
    #[serde(default)]
    pub without: Vec<String>,
    /// Which of `variants` the instrument is. No default.
    pub variant: Option<String>,
    /// Further parts of the map, of which the site chooses one.
    #[serde(default)]
    pub variants: BTreeMap<String, Variant>,
    /// Writes that make the instrument readable, done before the first read and again when it was away. Only `modbus-map-control` can.
    #[serde(default)]
    pub setup: Vec<Write>,
    /// What the instrument can be told to do. Only `modbus-map-control` can.
    #[serde(default)]
    pub commands: BTreeMap<String, Command>,
    /// A command that is repeated with fixed arguments, for values that the instrument wants from outside. Only `modbus-map-control`
    /// can.
    pub process_values: Option<ProcessValues>,
}

/// Added to every address of a table.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddressShift {
    /// To those of coils. Default 0.
    pub coil: Option<i32>,
    /// To those of discrete inputs. Default 0.
    pub discrete: Option<i32>,
    /// To those of holding registers. Default 0.
    pub holding: Option<i32>,
    /// To those of input registers. Default 0.
    pub input: Option<i32>,
}

/// Part of a map that holds for some instruments of the family. Its lists come after those of the map.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Which instruments it is for, and how to see it.
    #[serde(default)]
    pub about: String,
    /// Default: that of the settings.
    #[schemars(range(max = 1))]
    pub address_base: Option<u8>,
    /// Default: that of the settings.
    pub word_order: Option<WordOrder>,
    /// Further points.
    #[serde(default)]
    pub points: Vec<PointSettings>,
    /// Further rules.
    #[serde(default)]
    pub status_rules: Vec<StatusRule>,
    /// Further writes.
    #[serde(default)]
    pub setup: Vec<Write>,
    /// Further commands; a name that the map has too is this one.
    #[serde(default)]
    pub commands: BTreeMap<String, Command>,
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
