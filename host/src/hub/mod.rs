//! The only place that knows every stage: it builds them, joins them, and changes them one at a time.
//!
//! Everything that a configuration names is a unit that starts and stops alone and is keyed by its own part of the
//! configuration. [`Hub::apply`] compares keys: a unit whose key is the same is not touched. Starting a hub is applying a
//! configuration to an empty one.
//!
//! Invariant: no reading crosses from one unit to another except along the path device, journal, line, route, sink.

mod applied;
pub mod assignments;
pub mod control;
mod derivation;
mod devices;
mod error;
mod figures;
mod links;
pub mod offline;
mod outlet;
mod plugins;
mod queue;
pub mod recompute;
mod reviser;
pub mod single;
mod swapping;
mod units;
mod watch;

#[cfg(test)]
mod outage_tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::warn;

use crate::config::model::{self, Config, Name};
use crate::journal::{self, Event, Journal, Place, Settlement, Storage};
use crate::pipeline::alarm::Acknowledgement;
use crate::plugin::device::Command;
use crate::plugin::{DeviceStatus, Engine, Loader};
use crate::sink::runner::DeliveryStatus;
use crate::sink::{Built, LiveSender};
use crate::time::Timestamp;
pub use applied::Applied;
use assignments::{assignments, watched};
use derivation::Derivation;
use devices::Plugins;
pub use error::{CommandError, ControlError, HubError};
pub use figures::DeviceFigures;
use links::Links;
pub use links::pki;
use outlet::LiveRoutes;
use queue::{JournalQueue, ReadingRoutes};
use reviser::Reviser;
use swapping::Swaps;
pub use swapping::Verdict;
use units::{DeviceUnit, SinkUnit};
pub use watch::Watch;

/// Longest time that a device has for ending its last poll.
const DEVICE_STOP: Duration = Duration::from_secs(5);

/// A running hub.
pub struct Hub {
    config: Config,
    plugins: Plugins,
    swaps: Swaps,
    journal: Journal,
    writer: journal::Running,
    derivation: Derivation,
    reviser: Reviser,
    live: Arc<LiveRoutes>,
    reading_routes: Arc<ReadingRoutes>,
    links: Links,
    /// When the hub before this one wrote its last entry; only while the first configuration is applied.
    unheard_since: Option<Timestamp>,
    devices: BTreeMap<Name, DeviceUnit>,
    sinks: BTreeMap<Name, SinkUnit>,
}

/// Where a hub of this configuration keeps its journal.
pub fn journal_file(config: &Config) -> PathBuf {
    config.hub.state.components().collect::<PathBuf>().join("journal.sqlite")
}

/// A loader whose cache of compiled plugins is in the hub's state folder.
pub fn loader(state: &Path) -> Result<Loader, HubError> {
    let engine = Engine::new().map_err(|error| HubError::Engine(format!("{error:#}")))?;
    Ok(Loader::new(engine, state.join("compiled")))
}

impl Hub {
    /// Opens the journal, takes up the blocks that were open when the last hub ended, and starts every unit.
    pub async fn start(config: Config) -> Result<(Hub, Applied), HubError> {
        let derivation = Derivation::new(&config.hub.name);
        let file = journal_file(&config);
        let (journal, writer) = Journal::open(&file, &config.journal, derivation.clone())?;
        let live = Arc::new(LiveRoutes::new(&config.hub.name));
        let mut hub = Hub {
            plugins: Plugins::new(loader(&config.hub.state)?.within(&config.loading)),
            swaps: Swaps::default(),
            config: nothing_yet(&config),
            reviser: Reviser::start(journal.clone(), derivation.clone(), config.hub.revise_after),
            journal,
            writer,
            derivation,
            live,
            reading_routes: Arc::default(),
            links: Links::new(&config),
            unheard_since: None,
            devices: BTreeMap::new(),
            sinks: BTreeMap::new(),
        };
        let found = hub.journal.found();
        let (name, version) = (config.hub.name.clone(), env!("CARGO_PKG_VERSION").to_owned());
        hub.journal.event(Event::Start { hub: name, version, after: found.ending, last: found.last }).await?;
        if found.ending == journal::Ending::Unclean {
            warn!("the hub before this one did not end as it should; open blocks are taken up from the journal");
        }
        // Charts are taken up for what is watched, and alarms of what is not watched any more are then cleared.
        hub.derivation.watch(watched(&config), Timestamp::now());
        let (reader, derivation) = (hub.journal.reader()?, hub.derivation.clone());
        let taken = tokio::task::spawn_blocking(move || derivation.take_up(&reader));
        taken.await.map_err(HubError::Task)??;
        hub.unheard_since = found.last;
        let applied = hub.apply(config).await?;
        hub.unheard_since = None;
        Ok((hub, applied))
    }

