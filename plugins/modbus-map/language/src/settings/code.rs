//! Tables of codes, and what reads its meaning from one.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use tutin_sdk::modbus::Table;

/// A table of codes (decimal, or hexadecimal as 0x80) and what they mean, or the name of one in `tables`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a table of codes with texts, or the name of one in tables")]
pub enum Codes {
    /// One of `tables`.
    Named(String),
    /// Written out.
    Here(BTreeMap<String, String>),
}

/// A register whose code the instrument sets, or text in several. With the point's `repeat` its address goes along.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CodeFrom {
    /// Which table.
    pub table: Table,
    /// Address of the (first) register or bit, counted from `address_base`.
    pub address: u32,
    /// Bits of the register that count. Default all.
    pub mask: Option<u16>,
    /// Registers of a text, 1 to 125, two characters in each, the first in the high byte. Default: no text but a code.
    pub length: Option<u16>,
    /// What each code, or text, means.
    pub codes: Codes,
}

/// A register that says what a point is. Until it was read the point is not in the list.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NameFrom {
    /// Which table.
    pub table: Table,
    /// Address of the (first) register or bit, counted from `address_base`.
    pub address: u32,
    /// Bits of the register that count. Default all.
    pub mask: Option<u16>,
    /// Registers of a text, 1 to 125. Default: no text but a code.
    pub length: Option<u16>,
    /// The name for each code, as an id; empty when there is no such point. A code that is not in the table makes `code17`.
    pub codes: Codes,
    /// The point's id, in which `{name}` stands for the name. Default `{name}`. When several points would get one id, each gets `_` and the
    /// number of its repetition behind it.
    pub id: Option<String>,
    /// What it is, in words; `{name}` as in the id. Default: the id.
    pub label: Option<String>,
}
