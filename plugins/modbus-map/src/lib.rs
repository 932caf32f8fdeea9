//! A Modbus instrument that needs no code of its own: its register map is in the settings.
//!
//! When it is opened, the wanted addresses are planned into few requests (`map::Map`); a poll sends each once and decodes
//! what came. It can only read: it does not import `tutin:modbus/control`.
//!
//! Invariant: a value is only published when its registers and all registers that its state depends on were read in the
//! same poll; else its state is `fault` and it has no number.

mod expand;
mod map;
pub mod settings;
mod status;

use tutin_sdk::modbus::{Block, Error, Link, Registers};
use tutin_sdk::{Columns, Description, Driver, Failure, Point, Samples, State, Timestamp, log};

use crate::map::{Map, Read};
use crate::settings::Settings;
use crate::status::Verdict;

/// The driver.
#[derive(Debug)]
pub struct ModbusMap<L> {
    /// The main unit's, then one for each further unit of the map.
    links: Vec<L>,
    map: Map,
    /// What each read of the running poll brought. Kept for its memory.
    answers: Vec<Result<Content, Error>>,
    /// Which reads were refused in the last poll, so that a refusal is logged when it begins and when it ends.
    refused: Vec<bool>,
    /// Which points had an impossible number in the last poll, for the same reason.
    impossible: Vec<bool>,
}

/// What a read brought.
#[derive(Debug)]
pub(crate) enum Content {
    /// From a table of registers.
    Words(Vec<u16>),
    /// From a table of bits.
    Bits(Vec<bool>),
}

impl<L: Registers> ModbusMap<L> {
    /// Plans the reads. Sends nothing.
    pub fn new(link: L, settings: &Settings) -> Result<Self, Failure> {
        let map = Map::new(settings)?;
        let mut links = vec![link];
        for unit in &map.further_units {
            let main = links.first().ok_or_else(|| Failure::internal("the main link is gone"))?;
            let link = main.unit(*unit).map_err(|err| err.during(format_args!("unit_id {unit}")))?;
            links.push(link);
        }
        let refused = vec![false; map.reads.len()];
        let impossible = vec![false; map.cells.len()];
        Ok(ModbusMap { links, map, answers: Vec::new(), refused, impossible })
    }

    /// Reads everything once. A read that the device refuses costs its own points only; when all are refused, or
    /// there is no answer, the poll is lost.
    pub fn read(&mut self) -> Result<Samples, Failure> {
        self.answers.clear();
        for read in &self.map.reads {
            let link = self.links.get(read.link).ok_or_else(|| Failure::internal("a read has no link"))?;
            match content(read.block, link) {
                Err(err) if !err.is_refusal() => return Err(err.during(&read.label)),
                answer => self.answers.push(answer),
            }
        }
        self.report_refusals()?;
        Ok(self.decode())
    }

    fn report_refusals(&mut self) -> Result<(), Failure> {
        let is_lost = !self.answers.is_empty() && self.answers.iter().all(|answer| answer.is_err());
        let mut first = None;
        for ((read, answer), was_refused) in self.map.reads.iter().zip(&self.answers).zip(&mut self.refused) {
            match answer {
                Err(err) if is_lost => first = first.or_else(|| Some(err.clone().during(read.refusal()))),
                Err(err) if !*was_refused => log::warn(&format!("{}: {err}; its points are at fault", read.refusal())),
                Ok(_) if *was_refused => log::info(&format!("{}: read again", read.label)),
                _ => {}
            }
            *was_refused = answer.is_err();
        }
        first.map_or(Ok(()), Err)
    }

    fn decode(&mut self) -> Samples {
        let Map { cells, rule_sets, points, .. } = &self.map;
        let rows = cells.len();
        let verdicts: Vec<Verdict> = rule_sets.iter().map(|set| set.judge(&self.answers)).collect();
        let mut columns = Columns {
            points: self.map.points_column.clone(),
            values: Vec::with_capacity(rows),
            raws: Vec::with_capacity(rows),
            ..Columns::default()
        };
        let mut states = Vec::with_capacity(rows);
        for ((cell, point), was_impossible) in cells.iter().zip(points).zip(&mut self.impossible) {
            let raw = self.answers.get(cell.read).and_then(|answer| cell.raw(answer.as_ref().ok()?));
            let verdict = cell.rule_set.and_then(|set| verdicts.get(set)).copied().unwrap_or_default();
            let (value, state) = match raw {
                Some(raw) if verdict.is_known => {
                    let value = cell.value(raw);
                    let is_impossible = !cell.is_possible(value);
                    if is_impossible && !*was_impossible {
                        log::warn(&format!("{}: {}", point.id, cell.doubt(raw, value)));
                    }
                    *was_impossible = is_impossible;
                    let state = match () {
                        () if is_impossible => verdict.state.or_worse(State::Fault),
                        () if value.is_nan() => verdict.state.or_worse(self.map.nan),
                        () => verdict.state,
                    };
                    (value, state)
                }
                _ => (f64::NAN, State::Fault),
            };
            columns.values.push(value);
            columns.raws.push(raw.unwrap_or_default());
            states.push(state.code());
            if !verdicts.is_empty() {
                columns.statuses.push(verdict.status);
                columns.qualifiers.push(verdict.qualifiers.0);
            }
        }
        if states.iter().any(|state| *state != State::Valid.code()) {
            columns.states = states;
        }
        Samples::from_columns(columns)
    }
}

fn content<L: Registers>(block: Block, link: &L) -> Result<Content, Error> {
    Ok(if block.table.is_bits() { Content::Bits(block.bits(link)?) } else { Content::Words(block.words(link)?) })
}

impl Read {
    /// What was refused, with a hint where the instrument may not have all of it.
    fn refusal(&self) -> String {
        let Read { label, points, .. } = self;
        let hint =
            if self.has_gaps { "; it bridges addresses that nobody asked for, max_gap = 0 avoids them" } else { "" };
        format!("{label} ({points}{hint})")
    }
}

impl Driver for ModbusMap<Link> {
    type Settings = Settings;

    fn description() -> Description {
        Description::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")).modbus("the instrument")
    }

    fn open(settings: Settings) -> Result<Self, Failure> {
        ModbusMap::new(Link::open("main")?, &settings)
    }

    fn points(&self) -> Vec<Point> {
        self.map.points.clone()
    }

    fn poll(&mut self, _now: Timestamp) -> Result<Samples, Failure> {
        self.read()
    }
}

tutin_sdk::export!(ModbusMap<Link>);

#[cfg(test)]
mod tests;
