//! Registers in which the instrument says what a point is, or in which unit it stands.

use std::collections::BTreeMap;

use tutin_sdk::modbus::{Span, Table};
use tutin_sdk::settings::wrong;
use tutin_sdk::{Failure, Point};

use crate::codes::{entries, numbered};
use crate::effective::Effective;
use crate::settings::Codes;

/// A register to be looked up, or text in several.
#[derive(Debug, Clone)]
pub(crate) struct PlacedSource {
    pub unit_id: Option<u8>,
    pub table: Table,
    pub span: Span,
    pub lookup: Lookup,
}

/// What its content means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// A code, after the mask.
    Code(u16, BTreeMap<u16, String>),
    /// A text.
    Text(BTreeMap<String, String>),
}

/// A source that names a point.
#[derive(Debug, Clone)]
pub(crate) struct PlacedName {
    pub source: PlacedSource,
    pub id: String,
    pub label: Option<String>,
    /// Which repetition the point is; set behind ids that would be the same.
    pub number: u32,
}

pub(crate) fn source(
    effective: &Effective,
    (unit_id, table, address): (Option<u8>, Table, u32),
    mask: Option<u16>,
    length: Option<u16>,
    codes: &Codes,
    at: &str,
) -> Result<PlacedSource, Failure> {
    let settings = effective.settings;
    let codes_at = format!("{at}.codes");
    let lookup = match length {
        None => {
            let limit = if table.is_bits() { 1 } else { u16::MAX };
            let codes = numbered(codes, settings, limit, &codes_at, |text| Ok(text.to_owned()))?;
            Lookup::Code(mask.unwrap_or(u16::MAX), codes)
        }
        Some(_) if table.is_bits() => return Err(wrong(&format!("{at}.length"), "is for registers")),
        Some(1..=125) => Lookup::Text(entries(codes, settings, &codes_at)?.clone()),
        Some(_) => return Err(wrong(&format!("{at}.length"), "must be 1 to 125 registers")),
    };
    let width = length.unwrap_or(1);
    let address = effective.wire_address(table, address, width, at)?;
    Ok(PlacedSource { unit_id, table, span: Span { address, count: width }, lookup })
}

pub(crate) fn name(
    source: PlacedSource,
    id: Option<&str>,
    label: Option<&str>,
    number: u32,
    at: &str,
) -> Result<PlacedName, Failure> {
    let id = id.unwrap_or("{name}");
    if !id.contains("{name}") {
        return Err(wrong(&format!("{at}.id"), "must hold {name} where the name goes"));
    }
    let names: Vec<&String> = match &source.lookup {
        Lookup::Code(_, names) => names.values().collect(),
        Lookup::Text(names) => names.values().collect(),
    };
    for name in names.into_iter().filter(|name| !name.is_empty()) {
        let whole = format!("{}_{number}", id.replace("{name}", name));
        if !Point::is_id(&whole) {
            return Err(wrong(&format!("{at}.codes"), format_args!("{name:?} makes no id")));
        }
    }
    Ok(PlacedName { source, id: id.to_owned(), label: label.map(str::to_owned), number })
}
