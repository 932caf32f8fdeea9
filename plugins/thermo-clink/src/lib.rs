//! Thermo Scientific analyzers over C-Link: NO, NO2 and NOx (42i), SO2 (43i), CO (48i), O3 (49i and 49c).
//!
//! One command reads one value, and its answer says the unit. A poll asks for the values first and for the flags and the gas mode
//! after them, so that what came on meanwhile marks the values before it. The instrument keeps records, which `history` reads back.
//!
//! Invariant: no concentration is published without the flags of the same poll; what they do not tell is suspect.

mod clock;
mod commands;
mod history;
mod model;
mod points;
mod reply;
pub mod settings;
mod status;

use serde::{Deserialize, Serialize};
use tutin_sdk::stream::{Error, Exchange, Framing, Stream, Unasked};
use tutin_sdk::{Description, Driver, Failure, History, Point, Sample, Samples, State, Timestamp, hex, log};

use crate::points::Points;
use crate::reply::{Answer, Sum};
use crate::settings::{Model, Settings};
use crate::status::{Flags, Verdict};

/// Longest reply: ten records of an instrument with many values.
const LONGEST: u32 = 16_384;
const GAS_MODE: &str = "gas mode";
const FLAGS: &str = "flags";

/// The driver.
#[derive(Debug)]
pub struct ThermoClink<L> {
    link: L,
    id: u8,
    sum: Sum,
    settings: Settings,
    flags: Flags,
    numbers: Vec<String>,
    texts: Vec<String>,
    /// How many of the numbers are concentrations.
    gases: usize,
    points: Points,
    /// Commands that the instrument refused or answered with nonsense in the last poll, so that each is logged once.
    refused: Vec<String>,
    now: Option<Timestamp>,
}

/// What the next instance takes over.
#[derive(Debug, Serialize, Deserialize)]
struct Snapshot {
    points: Vec<Point>,
}

impl<L: Stream> ThermoClink<L> {
    /// Plans the commands and sets how frames are cut. Sends nothing.
    pub fn new(link: L, settings: Settings) -> Result<Self, Failure> {
        settings.check()?;
        let numbers = settings.numbers();
        let mut texts = settings.texts.clone();
        if settings.gas_mode && !texts.iter().any(|text| text == GAS_MODE) {
            texts.push(GAS_MODE.to_owned());
        }
        if let Some(twice) = texts.iter().find(|text| *text == FLAGS || numbers.contains(text)) {
            return Err(tutin_sdk::settings::wrong("texts", format_args!("{twice:?} is read anyway")));
        }
        texts.push(FLAGS.to_owned());
        link.frames(&Framing::ended_by(&[b"\r"]).at_most(LONGEST), Unasked::Waits)?;
        Ok(ThermoClink {
            link,
            id: settings.id,
            sum: if settings.sum { Sum::Checked } else { Sum::None },
            flags: Flags::new(&settings)?,
            points: Points::new(&numbers, &texts),
            gases: settings.model.gases().len(),
            numbers,
            texts,
            settings,
            refused: Vec::new(),
            now: None,
        })
    }

    fn ask_texts(&self, refused: &mut Vec<String>) -> Result<Vec<Option<String>>, Failure> {
        let mut texts = Vec::with_capacity(self.texts.len());
        for command in self.texts.iter().filter(|command| *command != FLAGS) {
            let answer = self.ask(command)?;
            if as_text(&answer).is_none() {
                refused.push(complaint(command, &answer));
            }
            texts.push(as_text(&answer).map(str::to_owned));
        }
        Ok(texts)
    }

    fn samples(&mut self, values: &[Option<f64>], texts: &[Option<String>], verdict: Verdict) -> Samples {
        let mut concentrations = verdict;
        if self.settings.gas_mode {
            let mode = self.texts.iter().zip(texts).find(|(command, _)| *command == GAS_MODE);
            let mode = mode.and_then(|(_, text)| text.as_deref());
            concentrations = concentrations.with(mode.map_or(State::Suspect, status::of_gas_mode));
        }
        let mut samples = Samples::with_capacity(values.len() + texts.len());
        let mut position = 0;
        for (at, value) in values.iter().enumerate() {
            let mut sample = Sample::new(position, value.unwrap_or(f64::NAN)).status(verdict.word);
            if at < self.gases {
                sample = sample.state(concentrations.state).qualifiers(concentrations.remarks);
            }
            if value.is_none() {
                sample.state = sample.state.or_worse(State::Fault);
            }
            samples.push(sample);
            position += 1;
        }
        for text in texts {
            let sample = Sample::new(position, f64::NAN).status(verdict.word);
            match text {
                Some(text) => samples.push_text(sample, text.as_str()),
                None => samples.push_text(sample.state(State::Fault), ""),
            }
            position += 1;
        }
        if self.points.take_change() {
            samples.points_changed();
        }
        samples
    }

