//! From the administrator's points to single points: repetitions written out, addresses from 0, every member checked.

use std::collections::HashSet;

use tutin_sdk::modbus::{Span, Table};
use tutin_sdk::settings::wrong;
use tutin_sdk::words::{Format, WordOrder};
use tutin_sdk::{Failure, Point};

use crate::settings::{PointSettings, Settings};

/// One point and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    pub point: Point,
    pub unit_id: Option<u8>,
    pub table: Table,
    pub span: Span,
    pub kind: Kind,
    /// Scale and offset; `None` leaves the number as it is, bit for bit.
    pub linear: Option<(f64, f64)>,
    /// Lowest and highest number that can be.
    pub range: Option<[f64; 2]>,
}

/// How its bits are read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// A coil or a discrete input.
    Flag,
    /// One bit of a register.
    Bit(u8),
    /// A number in registers.
    Number(Format, WordOrder),
}

impl Kind {
    fn width(self) -> u16 {
        match self {
            Kind::Flag | Kind::Bit(_) => 1,
            Kind::Number(format, _) => format.words(),
        }
    }
}

/// All points of the settings, in order.
pub(crate) fn expand(settings: &Settings) -> Result<Vec<Placed>, Failure> {
    if settings.address_base > 1 {
        return Err(wrong("address_base", "must be 0 or 1"));
    }
    if settings.points.is_empty() {
        return Err(wrong("points", "at least one point is needed"));
    }
    let mut placed = Vec::new();
    for (index, entry) in settings.points.iter().enumerate() {
        let at = format!("points[{index}]");
        place(settings, entry, &at, &mut placed)?;
        if placed.len() > usize::from(u16::MAX) {
            return Err(wrong(&at, "more than 65535 points in all"));
        }
    }
    let mut seen = HashSet::new();
    for Placed { point, .. } in &placed {
        if !seen.insert(point.id.as_str()) {
            return Err(wrong("points", format_args!("two points are called {:?}", point.id)));
        }
    }
    Ok(placed)
}

/// The address on the wire of one that the administrator wrote.
pub(crate) fn wire_address(settings: &Settings, address: u32, width: u16, at: &str) -> Result<u16, Failure> {
    let base = u32::from(settings.address_base);
    let Some(from_zero) = address.checked_sub(base) else {
        return Err(wrong(&format!("{at}.address"), "must be at least 1, because address_base is 1"));
    };
    match u16::try_from(from_zero) {
        Ok(wire) if from_zero + u32::from(width) <= 65536 => Ok(wire),
        _ => Err(wrong(&format!("{at}.address"), format_args!("{address} is beyond the table's end"))),
    }
}

fn place(settings: &Settings, entry: &PointSettings, at: &str, placed: &mut Vec<Placed>) -> Result<(), Failure> {
    let kind = kind(settings, entry, at)?;
    let linear = linear(entry, at)?;
    let range = range(entry, at)?;
    let mut add = |id: String, label: String, address: u32| -> Result<(), Failure> {
        if !Point::is_id(&id) {
            let rule = "lower case letters, digits and _, starting with a letter, at most 64";
            return Err(wrong(&format!("{at}.id"), format_args!("{id:?} is no id: {rule}")));
        }
        let address = wire_address(settings, address, kind.width(), at)?;
        placed.push(Placed {
            point: Point::number(id, label, entry.unit.clone()),
            unit_id: entry.unit_id,
            table: entry.table,
            span: Span { address, count: kind.width() },
            kind,
            linear,
            range,
        });
        Ok(())
    };
    let label = entry.label.as_ref().unwrap_or(&entry.id);
    let Some(repeat) = &entry.repeat else {
        return add(entry.id.clone(), label.clone(), entry.address);
    };
    if repeat.count == 0 {
        return Err(wrong(&format!("{at}.repeat.count"), "must be at least 1"));
    }
    if !entry.id.contains("{n}") {
        return Err(wrong(&format!("{at}.id"), "must hold {n} where the number goes, because of repeat"));
    }
    let stride = u32::from(repeat.stride.unwrap_or(kind.width()));
    for step in 0..u32::from(repeat.count) {
        let number = repeat.first.saturating_add(step).to_string();
        let address = entry.address.saturating_add(step.saturating_mul(stride));
        add(entry.id.replace("{n}", &number), label.replace("{n}", &number), address)?;
    }
    Ok(())
}

fn kind(settings: &Settings, entry: &PointSettings, at: &str) -> Result<Kind, Failure> {
    let no = |member: &str, why: &str| Err(wrong(&format!("{at}.{member}"), why));
    let format = match entry.kind {
        None if !entry.table.is_bits() => {
            return no("type", "registers need one: u16, i16, u32, i32, u64, i64, f32, f64 or bit");
        }
        None => None,
        Some(kind) => kind.format(),
    };
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
        (false, Some(format)) => match entry.word_order.or(settings.word_order) {
            Some(order) => Ok(Kind::Number(format, order)),
            None if format.words() == 1 => Ok(Kind::Number(format, WordOrder::HighFirst)),
            None => no(
                "word_order",
                "a value wider than 16 bits needs one: high_first, low_first, high_first_swapped or low_first_swapped",
            ),
        },
    }
}

fn linear(entry: &PointSettings, at: &str) -> Result<Option<(f64, f64)>, Failure> {
    let (scale, offset) = (entry.scale.unwrap_or(1.0), entry.offset.unwrap_or(0.0));
    if !scale.is_finite() || scale == 0.0 {
        return Err(wrong(&format!("{at}.scale"), "must be a number other than 0"));
    }
    if !offset.is_finite() {
        return Err(wrong(&format!("{at}.offset"), "must be a finite number"));
    }
    Ok((scale != 1.0 || offset != 0.0).then_some((scale, offset)))
}

fn range(entry: &PointSettings, at: &str) -> Result<Option<[f64; 2]>, Failure> {
    match entry.range {
        Some([low, high]) if low.is_nan() || high.is_nan() || low > high => {
            Err(wrong(&format!("{at}.range"), "must be the lowest and the highest number, as in [0, 1000]"))
        }
        range => Ok(range),
    }
}
