//! Tables between the codes of one device or authority and the three axes of status.
//!
//! The codes are data, because every regime has its own and a plant may have to mend one. Reading and writing go by the
//! same table, so that a code comes back as it went. No code says more good than is true: what is unknown reads as suspect,
//! and a code that lets a value stand as measured is not written for a value that is none.

use serde::{Deserialize, Serialize};

use crate::status::{InstrumentState, PlantState, Qualifiers};

/// Remarks that a code must not pass over in silence when it lets a value stand.
const NOT_MEASURED: [Qualifiers; 2] = [Qualifiers::SUBSTITUTED, Qualifiers::TEST];

/// The codes of one regime, or of one status word of a device.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StatusTable {
    /// Document and place that the codes are from.
    pub source: String,
    /// True when codes are bit numbers of a word, of which several may be set at once.
    pub bits: bool,
    /// In any order: no answer depends on it.
    pub codes: Vec<StatusCode>,
}

/// One code with what it says. An axis that it does not name, it says nothing about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusCode {
    /// As it is sent and received; with `bits`, the number of the bit.
    pub code: String,
    /// What it says of the instrument.
    pub state: Option<InstrumentState>,
    /// What it says of the plant.
    pub plant: Option<PlantState>,
    /// What else it says.
    pub qualifiers: Qualifiers,
    /// Whether it is read, written or both.
    pub direction: Direction,
    /// What it says beyond the axes, in words.
    pub label: Option<String>,
}

/// Which way a code is used. All but `Both` are one-way: they do not lead back to themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Read and written.
    #[default]
    Both,
    /// Only read, from a device or a peer.
    In,
    /// Only written.
    Out,
}

/// The three axes of one value, as they are to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the axes' own")]
pub struct Axes {
    pub state: InstrumentState,
    pub plant: PlantState,
    pub qualifiers: Qualifiers,
}

impl Axes {
    /// Of what has no state: no code is good for it.
    pub const NOTHING: Axes =
        Axes { state: InstrumentState::Missing, plant: PlantState::Unknown, qualifiers: Qualifiers::NONE };
}

/// What a code or a word says, which may leave axes open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Meaning {
    /// `None`: nothing was said of the instrument.
    pub state: Option<InstrumentState>,
    /// `None`: nothing was said of the plant.
    pub plant: Option<PlantState>,
    /// Empty: nothing else was said.
    pub qualifiers: Qualifiers,
}

impl Meaning {
    /// What a number or a bit says that no table knows.
    pub const UNKNOWN: Meaning =
        Meaning { state: Some(InstrumentState::Suspect), plant: None, qualifiers: Qualifiers::NONE };
}

impl StatusTable {
    /// What a device's or a peer's code says. `None`: the code is not in the table, and the value is suspect.
    pub fn read(&self, code: &str) -> Option<Meaning> {
        self.readable().find(|known| known.code == code).map(StatusCode::meaning)
    }

    /// What a status word says; a number or a bit that is not in the table says suspect.
    ///
    /// Without `bits` it is the meaning of the code with that number, leading zeros aside. With `bits` all set bits count:
    /// of their states the first in precedence, of their plant states the one on which they agree, else `unknown`, and all
    /// their qualifiers. A word without a set bit is valid, provided that the table speaks of the instrument at all.
    pub fn read_word(&self, word: u64) -> Meaning {
        if !self.bits {
            return self.numbered(word);
        }
        let set = (0..u64::BITS).filter(|bit| (word >> bit) & 1 == 1);
        let said: Vec<Meaning> = set.map(|bit| self.numbered(u64::from(bit))).collect();
        let quiet = self.readable().any(|code| code.state.is_some()).then_some(InstrumentState::Valid);
        let states: Vec<InstrumentState> = said.iter().filter_map(|bit| bit.state).chain(quiet).collect();
        Meaning {
            state: (!states.is_empty()).then(|| InstrumentState::worst(states)),
            plant: agreed(said.iter().filter_map(|bit| bit.plant)),
            qualifiers: said.iter().fold(Qualifiers::NONE, |all, bit| all.with(bit.qualifiers)),
        }
    }

