//! From the instrument's bits and codes to the state of values.

use tutin_sdk::modbus::Error;
use tutin_sdk::{Qualifiers, State};

use crate::Content;

/// A register or bit that rules look at, by the read that brings it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Item {
    pub read: usize,
    pub offset: usize,
}

/// A condition on one item, and what it says of values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    pub item: Item,
    /// Bits that count; 1 for a coil or discrete input.
    pub mask: u16,
    pub equals: Option<u16>,
    pub is: bool,
    pub state: State,
    pub qualifiers: Qualifiers,
}

impl Rule {
    fn holds(&self, word: u16) -> bool {
        let masked = word & self.mask;
        let condition = self.equals.map_or(masked != 0, |code| masked == code);
        condition == self.is
    }
}

/// The rules that speak of the same points.
#[derive(Debug, Clone, Default)]
pub(crate) struct RuleSet {
    pub rules: Vec<Rule>,
}

/// What a rule set says in one poll.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verdict {
    /// False when an item that it depends on was not read.
    pub is_known: bool,
    pub state: State,
    pub qualifiers: Qualifiers,
    /// The items side by side, in the order of the rules and each once: the first in the lowest bits, a register 16 bits
    /// wide, a coil or discrete input 1. What does not fit into 64 bits is left out.
    pub status: u64,
}

impl Default for Verdict {
    fn default() -> Self {
        Verdict { is_known: true, state: State::Valid, qualifiers: Qualifiers::NONE, status: 0 }
    }
}

impl RuleSet {
    pub fn judge(&self, answers: &[Result<Content, Error>]) -> Verdict {
        let mut verdict = Verdict::default();
        let mut shift = 0;
        for (index, rule) in self.rules.iter().enumerate() {
            let Some((word, width)) = answers.get(rule.item.read).and_then(|answer| word(answer, rule.item.offset))
            else {
                verdict.is_known = false;
                continue;
            };
            if rule.holds(word) {
                verdict.state = verdict.state.or_worse(rule.state);
                verdict.qualifiers = verdict.qualifiers.with(rule.qualifiers);
            }
            let is_new = self.rules.iter().take(index).all(|earlier| earlier.item != rule.item);
            if is_new && shift + width <= u64::BITS {
                verdict.status |= u64::from(word) << shift;
                shift += width;
            }
        }
        verdict
    }
}

/// A cell and how many bits of the status it takes.
fn word(answer: &Result<Content, Error>, offset: usize) -> Option<(u16, u32)> {
    match answer.as_ref().ok()? {
        Content::Words(words) => words.get(offset).map(|word| (*word, 16)),
        Content::Bits(bits) => bits.get(offset).map(|bit| (u16::from(*bit), 1)),
    }
}
