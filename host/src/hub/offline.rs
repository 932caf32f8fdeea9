//! What plugins say of a configuration when nothing is connected: refusals, settings that do not fit, points.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::capability::{Connection, Plug, Surroundings};
use crate::config::model::{Config, Name};
use crate::hub::links::surroundings;
use crate::hub::units::DeviceKey;
use crate::hub::{describe, plugins};
use crate::plugin::{self, Failure, LoadError, Loader, OpenError, Plugin};
use crate::reading::Point;

/// What came of opening one device.
#[derive(Debug)]
pub enum Finding {
    /// Its points.
    Points(Vec<Point>),
    /// The plugin's file cannot be used.
    Plugin(String),
    /// It is not the file that the configuration pins.
    Pin(String),
    /// The plugin asks for more than the device is granted.
    Grants(String),
    /// The settings do not fit.
    Settings(String),
    /// Anything else.
    Device(String),
}

/// Opens every device of the configuration without its link.
pub async fn open_devices(config: &Config, loader: &Loader) -> BTreeMap<Name, Finding> {
    let mut loaded: BTreeMap<&Name, Result<Arc<Plugin>, LoadError>> = BTreeMap::new();
    let mut findings = BTreeMap::new();
    let surroundings = surroundings(config, Plug::Out);
    for (name, device) in &config.devices {
        let Some(key) = DeviceKey::of(config, name) else { continue };
        if !loaded.contains_key(&device.plugin) {
            let Some(plugin) = plugins::load(loader, config, &device.plugin).await else { continue };
            loaded.insert(&device.plugin, plugin);
        }
        let finding = match loaded.get(&device.plugin) {
            Some(Ok(plugin)) => open(name, &key, plugin, &surroundings).await,
            Some(Err(error)) if error.is_other_digest() => Finding::Pin(describe(error)),
            Some(Err(error)) => Finding::Plugin(describe(error)),
            None => continue,
        };
        findings.insert(name.clone(), finding);
    }
    findings
}

async fn open(name: &str, key: &DeviceKey, component: &Arc<Plugin>, surroundings: &Surroundings) -> Finding {
    let connection = Connection::new(&key.device.link, &key.link, surroundings);
    match plugin::open(&key.spec(name, Arc::clone(component), &connection, None)).await {
        Ok(opened) => Finding::Points(opened.catalog.points.clone()),
        Err(OpenError::Refused(refusal)) => Finding::Grants(format!("plugin {}: {refusal}", key.device.plugin)),
        Err(OpenError::Failure(Failure::Settings(message))) => Finding::Settings(message),
        Err(error) => Finding::Device(error.to_string()),
    }
}
