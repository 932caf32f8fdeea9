//! The units of a hub, each with the key that says when it may stay as it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::describe;
use super::error::CommandError;
use super::outlet::HubOutlet;
use super::queue::JournalQueue;
use super::swapping::Order;
use crate::capability::{Addressing, Connection, Link, Meter, READING};
use crate::config::model::{self, Config};
use crate::journal::{DevicePhase, Event, Journal};
use crate::plugin::device::{self, Command, DeviceStatus, Phase};
use crate::plugin::swap::Swap;
use crate::plugin::{DeviceSpec, LoadError, Plugin};
use crate::sink::runner::{self, DeliveryStatus};
use crate::sink::{Both, Built, LiveSender, live_queue};
use crate::time::Timestamp;

/// Name under which a driver opens the one link of its device.
const MAIN_LINK: &str = "main";
/// Commands that may wait for a device.
const COMMANDS: usize = 8;
/// Orders to go over to another driver that may wait for a device.
const SWAPS: usize = 4;
/// What can become of an order: it took over, and it came to an end.
const NEWS: usize = 2;

/// The part of a configuration that a device depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceKey {
    pub device: model::Device,
    pub link: model::Link,
    pub plugin: model::Plugin,
}

impl DeviceKey {
    pub fn of(config: &Config, name: &str) -> Option<Self> {
        let device = config.devices.get(name)?.clone();
        let link = config.links.get(&device.link)?.clone();
        let plugin = config.plugins.get(&device.plugin)?.clone();
        Some(DeviceKey { device, link, plugin })
    }

    /// What the configuration lets the device's plugin import: reading its link, and what it grants by name.
    pub fn granted(&self) -> Vec<String> {
        let mut granted = vec![format!("{}/{READING}", self.link.package())];
        granted.extend(self.device.grants.iter().cloned());
        granted.dedup();
        granted
    }

    /// How the device is reached over its link.
    fn addressing(&self, name: &str) -> Addressing {
        Addressing {
            device: name.into(),
            unit: self.device.unit,
            more_units: self.device.more_units.clone(),
            timeout: self.device.timeout,
            topics: self.device.topics.clone(),
            publish_topics: self.device.publish_topics.clone(),
        }
    }

    /// The task's specification. `unheard_since`: the end of the hub before this one, when there was one.
    pub fn spec(
        &self,
        name: &str,
        plugin: Arc<Plugin>,
        connection: &Connection,
        unheard_since: Option<Timestamp>,
    ) -> DeviceSpec {
        let links = BTreeMap::from([(MAIN_LINK.to_owned(), connection.link(&self.addressing(name)))]);
        self.spec_over(name, plugin, links, unheard_since)
    }

    fn spec_over(
        &self,
        name: &str,
        plugin: Arc<Plugin>,
        links: BTreeMap<String, Link>,
        unheard_since: Option<Timestamp>,
    ) -> DeviceSpec {
        DeviceSpec {
            name: name.into(),
            plugin,
            links,
            link_type: self.link.type_name(),
            granted: self.granted(),
            limits: self.device.limits.clone(),
            meter: Arc::default(),
            backfill: self.device.backfill,
            unheard_since,
            interval: self.device.interval,
            settings: self.device.settings.to_string(),
        }
    }

    /// Whether a device with this part of a configuration can go over to the other one while it runs: it stays behind the same link, reached in
    /// the same way.
    pub fn can_become(&self, name: &str, next: &DeviceKey) -> bool {
        let is_reached_alike = self.addressing(name) == next.addressing(name);
        self.link == next.link && self.device.link == next.device.link && is_reached_alike
    }

    /// Whether people may give this command.
    pub fn check_command(&self, device: &str, command: &str) -> Result<(), CommandError> {
        if self.device.commands.iter().any(|pattern| pattern.matches(command)) {
            return Ok(());
        }
        Err(CommandError::NotAllowed { device: device.to_owned(), command: command.to_owned() })
    }
}

/// What a device's task was told to run.
#[derive(Debug, Clone)]
pub struct Given {
    pub key: DeviceKey,
    /// SHA-256 of the plugin.
    pub digest: String,
}

/// A device's task.
pub struct DeviceUnit {
    /// What it was told last, and number of that order.
    pub last: Given,
    pub generation: u64,
    /// All that may run now, by the number of the order.
    given: BTreeMap<u64, Given>,
    swaps: mpsc::Sender<Swap>,
    pub stop: CancellationToken,
    pub status: watch::Receiver<DeviceStatus>,
    pub commands: mpsc::Sender<Command>,
    /// What its plugin has used.
    pub meter: Arc<Meter>,
    task: Option<JoinHandle<()>>,
}