    /// Goes over to another configuration: stops what changed or is gone, starts what changed or is new, leaves the rest alone. A device of which
    /// nothing changed but its driver goes over while it runs, and back to what it was when that fails; whoever it takes longer with than a few
    /// seconds is still being tried then ([`Hub::verdict`]). The hub's name, state folder and journal settings stay as they were at the start.
    pub async fn apply(&mut self, next: Config) -> Result<Applied, HubError> {
        let mut applied = Applied::default();
        // What can fail comes first, so that a change that cannot be made touches nothing.
        let fresh_sinks = self.build_sinks(&next)?;
        let unloadable = self.load_plugins(&next).await?;
        self.stop_devices(&next, &mut applied).await;
        self.stop_sinks(&next, &mut applied).await;
        let sources = self.withdraw_sources(&next, &mut applied);
        self.derivation.set_routes(next.routes.values(), &next.digest);
        if watched(&self.config) != watched(&next) {
            self.derivation.watch(watched(&next), Timestamp::now());
        }
        self.start_sinks(&next, fresh_sinks, &mut applied).await?;
        self.live.set(&next, self.sinks.iter().filter_map(|(name, sink)| Some((name.clone(), sink.live.clone()?))));
        self.assign_sources(&next, sources, &mut applied).await?;
        self.start_devices(&next, &mut applied);
        applied.note_routes(&self.config, &next);
        self.config = next.clone();
        let ordered = self.swap_devices(&next, &unloadable, &mut applied).await?;
        self.await_verdicts(ordered, &mut applied).await?;
        self.record(&applied).await?;
        Ok(applied)
    }

    /// How each device is.
    pub fn devices(&self) -> impl Iterator<Item = (&str, DeviceStatus)> {
        self.devices.iter().map(|(name, unit)| (name.as_str(), unit.status.borrow().clone()))
    }

    /// How the deliveries to each sink go.
    pub fn sinks(&self) -> impl Iterator<Item = (&str, DeliveryStatus)> {
        self.sinks.iter().map(|(name, unit)| (name.as_str(), unit.status.borrow().clone()))
    }

    /// Readings that came too late for their block since the start.
    pub fn late_readings(&self) -> u64 {
        self.derivation.late()
    }

    /// Sinks whose live queue had to drop records, and how many.
    pub fn dropped(&self) -> impl Iterator<Item = (&str, u64)> {
        let dropped = |unit: &SinkUnit| unit.live.as_ref().map_or(0, LiveSender::dropped);
        self.sinks.iter().map(move |(name, unit)| (name.as_str(), dropped(unit))).filter(|(_, dropped)| *dropped > 0)
    }

    /// Whether what is read can be stored.
    pub fn storage(&self) -> Storage {
        self.journal.storage()
    }

    /// The journal, to read from.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Has a device carry out a command of its driver; returns the driver's answer. What was asked and answered is recorded, for it
    /// explains what the instrument shows next.
    pub async fn command(&self, device: &str, name: &str, arguments: &str) -> Result<String, CommandError> {
        let result = self.ask(device, name, arguments).await;
        let (answer, refusal) = (result.as_ref().ok(), result.as_ref().err().map(ToString::to_string));
        let event = Event::Command {
            device: device.to_owned(),
            command: name.to_owned(),
            arguments: arguments.to_owned(),
            answer: answer.cloned(),
            refusal,
        };
        self.journal.event(event).await.map_err(|_| CommandError::NotRunning(device.to_owned()))?;
        result
    }

