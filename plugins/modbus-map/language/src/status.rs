//! From the instrument's bits and codes to the state of values.

use std::collections::BTreeMap;
use std::rc::Rc;

use tutin_sdk::modbus::Error;
use tutin_sdk::{Qualifiers, State};

use crate::Content;
use crate::codes::Outcome;

/// A register or bit that something looks at, by the read that brings it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Item {
    pub read: usize,
    pub offset: usize,
}

/// A condition on one item, and what it says of values.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub item: Item,
    /// Bits that count; 1 for a coil or discrete input.
    pub mask: u16,
    pub says: Says,
}

/// What the masked item says.
#[derive(Debug, Clone)]
pub(crate) enum Says {
    /// One thing, while it is the number (any other than 0 without one), or while it is not.
    One { equals: Option<u16>, is: bool, outcome: Outcome },
    /// One thing for each bit that is set.
    Bits(Rc<[(u16, Outcome)]>),
    /// One thing for each number, and one for all others.
    Codes(Rc<BTreeMap<u16, Outcome>>, Otherwise),
}

/// What a number says that is not in the table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Otherwise {
    Always(Outcome),
    /// By the two highest bits of its low byte.
    PaQuality,
}

impl Says {
    fn outcome(&self, masked: u16) -> Outcome {
        match self {
            Says::One { equals, is, outcome } => {
                let condition = equals.map_or(masked != 0, |code| masked == code);
                if condition == *is { *outcome } else { Outcome::default() }
            }
            Says::Bits(bits) => {
                let set = bits.iter().filter(|(bit, _)| masked & bit != 0);
                set.fold(Outcome::default(), |sum, (_, outcome)| sum.with(*outcome))
            }
            Says::Codes(codes, otherwise) => codes.get(&masked).copied().unwrap_or_else(|| match otherwise {
                Otherwise::Always(outcome) => *outcome,
                Otherwise::PaQuality => pa_quality(masked),
            }),
        }
    }
}

/// PROFIBUS PA quality: bits 7 and 6 of the byte. 3 has no meaning of its own here.
fn pa_quality(byte: u16) -> Outcome {
    let state = match byte >> 6 & 0b11 {
        0 => State::Fault,
        2 => State::Valid,
        _ => State::Suspect,
    };
    Outcome { state, qualifiers: Qualifiers::NONE }
}

impl Outcome {
    fn with(self, other: Outcome) -> Outcome {
        Outcome { state: self.state.or_worse(other.state), qualifiers: self.qualifiers.with(other.qualifiers) }
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
            let outcome = rule.says.outcome(word & rule.mask);
            verdict.state = verdict.state.or_worse(outcome.state);
            verdict.qualifiers = verdict.qualifiers.with(outcome.qualifiers);
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
pub(crate) fn word(answer: &Result<Content, Error>, offset: usize) -> Option<(u16, u32)> {
    match answer.as_ref().ok()? {
        Content::Words(words) => words.get(offset).map(|word| (*word, 16)),
        Content::Bits(bits) => bits.get(offset).map(|bit| (u16::from(*bit), 1)),
    }
}
