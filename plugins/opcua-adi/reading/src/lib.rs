//! Analysers with an OPC UA server: what `opcua-adi` and `opcua-adi-control` share.
//!
//! The first poll with a session looks for the analyser's variables (`discover`) and monitors them; after that a poll takes what was
//! notified. What a device says of itself (`ruling`) decides over its values.
//!
//! A value that was not notified again still holds: that is what a subscription means. So the last value, state and status of each
//! item is repeated at a poll's time once in each sampling interval, for as long as the session lives and no notification was lost. Where one was lost, everything is read anew.
//!
//! Invariant: no value of an earlier session, and none from before a loss, is repeated.

pub mod commands;
mod discover;
mod history;
mod ids;
mod items;
mod model;
mod ruling;
mod saying;
pub mod settings;

use tutin_sdk::clock::SECOND;
use tutin_sdk::opcua::{Attribute, Client, DataValue, Incoming, Link, Node, Notification, Rates, status_name};
use tutin_sdk::{Description, Driver, Failure, History, Point, Samples, State, Timestamp, log};

pub use crate::commands::ControllingAdi;
use crate::items::Items;
use crate::settings::Settings;

/// Notifications of one call, and of one poll.
const AT_ONCE: u32 = 2_000;
const ENOUGH: usize = 20_000;
/// Nodes of one read.
const READ_AT_ONCE: usize = 5_000;
/// A notified value older than this is marked late.
const LATE: i64 = 60 * SECOND;
/// BadNodeIdUnknown, upper half.
const UNKNOWN_NODE: u32 = 0x8034;

/// The driver.
#[derive(Debug)]
pub struct OpcuaAdi<L> {
    link: L,
    settings: Settings,
    items: Items,
    held: Vec<Held>,
    /// The server's namespaces when its variables were looked for; none before.
    namespaces: Option<Vec<String>>,
    session: Option<u64>,
    /// The session in which variables were looked for because the server did not know an item any more.
    sought_again_in: Option<u64>,
    must_seek: bool,
}

/// What is known of an item in this session.
#[derive(Debug, Clone, Default)]
struct Held {
    value: Option<DataValue>,
    refused: Option<u32>,
    /// Newest source time that was told, of any session.
    told: Option<Timestamp>,
    /// Not before is its value repeated.
    due: Option<Timestamp>,
    /// A loss came after the value, and it could not be read anew.
    is_doubtful: bool,
}

impl<L: Client> OpcuaAdi<L> {
    /// Checks the settings. Sends nothing.
    pub fn new(link: L, settings: Settings) -> Result<Self, Failure> {
        settings.check()?;
        Ok(OpcuaAdi {
            link,
            settings,
            items: Items::default(),
            held: Vec::new(),
            namespaces: None,
            session: None,
            sought_again_in: None,
            must_seek: false,
        })
    }

    /// The points that are known now.
    pub fn list(&self) -> Vec<Point> {
        self.items.all.iter().map(|item| item.point.clone()).collect()
    }

