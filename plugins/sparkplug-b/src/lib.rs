//! Edge nodes that publish Sparkplug B.
//!
//! Births name metrics and their types; later messages carry only what changed, by alias. So a value holds from one message to the next for as
//! long as its edge node and device live, no message is missing, and the broker is connected: each poll repeats it. What ends
//! that: a death, a gap in the sequence, a lost connection.
//!
//! Decoding (`payload`, `value`) and the order of messages (`sequence`) are pure; `session` acts on messages, `saying` makes samples.
//!
//! Invariant: no value is valid without the birth that named it, nor after a message was missed.

mod edge;
mod payload;
mod points;
mod saying;
mod sequence;
mod session;
pub mod settings;
mod topic;
mod value;

use std::collections::{BTreeMap, BTreeSet};

use tutin_sdk::clock::SECOND;
use tutin_sdk::mqtt::{Link, Publisher, QoS, Subscriber};
use tutin_sdk::{Description, Driver, Failure, Point, Samples, Timestamp, hex, log};

use crate::edge::{Arrived, Edge, Trust};
use crate::points::Points;
use crate::settings::Settings;
use crate::topic::{NodeName, Topic};

/// Most messages of one poll, and the number of samples at which a poll takes no more of them.
const MOST_MESSAGES: usize = 200;
const ENOUGH_SAMPLES: usize = 20_000;
/// Most edge nodes.
const MOST_NODES: usize = 1_000;
/// Bytes of a payload that the log shows.
const SHOWN: usize = 32;
/// What is wrong is said once an hour.
const PAUSE: i64 = 3_600 * SECOND;

/// The driver.
#[derive(Debug)]
pub struct SparkplugB<L> {
    link: L,
    settings: Settings,
    points: Points,
    edges: BTreeMap<NodeName, Edge>,
    connection: Option<u64>,
    /// When what was last said, by its text.
    said: BTreeMap<String, Timestamp>,
    /// Points that this poll said something of that is true now.
    told: BTreeSet<usize>,
}

impl<L: Subscriber + Publisher> SparkplugB<L> {
    /// Checks the settings and tells the host which topics to take.
    pub fn new(link: L, settings: Settings) -> Result<Self, Failure> {
        settings.check()?;
        let mut filters = link.granted();
        filters.retain(|filter| filter.starts_with("spBv1.0/") || filter == "#");
        if filters.is_empty() {
            let text = "the device's topics grant nothing of Sparkplug B: expected spBv1.0/GROUP/# or parts of it";
            return Err(Failure::settings(text));
        }
        link.subscribe(&filters, QoS::AtLeastOnce).map_err(|err| err.during("topics"))?;
        let ask = Some("it is expected");
        let edges = settings.nodes().map(|node| (node, Edge { ask, ..Edge::default() })).collect();
        let points = Points::new(&settings);
        let (said, told) = (BTreeMap::new(), BTreeSet::new());
        Ok(SparkplugB { link, settings, points, edges, connection: None, said, told })
    }

    /// The points that are known now.
    pub fn list(&self) -> Vec<Point> {
        self.points.iter().map(|standing| standing.point.clone()).collect()
    }

    /// Takes what arrived, asks for births where they are needed, and repeats what still holds.
    pub fn read(&mut self, now: Timestamp) -> Result<Samples, Failure> {
        let mut samples = Samples::default();
        self.told.clear();
        let mut taken = 0;
        let (is_connected, more) = loop {
            let incoming = self.link.receive(1).map_err(|err| err.during("broker"))?;
            self.note_connection(incoming.connection);
            if incoming.dropped > 0 {
                self.complain(now, "messages were refused: too large, too many, or the queue was full");
                self.distrust(Trust::Broken, "messages were refused");
            }
            for message in &incoming.messages {
                self.take(message, now, &mut samples);
            }
            taken += 1;
            if !incoming.more || taken >= MOST_MESSAGES || samples.len() >= ENOUGH_SAMPLES {
                break (incoming.is_connected, incoming.more);
            }
        };
        // Those that wait for others may find them in what is still in the queue.
        if !more {
            self.end_waiting(now, &mut samples);
        }
        if is_connected {
            self.ask_for_births(now);
        }
        self.repeat(now, is_connected, &mut samples);
        if more {
            samples.more_to_come();
        }
        Ok(samples)
    }

