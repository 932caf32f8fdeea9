//! Durations, sizes, counts and shares.

use std::fmt::Display;
use std::marker::PhantomData;
use std::time::Duration;

use crate::config::kind::{Fault, Kind, Scope, wrong_type};
use crate::config::mistake::Mistake;
use crate::config::quantity::{parse_duration, parse_size, show_duration, show_size};
use crate::config::tree::{Node, Value};

/// A duration as text with a unit.
pub(crate) struct Span {
    min: Duration,
    max: Duration,
}

impl Span {
    pub const fn millis(min: u64, max: u64) -> Self {
        Span { min: Duration::from_millis(min), max: Duration::from_millis(max) }
    }
}

impl Kind for Span {
    type Value = Duration;

    fn expected(&self) -> String {
        format!("a duration from {} to {}", show_duration(self.min), show_duration(self.max))
    }

    fn range(&self) -> Option<String> {
        Some(format!("{} to {}", show_duration(self.min), show_duration(self.max)))
    }

    fn read(&self, node: &Node, _scope: &Scope<'_>) -> Result<Duration, Vec<Fault>> {
        let advice = "a duration is a number and a unit: ns, us, ms, s, min, h or d, as in \"1s\"";
        let (text, duration) = quantity(node, parse_duration, || self.expected(), advice)?;
        within(duration, self.min..=self.max, text, || self.expected())
    }

    fn shown(&self, value: &Duration, _node: &Node) -> toml::Value {
        toml::Value::String(show_duration(*value))
    }
}

/// A size in bytes as text with a unit.
pub(crate) struct Size {
    pub min: u64,
    pub max: u64,
}

impl Kind for Size {
    type Value = u64;

    fn expected(&self) -> String {
        format!("a size from {} to {}", show_size(self.min), show_size(self.max))
    }

    fn range(&self) -> Option<String> {
        Some(format!("{} to {}", show_size(self.min), show_size(self.max)))
    }

    fn read(&self, node: &Node, _scope: &Scope<'_>) -> Result<u64, Vec<Fault>> {
        let advice = "a size is a number and a unit: B, KiB, MiB, GiB or TiB, as in \"16MiB\"";
        let (text, size) = quantity(node, parse_size, || self.expected(), advice)?;
        within(size, self.min..=self.max, text, || self.expected())
    }

    fn shown(&self, value: &u64, _node: &Node) -> toml::Value {
        toml::Value::String(show_size(*value))
    }
}

/// A whole number.
pub(crate) struct Whole<T> {
    min: i64,
    max: i64,
    number: PhantomData<T>,
}

impl<T> Whole<T> {
    pub const fn from_to(min: i64, max: i64) -> Self {
        Whole { min, max, number: PhantomData }
    }
}

impl<T: TryFrom<i64>> Kind for Whole<T> {
    type Value = T;

    fn expected(&self) -> String {
        format!("an integer from {} to {}", self.min, self.max)
    }

    fn range(&self) -> Option<String> {
        Some(format!("{} to {}", self.min, self.max))
    }

    fn textual(&self) -> bool {
        false
    }

    fn read(&self, node: &Node, _scope: &Scope<'_>) -> Result<T, Vec<Fault>> {
        let out_of_range = || Mistake::OutOfRange { found: node.described(), expected: self.expected() };
        match node.value {
            Value::Integer(number) if (self.min..=self.max).contains(&number) => {
                T::try_from(number).map_err(|_| vec![out_of_range().into()])
            }
            Value::Integer(_) | Value::Huge(_) => Err(vec![out_of_range().into()]),
            _ => Err(wrong_type(node, self.expected())),
        }
    }
}

/// A real number with a unit.
pub(crate) struct Real {
    pub min: f64,
    pub max: f64,
    pub unit: &'static str,
}

impl Kind for Real {
    type Value = f64;

    fn expected(&self) -> String {
        format!("a number from {} to {} {}", self.min, self.max, self.unit).trim_end().to_owned()
    }

    fn range(&self) -> Option<String> {
        Some(format!("{} to {}", self.min, self.max))
    }

    fn textual(&self) -> bool {
        false
    }

    fn read(&self, node: &Node, _scope: &Scope<'_>) -> Result<f64, Vec<Fault>> {
        let number = match node.value {
            Value::Float(number) => number,
            Value::Integer(number) => number as f64,
            _ => return Err(wrong_type(node, self.expected())),
        };
        within(number, self.min..=self.max, node.described(), || self.expected())
    }

    fn shown(&self, value: &f64, _node: &Node) -> toml::Value {
        toml::Value::Float(*value)
    }
}

/// A share from 0 to 1, as a number or as the text of a fraction: two thirds have no decimal form.
pub(crate) struct Share;

impl Kind for Share {
    type Value = f64;

    fn expected(&self) -> String {
        "a share from 0 to 1, as a number or a fraction like \"2/3\"".to_owned()
    }

    fn range(&self) -> Option<String> {
        Some("0 to 1".to_owned())
    }

    fn textual(&self) -> bool {
        false
    }

    fn read(&self, node: &Node, _scope: &Scope<'_>) -> Result<f64, Vec<Fault>> {
        let number = match &node.value {
            Value::Float(number) => *number,
            Value::Integer(number) => *number as f64,
            Value::Text(text) => {
                let malformed = || Mistake::Malformed { found: text.clone(), expected: self.expected(), advice: None };
                fraction(text).ok_or_else(|| vec![malformed().into()])?
            }
            _ => return Err(wrong_type(node, self.expected())),
        };
        within(number, 0.0..=1.0, node.described(), || self.expected())
    }
}

fn fraction(text: &str) -> Option<f64> {
    let (numerator, denominator) = text.split_once('/')?;
    let denominator: u32 = denominator.trim().parse().ok().filter(|number| *number > 0)?;
    Some(f64::from(numerator.trim().parse::<u32>().ok()?) / f64::from(denominator))
}

/// A text with a unit, and what it means.
fn quantity<'n, T>(
    node: &'n Node,
    parse: fn(&str) -> Option<T>,
    expected: impl Fn() -> String,
    advice: &str,
) -> Result<(&'n str, T), Vec<Fault>> {
    let advice = Some(advice.to_owned());
    let Some(text) = node.as_text() else {
        return Err(vec![Mistake::WrongType { expected: expected(), found: node.described(), advice }.into()]);
    };
    match parse(text) {
        Some(value) => Ok((text, value)),
        None => Err(vec![Mistake::Malformed { found: text.to_owned(), expected: expected(), advice }.into()]),
    }
}

/// NaN lies in no range.
fn within<T: PartialOrd>(
    value: T,
    range: std::ops::RangeInclusive<T>,
    found: impl Display,
    expected: impl Fn() -> String,
) -> Result<T, Vec<Fault>> {
    if range.contains(&value) {
        Ok(value)
    } else {
        Err(vec![Mistake::OutOfRange { found: found.to_string(), expected: expected() }.into()])
    }
}
