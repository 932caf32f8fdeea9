//! Data loggers of emission and water monitoring stations that speak HJ 212 (2005, 2017, 2025): the station connects and pushes.
//!
//! The station numbers its messages and sends each until it is acknowledged; then it may forget. An acknowledgement is handed to the
//! host together with the samples, and leaves the hub when they are durable. `message` turns one message into samples, `history`
//! asks the station for what its logger remembers, `commands` for everything else.
//!
//! Invariant: a message is acknowledged only after all of it is with the host, and one that cannot be read never.

mod catalog;
mod clock;
mod commands;
mod content;
mod frame;
mod history;
mod message;
mod packet;
mod pollutants;
mod seen;
pub mod settings;
mod status;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tutin_sdk::clock::SECOND;
use tutin_sdk::stream::{Exchange, Frame, Incoming, Stream, Unasked};
use tutin_sdk::{Description, Driver, Failure, History, Point, PointKind, Sample, Samples, State, Timestamp, hex, log};

use crate::catalog::{Catalog, LAST_ANSWER, REFUSED};
use crate::pollutants::Period;
use crate::seen::Seen;
use crate::settings::Settings;

/// Most messages in one poll; what remains is taken in the next, which follows at once.
const MESSAGES: u32 = 100;

/// The driver.
#[derive(Debug)]
pub struct Hj212Station<L> {
    link: L,
    settings: Settings,
    catalog: Catalog,
    seen: Seen,
    /// Live messages that came while history was read.
    pending: Vec<Frame>,
    /// Messages of history that found no place in the last page.
    left_over: Vec<Vec<u8>>,
    /// Messages that could not be used.
    refused: u64,
    refused_told: Option<u64>,
    last_refusal: Option<String>,
    /// When the station was last heard; at first, when listening began.
    heard: Option<Timestamp>,
    /// When a real-time value counts as missing.
    due: BTreeMap<u16, i64>,
    now: Option<Timestamp>,
    /// Number of the last request, so that two in one millisecond have different names.
    requests: i64,
    asked: Option<commands::Asked>,
    queued: Option<commands::Clock>,
    parts: message::Parts,
    is_clock_wrong: bool,
    is_connected: bool,
    foreign: Vec<String>,
}

/// What the next instance takes over.
#[derive(Debug, Serialize, Deserialize)]
struct Snapshot {
    points: Vec<Point>,
    seen: Seen,
    refused: u64,
    /// Real-time values that are waited for.
    live: Vec<u16>,
}

impl<L: Stream> Hj212Station<L> {
    /// Sets how frames are cut. Sends nothing.
    pub fn new(link: L, settings: Settings) -> Result<Self, Failure> {
        settings.check()?;
        link.frames(&frame::framing(), Unasked::Wakes)?;
        let mut driver = Hj212Station {
            link,
            catalog: Catalog::new(&settings.units),
            seen: Seen::default(),
            pending: Vec::new(),
            left_over: Vec::new(),
            refused: 0,
            refused_told: None,
            last_refusal: None,
            heard: None,
            due: BTreeMap::new(),
            now: None,
            requests: 0,
            asked: None,
            queued: None,
            parts: message::Parts::default(),
            is_clock_wrong: false,
            is_connected: false,
            foreign: Vec::new(),
            settings,
        };
        for name in driver.settings.expected.clone() {
            let (code, field) = name.split_once('-').unwrap_or_default();
            if let Some(position) = driver.catalog.place(code, Period::Moment, field, PointKind::Number) {
                driver.due.insert(position, i64::MAX);
            }
        }
        driver.catalog.told();
        Ok(driver)
    }

    fn begin(&mut self, now: Timestamp) {
        self.now = Some(now);
        let patience = self.patience();
        if self.heard.is_none() {
            self.heard = Some(now);
            for due in self.due.values_mut() {
                *due = now.0.saturating_add(patience);
            }
        }
    }

    fn note(&mut self, incoming: &Incoming) {
        if incoming.dropped > 0 {
            log::warn(&format!("{} messages were dropped because the queue was full", incoming.dropped));
            self.seen.forget();
        }
        self.is_connected = incoming.is_connected;
    }

    /// Real-time values that did not come, and the failure when nothing came at all.
    fn tell_silence(&mut self, now: Timestamp, samples: &mut Samples) -> Result<(), Failure> {
        let patience = self.patience();
        let silent = now.0.saturating_sub(self.heard.unwrap_or(now).0);
        if silent >= patience && samples.is_empty() {
            return Err(Failure::communication(self.silence(silent / SECOND)));
        }
        for (position, due) in self.due.iter_mut().filter(|(_, due)| **due <= now.0) {
            samples.push(Sample::new(*position, f64::NAN).state(State::Missing).status(0).time(now));
            *due = now.0.saturating_add(patience);
        }
        Ok(())
    }

