//! The devices of a hub: their plugins are loaded, they start, stop, and go over to other drivers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::time::Instant;
use tracing::{error, info};

use super::outlet::HubOutlet;
use super::swapping::Ordered;
use super::units::{DeviceKey, DeviceUnit};
use super::watch::Stamp;
use super::{Applied, DEVICE_STOP, Hub, HubError, describe};
use crate::config::model::{self, Config, Name};
use crate::journal::Event;
use crate::plugin::{LoadError, Loader, Plugin};

/// The plugins of a hub, by their files.
pub(super) struct Plugins {
    loader: Loader,
    loaded: BTreeMap<PathBuf, Loaded>,
}

/// A file, and what was made of it.
struct Loaded {
    /// How the file was when it was read last.
    stamp: Option<Stamp>,
    plugin: Result<Arc<Plugin>, Arc<LoadError>>,
}

/// Files that changed and cannot be loaded, with the reason. What was loaded of them before runs on.
pub(super) type Unloadable = BTreeMap<PathBuf, String>;

impl Plugins {
    pub(super) fn new(loader: Loader) -> Self {
        Plugins { loader, loaded: BTreeMap::new() }
    }

    fn get(&self, file: &Path) -> Option<&Result<Arc<Plugin>, Arc<LoadError>>> {
        self.loaded.get(file).map(|loaded| &loaded.plugin)
    }

    /// How a file was when it was read last.
    pub(super) fn stamp(&self, file: &Path) -> Option<Stamp> {
        self.loaded.get(file).and_then(|loaded| loaded.stamp)
    }

    /// Reads a file if it is not the one that is loaded. Returns the plugin, if another one came of it than before.
    async fn read(&mut self, file: &Path) -> Result<Option<Arc<Plugin>>, String> {
        let (loader, path) = (self.loader.clone(), file.to_owned());
        let known = self.loaded.get(file).map(|loaded| (loaded.stamp, loaded.plugin.is_ok()));
        let read = tokio::task::spawn_blocking(move || {
            let stamp = Stamp::of(&path);
            let is_known = stamp.is_some() && known == Some((stamp, true));
            (stamp, (!is_known).then(|| loader.load(&path)))
        });
        let (stamp, Some(plugin)) = read.await.map_err(|error| error.to_string())? else { return Ok(None) };
        let before = self.loaded.get(file).and_then(|loaded| loaded.plugin.as_ref().ok()).cloned();
        match (plugin, before) {
            (Ok(plugin), Some(before)) if plugin.digest == before.digest => {
                self.loaded.insert(file.to_owned(), Loaded { stamp, plugin: Ok(before) });
                Ok(None)
            }
            (Ok(plugin), _) => {
                self.loaded.insert(file.to_owned(), Loaded { stamp, plugin: Ok(Arc::clone(&plugin)) });
                Ok(Some(plugin))
            }
            (Err(error), Some(before)) => {
                self.loaded.insert(file.to_owned(), Loaded { stamp, plugin: Ok(before) });
                Err(describe(&error))
            }
            (Err(error), None) => {
                let text = describe(&error);
                self.loaded.insert(file.to_owned(), Loaded { stamp, plugin: Err(Arc::new(error)) });
                Err(text)
            }
        }
    }
}

impl Hub {
    /// Loads the plugins that are not loaded yet, or whose files are others now. One that cannot be loaded costs its own devices and nothing
    /// else; where it ran before, it runs on.
    pub(super) async fn load_plugins(&mut self, next: &Config) -> Result<Unloadable, HubError> {
        let mut unloadable = Unloadable::new();
        for (name, model::Plugin { file }) in &next.plugins {
            match self.plugins.read(file).await {
                Ok(None) => {}
                Ok(Some(plugin)) => {
                    info!(plugin = name, "loaded {}, sha256 {}", file.display(), plugin.digest);
                    let (file, digest) = (file.display().to_string(), plugin.digest.clone());
                    self.journal.event(Event::Plugin { plugin: name.clone(), file, digest }).await?;
                }
                Err(reason) => {
                    let runs_on = matches!(self.plugins.get(file), Some(Ok(_)));
                    let then = if runs_on { "; the one that was loaded before runs on" } else { "" };
                    error!(plugin = name, "{reason}{then}");
                    unloadable.insert(file.clone(), reason);
                }
            }
        }
        Ok(unloadable)
    }

    pub(super) async fn stop_devices(&mut self, next: &Config, applied: &mut Applied) {
        let plugins = &self.plugins;
        let stays = |name: &Name, unit: &DeviceUnit| {
            let Some(key) = DeviceKey::of(next, name) else { return false };
            let can_run = matches!(plugins.get(&key.plugin.file), Some(Ok(_)));
            // One without a task waits for its plugin and for nothing else.
            if unit.runs() { unit.last.key.can_become(name, &key) } else { unit.last.key == key && !can_run }
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
            let plugin = self.plugins.get(&key.plugin.file);
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
            let file = key.plugin.file.clone();
            let swapped = match (unloadable.get(&file), self.plugins.get(&file)) {
                (Some(reason), _) => Err(reason.clone()),
                (None, Some(Ok(plugin))) if unit.last.key == key && unit.last.digest == plugin.digest => continue,
                (None, Some(Ok(plugin))) => unit.swap(name, key, Arc::clone(plugin)),
                (None, Some(Err(error))) => Err(describe(&**error)),
                (None, None) => Err(format!("plugin file {} is not loaded", file.display())),
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
        touched.plugins.retain(|_, plugin| !unloadable.contains_key(&plugin.file));
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
        let waits = |unit: &DeviceUnit| !unit.runs() && matches!(plugins.get(&unit.last.key.plugin.file), Some(Ok(_)));
        self.devices.retain(|_, unit| !waits(unit));
        let config = self.config.clone();
        self.start_devices(&config, applied);
    }
}
