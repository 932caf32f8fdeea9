//! Teledyne API analyzers over the ASCII protocol of their serial and network ports.
//!
//! A poll takes what the instrument has said by itself (warnings, begin and end of calibrations, records of its logger), asks for
//! all test values, and then for the warnings. The instrument names its test values: the list of points grows as they come.
//!
//! Invariant: a concentration has the state that warnings and calibration give it, and a value that is not listed is missing.

mod clock;
mod commands;
mod hearing;
mod history;
mod line;
mod points;
mod report;
pub mod settings;
mod status;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tutin_sdk::clock::SECOND;
use tutin_sdk::stream::{Echo, Error, Exchange, Framing, Stream, Unasked};
use tutin_sdk::{Description, Driver, Failure, History, Point, PointKind, Sample, Samples, State, Timestamp, hex, log};

use crate::line::{Line, Stamp};
use crate::points::{Points, WARNINGS};
use crate::settings::Settings;

/// Most lines of a list of test values or warnings.
const LIST: u32 = 200;
/// Most lines that are taken in one poll.
const UNASKED: u32 = 1000;
/// Bytes of a frame that an error or the log shows.
const SHOWN: usize = 48;

/// The driver.
#[derive(Debug)]
pub struct TeledyneAscii<L> {
    link: L,
    settings: Settings,
    points: Points,
    /// Positions that T LIST has filled.
    tests: BTreeSet<u16>,
    is_calibrating: bool,
    /// Pushed warnings with the time up to which they hold.
    held: BTreeMap<String, i64>,
    /// Values that came unasked while the instrument did not answer.
    pending: Vec<Sample>,
    now: Option<Timestamp>,
    /// Seconds by which the instrument's clock is wrong, when it is.
    clock_error: Option<i64>,
    /// What was complained of in the last poll, so that each is logged once.
    complaints: BTreeSet<String>,
}

/// What the next instance takes over.
#[derive(Debug, Serialize, Deserialize)]
struct Snapshot {
    points: Vec<Point>,
    is_calibrating: bool,
    held: BTreeMap<String, i64>,
}

impl<L: Stream> TeledyneAscii<L> {
    /// Sets how lines are cut. Sends nothing.
    pub fn new(link: L, settings: Settings) -> Result<Self, Failure> {
        settings.check()?;
        link.frames(&Framing::ended_by(&[b"\r\n"]).at_most(512), Unasked::Wakes)?;
        let mut points = Points::new(&settings.concentrations, &settings.units);
        let place = |name: &String| points.place("", name, PointKind::Number).map(|(position, _)| position);
        let tests = settings.concentrations.iter().filter_map(place).collect();
        Ok(TeledyneAscii {
            link,
            points,
            settings,
            tests,
            is_calibrating: false,
            held: BTreeMap::new(),
            pending: Vec::new(),
            now: None,
            clock_error: None,
            complaints: BTreeSet::new(),
        })
    }

    /// An instrument that sends records and does not answer.
    fn push_silence(&mut self, now: Timestamp, samples: &mut Samples) {
        for position in &self.tests {
            samples.push(Sample::new(*position, f64::NAN).state(State::CommError).time(now));
        }
        for sample in self.pending.drain(..) {
            samples.push(sample);
        }
        if self.points.take_change() {
            samples.points_changed();
        }
    }

    /// A value of the logger. Its records have no status.
    fn record(&self, position: u16, value: Option<f64>, time: Timestamp) -> Sample {
        let state = self.settings.record_state;
        let state = if value.is_some() { state } else { state.or_worse(State::Fault) };
        Sample::new(position, value.unwrap_or(f64::NAN)).state(state).time(time)
    }

    fn push_test_values(
        &mut self,
        frames: &[Vec<u8>],
        state: State,
        now: Timestamp,
        samples: &mut Samples,
        complaints: &mut BTreeSet<String>,
    ) -> Result<(), Failure> {
        let mut listed = BTreeSet::new();
        for line in self.ours(frames) {
            let Some((name, text, unit)) = line::assignment(line.message) else { continue };
            self.check_clock(line.stamp, now);
            let number = line::number(text);
            let kind = if number.is_some() { PointKind::Number } else { PointKind::Text };
            let Some((position, kind)) = self.points.place("", name, kind) else {
                complaints.insert(format!("{name:?} has no place"));
                continue;
            };
            if !listed.insert(position) {
                continue;
            }
            let sample = Sample::new(position, number.unwrap_or(f64::NAN)).time(now);
            if kind == PointKind::Text {
                samples.push_text(sample, text);
                continue;
            }
            if !self.points.set_unit(position, unit) {
                complaints.insert(format!("{name}: the unit {unit:?} is unknown"));
            }
            let is_concentration = self.settings.concentrations.iter().any(|concentration| concentration == name);
            let state = if is_concentration { state } else { State::Valid };
            samples.push(sample.state(if number.is_some() { state } else { state.or_worse(State::Fault) }));
        }
        if listed.is_empty() {
            let came = frames.first().map_or_else(String::new, |frame| hex(frame, SHOWN));
            return Err(Failure::device(format!("T LIST: no test value in {} lines: {came}", frames.len())));
        }
        for position in self.tests.difference(&listed) {
            samples.push(Sample::new(*position, f64::NAN).state(State::Missing).time(now));
        }
        self.tests.extend(listed);
        if self.clock_error.is_some() {
            complaints.insert("the instrument's clock is wrong".into());
        }
        Ok(())
    }