    /// Somebody has seen an alarm. Returns what there is to say, when it is durable.
    pub async fn acknowledge(&self, name: &str, by: &str) -> Result<String, String> {
        let answer = self.derivation.acknowledge(name, by).map_err(|error| {
            let standing: Vec<String> = self.derivation.alarms().into_iter().map(|alarm| alarm.name).collect();
            let known = if standing.is_empty() { "none".to_owned() } else { standing.join(", ") };
            format!("{error}; there stands: {known}")
        })?;
        // The first turn of the journal takes it up, the second follows when it is stored.
        for _ in 0..2 {
            self.journal.flush().await.map_err(|error| describe(&error))?;
        }
        Ok(match answer {
            Acknowledgement::Given(change) => format!("alarm {} is acknowledged by {by}", change.name),
            Acknowledgement::GivenBefore { by } => format!("alarm {name} had been acknowledged by {by}"),
        })
    }

    async fn ask(&self, device: &str, name: &str, arguments: &str) -> Result<String, CommandError> {
        let not_running = || CommandError::NotRunning(device.to_owned());
        let unit = self.devices.get(device).ok_or_else(not_running)?;
        unit.last.key.check_command(device, name)?;
        let (answer, answered) = oneshot::channel();
        let command = Command { name: name.to_owned(), arguments: arguments.to_owned(), answer };
        unit.commands.send(command).await.map_err(|_| not_running())?;
        answered.await.map_err(|_| not_running())?.map_err(CommandError::Refused)
    }

    /// Ends in the order of the path: devices, journal, sinks. Nothing that was read is lost.
    pub async fn stop(mut self) -> Result<(), HubError> {
        for unit in self.devices.values() {
            unit.stop.cancel();
        }
        let deadline = Instant::now() + DEVICE_STOP;
        for (name, unit) in std::mem::take(&mut self.devices) {
            unit.end(&name, deadline).await;
        }
        self.swaps.end().await;
        self.links.close().await;
        self.journal.event(Event::Stop { hub: self.config.hub.name.clone() }).await?;
        self.journal.flush().await?;
        self.reviser.end().await;
        self.live.clear();
        for unit in self.sinks.values() {
            unit.stop.cancel();
        }
        for (name, unit) in std::mem::take(&mut self.sinks) {
            unit.end(&name).await;
        }
        let Hub { journal, writer, live, .. } = self;
        drop((journal, live));
        tokio::task::spawn_blocking(move || writer.join()).await.map_err(HubError::Task)?;
        Ok(())
    }

    /// What a change was goes into the journal: its text, and how averages are made from then on.
    async fn record(&self, applied: &Applied) -> Result<(), HubError> {
        let config = &self.config;
        let (digest, text) = (config.digest.clone(), config.text.clone());
        self.journal.event(Event::Configuration { digest, text, applied: applied.lines() }).await?;
        let streams: Vec<_> =
            config.sources.keys().flat_map(|name| assignments(config, name).unwrap_or_default()).collect();
        let streams = serde_json::to_value(streams).unwrap_or_default();
        self.journal.event(Event::Streams { configuration: config.digest.clone(), streams }).await?;
        Ok(())
    }

    async fn stop_sinks(&mut self, next: &Config, applied: &mut Applied) {
        let stays = |name: &Name, unit: &SinkUnit| next.sinks.get(name) == Some(&unit.key);
        let gone: Vec<Name> =
            self.sinks.iter().filter(|(name, unit)| !stays(name, unit)).map(|(name, _)| name.clone()).collect();
        for name in gone {
            self.live.forget(&name);
            if let Some(mut unit) = self.sinks.remove(&name) {
                unit.live = None;
                unit.stop.cancel();
                unit.end(&name).await;
                applied.stopped.push(format!("sink {name}"));
            }
        }
    }