    fn silence(&self, seconds: i64) -> String {
        let connection = if self.is_connected { "it is connected" } else { "it is not connected" };
        let refusal = match &self.last_refusal {
            Some(why) => format!("; the last message that could not be used: {why}"),
            None => String::new(),
        };
        format!("station {}: no message for {seconds} s, {connection}{refusal}", self.settings.mn)
    }

    fn tell_refused(&mut self, now: Timestamp, samples: &mut Samples) {
        if self.refused_told != Some(self.refused) {
            self.refused_told = Some(self.refused);
            let count = f64::from(u32::try_from(self.refused).unwrap_or(u32::MAX));
            samples.push(Sample::new(REFUSED, count).status(0).time(now));
        }
    }

    fn mark_changed(&self, samples: &mut Samples) {
        if self.catalog.has_changed() {
            samples.points_changed();
        }
    }

    fn tell_answer(&self, text: String, at: Timestamp, samples: &mut Samples) {
        log::info(&text);
        samples.push_text(Sample::new(LAST_ANSWER, f64::NAN).status(0).time(at), text);
    }

    fn patience(&self) -> i64 {
        i64::from(self.settings.stale_after) * SECOND
    }

    fn refuse(&mut self, bytes: &[u8], why: &str) {
        self.refused += 1;
        log::warn(&format!("a message that cannot be used, {why}: {}", hex(bytes, frame::SHOWN)));
        self.last_refusal = Some(why.to_owned());
    }

    fn exchange(&self) -> Exchange {
        Exchange::default().within_ms(self.settings.answer_timeout.saturating_mul(1000))
    }
}

impl<L: Stream + 'static> Driver for Hj212Station<L> {
    type Settings = Settings;

    fn description() -> Description {
        let description = Description::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
            .instruments("", &["HJ/T 212-2005", "HJ 212-2017", "HJ 212-2025"])
            .stream("the socket where the station connects")
            .backfill()
            .snapshots();
        commands::describe(description)
    }

    fn open(settings: Settings) -> Result<Self, Failure> {
        Hj212Station::new(L::open("main")?, settings)
    }

    fn points(&self) -> Vec<Point> {
        self.catalog.points()
    }

    fn poll(&mut self, now: Timestamp) -> Result<Samples, Failure> {
        self.begin(now);
        let incoming = self.link.receive(MESSAGES).map_err(|err| err.during("messages of the station"))?;
        let mut samples = Samples::default();
        for frame in std::mem::take(&mut self.pending) {
            self.take(&frame, message::Source::History, &mut samples);
        }
        self.note(&incoming);
        for frame in &incoming.frames {
            self.take(frame, message::Source::Line, &mut samples);
        }
        self.set_clock(now, &mut samples);
        self.tell_silence(now, &mut samples)?;
        self.tell_refused(now, &mut samples);
        if incoming.more {
            samples.more_to_come();
        }
        self.mark_changed(&mut samples);
        self.catalog.told();
        Ok(samples)
    }

    fn backfill(&mut self, begin: Timestamp, end: Timestamp, next: &str) -> Result<History, Failure> {
        self.page(begin, end, next)
    }

    fn command(&mut self, name: &str, arguments: &str) -> Result<String, Failure> {
        self.run(name, arguments)
    }

    fn snapshot(&self) -> Vec<u8> {
        let (points, live) = (self.catalog.kept(), self.due.keys().copied().collect());
        let snapshot = Snapshot { points, seen: self.seen.clone(), refused: self.refused, live };
        serde_json::to_vec(&snapshot).unwrap_or_default()
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Failure> {
        let snapshot: Snapshot =
            serde_json::from_slice(state).map_err(|err| Failure::internal(format!("snapshot: {err}")))?;
        let places = self.catalog.restore(snapshot.points);
        let live = snapshot.live.iter().filter_map(|old| places.get(usize::from(*old)).copied().flatten());
        // Real-time values that the last instance knew are waited for.
        self.due.extend(live.map(|position| (position, i64::MAX)));
        self.seen = snapshot.seen.indexed();
        self.refused = snapshot.refused;
        Ok(())
    }
}

tutin_sdk::export!(Hj212Station<tutin_sdk::stream::Link>);

#[cfg(test)]
mod tests;
