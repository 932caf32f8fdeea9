//! One open block of one parameter: what its samples add up to.
//!
//! Sums are exact, so that the order in which samples came cannot be seen in a mean. Windows are used again: in the steady state a
//! sample allocates nothing.

use super::chain::Steps;
use super::formula::sum::ExactSum;
use super::formula::water;
use super::gate::Code;
use super::grid::Span;
use super::track::Origin;
use crate::average::Companionship;
use crate::method::{Mean, Role};
use crate::status::{InstrumentState, PlantState, Qualifiers};
use crate::time::Timestamp;

/// Words of bits for halves of intervals: ten thousand samples a second of an hour. Beyond it every sample counts.
const MOST_SLOTS: usize = 1 << 20;

/// A sample on its way into a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// When it was measured.
    pub at: Timestamp,
    /// As the instrument gave it; without meaning where the state has no value.
    pub raw: f64,
    /// Its 32 bits on the wire, or 0.
    pub wire: u32,
    /// Whether the instrument stood for it.
    pub state: InstrumentState,
    /// What is remarked on it.
    pub qualifiers: Qualifiers,
    /// Which of the units that the point has had.
    pub units: u16,
}

/// What the samples of one block add up to.
#[derive(Debug, Clone, Default)]
pub struct Window {
    /// Samples that wait for the end of the block, because what they are judged by may come after them.
    pub waiting: Vec<Sample>,
    raw: ExactSum,
    sum: ExactSum,
    weight: ExactSum,
    corrected: ExactSum,
    corrected_count: u32,
    /// Smallest value that counted.
    pub min: f64,
    /// Largest value that counted.
    pub max: f64,
    /// Samples that are in the mean.
    valid: u32,
    /// Samples that counted: those of one moment, or nearer than half of their interval, are one.
    pub distinct: u32,
    slots: Vec<u64>,
    /// Samples that came with a value.
    pub received: u32,
    /// Bits of the parts with a sample that counted.
    pub parts: u64,
    /// First and last sample that counted.
    pub counted: Option<(Timestamp, Timestamp)>,
    /// Remarks that held for any sample that counted.
    pub qualifiers: Qualifiers,
    /// Samples by plant state.
    pub plants: [u32; PlantState::ALL.len()],
    /// Samples that counted for nothing because of the plant.
    pub idle: u32,
    lost: [u32; InstrumentState::ALL.len()],
    codes: [u32; Code::ALL.len()],
    companions: Vec<(Role, Use)>,
    seen: bool,
}

/// What stood for one companion.
#[derive(Debug, Clone, Default)]
struct Use {
    sum: ExactSum,
    origins: [u32; Origin::ALL.len()],
    missing: u32,
}

impl Window {
    /// Makes it as good as new, with the room that it has.
    pub fn clear(&mut self) {
        let (mut waiting, mut companions) = (std::mem::take(&mut self.waiting), std::mem::take(&mut self.companions));
        let mut slots = std::mem::take(&mut self.slots);
        waiting.clear();
        companions.clear();
        slots.clear();
        *self = Window { waiting, companions, slots, ..Window::default() };
    }

    /// True when there was a reading, be it one that says why it has no value.
    pub fn seen(&self) -> bool {
        self.seen || !self.waiting.is_empty()
    }

    /// Adds a sample that counts. `weight`: 1, or the flow at the time.
    pub fn add(&mut self, steps: &Steps, at: Timestamp, block: Span, parts: u32, mean: Mean, weight: f64) {
        self.seen = true;
        self.raw.add(steps.raw);
        match mean {
            Mean::Arithmetic => self.sum.add(steps.value),
            Mean::HydrogenActivity => self.sum.add(water::hydrogen_activity(steps.value)),
            Mean::FlowWeighted => {
                self.sum.add(steps.value * weight);
                self.weight.add(weight);
            }
        }
        if let Some(corrected) = steps.corrected {
            self.corrected.add(corrected);
            self.corrected_count += 1;
        }
        (self.min, self.max) = match self.valid {
            0 => (steps.value, steps.value),
            _ => (self.min.min(steps.value), self.max.max(steps.value)),
        };
        self.valid += 1;
        self.received += 1;
        let (first, last) = self.counted.unwrap_or((at, at));
        self.counted = Some((first.min(at), last.max(at)));
        if parts > 0 {
            self.parts |= 1 << part(at, block, parts);
        }
    }