    /// The code to write for these axes, `None` when the regime has none for them.
    ///
    /// A code fits when everything that it names holds, and when it does not let a value stand that is none: a code that
    /// names neither an instrument state other than `valid`, nor a plant state other than `operating` and `unknown`, nor
    /// that the value is substituted or from a test, fits only a valid value that was measured. A table whose codes name
    /// nothing but plant states is not asked about the value.
    ///
    /// Of the codes that fit, the most specific is written. It is the one that, each rule deciding what the one before left
    /// open, (1) names an instrument state other than `valid` and `missing`, so that trouble of the instrument goes before
    /// all else; (2) names a plant state; (3) names more qualifiers; (4) names an instrument state; (5) is the first by its
    /// text.
    pub fn code(&self, axes: &Axes) -> Option<&StatusCode> {
        let plant_only = self.codes.iter().all(StatusCode::names_only_the_plant);
        let stands = |code: &StatusCode| plant_only || axes.stand() || !code.lets_stand();
        let fitting = self.codes.iter().filter(|code| code.direction != Direction::In && code.holds(axes));
        let fitting = fitting.filter(|code| stands(code));
        fitting.max_by(|a, b| a.specificity().cmp(&b.specificity()).then_with(|| b.code.cmp(&a.code)))
    }

    /// What is wrong with the table, one sentence each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (index, code) in self.codes.iter().enumerate() {
            let name = &code.code;
            if let Some(other) = self.codes.iter().take(index).find(|other| other.is_same(code)) {
                problems.push(format!("codes {:?} and {name:?} are the same", other.code));
            }
            if code.meaning() == Meaning::default() {
                problems.push(format!("code {name:?} says nothing"));
            }
            if self.bits && number(name).is_none_or(|bit| bit >= u64::from(u64::BITS)) {
                problems.push(format!("code {name:?} is no bit number, which is 0 to 63"));
            }
            let other = self.code(&code.axes()).filter(|written| written.code != *name);
            if let Some(other) = other.filter(|_| code.direction != Direction::In) {
                let other = &other.code;
                problems.push(format!("code {name:?} does not round-trip: what it says is written as {other:?}"));
            }
        }
        problems
    }

    fn readable(&self) -> impl Iterator<Item = &StatusCode> {
        self.codes.iter().filter(|code| code.direction != Direction::Out)
    }

    fn numbered(&self, wanted: u64) -> Meaning {
        let known = self.readable().find(|code| number(&code.code) == Some(wanted));
        known.map_or(Meaning::UNKNOWN, StatusCode::meaning)
    }
}

impl StatusCode {
    /// What the code says.
    pub fn meaning(&self) -> Meaning {
        Meaning { state: self.state, plant: self.plant, qualifiers: self.qualifiers }
    }

    /// The axes that the code names, the others at rest.
    fn axes(&self) -> Axes {
        let (state, plant) = (self.state.unwrap_or(InstrumentState::Valid), self.plant.unwrap_or_default());
        Axes { state, plant, qualifiers: self.qualifiers }
    }

    fn holds(&self, axes: &Axes) -> bool {
        self.state.is_none_or(|state| state == axes.state)
            && self.plant.is_none_or(|plant| plant == axes.plant)
            && axes.qualifiers.contains(self.qualifiers)
    }

    /// True when a receiver of the code takes the value for a valid measurement.
    fn lets_stand(&self) -> bool {
        let usual_plant = matches!(self.plant, None | Some(PlantState::Operating | PlantState::Unknown));
        self.axes().stand() && usual_plant
    }

    fn names_only_the_plant(&self) -> bool {
        self.plant.is_some() && self.state.is_none() && self.qualifiers == Qualifiers::NONE
    }

    fn specificity(&self) -> (bool, bool, usize, bool) {
        let trouble =
            self.state.is_some_and(|state| !matches!(state, InstrumentState::Valid | InstrumentState::Missing));
        (trouble, self.plant.is_some(), self.qualifiers.names().count(), self.state.is_some())
    }

    fn is_same(&self, other: &StatusCode) -> bool {
        let number = number(&self.code);
        self.code == other.code || (number.is_some() && number == self::number(&other.code))
    }
}

impl Axes {
    /// True for a valid value that was measured. The plant's state never makes a value invalid.
    fn stand(&self) -> bool {
        let not_measured = NOT_MEASURED.into_iter().any(|remark| self.qualifiers.contains(remark));
        self.state == InstrumentState::Valid && !not_measured
    }
}

fn agreed(mut plants: impl Iterator<Item = PlantState>) -> Option<PlantState> {
    let first = plants.next()?;
    Some(if plants.all(|plant| plant == first) { first } else { PlantState::Unknown })
}

fn number(code: &str) -> Option<u64> {
    let digits = code.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| code.parse().ok()).flatten()
}

#[cfg(test)]
#[path = "status_table_tests.rs"]
mod tests;