    fn take(&mut self, message: &tutin_sdk::mqtt::Message, now: Timestamp, samples: &mut Samples) {
        let Some(topic) = Topic::read(&message.topic) else { return };
        if message.is_retained {
            let text = format!("{}: a retained message is of another time and is ignored", topic.node);
            return self.complain(now, &text);
        }
        match payload::decode(&message.payload) {
            Ok(payload) => {
                let arrived = Arrived { topic, payload, at: message.at };
                self.arrive(arrived, now, samples);
            }
            Err(why) => {
                let text = format!("{}: no Sparkplug B payload: {why}: {}", topic.node, hex(&message.payload, SHOWN));
                self.complain(now, &text);
                self.lose(&topic.node, "a payload could not be read");
            }
        }
    }

    /// After another connection, messages of the one before may be missing.
    fn note_connection(&mut self, connection: u64) {
        if self.connection.is_some_and(|before| before != connection) {
            self.distrust(Trust::Unsure, "the connection was away");
        }
        self.connection = Some(connection);
    }

    fn distrust(&mut self, trust: Trust, why: &'static str) {
        for edge in self.edges.values_mut() {
            edge.ask = Some(why);
            if let Some(session) = edge.session.as_mut().filter(|session| session.trust != Trust::Broken) {
                session.trust = trust;
            }
        }
    }

    fn ask_for_births(&mut self, now: Timestamp) {
        let pause = i64::from(self.settings.rebirth_pause_s) * SECOND;
        let is_due = |edge: &Edge| edge.asked.is_none_or(|asked| now.0.saturating_sub(asked.0) >= pause);
        let mut lines = Vec::new();
        for (name, edge) in &mut self.edges {
            let Some(why) = edge.ask.filter(|_| self.settings.request_rebirth && is_due(edge)) else { continue };
            edge.asked = Some(now);
            let timestamp = u64::try_from(now.0 / 1_000_000).unwrap_or_default();
            // It stays to be asked until its birth comes.
            match self.link.publish(&name.command_topic(), &payload::rebirth(timestamp), QoS::AtMostOnce) {
                Ok(()) => lines.push(format!("{name} is asked for its births: {why}")),
                Err(err) => lines.push(format!("{name} could not be asked for its births: {err}")),
            }
        }
        for line in lines {
            self.complain(now, &line);
        }
    }

    /// Says what is wrong, once an hour.
    fn complain(&mut self, now: Timestamp, text: &str) {
        let is_due = |said: &Timestamp| now.0.saturating_sub(said.0) >= PAUSE;
        if self.said.get(text).is_none_or(is_due) {
            log::warn(text);
            self.said.retain(|_, said| !is_due(said));
            if self.said.len() < MOST_NODES {
                self.said.insert(text.to_owned(), now);
            }
        }
    }
}

impl Driver for SparkplugB<Link> {
    type Settings = Settings;

    fn description() -> Description {
        Description::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
            .instruments("any", &["Sparkplug B edge node"])
            .mqtt("the broker")
    }

    fn open(settings: Settings) -> Result<Self, Failure> {
        SparkplugB::new(Link::open("main")?, settings)
    }

    fn points(&self) -> Vec<Point> {
        self.list()
    }

    fn poll(&mut self, now: Timestamp) -> Result<Samples, Failure> {
        self.read(now)
    }
}

tutin_sdk::export!(SparkplugB<Link>);

#[cfg(test)]
mod tests;