    /// Lines that the instrument streams by itself, and answers that nobody waits for any more.
    fn throw_away_unasked(&self) -> Result<(), Failure> {
        let incoming = self.link.receive(1000).map_err(|err| err.during("lines that nobody asked for"))?;
        if !incoming.frames.is_empty() {
            log::debug(|| format!("{} lines that nobody asked for were left alone", incoming.frames.len()));
        }
        Ok(())
    }

    /// Sends a command and reads its answer.
    fn ask(&self, command: &str) -> Result<Answer, Failure> {
        let exchange = Exchange { begins: reply::beginnings(command), ..Exchange::default() };
        match self.link.ask(&reply::request(self.id, command), &exchange) {
            Ok(frame) => reply::read(&frame, command, self.sum),
            Err(Error::Timeout) => Err(self.silence(command)),
            Err(err) => Err(err.during(format_args!("command {command}"))),
        }
    }

    /// No answer came; perhaps something else did.
    fn silence(&self, command: &str) -> Failure {
        let other = self.link.receive(1).ok().and_then(|incoming| incoming.frames.into_iter().next());
        match other {
            Some(frame) => {
                let came = hex(&frame.bytes, reply::SHOWN);
                Failure::device(format!("command {command}: an answer to something else: {came}"))
            }
            None => Error::Timeout.during(format_args!("command {command}")),
        }
    }

    fn report(&mut self, refused: Vec<String>) {
        for text in refused.iter().filter(|text| !self.refused.contains(text)) {
            log::warn(text);
        }
        self.refused = refused;
    }
}

fn as_text(answer: &Answer) -> Option<&str> {
    match answer {
        Answer::Text(text) => Some(text),
        Answer::Nothing | Answer::BadCommand => None,
    }
}

fn complaint(command: &str, answer: &Answer) -> String {
    match answer {
        Answer::Text(text) => format!("command {command}: {text:?} cannot be read"),
        Answer::Nothing => format!("command {command}: an empty answer"),
        Answer::BadCommand => format!("command {command}: bad cmd"),
    }
}

impl<L: Stream + 'static> Driver for ThermoClink<L> {
    type Settings = Settings;

    fn description() -> Description {
        let description = Description::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
            .instruments("Thermo Scientific", &Model::NAMES)
            .stream("the analyzer")
            .backfill()
            .snapshots();
        commands::describe(description)
    }

    fn open(settings: Settings) -> Result<Self, Failure> {
        ThermoClink::new(L::open("main")?, settings)
    }

    fn points(&self) -> Vec<Point> {
        self.points.list()
    }

    fn poll(&mut self, now: Timestamp) -> Result<Samples, Failure> {
        self.now = Some(now);
        self.throw_away_unasked()?;
        let mut refused = Vec::new();
        let mut values = Vec::with_capacity(self.numbers.len());
        for (at, command) in self.numbers.iter().enumerate() {
            let answer = self.ask(command)?;
            let read = as_text(&answer).and_then(reply::number);
            if read.is_none() {
                refused.push(complaint(command, &answer));
            }
            values.push(read.map(|(value, _)| value));
            if let Some((_, unit)) = read {
                let code = model::unit(unit);
                if code.is_none() && !unit.is_empty() {
                    refused.push(format!("command {command}: the unit {unit:?} is unknown"));
                }
                self.points.set_unit(at, code.unwrap_or_default());
            }
        }
        let answer = self.ask(FLAGS)?;
        let word = as_text(&answer).and_then(status::word);
        if word.is_none() {
            refused.push(format!("{}; concentrations are suspect", complaint(FLAGS, &answer)));
        }
        let verdict = word.map_or_else(Verdict::unknown, |word| self.flags.verdict(word));
        let mut texts = self.ask_texts(&mut refused)?;
        texts.push(word.map(|word| self.flags.words(word)));
        self.report(refused);
        Ok(self.samples(&values, &texts, verdict))
    }

    fn backfill(&mut self, begin: Timestamp, end: Timestamp, next: &str) -> Result<History, Failure> {
        self.page(begin, end, next)
    }

    fn command(&mut self, name: &str, arguments: &str) -> Result<String, Failure> {
        self.run(name, arguments)
    }

    fn snapshot(&self) -> Vec<u8> {
        serde_json::to_vec(&Snapshot { points: self.points.kept() }).unwrap_or_default()
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Failure> {
        let snapshot: Snapshot =
            serde_json::from_slice(state).map_err(|err| Failure::internal(format!("snapshot: {err}")))?;
        // Units, and values that only records have.
        self.points.restore(snapshot.points);
        Ok(())
    }
}

tutin_sdk::export!(ThermoClink<tutin_sdk::stream::Link>);

#[cfg(test)]
mod tests;