    /// Makes the sinks that are new or changed; nothing is opened or connected.
    fn build_sinks(&self, next: &Config) -> Result<Vec<(Name, Built)>, HubError> {
        let is_fresh = |(name, key): &(&Name, &model::Sink)| self.sinks.get(*name).is_none_or(|unit| unit.key != **key);
        let build = |(name, key): (&Name, &model::Sink)| match Built::from_config(&next.hub.name, key) {
            Ok(sink) => Ok((name.clone(), sink)),
            Err(source) => Err(HubError::Sink { sink: name.clone(), source }),
        };
        next.sinks.iter().filter(is_fresh).map(build).collect()
    }

    async fn start_sinks(
        &mut self,
        next: &Config,
        fresh: Vec<(Name, Built)>,
        applied: &mut Applied,
    ) -> Result<(), HubError> {
        self.reading_routes.set(next.routes.values());
        // A sink that is gone waits for no readings, and must not keep them from being taken away in time.
        let placed = self.journal.reader()?.placed_sinks()?;
        for sink in placed.into_iter().filter(|sink| !next.sinks.contains_key(sink)) {
            let place = Some(Place::Forgotten);
            self.journal.settle(Settlement { sink, averages: Vec::new(), place, rejected: Vec::new() }).await?;
        }
        for (name, sink) in fresh {
            let Some(key) = next.sinks.get(&name) else { continue };
            let queue = JournalQueue::open(&next.hub.name, &name, &self.journal, &self.reading_routes, &key.delivery);
            let queue = queue.await?;
            let unit = SinkUnit::start(&name, key.clone(), sink, queue);
            self.sinks.insert(name.clone(), unit);
            applied.started.push(format!("sink {name}"));
        }
        Ok(())
    }

    /// Takes away the streams of sources that changed or are gone. Returns the names of those that must be made.
    fn withdraw_sources(&mut self, next: &Config, applied: &mut Applied) -> Vec<Name> {
        for name in self.config.sources.keys() {
            if assignments(&self.config, name) != assignments(next, name) {
                self.derivation.withdraw(name);
                applied.stopped.push(format!("source {name}"));
            }
        }
        let changed = |name: &&Name| assignments(&self.config, name) != assignments(next, name);
        next.sources.keys().filter(changed).cloned().collect()
    }

    /// Makes the streams of sources, and brings them to where the journal is.
    async fn assign_sources(
        &mut self,
        next: &Config,
        sources: Vec<Name>,
        applied: &mut Applied,
    ) -> Result<(), HubError> {
        if sources.is_empty() {
            return Ok(());
        }
        self.journal.flush().await?;
        let assignments: Vec<_> = sources.iter().flat_map(|name| assignments(next, name).unwrap_or_default()).collect();
        self.journal.begin(Derivation::beginnings(&assignments, Timestamp::now())).await?;
        let mut reader = self.journal.reader()?;
        let derivation = self.derivation.clone();
        let replayed =
            tokio::task::spawn_blocking(move || derivation.assign(assignments, &mut reader, Timestamp::now()));
        let late_blocks = replayed.await.map_err(HubError::Task)??;
        if late_blocks > 0 {
            warn!("{late_blocks} blocks ended while no hub ran; they are closed now");
        }
        applied.started.extend(sources.into_iter().map(|name| format!("source {name}")));
        Ok(())
    }
}

/// The configuration of a hub that does nothing yet.
fn nothing_yet(config: &Config) -> Config {
    Config {
        links: BTreeMap::new(),
        plugins: BTreeMap::new(),
        devices: BTreeMap::new(),
        rule_sets: BTreeMap::new(),
        status_tables: BTreeMap::new(),
        sources: BTreeMap::new(),
        routes: BTreeMap::new(),
        sinks: BTreeMap::new(),
        ..config.clone()
    }
}

/// An error and its causes in one line. A cause that the error says itself is not said again.
pub(crate) fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::describe;
    use crate::capability::Overrun;
    use crate::plugin::{CallError, OpenError};

    #[test]
    fn a_cause_is_said_once() {
        let error = OpenError::Call(CallError::Overrun(Overrun::Call(Duration::from_millis(100))));
        assert_eq!(describe(&error), "plugin computed for more than 100 ms in one call (limits.call)");
        let hidden = std::io::Error::other("no space");
        let shown = anyhow::Error::from(hidden).context("writing");
        assert_eq!(describe(shown.as_ref()), "writing: no space");
    }
}
