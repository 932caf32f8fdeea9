//! How a point's bits are read.

use std::collections::BTreeMap;
use std::rc::Rc;

use tutin_sdk::Failure;
use tutin_sdk::settings::wrong;
use tutin_sdk::words::{Format, WordOrder};

use crate::effective::Effective;
use crate::expand::texts;
use crate::settings::{PointSettings, Type};

/// How its bits are read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// A coil or a discrete input.
    Flag,
    /// One bit of a register.
    Bit(u8),
    /// A number in registers.
    Number(Format, WordOrder),
    /// Characters in so many registers.
    Text(u16),
    /// A register or a bit whose numbers have names.
    Code(Rc<BTreeMap<u16, String>>),
}

impl Kind {
    /// Registers or bits that it takes.
    pub fn width(&self) -> u16 {
        match self {
            Kind::Flag | Kind::Bit(_) | Kind::Code(_) => 1,
            Kind::Number(format, _) => format.words(),
            Kind::Text(words) => *words,
        }
    }

    /// True when its values are text.
    pub fn is_text(&self) -> bool {
        matches!(self, Kind::Text(_) | Kind::Code(_))
    }
}

/// Registers or bits that a point takes, before its members are checked.
pub(crate) fn width(entry: &PointSettings) -> u16 {
    match entry.kind {
        Some(Type::Text) => entry.length.unwrap_or(1),
        kind => kind.and_then(Type::format).map_or(1, Format::words),
    }
}

/// Characters of registers, two in each, the first in the high byte; what cannot be shown at the end is left out.
pub(crate) fn text_of(words: &[u16]) -> String {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    let text = String::from_utf8_lossy(&bytes);
    let end = text.find('\0').unwrap_or(text.len());
    text.get(..end).unwrap_or_default().trim().to_owned()
}

pub(crate) fn kind(
    effective: &Effective,
    entry: &PointSettings,
    order_of_site: Option<WordOrder>,
    at: &str,
) -> Result<Kind, Failure> {
    let no = |member: &str, why: &str| Err(wrong(&format!("{at}.{member}"), why));
    let format = match entry.kind {
        None if !entry.table.is_bits() => {
            return no("type", "registers need one: u16, i16, u32, i32, u64, i64, f32, f64 or bit");
        }
        Some(Type::Text) => return text(entry, at),
        _ if entry.length.is_some() => return no("length", "is for type text"),
        None => None,
        Some(kind) => kind.format(),
    };
    if let Some(code) = texts(effective, entry, at)? {
        return match format {
            None if entry.table.is_bits() => Ok(code),
            Some(Format::U16) if !entry.table.is_bits() => Ok(code),
            _ => no("texts", "is for type u16, and for coils and discrete inputs"),
        };
    }
    match (entry.table.is_bits(), format) {
        (true, Some(_)) => no("type", "coils and discrete inputs are always bit"),
        (true, None) if entry.bit.is_some() => no("bit", "is for registers; here the address is the bit"),
        (true, None) => Ok(Kind::Flag),
        (false, None) => match entry.bit {
            Some(bit @ 0..=15) => Ok(Kind::Bit(bit)),
            Some(_) => no("bit", "must be 0 (least significant) to 15"),
            None => no("bit", "which bit of the register, 0 (least significant) to 15?"),
        },
        (false, Some(_)) if entry.bit.is_some() => no("bit", "is for type bit"),
        (false, Some(format)) => match order_of_site.or(entry.word_order).or(effective.word_order) {
            Some(order) => Ok(Kind::Number(format, order)),
            None if format.words() == 1 => Ok(Kind::Number(format, WordOrder::HighFirst)),
            None => no(
                "word_order",
                "a value wider than 16 bits needs one: high_first, low_first, high_first_swapped or low_first_swapped",
            ),
        },
    }
}

fn text(entry: &PointSettings, at: &str) -> Result<Kind, Failure> {
    if entry.table.is_bits() {
        return Err(wrong(&format!("{at}.type"), "coils and discrete inputs are always bit"));
    }
    match entry.length {
        Some(length @ 1..=125) => Ok(Kind::Text(length)),
        _ => Err(wrong(&format!("{at}.length"), "a text needs its number of registers, 1 to 125")),
    }
}
