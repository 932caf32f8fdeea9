//! The devices of a hub: their plugins are loaded, they start, stop, and go over to other drivers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::StreamExt;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{error, info};

use super::outlet::HubOutlet;
use super::swapping::Ordered;
use super::units::{DeviceKey, DeviceUnit};
use super::watch::Stamp;
use super::{Applied, DEVICE_STOP, Hub, HubError, describe};
use crate::config::model::{self, Config, Name};
use crate::plugin::{LoadError, Loader, Plugin};

/// The plugins of a hub, by what the configuration says of them.
pub(super) struct Plugins {
    loader: Loader,
    loaded: BTreeMap<model::Plugin, Loaded>,
}

/// A file, and what was made of it.
struct Loaded {
    /// How the file was when it was read last.
    stamp: Option<Stamp>,
    /// Who was trusted then.
    trust: model::Trust,
    plugin: Result<Arc<Plugin>, Arc<LoadError>>,
}

/// Plugins that are loaded side by side.
const LOADS: usize = 4;

/// A file as it was looked at, and what it is if it was not known.
type Read = (Option<Stamp>, Option<Result<Arc<Plugin>, LoadError>>);

/// Plugins that cannot be loaded as they are now, with the reason. What was loaded of them before runs on.
pub(super) type Unloadable = BTreeMap<model::Plugin, String>;

impl Plugins {
    pub(super) fn new(loader: Loader) -> Self {
        Plugins { loader, loaded: BTreeMap::new() }
    }

    pub(super) fn get(&self, plugin: &model::Plugin) -> Option<&Result<Arc<Plugin>, Arc<LoadError>>> {
        self.loaded.get(plugin).map(|loaded| &loaded.plugin)
    }

    /// How a file was when it was read last.
    pub(super) fn stamp(&self, plugin: &model::Plugin) -> Option<Stamp> {
        self.loaded.get(plugin).and_then(|loaded| loaded.stamp)
    }

    /// Whether this was loaded while the same were trusted.
    fn is_judged_alike(&self, key: &model::Plugin, trust: &model::Trust) -> bool {
        self.loaded.get(key).is_some_and(|loaded| loaded.trust == *trust)
    }

    /// Reads a file if it is not the one that is loaded, or others are trusted now.
    fn read(&self, name: &str, key: &model::Plugin, trust: &model::Trust) -> JoinHandle<Read> {
        let (loader, name, of, whom) = (self.loader.clone(), name.to_owned(), key.clone(), trust.clone());
        let known = self.loaded.get(key).filter(|loaded| loaded.plugin.is_ok() && self.is_judged_alike(key, trust));
        let known = known.map(|loaded| loaded.stamp);
        tokio::task::spawn_blocking(move || {
            let stamp = Stamp::of(&of.file);
            let is_known = stamp.is_some() && known == Some(stamp);
            (stamp, (!is_known).then(|| loader.load_trusted(&name, &of, &whom)))
        })
    }

    /// Takes what was read. Returns the plugin, if another one came of it than before.
    fn take(
        &mut self,
        key: &model::Plugin,
        trust: &model::Trust,
        (stamp, read): Read,
    ) -> Result<Option<Arc<Plugin>>, String> {
        let Some(read) = read else { return Ok(None) };
        let before = self.loaded.get(key).and_then(|loaded| loaded.plugin.as_ref().ok()).cloned();
        let (plugin, answer) = match (read, before) {
            (Ok(plugin), Some(before)) if plugin.digest == before.digest && plugin.signer == before.signer => {
                (Ok(before), Ok(None))
            }
            (Ok(plugin), _) => (Ok(Arc::clone(&plugin)), Ok(Some(plugin))),
            // The file is another one, and it is not taken. One that nobody trusts any more is something else.
            (Err(error), Some(before)) if self.is_judged_alike(key, trust) => (Ok(before), Err(describe(&error))),
            (Err(error), _) => {
                let text = describe(&error);
                (Err(Arc::new(error)), Err(text))
            }
        };
        self.loaded.insert(key.clone(), Loaded { stamp, trust: trust.clone(), plugin });
        answer
    }
}

impl Hub {
    /// Loads the plugins that are not loaded yet, or whose files are others now, and all of them when others are trusted than before. One that
    /// cannot be loaded costs its own devices and nothing else; where it ran before, it runs on unless it is trusted no more.
    pub(super) async fn load_plugins(&mut self, next: &Config) -> Result<Unloadable, HubError> {
        let mut unloadable = Unloadable::new();
        let reads = next.plugins.iter().map(|(name, key)| {
            let read = self.plugins.read(name, key, &next.trust);
            async move { (name, key, read.await) }
        });
        // Some side by side: one that takes long to compile keeps fewer waiting.
        let reads: Vec<_> = futures_util::stream::iter(reads).buffered(LOADS).collect().await;
        for (name, key, read) in reads {
            match self.plugins.take(key, &next.trust, read.map_err(HubError::Task)?) {
                Ok(None) => {}
                Ok(Some(plugin)) => self.record_plugin(next, name, &plugin).await?,
                Err(reason) => {
                    let runs_on = matches!(self.plugins.get(key), Some(Ok(_)));
                    let then = if runs_on { "; the one that was loaded before runs on" } else { "" };
                    error!(plugin = name, "{reason}{then}");
                    unloadable.insert(key.clone(), reason);
                }
            }
        }
        Ok(unloadable)
    }

