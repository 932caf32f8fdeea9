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
use crate::capability::{Addressing, Connection, Meter, READING};
use crate::config::model::{self, Config};
use crate::journal::{DevicePhase, Event, Journal};
use crate::plugin::device::{self, Command, DeviceStatus, Phase};
use crate::plugin::{DeviceSpec, LoadError, Plugin};
use crate::sink::runner::{self, DeliveryStatus};
use crate::sink::{Both, Built, LiveSender, live_queue};
use crate::time::Timestamp;

/// Name under which a driver opens the one link of its device.
const MAIN_LINK: &str = "main";
/// Commands that may wait for a device.
const COMMANDS: usize = 8;

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
        DeviceSpec {
            name: name.into(),
            plugin,
            links: BTreeMap::from([(MAIN_LINK.to_owned(), connection.link(&self.addressing(name)))]),
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

    /// Whether people may give this command.
    pub fn check_command(&self, device: &str, command: &str) -> Result<(), CommandError> {
        if self.device.commands.iter().any(|pattern| pattern.matches(command)) {
            return Ok(());
        }
        Err(CommandError::NotAllowed { device: device.to_owned(), command: command.to_owned() })
    }
}

/// A device's task.
pub struct DeviceUnit {
    pub key: DeviceKey,
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
        let stop = CancellationToken::new();
        tokio::spawn(record_phases(name.to_owned(), shown.clone(), journal));
        let reason = match plugin {
            Some(Ok(plugin)) => {
                let spec = key.spec(name, Arc::clone(plugin), connection, unheard_since);
                let meter = Arc::clone(&spec.meter);
                let run = device::run(spec, Arc::new(outlet), inbox, status, stop.clone());
                return DeviceUnit { key, stop, status: shown, commands, meter, task: Some(tokio::spawn(run)) };
            }
            Some(Err(error)) => describe(&**error),
            None => format!("plugin {} is not loaded", key.device.plugin),
        };
        error!(device = name, "parked: {reason}");
        status.send_modify(|status| status.phase = Phase::Parked(reason));
        DeviceUnit { key, stop, status: shown, commands, meter: Arc::default(), task: None }
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
