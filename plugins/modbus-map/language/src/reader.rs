//! Reading what a map describes.
//!
//! When it is opened, the wanted addresses are planned into few requests (`map::Map`); a poll sends each once and decodes
//! what came.
//!
//! Invariant: a value is only published when its registers and all registers that its state, its name and its unit depend on were
//! read in the same poll; else its state is `fault` and it has no number.

use tutin_sdk::modbus::{Block, Error, Link, Registers};
use tutin_sdk::settings::arguments;
use tutin_sdk::{Columns, Description, Driver, Failure, Point, Sample, Samples, State, Timestamp, log};

use crate::cell::Cell;
use crate::effective::{Effective, or_list};
use crate::map::{Check, Map};
use crate::plan::Commands;
use crate::probe::{PROBE, PROBE_PURPOSE, probe};
use crate::settings::Settings;
use crate::status::Verdict;
use crate::write::Planned;

/// The component that can write.
pub(crate) const WRITER: &str = "modbus-map-control";

/// The driver that reads. It does not import `tutin:modbus/control`.
#[derive(Debug)]
pub struct ModbusMap<L> {
    /// The main unit's, then one for each further unit of the map.
    links: Vec<L>,
    pub(crate) map: Map,
    /// What each read of the running poll brought. Kept for its memory.
    answers: Vec<Result<Content, Error>>,
    /// Which reads were refused in the last poll, so that a refusal is logged when it begins and when it ends.
    refused: Vec<bool>,
    /// Which points had an impossible number in the last poll, for the same reason.
    impossible: Vec<bool>,
    /// Names of the map's commands.
    commands: Vec<String>,
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
    /// Plans the reads. Sends nothing. Refuses a map that must write before it can read.
    pub fn new(link: L, settings: &Settings) -> Result<Self, Failure> {
        let effective = Effective::new(settings)?;
        let map = Self::open_map(link, &effective, &[])?;
        Commands::plan(&effective)?;
        let member = match (effective.setup.is_empty(), &settings.process_values) {
            (true, None) => None,
            (false, _) => Some("setup: the instrument is to be written to before it can be read"),
            (true, Some(_)) => Some("process_values: they are to be written into the instrument"),
        };
        if let Some(member) = member {
            return Err(Failure::settings(format!(
                "settings.{member}, and modbus-map only reads: use {WRITER} and grant it tutin:modbus/control"
            )));
        }
        if !map.commands.is_empty() {
            log::info(&format!("{}: only with {WRITER} and its grant; modbus-map only reads", map.commands_in_words()));
        }
        Ok(map)
    }

    /// With cells that a setup writes and every poll looks for.
    pub(crate) fn open_map(link: L, effective: &Effective, setup: &[Planned]) -> Result<Self, Failure> {
        let map = Map::new(effective, setup)?;
        let mut links = vec![link];
        for unit in &map.further_units {
            let main = links.first().ok_or_else(|| Failure::internal("the main link is gone"))?;
            let link = main.unit(*unit).map_err(|err| err.during(format_args!("unit_id {unit}")))?;
            links.push(link);
        }
        let refused = vec![false; map.reads.len()];
        let impossible = vec![false; map.cells.len()];
        let commands = effective.commands.keys().map(|name| (*name).to_owned()).collect();
        Ok(ModbusMap { links, map, answers: Vec::new(), refused, impossible, commands })
    }

    /// The link of the device's own unit.
    pub(crate) fn main(&self) -> Result<&L, Failure> {
        self.links.first().ok_or_else(|| Failure::internal("the main link is gone"))
    }

    /// Reads everything once. A read that the device refuses costs its own points only; when all are refused, or
    /// there is no answer, the poll is lost.
    pub fn read(&mut self) -> Result<Samples, Failure> {
        self.ask()?;
        Ok(self.decode())
    }

    /// The points as the instrument names them now.
    pub fn points(&self) -> &[Point] {
        &self.map.points
    }

    /// Reads everything once and says what the wide numbers would be in each word order. Changes nothing.
    pub fn probe_word_order(&mut self) -> Result<String, Failure> {
        self.ask()?;
        let cells = self.map.cells.iter().zip(self.map.names());
        probe(cells.filter_map(|(cell, name)| Some((cell, name, self.raw(cell)?))))
    }

    /// What the setup wrote and is not there any more.
    pub(crate) fn missing_setup(&self) -> Option<&Check> {
        let is_there = |check: &Check| {
            let Some(Ok(content)) = self.answers.get(check.item.read) else { return false };
            let (offset, count) = (check.item.offset, check.words.len());
            match content {
                Content::Words(words) => words.get(offset..).and_then(|rest| rest.get(..count)) == Some(&check.words),
                Content::Bits(bits) => {
                    let bits = bits.get(offset..).and_then(|rest| rest.get(..count)).unwrap_or_default();
                    bits.iter().map(|bit| u16::from(*bit)).eq(check.words.iter().copied())
                }
            }
        };
        self.map.checks.iter().find(|check| !is_there(check))
    }

    pub(crate) fn commands_in_words(&self) -> String {
        let names: Vec<&str> = self.commands.iter().map(String::as_str).collect();
        match names.as_slice() {
            [] => "the map has no commands".to_owned(),
            [only] => format!("the map's command {only}"),
            several => format!("the map's commands {}", or_list(several)),
        }
    }

