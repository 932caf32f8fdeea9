//! From the map's writes to cells on the wire.

use serde::{Deserialize, Serialize};
use tutin_sdk::Failure;
use tutin_sdk::modbus::{Block, Span, Table};
use tutin_sdk::settings::wrong;
use tutin_sdk::words::{Format, WordOrder};

use crate::effective::Effective;
use crate::settings::{Type, Write};

/// Registers that one request may write, by the standard.
const MAX_WRITTEN: usize = 123;

/// A write of the settings, checked.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub unit_id: Option<u8>,
    table: Table,
    address: u16,
    form: Form,
    pub what: What,
    /// Only when this argument was given.
    pub when: Option<String>,
    /// What undoes it.
    after: Option<f64>,
    is_verified: bool,
}

/// How a number stands in cells.
#[derive(Debug, Clone, Copy)]
enum Form {
    Coil,
    Number { format: Format, order: WordOrder, scale: f64, offset: f64 },
}

/// The numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    Fixed(Vec<f64>),
    Argument(String),
}

/// Cells that are written in one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Planned {
    pub unit_id: Option<u8>,
    pub table: Table,
    pub address: u16,
    pub words: Vec<u16>,
    pub is_verified: bool,
}

impl Planned {
    pub fn span(&self) -> Span {
        Span { address: self.address, count: u16::try_from(self.words.len()).unwrap_or(u16::MAX) }
    }

    /// "holding registers 5001 to 5004".
    pub fn label(&self) -> String {
        let unit = self.unit_id.map_or(String::new(), |unit| format!("unit {unit}, "));
        let Span { address, count } = self.span();
        format!("{unit}{}", Block { table: self.table, address, count })
    }
}

/// What must be written before the first read.
pub(crate) fn setup(effective: &Effective) -> Result<Vec<Planned>, Failure> {
    let mut planned = Vec::new();
    for (at, write) in &effective.setup {
        let template = Template::new(effective, write, at)?;
        if matches!(template.what, What::Argument(_)) || template.when.is_some() {
            return Err(wrong(&format!("{at}.argument"), "a setup has no arguments"));
        }
        if write.after.is_some() {
            return Err(wrong(&format!("{at}.after"), "is for commands that are held"));
        }
        let What::Fixed(numbers) = &template.what else { continue };
        planned.push(template.planned(numbers).map_err(|why| wrong(at, why))?);
    }
    Ok(merged(planned))
}

impl Template {
    pub fn new(effective: &Effective, write: &Write, at: &str) -> Result<Self, Failure> {
        let no = |member: &str, why: &str| Err(wrong(&format!("{at}.{member}"), why));
        let form = match write.table {
            Table::Discrete | Table::Input => return no("table", "can only be read; coil or holding"),
            Table::Coil if write.kind.is_some_and(|kind| kind != Type::Bit) => {
                return no("type", "coils are always bit");
            }
            Table::Coil => Form::Coil,
            Table::Holding => number_form(effective, write, at)?,
        };
        let what = match (write.value, &write.values, &write.argument) {
            (Some(value), None, None) => What::Fixed(vec![value]),
            (None, Some(values), None) if !values.is_empty() => What::Fixed(values.clone()),
            (None, None, Some(argument)) => What::Argument(argument.clone()),
            _ => return no("value", "needs one of value, values (not empty) and argument"),
        };
        let numbers = match &what {
            What::Fixed(numbers) => numbers.len(),
            What::Argument(_) => 1,
        };
        let width = u16::try_from(numbers * usize::from(form.width())).unwrap_or(u16::MAX);
        if usize::from(width) > MAX_WRITTEN {
            return no("values", "at most 123 registers go in one write");
        }
        let after = write.after.or(matches!(form, Form::Coil).then_some(0.0));
        let address = effective.wire_address(write.table, write.address, width, at)?;
        let (unit_id, table, when) = (write.unit_id, write.table, write.when.clone());
        let template = Template { unit_id, table, address, form, what, when, after, is_verified: write.verify };
        if let What::Fixed(numbers) = &template.what {
            template.planned(numbers).map_err(|why| wrong(at, why))?;
        }
        Ok(template)
    }

