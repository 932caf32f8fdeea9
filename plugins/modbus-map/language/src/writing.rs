//! Reading what a map describes, and carrying out its writing parts.
//!
//! A poll takes back what was held long enough, sets the instrument up when that is needed, writes process values when it is their
//! turn, and reads. The setup is read back in every poll: an instrument that was restarted and has lost it is set up again before
//! a value is believed.
//!
//! Invariant: no value is published from a poll in which the setup did not stand as it was written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tutin_sdk::modbus::{Control, Error, Link, Registers, Table};
use tutin_sdk::settings::arguments;
use tutin_sdk::{Description, Driver, Failure, Point, Samples, Timestamp, log};

use crate::effective::Effective;
use crate::plan::{Commands, LIST, RUN};
use crate::probe::PROBE;
use crate::reader::{ModbusMap, WRITER, description, takes_nothing};
use crate::settings::{ProcessValues, Settings};
use crate::write::{Planned, setup};

/// The driver that also writes. It imports `tutin:modbus/control`.
#[derive(Debug)]
pub struct WritingMap<L> {
    reader: ModbusMap<L>,
    /// Units that are written to, besides the device's own.
    links: Vec<(u8, L)>,
    setup: Vec<Planned>,
    needs_setup: bool,
    commands: Commands,
    process_values: Option<ProcessValues>,
    polls_to_process_values: u32,
    /// So that a refusal is logged when it begins and when it ends.
    process_values_fail: bool,
    begun: Begun,
}

/// What was begun and is not over. It is the snapshot.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Begun {
    held: Vec<Held>,
    in_force: Vec<String>,
}

/// Writes that are to be taken back.
#[derive(Debug, Serialize, Deserialize)]
struct Held {
    command: String,
    group: Option<String>,
    undone: Vec<Planned>,
    hold: i64,
    /// Nanoseconds UTC; `None` until a poll has said what time it is.
    until: Option<i64>,
}

/// A command of the map and its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Run {
    /// Its name, as in the map.
    command: String,
    /// Its arguments.
    #[serde(default)]
    arguments: Map<String, Value>,
}

impl<L: Registers + Control> WritingMap<L> {
    /// Plans reads and writes. Sends nothing.
    pub fn new(link: L, settings: &Settings) -> Result<Self, Failure> {
        let effective = Effective::new(settings)?;
        let setup = setup(&effective)?;
        let commands = Commands::plan(&effective)?;
        let reader = ModbusMap::open_map(link, &effective, &setup)?;
        let mut writing = WritingMap {
            reader,
            links: Vec::new(),
            needs_setup: !setup.is_empty(),
            setup,
            commands,
            process_values: settings.process_values.clone(),
            polls_to_process_values: 0,
            process_values_fail: false,
            begun: Begun::default(),
        };
        let of_commands = effective.commands.values().flat_map(|(_, command)| &command.writes);
        let writes = effective.setup.iter().map(|(_, write)| *write).chain(of_commands);
        for unit in writes.filter_map(|write| write.unit_id) {
            if writing.links.iter().all(|(known, _)| *known != unit) {
                let link =
                    writing.reader.main()?.unit(unit).map_err(|err| err.during(format_args!("unit_id {unit}")))?;
                writing.links.push((unit, link));
            }
        }
        Ok(writing)
    }

    /// The points as the instrument names them now.
    pub fn points(&self) -> &[Point] {
        self.reader.points()
    }

    /// Writes what is due and reads everything once. `now` in nanoseconds UTC.
    pub fn read(&mut self, now: Timestamp) -> Result<Samples, Failure> {
        self.take_back(now.0);
        let was_set_up = self.needs_setup;
        self.set_up()?;
        self.write_process_values();
        self.ask()?;
        if let Some(label) = self.missing_setup()
            && !was_set_up
        {
            log::warn(&format!("{label}: the instrument has lost its setup; it is written again"));
            self.needs_setup = true;
            self.set_up()?;
            self.ask()?;
        }
        if let Some(label) = self.missing_setup() {
            self.needs_setup = true;
            return Err(Failure::device(format!("{label}: the setup does not read back as it was written")));
        }
        Ok(self.reader.decode())
    }

    /// Carries out a command: `run`, `commands`, `probe-word-order`, or one of the map by its own name.
    pub fn run(&mut self, name: &str, given: &str) -> Result<String, Failure> {
        match name {
            PROBE => {
                takes_nothing(given)?;
                self.reader.probe_word_order()
            }
            LIST => {
                takes_nothing(given)?;
                Ok(self.commands.in_words())
            }
            RUN => {
                let Run { command, arguments } = arguments(given)?;
                self.carry_out(&command, &arguments)
            }
            name => self.carry_out(name, &arguments(given)?),
        }
    }

    fn ask(&mut self) -> Result<(), Failure> {
        // An instrument that was away may have forgotten its setup.
        self.reader.ask().inspect_err(|_| self.needs_setup = !self.setup.is_empty())
    }

    fn missing_setup(&self) -> Option<String> {
        self.reader.missing_setup().map(|check| check.label.clone())
    }

    fn set_up(&mut self) -> Result<(), Failure> {
        if self.needs_setup {
            for planned in &self.setup {
                self.write(planned).map_err(|err| err.during(format_args!("setup of {}", planned.label())))?;
            }
            self.needs_setup = false;
        }
        Ok(())
    }