    pub(crate) fn items(&self) -> &Items {
        &self.items
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn link(&self) -> &L {
        &self.link
    }

    /// Takes what was notified, and repeats what still holds.
    pub fn read(&mut self, now: Timestamp) -> Result<Samples, Failure> {
        let mut samples = Samples::default();
        if self.namespaces.is_none() {
            self.seek()?;
            samples.points_changed();
        }
        let mut arrived = self.drain()?;
        if arrived.is_connected && self.is_new_session(&arrived)? {
            self.seek()?;
            samples.points_changed();
            // What was in the queue spoke of the items before.
            arrived = self.drain()?;
        }
        for (item, status) in &arrived.refused {
            self.refuse(*item, *status, arrived.session);
        }
        // What rules over others changes what there is to say of them.
        let is_ruling = |item: usize| self.items.all.get(item).is_some_and(|item| item.ruling.is_some());
        let must_repeat = arrived.lost > 0
            || !arrived.refused.is_empty()
            || arrived.notifications.iter().any(|notification| is_ruling(notification.item));
        let mut is_told = vec![false; self.held.len()];
        let notifications = std::mem::take(&mut arrived.notifications);
        // Rulings first: a value is judged by what its device says now.
        for Notification { item, value } in &notifications {
            if let Some(held) = self.held.get_mut(*item) {
                *held = Held { value: Some(value.clone()), told: held.told, due: held.due, ..Held::default() };
            }
        }
        for Notification { item, value } in notifications {
            let is_current = self.tell(item, &value, now, &mut samples);
            if let Some(told) = is_told.get_mut(item) {
                *told = is_current;
            }
        }
        if arrived.lost > 0 {
            self.read_anew(arrived.lost);
            is_told.fill(false);
        }
        for (item, is_told) in is_told.into_iter().enumerate() {
            if !arrived.is_connected {
                self.push_empty(item, State::CommError, 0, now, &mut samples);
            } else if !is_told && (must_repeat || self.is_due(item, now)) {
                self.repeat(item, now, &mut samples);
            } else if !is_told {
                continue;
            }
            // A change that the server has sampled may be under way for a publishing interval: what changes is not repeated.
            let pause = if is_told || !arrived.is_connected { self.settings.under_way() } else { self.settings.beat() };
            if let Some(held) = self.held.get_mut(item) {
                held.due = Some(Timestamp(now.0.saturating_add(pause)));
            }
        }
        if arrived.more {
            samples.more_to_come();
        }
        Ok(samples)
    }

    /// Whether an item may be repeated. A poll may come sooner, woken by another item.
    fn is_due(&self, item: usize, now: Timestamp) -> bool {
        self.held.get(item).and_then(|held| held.due).is_none_or(|due| now >= due)
    }

    /// Looks for the analyser's variables and monitors them.
    fn seek(&mut self) -> Result<(), Failure> {
        self.namespaces = None;
        let namespaces = self.link.namespaces().map_err(|err| err.during("namespaces"))?;
        if self.settings.is_discovering() && !model::MODELS.iter().any(|uri| namespaces.iter().any(|it| it == uri)) {
            let text = "the server has none of the models DI, ADI and PA-DIM: give its nodes in settings.nodes";
            return Err(Failure::device(format!(
                "{text} and set discover = false; its namespaces: {}",
                namespaces.join(" ")
            )));
        }
        self.items = Items::find(&self.link, &self.settings).map_err(|err| err.during("browsing"))?;
        if self.items.all.is_empty() {
            return Err(Failure::device(format!("no variable of an analyser below {}", self.settings.root)));
        }
        self.held = vec![Held::default(); self.items.all.len()];
        let nodes: Vec<Node> = self.items.all.iter().map(|item| item.node.clone()).collect();
        let Settings { sampling_ms, publishing_ms, queue, .. } = self.settings;
        let rates = Rates { sampling_ms, publishing_ms, queue };
        self.link.subscribe(&nodes, rates).map_err(|err| err.during(format_args!("{} items", nodes.len())))?;
        self.must_seek = false;
        self.namespaces = Some(namespaces);
        Ok(())
    }

    fn drain(&self) -> Result<Incoming, Failure> {
        let mut all = Incoming::default();
        loop {
            let part = self.link.receive(AT_ONCE).map_err(|err| err.during("notifications"))?;
            all.notifications.extend(part.notifications);
            all.refused.extend(part.refused);
            all.lost += part.lost;
            all.is_connected = part.is_connected;
            all.session = part.session;
            all.more = part.more;
            if !part.more || all.notifications.len() >= ENOUGH {
                return Ok(all);
            }
        }
    }

    /// Forgets what an earlier session said; true when the variables must be looked for again.
    fn is_new_session(&mut self, arrived: &Incoming) -> Result<bool, Failure> {
        let is_other = self.session.is_some_and(|session| session != arrived.session);
        self.session = Some(arrived.session);
        if is_other {
            for held in &mut self.held {
                *held = Held { told: held.told, ..Held::default() };
            }
            // The notifications of this poll are gone when this fails; looking again brings them back.
            let must_seek = std::mem::replace(&mut self.must_seek, true);
            let namespaces = self.link.namespaces().map_err(|err| err.during("namespaces"))?;
            self.must_seek = must_seek || self.namespaces.as_ref() != Some(&namespaces);
        }
        if self.must_seek {
            self.sought_again_in = self.session;
        }
        Ok(self.must_seek)
    }

    fn refuse(&mut self, item: usize, status: u32, session: u64) {
        let name =
            self.items.all.get(item).map_or_else(String::new, |item| format!("{} ({})", item.point.id, item.node));
        log::warn(&format!("{name}: the server refuses to monitor it: {}", status_name(status)));
        if let Some(held) = self.held.get_mut(item) {
            *held = Held { refused: Some(status), told: held.told, ..Held::default() };
        }
        let is_unknown = status >> 16 == UNKNOWN_NODE;
        if is_unknown && self.settings.is_discovering() && self.sought_again_in != Some(session) {
            self.must_seek = true;
        }
    }

    /// Says a notified value; true when it speaks of now.
    fn tell(&mut self, item: usize, value: &DataValue, now: Timestamp, samples: &mut Samples) -> bool {
        let ahead = i64::from(self.settings.max_clock_difference_s) * SECOND;
        let source = value.source_time.or(value.server_time).unwrap_or(now);
        let is_absurd = source.0.saturating_sub(now.0) > ahead;
        let Some(held) = self.held.get_mut(item) else { return false };
        let told = held.told;
        held.told = told.max(Some(if is_absurd { now } else { source }));
        if is_absurd && told.is_none() {
            let id = self.items.all.get(item).map_or("", |item| item.point.id.as_str());
            log::warn(&format!("{id}: its time is more than {ahead} ns ahead; the host's time counts"));
        }
        match told {
            // The first is the present value, however long ago it began; so is one of the same moment with another status.
            None => self.push(item, value, now, true, samples),
            Some(told) if told == source || is_absurd => self.push(item, value, now, true, samples),
            Some(told) => {
                let is_late = source < told || now.0.saturating_sub(source.0) > LATE;
                self.push_at(item, value, source, is_late, samples);
                return !is_late;
            }
        }
        true
    }

    /// After a loss the last values may not be the last: all are read.
    fn read_anew(&mut self, lost: u64) {
        let nodes: Vec<Node> = self.items.all.iter().map(|item| item.node.clone()).collect();
        let mut values = Vec::with_capacity(nodes.len());
        for nodes in nodes.chunks(READ_AT_ONCE) {
            match self.link.read(nodes, Attribute::Value) {
                Ok(part) => values.extend(part.into_iter().map(Some)),
                Err(err) => {
                    log::warn(&format!(
                        "{lost} notifications were lost, and reading failed: {err}; values are suspect"
                    ));
                    values.extend(nodes.iter().map(|_| None));
                }
            }
        }
        log::warn(&format!(
            "{lost} notifications were lost: values between are missing, the present ones were asked for"
        ));
        for (held, value) in self.held.iter_mut().zip(values) {
            held.is_doubtful = value.is_none();
            held.value = value.or(held.value.take());
        }
    }
}

pub(crate) fn describe(description: Description) -> Description {
    description
        .instruments("any", &["OPC UA ADI", "OPC UA DI", "OPC UA PA-DIM", "OPC UA node list"])
        .opcua("the analyser's server")
        .backfill()
}

impl Driver for OpcuaAdi<Link> {
    type Settings = Settings;

    fn description() -> Description {
        describe(Description::new("opcua-adi", env!("CARGO_PKG_VERSION")))
    }

    fn open(settings: Settings) -> Result<Self, Failure> {
        OpcuaAdi::new(Link::open("main")?, settings)
    }

    fn points(&self) -> Vec<Point> {
        self.list()
    }

    fn poll(&mut self, now: Timestamp) -> Result<Samples, Failure> {
        self.read(now)
    }

    fn backfill(&mut self, begin: Timestamp, end: Timestamp, next: &str) -> Result<History, Failure> {
        self.remembered(begin, end, next)
    }
}

#[cfg(test)]
mod tests;