    /// The cells that these numbers make.
    pub fn planned(&self, numbers: &[f64]) -> Result<Planned, String> {
        let mut words = Vec::new();
        for number in numbers {
            words.extend(self.form.words(*number)?);
        }
        let Template { unit_id, table, address, is_verified, .. } = self;
        Ok(Planned { unit_id: *unit_id, table: *table, address: *address, words, is_verified: *is_verified })
    }

    /// The cells that undo it; `None` when nothing says what that is.
    pub fn undone(&self, numbers: usize) -> Option<Planned> {
        self.planned(&vec![self.after?; numbers]).ok()
    }
}

fn number_form(effective: &Effective, write: &Write, at: &str) -> Result<Form, Failure> {
    let no = |member: &str, why: &str| Err(wrong(&format!("{at}.{member}"), why));
    let Some(format) = write.kind.unwrap_or(Type::U16).format() else {
        return no("type", "a register is written as a number: u16, i16, u32, i32, u64, i64, f32 or f64");
    };
    let order = match write.word_order.or(effective.word_order) {
        Some(order) => order,
        None if format.words() == 1 => WordOrder::HighFirst,
        None => {
            return no(
                "word_order",
                "a value wider than 16 bits needs one: high_first, low_first, high_first_swapped or low_first_swapped",
            );
        }
    };
    let (scale, offset) = (write.scale.unwrap_or(1.0), write.offset.unwrap_or(0.0));
    if !scale.is_finite() || scale == 0.0 || !offset.is_finite() {
        return no("scale", "scale must be a number other than 0, and offset a finite one");
    }
    Ok(Form::Number { format, order, scale, offset })
}

impl Form {
    fn width(self) -> u16 {
        match self {
            Form::Coil => 1,
            Form::Number { format, .. } => format.words(),
        }
    }

    fn words(self, number: f64) -> Result<Vec<u16>, String> {
        let Form::Number { format, order, scale, offset } = self else {
            return Ok(vec![u16::from(number != 0.0)]);
        };
        let number = if scale == 1.0 && offset == 0.0 { number } else { (number - offset) / scale };
        let bits = bits(format, number).ok_or_else(|| format!("{number} does not fit into {format:?}"))?;
        Ok(order.split(bits, usize::from(format.words())))
    }
}

/// The bits of a number, right aligned; whole numbers are rounded to.
fn bits(format: Format, number: f64) -> Option<u64> {
    let whole = number.round();
    let within = |low: f64, high: f64| (low..=high).contains(&whole);
    // Beyond 2^53 a number would not be the one that was meant.
    let exact = 9_007_199_254_740_992.0;
    match format {
        Format::U16 => within(0.0, 65535.0).then_some(whole as u64),
        Format::I16 => within(-32768.0, 32767.0).then_some(u64::from(whole as i16 as u16)),
        Format::U32 => within(0.0, f64::from(u32::MAX)).then_some(whole as u64),
        Format::I32 => within(f64::from(i32::MIN), f64::from(i32::MAX)).then_some(u64::from(whole as i32 as u32)),
        Format::U64 => within(0.0, exact).then_some(whole as u64),
        Format::I64 => within(-exact, exact).then_some(whole as i64 as u64),
        Format::F32 => (number as f32).is_finite().then_some(u64::from((number as f32).to_bits())),
        Format::F64 => number.is_finite().then_some(number.to_bits()),
    }
}

/// Registers that follow each other go in one request. Coils do not: some instruments only take one at a time.
pub(crate) fn merged(planned: Vec<Planned>) -> Vec<Planned> {
    let mut merged: Vec<Planned> = Vec::new();
    for write in planned {
        if let Some(last) = merged.last_mut()
            && write.table == Table::Holding
            && (last.table, last.unit_id, last.is_verified) == (write.table, write.unit_id, write.is_verified)
            && last.span().end() == u32::from(write.address)
            && last.words.len() + write.words.len() <= MAX_WRITTEN
        {
            last.words.extend(write.words);
            continue;
        }
        merged.push(write);
    }
    merged
}