    fn write(&self, planned: &Planned) -> Result<(), Error> {
        let Planned { table, address, words, unit_id, .. } = planned;
        let gone = || Error::Other("the link is gone".to_owned());
        let link = match unit_id {
            None => self.reader.main().map_err(|_| gone())?,
            Some(unit) => self.links.iter().find(|(known, _)| known == unit).map(|(_, link)| link).ok_or_else(gone)?,
        };
        match (table, words.as_slice()) {
            (Table::Coil, [one]) => link.write_coil(*address, *one != 0),
            (Table::Coil, several) => {
                let bits: Vec<bool> = several.iter().map(|word| *word != 0).collect();
                link.write_coils(*address, &bits)
            }
            (_, [one]) => link.write_register(*address, *one),
            (_, several) => link.write_registers(*address, several),
        }
    }

    fn carry_out(&mut self, name: &str, given: &Map<String, Value>) -> Result<String, Failure> {
        let command = self.commands.find(name).map_err(Failure::unsupported)?;
        if let Some(group) = &command.group {
            let held = self.begun.held.iter().find(|held| held.group.as_ref() == Some(group));
            let is_other = |other: &&String| {
                let of = self.commands.find(other).ok().and_then(|of| of.group.as_ref());
                *other != name && of == Some(group) && !command.ends.contains(other)
            };
            let in_force = self.begun.in_force.iter().find(is_other);
            if let Some(other) = held.map(|held| &held.command).or(in_force) {
                return Err(Failure::busy(format!("{other} is not over, and {name} is of the same group ({group})")));
            }
        }
        if self.begun.held.iter().any(|held| held.command == name) {
            return Err(Failure::busy(format!("{name} is not over")));
        }
        let orders = command.orders(given).map_err(Failure::unsupported)?;
        let (group, hold, ends) = (command.group.clone(), command.hold, command.ends.clone());
        let is_level = group.is_some() && hold.is_none() && ends.is_empty();
        let mut answer = format!("{name}: accepted by the instrument. {}", command.purpose);
        let mut written = Ok(());
        for planned in &orders.writes {
            written = self.write(planned).map_err(|err| err.during(format_args!("{name}, {}", planned.label())));
            if written.is_err() {
                break;
            }
        }
        // A write that failed may have been carried out, so that it is taken back too.
        if let Some(hold) = hold {
            answer.push_str(&format!(
                " Taken back {} ms after the next poll begins, by the first one after that.",
                hold / 1_000_000
            ));
            let undone = orders.undone.into_iter().rev().collect();
            self.begun.held.push(Held { command: name.to_owned(), group, undone, hold, until: None });
        }
        written?;
        self.begun.in_force.retain(|other| !ends.contains(other) && other != name);
        if is_level {
            self.begun.in_force.push(name.to_owned());
        }
        Ok(answer)
    }

    fn take_back(&mut self, now: i64) {
        let mut held = std::mem::take(&mut self.begun.held);
        held.retain_mut(|held| {
            let until = *held.until.get_or_insert(now.saturating_add(held.hold));
            if now < until {
                return true;
            }
            let failed = held.undone.iter().find_map(|planned| self.write(planned).err().map(|err| (planned, err)));
            if let Some((planned, err)) = failed {
                log::error(&format!(
                    "{}: {} could not be taken back, the next poll tries again: {err}",
                    held.command,
                    planned.label()
                ));
                return true;
            }
            false
        });
        self.begun.held = held;
    }

    fn write_process_values(&mut self) {
        let Some(process) = &self.process_values else { return };
        if self.polls_to_process_values > 0 {
            self.polls_to_process_values -= 1;
            return;
        }
        self.polls_to_process_values = process.every_polls.saturating_sub(1);
        let (name, given) = (process.command.clone(), process.arguments.clone());
        match self.carry_out(&name, &given) {
            Err(failure) => {
                if !self.process_values_fail {
                    log::error(&format!("process values are not written: {failure}"));
                }
                self.process_values_fail = true;
                // The instrument counts with old ones meanwhile: try again at once.
                self.polls_to_process_values = 0;
            }
            Ok(_) => {
                if self.process_values_fail {
                    log::info("process values are written again");
                }
                self.process_values_fail = false;
            }
        }
    }

    /// What was begun and is not over.
    pub fn begun(&self) -> Vec<u8> {
        if self.begun.held.is_empty() && self.begun.in_force.is_empty() {
            return Vec::new();
        }
        serde_json::to_vec(&self.begun).unwrap_or_default()
    }

    /// Goes on with what another instance began.
    pub fn go_on_with(&mut self, state: &[u8]) -> Result<(), Failure> {
        self.begun = serde_json::from_slice(state)
            .map_err(|err| Failure::internal(format!("no snapshot of {WRITER}: {err}")))?;
        Ok(())
    }
}

impl Driver for WritingMap<Link> {
    type Settings = Settings;

    fn description() -> Description {
        description(WRITER)
            .command(LIST, "Says which commands the map of this device has, what each does and which arguments it takes. Changes nothing.")
            .command_with::<Run>(
                RUN,
                "Carries out a command of the map; each can also be called by its own name, with its arguments directly. What it does to the \
                 instrument, how long it takes and how its end is seen: the command \"commands\".",
            )
            .snapshots()
    }

    fn open(settings: Settings) -> Result<Self, Failure> {
        WritingMap::new(Link::open("main")?, &settings)
    }

    fn points(&self) -> Vec<Point> {
        self.reader.points().to_vec()
    }

    fn poll(&mut self, now: Timestamp) -> Result<Samples, Failure> {
        self.read(now)
    }

    fn command(&mut self, name: &str, arguments: &str) -> Result<String, Failure> {
        self.run(name, arguments)
    }

    fn snapshot(&self) -> Vec<u8> {
        self.begun()
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Failure> {
        self.go_on_with(state)
    }
}
