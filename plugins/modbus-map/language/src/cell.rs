//! Where a point finds its bits, and what they mean.

use tutin_sdk::State;
use tutin_sdk::words::WordOrder;

use crate::Content;
use crate::kind::{Kind, text_of};
use crate::settings::Sentinel;
use crate::status::Item;

/// Where a point finds its bits, and what they mean.
#[derive(Debug)]
pub(crate) struct Cell {
    pub item: Item,
    pub kind: Kind,
    pub linear: Option<(f64, f64)>,
    pub range: Option<[f64; 2]>,
    /// Smallest size, other than 0, of a floating point number that can be.
    pub smallest: f64,
    pub sentinels: Vec<Sentinel>,
    pub rule_set: Option<usize>,
}

impl Cell {
    /// The bits of the number, right aligned.
    pub fn raw(&self, content: &Content) -> Option<u64> {
        let offset = self.item.offset;
        match (content, &self.kind) {
            (Content::Words(words), Kind::Number(format, order)) => {
                let words = words.get(offset..)?.get(..usize::from(format.words()))?;
                Some(order.assemble(words))
            }
            (Content::Words(words), Kind::Bit(bit)) => words.get(offset).map(|word| u64::from(word >> bit & 1)),
            (Content::Words(words), Kind::Code(_)) => words.get(offset).map(|word| u64::from(*word)),
            (Content::Bits(bits), Kind::Flag | Kind::Code(_)) => bits.get(offset).map(|bit| u64::from(*bit)),
            _ => None,
        }
    }

    /// The words of a text, or the name of a code.
    pub fn text(&self, content: &Content) -> Option<String> {
        match (content, &self.kind) {
            (Content::Words(words), Kind::Text(length)) => {
                words.get(self.item.offset..)?.get(..usize::from(*length)).map(text_of)
            }
            (_, Kind::Code(texts)) => {
                let code = u16::try_from(self.raw(content)?).ok()?;
                Some(texts.get(&code).cloned().unwrap_or_else(|| code.to_string()))
            }
            _ => None,
        }
    }

    /// The number that these bits stand for, in the point's unit.
    pub fn value(&self, raw: u64) -> f64 {
        self.scaled(self.number(raw))
    }

    /// The state of a number that stands for something else.
    pub fn sentinel(&self, raw: u64) -> State {
        let number = self.number(raw);
        let is_it = |sentinel: &&Sentinel| sentinel.raw == Some(raw) || sentinel.number == Some(number);
        self.sentinels.iter().filter(is_it).fold(State::Valid, |state, sentinel| state.or_worse(sentinel.state))
    }

    /// False when the instrument cannot show such a number. NaN has a state of its own.
    pub fn is_possible(&self, value: f64) -> bool {
        !self.is_too_small(value)
            && self.range.is_none_or(|[low, high]| value.is_nan() || (low..=high).contains(&value))
    }

    fn is_too_small(&self, value: f64) -> bool {
        value != 0.0 && value.abs() < self.smallest
    }

    /// What is wrong with a number that cannot be, and which word order would make one that can.
    pub fn doubt(&self, raw: u64, value: f64) -> String {
        let text = match self.range {
            _ if self.is_too_small(value) => format!("{value:e} is smaller than {:e}", self.smallest),
            Some([low, high]) => format!("{value:e} is not from {low} to {high}"),
            None => format!("{value:e} cannot be"),
        };
        let Kind::Number(_, order) = self.kind else { return text };
        let fits = |other: &WordOrder| {
            let value = self.value_in(raw, *other);
            value.is_some_and(|value| value.is_finite() && self.is_possible(value))
        };
        match WordOrder::ALL.into_iter().filter(|other| *other != order).find(fits) {
            Some(other) => format!("{text}; with word_order {} it would be: is the word order right?", other.name()),
            None => text,
        }
    }

    /// What the value would be if the words stood in this order.
    pub fn value_in(&self, raw: u64, other: WordOrder) -> Option<f64> {
        let Kind::Number(format, order) = self.kind else { return None };
        let words = order.split(raw, usize::from(format.words()));
        Some(self.scaled(format.value(other.assemble(&words))))
    }

    fn number(&self, raw: u64) -> f64 {
        match self.kind {
            Kind::Number(format, _) => format.value(raw),
            _ => raw as f64,
        }
    }

    fn scaled(&self, number: f64) -> f64 {
        self.linear.map_or(number, |(scale, offset)| number * scale + offset)
    }
}