    /// Notes that a sample counted in this half of an interval, numbered from the start of the block.
    pub fn occupy(&mut self, slot: usize) {
        let (word, bit) = (slot / 64, 1_u64 << (slot % 64));
        if word >= self.slots.len() && word < MOST_SLOTS {
            self.slots.resize(word + 1, 0);
        }
        match self.slots.get_mut(word) {
            Some(bits) if *bits & bit != 0 => {}
            Some(bits) => {
                *bits |= bit;
                self.distinct += 1;
            }
            None => self.distinct += 1,
        }
    }

    /// Counts a sample that does not count, and why.
    pub fn lose(&mut self, state: InstrumentState, received: bool) {
        self.seen = true;
        if let Some(count) = self.lost.get_mut(usize::from(state.code())) {
            *count += 1;
        }
        self.received += u32::from(received);
    }

    /// Counts a sample that the gate did not let pass.
    pub fn implausible(&mut self, code: Code) {
        if let Some(count) = self.codes.get_mut(code as usize) {
            *count += 1;
        }
    }

    /// Counts what stood for a companion; `None`: nothing did.
    pub fn used(&mut self, role: Role, known: Option<super::track::Known>) {
        if !self.companions.iter().any(|(known, _)| *known == role) {
            self.companions.push((role, Use::default()));
        }
        let Some((_, of)) = self.companions.iter_mut().find(|(known, _)| *known == role) else { return };
        match known {
            None => of.missing += 1,
            Some(known) => {
                of.sum.add(known.value);
                if let Some(count) = of.origins.get_mut(known.origin as usize) {
                    *count += 1;
                }
            }
        }
    }

    /// Mean of the samples that counted, as the instrument gave them.
    pub fn mean_raw(&self) -> Option<f64> {
        finite(self.raw.value() / f64::from(self.valid))
    }

    /// Mean of the samples that counted, at the end of their chain.
    pub fn mean(&self, mean: Mean) -> Option<f64> {
        let count = f64::from(self.valid);
        finite(match mean {
            Mean::Arithmetic => self.sum.value() / count,
            Mean::HydrogenActivity => water::ph_of_activity(self.sum.value() / count),
            Mean::FlowWeighted => self.sum.value() / self.weight.value(),
        })
    }

    /// Mean of the samples that could be corrected one by one.
    pub fn corrected(&self) -> Option<f64> {
        finite(self.corrected.value() / f64::from(self.corrected_count))
    }

    /// How often each code of the gate struck.
    pub fn codes(&self) -> impl Iterator<Item = (Code, u32)> {
        Code::ALL.into_iter().zip(self.codes).filter(|(_, count)| *count > 0)
    }

    /// What stood for a companion.
    pub fn companion(&self, role: Role) -> Option<Companionship> {
        let (_, of) = self.companions.iter().find(|(known, _)| *known == role)?;
        let [measured, held, substituted] = of.origins;
        let count = measured + held + substituted;
        let mean = finite(of.sum.value() / f64::from(count));
        Some(Companionship { mean, measured, held, substituted, missing: of.missing })
    }

    /// Samples lost so far, whatever took them.
    pub fn lost(&self) -> u32 {
        self.lost.iter().sum::<u32>() + self.idle
    }

    /// Whether there was calibration or maintenance.
    pub fn serviced(&self) -> bool {
        [InstrumentState::Calibration, InstrumentState::Maintenance].into_iter().any(|state| self.count(state) > 0)
    }

    /// The state that took most of what was lost, ties by precedence. Samples that never came count as missing.
    pub fn cause(&self, expected: u32) -> InstrumentState {
        let silent = expected.saturating_sub(self.distinct).saturating_sub(self.lost());
        let count = |state: InstrumentState| {
            let told = self.count(state);
            if state == InstrumentState::Missing { told + silent } else { told }
        };
        most(count)
    }

    fn count(&self, state: InstrumentState) -> u32 {
        self.lost.get(usize::from(state.code())).copied().unwrap_or(0)
    }
}

/// The state with the largest count, `valid` apart; ties go by the precedence of states.
pub fn most(count: impl Fn(InstrumentState) -> u32) -> InstrumentState {
    let causes = InstrumentState::PRECEDENCE.into_iter().filter(|state| *state != InstrumentState::Valid);
    // The last of equal maxima wins, so the order is turned round for the precedence to decide.
    causes.rev().max_by_key(|state| count(*state)).unwrap_or(InstrumentState::Missing)
}

/// Which of the equal parts of a block a moment belongs to.
pub fn part(at: Timestamp, block: Span, parts: u32) -> u32 {
    let (offset, length) = (at.since(block.start).as_nanos(), block.length().as_nanos().max(1));
    let part = offset * u128::from(parts.min(u64::BITS)) / length;
    u32::try_from(part).unwrap_or(0).min(u64::BITS - 1)
}

fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}
