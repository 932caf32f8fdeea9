//! Which word order is the instrument's?
//!
//! The wide numbers of one reading, put together in each of the four orders. Only one of them usually makes numbers that an
//! instrument would show: 12.34 with its words exchanged is 4e29.

use tutin_sdk::Failure;
use tutin_sdk::words::WordOrder;

use crate::cell::Cell;
use crate::kind::Kind;

/// Name of the command.
pub(crate) const PROBE: &str = "probe-word-order";
/// What it does.
pub(crate) const PROBE_PURPOSE: &str = "Reads the numbers that are wider than 16 bits once and says what they would be in each of the four word orders, \
     and how many of them the instrument could show. Changes nothing.";

/// One number as it would be.
struct Would<'a> {
    id: &'a str,
    value: f64,
    fits: bool,
}

/// What the cells, with their names and bits, would be.
pub(crate) fn probe<'a>(cells: impl Iterator<Item = (&'a Cell, &'a str, u64)>) -> Result<String, Failure> {
    let wide: Vec<_> =
        cells.filter(|(cell, ..)| matches!(cell.kind, Kind::Number(format, _) if format.words() > 1)).collect();
    let telling = wide.iter().filter(|(cell, _, raw)| is_telling(cell, *raw)).count();
    if wide.is_empty() {
        return Err(Failure::unsupported("no number wider than 16 bits was read: the word order does not matter"));
    }
    if telling == 0 {
        return Err(Failure::busy(
            "all numbers are the same in every word order: try again when the instrument measures",
        ));
    }
    let mut lines = Vec::new();
    let mut fitting = Vec::new();
    for order in WordOrder::ALL {
        let would: Vec<Would> = wide.iter().filter_map(|(cell, id, raw)| would(cell, id, *raw, order)).collect();
        let fit = would.iter().filter(|would| would.fits).count();
        if fit == would.len() {
            fitting.push(order.name());
        }
        let list: Vec<String> = would.iter().map(Would::to_string).collect();
        lines.push(format!("{}: {fit} of {} fit: {}", order.name(), would.len(), list.join(", ")));
    }
    lines.push(match fitting.as_slice() {
        [] => {
            "in no order do all fit: compare with the instrument's display, and look at addresses and types".to_owned()
        }
        [only] => format!("only with word_order {only} do all fit"),
        several => format!("all fit with {}: compare with the instrument's display", several.join(" and with ")),
    });
    Ok(lines.join("\n"))
}

/// True when the order makes a difference.
fn is_telling(cell: &Cell, raw: u64) -> bool {
    let values = WordOrder::ALL.map(|order| cell.value_in(raw, order).map(f64::to_bits));
    values.iter().any(|value| Some(value) != values.first())
}

fn would<'a>(cell: &Cell, id: &'a str, raw: u64, order: WordOrder) -> Option<Would<'a>> {
    let value = cell.value_in(raw, order)?;
    let size = value.abs();
    let is_usual = size == 0.0 || (1e-6..=1e9).contains(&size);
    Some(Would { id, value, fits: cell.is_possible(value) && is_usual })
}

impl std::fmt::Display for Would<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Would { id, value, fits } = self;
        let mark = if *fits { "" } else { " (!)" };
        if (1e-3..1e7).contains(&value.abs()) || *value == 0.0 {
            write!(f, "{id} {value}{mark}")
        } else {
            write!(f, "{id} {value:e}{mark}")
        }
    }
}