    /// Compares the instrument's clock with the hub's; it shows whole minutes.
    fn check_clock(&mut self, stamp: Stamp, now: Timestamp) {
        let latest = Timestamp(now.0.saturating_add(self.difference()));
        let said = clock::last(stamp, latest, self.settings.utc_offset);
        self.clock_error = match self.placed(stamp, now) {
            Some(_) => None,
            None => Some(said.map_or(i64::MAX, |said| now.0.saturating_sub(said.0) / SECOND)),
        };
    }

    /// The moment of a line that came at this time; nothing when the clock is wrong.
    fn placed(&self, stamp: Stamp, at: Timestamp) -> Option<Timestamp> {
        let difference = self.difference();
        let said = clock::last(stamp, Timestamp(at.0.saturating_add(difference)), self.settings.utc_offset)?;
        (at.0.saturating_sub(said.0) <= difference + 60 * SECOND).then_some(said)
    }

    fn difference(&self) -> i64 {
        i64::from(self.settings.max_clock_difference) * SECOND
    }

    /// Lines of this instrument.
    fn ours<'a>(&self, frames: &'a [Vec<u8>]) -> Vec<Line<'a>> {
        frames.iter().filter_map(|frame| Line::read(frame)).filter(|line| self.is_ours(line)).collect()
    }

    fn is_ours(&self, line: &Line<'_>) -> bool {
        match (&self.settings.id, line.id) {
            (Some(ours), Some(id)) => ours.trim_start_matches('0') == id.trim_start_matches('0'),
            (Some(_), None) => false,
            (None, _) => true,
        }
    }

    /// Sends a command; its answer is lines with the same letter, up to a silence.
    fn ask(&self, letter: char, command: &str, lines: u32) -> Result<Vec<Vec<u8>>, Failure> {
        self.ask_within(letter, command, lines, 0).map_err(|err| err.during(format_args!("{letter} {command}")))
    }

    fn ask_within(&self, letter: char, command: &str, lines: u32, timeout_ms: u32) -> Result<Vec<Vec<u8>>, Error> {
        let settings = &self.settings;
        let request = line::request(letter, settings.id.as_deref(), command, settings.request_end.text());
        let begin = format!("{letter} ").into_bytes();
        let exchange = Exchange { begins: vec![begin], ..Exchange::default() }
            .echoed(Echo::Perhaps)
            .up_to(lines, settings.list_silence_ms)
            .within_ms(timeout_ms);
        self.link.request(&request, &exchange)
    }
}

impl<L: Stream + 'static> Driver for TeledyneAscii<L> {
    type Settings = Settings;

    fn description() -> Description {
        let description = Description::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
            .instruments("Teledyne API", &["T100", "T101", "T200", "T300", "T400", "M300E", "200AU", "300M"])
            .stream("the analyzer")
            .backfill()
            .snapshots();
        commands::describe(description)
    }

    fn open(settings: Settings) -> Result<Self, Failure> {
        TeledyneAscii::new(L::open("main")?, settings)
    }

    fn points(&self) -> Vec<Point> {
        self.points.list()
    }

    fn poll(&mut self, now: Timestamp) -> Result<Samples, Failure> {
        self.now = Some(now);
        let mut complaints = BTreeSet::new();
        let more = self.listen(&mut complaints)?;
        let mut samples = Samples::default();
        let frames = match self.ask('T', "LIST", LIST) {
            // What came unasked is not asked for again.
            Err(failure) if !self.pending.is_empty() => {
                log::warn(failure.message());
                self.push_silence(now, &mut samples);
                return Ok(samples);
            }
            frames => frames?,
        };
        let warnings = self.active_warnings(now)?;
        let state = self.state(&warnings);
        self.push_test_values(&frames, state, now, &mut samples, &mut complaints)?;
        samples.push_text(Sample::new(WARNINGS, f64::NAN).time(now), warnings.join("; "));
        for sample in self.pending.drain(..) {
            samples.push(sample);
        }
        for complaint in complaints.difference(&self.complaints) {
            log::warn(complaint);
        }
        self.complaints = complaints;
        if more {
            samples.more_to_come();
        }
        if self.points.take_change() {
            samples.points_changed();
        }
        Ok(samples)
    }

    fn backfill(&mut self, begin: Timestamp, end: Timestamp, next: &str) -> Result<History, Failure> {
        self.page(begin, end, next)
    }

    fn command(&mut self, name: &str, arguments: &str) -> Result<String, Failure> {
        self.run(name, arguments)
    }

    fn snapshot(&self) -> Vec<u8> {
        let (points, held) = (self.points.kept(), self.held.clone());
        let snapshot = Snapshot { points, is_calibrating: self.is_calibrating, held };
        serde_json::to_vec(&snapshot).unwrap_or_default()
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Failure> {
        let snapshot: Snapshot =
            serde_json::from_slice(state).map_err(|err| Failure::internal(format!("snapshot: {err}")))?;
        self.points.restore(snapshot.points);
        (self.is_calibrating, self.held) = (snapshot.is_calibrating, snapshot.held);
        Ok(())
    }
}

tutin_sdk::export!(TeledyneAscii<tutin_sdk::stream::Link>);

#[cfg(test)]
mod tests;
