//! What plugins say of a configuration when nothing is connected: refusals, settings that do not fit, points.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::capability::{Connection, Plug, Surroundings};
use crate::config::model::{Config, Name};
use crate::hub::describe;
use crate::hub::links::surroundings;
use crate::hub::units::DeviceKey;
use crate::plugin::{self, Failure, Loader, OpenError, Plugin};
use crate::reading::Point;

/// What came of opening one device.
#[derive(Debug)]
pub enum Finding {
    /// Its points.
    Points(Vec<Point>),
    /// The plugin's file cannot be used.
    Plugin(String),
    /// The plugin asks for more than the device is granted.
    Grants(String),
    /// The settings do not fit.
    Settings(String),
    /// Anything else.
    Device(String),
}

/// Opens every device of the configuration without its link.
pub async fn open_devices(config: &Config, loader: &Loader) -> BTreeMap<Name, Finding> {
    let mut plugins: BTreeMap<PathBuf, Result<Arc<Plugin>, String>> = BTreeMap::new();
    let mut findings = BTreeMap::new();
    let surroundings = surroundings(config, Plug::Out);
    for name in config.devices.keys() {
        let Some(key) = DeviceKey::of(config, name) else { continue };
        let file = &key.plugin.file;
        if !plugins.contains_key(file) {
            let (loader, path) = (loader.clone(), file.clone());
            let loaded =
                tokio::task::spawn_blocking(move || loader.load(&path).map_err(|error| describe(&error))).await;
            plugins.insert(file.clone(), loaded.unwrap_or_else(|error| Err(error.to_string())));
        }
        let finding = match plugins.get(file) {
            Some(Ok(plugin)) => open(name, &key, plugin, &surroundings).await,
            Some(Err(error)) => Finding::Plugin(error.clone()),
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