impl DeviceUnit {
    /// Starts the task; a device whose plugin is not there is parked with the reason.
    pub fn start(
        name: &str,
        key: DeviceKey,
        plugin: Option<&Result<Arc<Plugin>, Arc<LoadError>>>,
        connection: &Connection,
        outlet: HubOutlet,
        journal: Journal,
        unheard_since: Option<Timestamp>,
    ) -> Self {
        let (status, shown) = watch::channel(DeviceStatus::starting());
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let (swaps, orders) = mpsc::channel(SWAPS);
        let stop = CancellationToken::new();
        tokio::spawn(record_phases(name.to_owned(), shown.clone(), journal));
        let mut last = Given { key, digest: String::new() };
        let (mut task, mut meter, key) = (None, Arc::default(), &last.key);
        let reason = match plugin {
            Some(Ok(plugin)) => {
                let spec = key.spec(name, Arc::clone(plugin), connection, unheard_since);
                meter = Arc::clone(&spec.meter);
                last.digest.clone_from(&plugin.digest);
                task = Some(tokio::spawn(device::run(spec, Arc::new(outlet), inbox, orders, status, stop.clone())));
                None
            }
            Some(Err(error)) => Some((status, describe(&**error))),
            None => Some((status, format!("plugin {} is not loaded", key.device.plugin))),
        };
        if let Some((status, reason)) = reason {
            error!(device = name, "parked: {reason}");
            status.send_modify(|status| status.phase = Phase::Parked(reason));
        }
        let given = BTreeMap::from([(0, last.clone())]);
        DeviceUnit { last, generation: 0, given, swaps, stop, status: shown, commands, meter, task }
    }

    /// Whether it has a task.
    pub fn runs(&self) -> bool {
        self.task.is_some()
    }

    /// Tells the task to go over to another plugin or to other settings.
    pub fn swap(&mut self, name: &str, key: DeviceKey, plugin: Arc<Plugin>) -> Result<Order, String> {
        let (news, told) = mpsc::channel(NEWS);
        let (generation, after) = (self.generation + 1, plugin.digest.clone());
        let mut spec = key.spec_over(name, plugin, BTreeMap::new(), None);
        spec.meter = Arc::clone(&self.meter);
        let swap = Swap { generation, spec, news };
        self.swaps.try_send(swap).map_err(|_| format!("{SWAPS} changes wait for its poll to end"))?;
        let before = self.settle().digest;
        self.generation = generation;
        self.last = Given { key, digest: after.clone() };
        self.given.insert(generation, self.last.clone());
        Ok(Order { device: name.to_owned(), generation, before, after, news: told })
    }

    /// What runs now.
    pub fn running(&self) -> &Given {
        let running = self.status.borrow().generation;
        self.given.get(&running).unwrap_or(&self.last)
    }

    /// The same. What cannot come back any more is forgotten.
    pub fn settle(&mut self) -> Given {
        let running = self.status.borrow().generation;
        self.given.retain(|generation, _| *generation >= running);
        self.running().clone()
    }

    /// The last order came to nothing.
    pub fn take_back(&mut self, running: Given) {
        self.last = running;
    }

    /// Waits for the end of the task.
    pub async fn end(self, name: &str, deadline: Instant) {
        let Some(mut task) = self.task else { return };
        if tokio::time::timeout_at(deadline, &mut task).await.is_err() {
            warn!(device = name, "its last poll was broken off: it took too long");
            task.abort();
        }
    }
}

/// Writes each change of a device's phase into the journal.
async fn record_phases(device: String, mut status: watch::Receiver<DeviceStatus>, journal: Journal) {
    let mut last = Phase::Starting;
    while status.changed().await.is_ok() {
        let phase = status.borrow_and_update().phase.clone();
        if phase == last {
            continue;
        }
        let (name, reason) = match &phase {
            Phase::Starting => (DevicePhase::Starting, ""),
            Phase::Running => (DevicePhase::Running, ""),
            Phase::Failing(reason) => (DevicePhase::Failing, reason.as_str()),
            Phase::Restarting(reason) => (DevicePhase::Restarting, reason.as_str()),
            Phase::Parked(reason) => (DevicePhase::Parked, reason.as_str()),
        };
        let event =
            Event::Device { device: device.clone(), since: Timestamp::now(), phase: name, reason: reason.to_owned() };
        if journal.event(event).await.is_err() {
            return;
        }
        last = phase;
    }
}

/// A sink's runner. Every sink has both queues, so that a route that begins or ends to be live does not touch it.
pub struct SinkUnit {
    pub key: model::Sink,
    pub stop: CancellationToken,
    pub status: watch::Receiver<DeliveryStatus>,
    pub live: Option<LiveSender>,
    task: JoinHandle<()>,
}

impl SinkUnit {
    /// Starts the runner of a sink that takes what waits for it in this queue, and what is offered live.
    pub fn start(name: &str, key: model::Sink, sink: Built, queue: JournalQueue) -> Self {
        let (live, offered) = live_queue(name, key.delivery.live_queue);
        let queue = Both::new(offered, queue);
        let (reported, status) = watch::channel(DeliveryStatus::default());
        let stop = CancellationToken::new();
        let (name, delivery, stopped) = (name.to_owned(), key.delivery.clone(), stop.clone());
        let task = tokio::spawn(async move { runner::run(&name, sink, queue, delivery, stopped, reported).await });
        SinkUnit { key, stop, status, live: Some(live), task }
    }

    /// Waits for the runner, which ends by itself after the token was cancelled.
    pub async fn end(self, name: &str) {
        drop(self.live);
        if self.task.await.is_err() {
            error!(sink = name, "its runner ended in a panic");
        }
    }
}
