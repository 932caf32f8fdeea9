//! The writing parts of a map.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use tutin_sdk::modbus::Table;
use tutin_sdk::words::WordOrder;

use crate::settings::Type;

/// Something that the instrument can be told to do.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// What it does to the instrument, how long it takes, and how its end is seen.
    pub purpose: String,
    /// Commands of one group exclude each other: while one is held or in force, another is refused as busy.
    pub group: Option<String>,
    /// Least time, in milliseconds, that the writes stay before they are taken back. The driver has no clock: it takes them back in the first poll
    /// that begins this long after the poll that follows the command. 1 to 600000. Default: they stay.
    #[schemars(range(min = 1, max = 600_000))]
    pub hold_ms: Option<u32>,
    /// Commands of the group that this one ends. Default none.
    #[serde(default)]
    pub ends: Vec<String>,
    /// What the command is told.
    #[serde(default)]
    pub arguments: BTreeMap<String, Argument>,
    /// What is written, in order. Registers that follow each other go in one request.
    pub writes: Vec<Write>,
    /// How far this is proven, as in `about`.
    pub proof: Option<String>,
}

/// What a command is told.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Argument {
    /// What it is.
    pub about: String,
    /// What it must be. Default number.
    #[serde(default, rename = "type")]
    pub kind: ArgumentKind,
    /// Its unit, for people.
    #[serde(default)]
    pub unit: String,
    /// Lowest and highest number. Default: any.
    pub range: Option<[f64; 2]>,
    /// False when it may be left out; then what it would write is not written. Default true.
    #[serde(default = "required")]
    pub required: bool,
}

/// What an argument must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArgumentKind {
    /// A finite number.
    #[default]
    Number,
    /// A whole number.
    Whole,
    /// true or false.
    Switch,
}

/// A write.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Write {
    /// `coil` or `holding`.
    pub table: Table,
    /// Address of the (first) register or coil, counted from `address_base`.
    pub address: u32,
    /// Modbus unit behind the same link. Default: the device's own.
    pub unit_id: Option<u8>,
    /// How a number stands in registers. Default u16. For coils none: 0 is off, anything else on.
    #[serde(rename = "type")]
    pub kind: Option<Type>,
    /// Default: that of the settings.
    pub word_order: Option<WordOrder>,
    /// The number.
    pub value: Option<f64>,
    /// Several numbers, one after the other.
    pub values: Option<Vec<f64>>,
    /// The argument that is the number.
    pub argument: Option<String>,
    /// Only when this argument was given.
    pub when: Option<String>,
    /// The number in the instrument is (argument - offset) / scale. Default 1.
    pub scale: Option<f64>,
    /// See `scale`. Default 0.
    pub offset: Option<f64>,
    /// What is written when the command's hold is over. Default 0 for coils; registers need one.
    pub after: Option<f64>,
    /// For `setup`: false when what was written cannot be read back. Default true: it is read in every poll, and written again when it is
    /// not there.
    #[serde(default = "required")]
    pub verify: bool,
}

/// A command that is repeated.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProcessValues {
    /// Which of `commands`.
    pub command: String,
    /// Its arguments.
    #[serde(default)]
    pub arguments: Map<String, Value>,
    /// How many polls from one to the next; the first is before the first read. Default 60, 1 to 1000000.
    #[serde(default = "every_polls")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub every_polls: u32,
}

fn required() -> bool {
    true
}

fn every_polls() -> u32 {
    60
}