    pub(super) async fn stop_devices(&mut self, next: &Config, applied: &mut Applied) {
        let plugins = &self.plugins;
        let stays = |name: &Name, unit: &DeviceUnit| {
            let Some(key) = DeviceKey::of(next, name) else { return false };
            let can_run = matches!(plugins.get(&key.plugin), Some(Ok(_)));
            let is_trusted = can_run || unit.last.key.plugin != key.plugin;
            // One without a task waits for its plugin and for nothing else.
            if unit.runs() {
                unit.last.key.can_become(name, &key) && is_trusted
            } else {
                unit.last.key == key && !can_run
            }
        };
        let gone: Vec<Name> =
            self.devices.iter().filter(|(name, unit)| !stays(name, unit)).map(|(name, _)| name.clone()).collect();
        for name in gone {
            if let Some(unit) = self.devices.remove(&name) {
                unit.stop.cancel();
                unit.end(&name, Instant::now() + DEVICE_STOP).await;
                applied.stopped.push(format!("device {name}"));
            }
        }
        self.links.retain(&next.links).await;
    }

    pub(super) fn start_devices(&mut self, next: &Config, applied: &mut Applied) {
        for name in next.devices.keys() {
            if self.devices.contains_key(name) {
                continue;
            }
            let Some(key) = DeviceKey::of(next, name) else { continue };
            let connection = self.links.connect(&key.device.link, &key.link, &self.journal);
            let plugin = self.plugins.get(&key.plugin);
            let outlet = HubOutlet::new(self.journal.clone(), Arc::clone(&self.live));
            let unit =
                DeviceUnit::start(name, key, plugin, &connection, outlet, self.journal.clone(), self.unheard_since);
            self.devices.insert(name.clone(), unit);
            applied.started.push(format!("device {name}"));
        }
    }

    /// Tells devices of which only the driver is another one to go over to it. Those that cannot be told stay as they are.
    pub(super) async fn swap_devices(
        &mut self,
        next: &Config,
        unloadable: &Unloadable,
        applied: &mut Applied,
    ) -> Result<Vec<Ordered>, HubError> {
        let (mut ordered, mut refused) = (Vec::new(), Vec::new());
        for (name, unit) in self.devices.iter_mut().filter(|(_, unit)| unit.runs()) {
            let Some(key) = DeviceKey::of(next, name) else { continue };
            let plugin = key.plugin.clone();
            let swapped = match (unloadable.get(&plugin), self.plugins.get(&plugin)) {
                (Some(reason), _) => Err(reason.clone()),
                (None, Some(Ok(plugin))) if unit.last.key == key && unit.last.digest == plugin.digest => continue,
                (None, Some(Ok(plugin))) => unit.swap(name, key, Arc::clone(plugin)),
                (None, Some(Err(error))) => Err(describe(&**error)),
                (None, None) => Err(format!("plugin file {} is not loaded", plugin.file.display())),
            };
            match swapped {
                Ok(order) => ordered.push(self.swaps.follow(order, &self.journal)),
                Err(reason) => refused.push((name.clone(), unit.last.key.clone(), reason)),
            }
        }
        for (name, key, reason) in refused {
            self.give_back(&name, key, applied).await?;
            applied.note_rolled_back(&name, reason);
        }
        Ok(ordered)
    }

    /// Goes over to the plugins in these files, which are others than those that were loaded.
    pub(super) async fn take_files(&mut self, files: &BTreeSet<PathBuf>) -> Result<(), HubError> {
        let mut touched = self.config.clone();
        touched.plugins.retain(|_, plugin| files.contains(&plugin.file));
        // What cannot be loaded has been told, and changes nothing.
        let unloadable = self.load_plugins(&touched).await?;
        touched.plugins.retain(|_, plugin| !unloadable.contains_key(plugin));
        let mut applied = Applied::default();
        self.start_loadable(&mut applied);
        self.swap_devices(&touched, &unloadable, &mut applied).await?;
        for line in applied.lines() {
            info!("{line}");
        }
        Ok(())
    }

    /// Starts those that waited for a plugin that can be loaded.
    fn start_loadable(&mut self, applied: &mut Applied) {
        let plugins = &self.plugins;
        let waits = |unit: &DeviceUnit| !unit.runs() && matches!(plugins.get(&unit.last.key.plugin), Some(Ok(_)));
        self.devices.retain(|_, unit| !waits(unit));
        let config = self.config.clone();
        self.start_devices(&config, applied);
    }
}