    /// Sends every request of a poll once and keeps the answers for [`ModbusMap::decode`].
    pub(crate) fn ask(&mut self) -> Result<(), Failure> {
        self.answers.clear();
        for read in &self.map.reads {
            let link = self.links.get(read.link).ok_or_else(|| Failure::internal("a read has no link"))?;
            match content(read.block, link) {
                Err(err) if !err.is_refusal() => return Err(err.during(&read.label)),
                answer => self.answers.push(answer),
            }
        }
        self.report_refusals()
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

    /// What the answers say.
    pub(crate) fn decode(&mut self) -> Samples {
        let is_said_otherwise = self.map.identity.as_mut().is_some_and(|identity| identity.look(&self.answers));
        let points_changed = is_said_otherwise && self.map.publish();
        let verdicts: Vec<Verdict> = self.map.rule_sets.iter().map(|set| set.judge(&self.answers)).collect();
        let rows = self.map.points_column.len();
        let mut columns = Columns {
            points: self.map.points_column.clone(),
            values: Vec::with_capacity(rows),
            raws: Vec::with_capacity(rows),
            ..Columns::default()
        };
        let mut states = Vec::with_capacity(rows);
        for (index, (cell, row)) in self.map.cells.iter().zip(&self.map.rows).enumerate() {
            let Some(row) = row.filter(|_| !cell.kind.is_text()) else { continue };
            let raw = self.raw(cell);
            let verdict = cell.rule_set.and_then(|set| verdicts.get(set)).copied().unwrap_or_default();
            let is_known = verdict.is_known && self.map.is_sure(index);
            let (value, state) = match raw {
                Some(raw) if is_known => {
                    let value = cell.value(raw);
                    let is_impossible = !cell.is_possible(value);
                    if let Some(was_impossible) = self.impossible.get_mut(index) {
                        if is_impossible && !*was_impossible {
                            let id = self.map.points.get(usize::from(row)).map_or("", |point| &point.id);
                            log::warn(&format!("{id}: {}", cell.doubt(raw, value)));
                        }
                        *was_impossible = is_impossible;
                    }
                    let state = match () {
                        () if is_impossible => verdict.state.or_worse(State::Fault),
                        () if value.is_nan() => verdict.state.or_worse(self.map.nan),
                        () => verdict.state,
                    };
                    (value, if cell.sentinels.is_empty() { state } else { state.or_worse(cell.sentinel(raw)) })
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
        let mut samples = Samples::from_columns(columns);
        self.add_texts(&mut samples, &verdicts);
        if points_changed {
            samples.points_changed();
        }
        samples
    }

    fn add_texts(&self, samples: &mut Samples, verdicts: &[Verdict]) {
        for index in &self.map.text_cells {
            let (Some(cell), Some(Some(row))) = (self.map.cells.get(*index), self.map.rows.get(*index)) else {
                continue;
            };
            let verdict = cell.rule_set.and_then(|set| verdicts.get(set)).copied().unwrap_or_default();
            let answer = self.answers.get(cell.item.read).and_then(|answer| answer.as_ref().ok());
            let text = answer.and_then(|content| cell.text(content));
            let text = text.filter(|_| verdict.is_known && self.map.is_sure(*index));
            let state = if text.is_some() { verdict.state } else { State::Fault };
            let sample = Sample::new(*row, f64::NAN).state(state).qualifiers(verdict.qualifiers);
            let sample = if verdicts.is_empty() { sample } else { sample.status(verdict.status) };
            samples.push_text(sample, text.unwrap_or_default());
        }
    }

    fn raw(&self, cell: &Cell) -> Option<u64> {
        self.answers.get(cell.item.read).and_then(|answer| cell.raw(answer.as_ref().ok()?))
    }
}

fn content<L: Registers>(block: Block, link: &L) -> Result<Content, Error> {
    Ok(if block.table.is_bits() { Content::Bits(block.bits(link)?) } else { Content::Words(block.words(link)?) })
}

/// What both components have.
pub(crate) fn description(name: &str) -> Description {
    Description::new(name, env!("CARGO_PKG_VERSION")).modbus("the instrument").command(PROBE, PROBE_PURPOSE)
}

/// A command that takes nothing.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

pub(crate) fn takes_nothing(given: &str) -> Result<(), Failure> {
    arguments::<Nothing>(given).map(|Nothing {}| ())
}

impl<L: Registers> ModbusMap<L> {
    /// The probe, and for everything else why this component does not do it.
    pub fn run(&mut self, name: &str, given: &str) -> Result<String, Failure> {
        if name == PROBE {
            takes_nothing(given)?;
            return self.probe_word_order();
        }
        Err(Failure::unsupported(format!(
            "modbus-map only reads; for {name:?} use {WRITER} and grant it tutin:modbus/control ({})",
            self.commands_in_words()
        )))
    }
}

impl Driver for ModbusMap<Link> {
    type Settings = Settings;

    fn description() -> Description {
        description("modbus-map")
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

    fn command(&mut self, name: &str, arguments: &str) -> Result<String, Failure> {
        self.run(name, arguments)
    }
}
