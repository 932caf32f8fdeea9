//! One device without a hub: for commissioning, and for trying a driver, before there is anything to run.
//!
//! Nothing is stored or delivered. The link is the one that the configuration names.

use std::sync::Arc;

use crate::capability::{Connection, Plug};
use crate::config::model::Config;
use crate::hub::links::surroundings;
use crate::hub::units::DeviceKey;
use crate::hub::{CommandError, describe, plugins};
use crate::plugin::{self, DeviceSpec, Plugin};

/// A device and its link.
pub struct Single {
    /// What its driver is opened with.
    pub spec: DeviceSpec,
    /// Its link, connected when the driver first uses it.
    pub connection: Connection,
}

impl Single {
    /// The device of this name as the configuration has it, read by this plugin; `None` when it has none.
    pub fn of(config: &Config, device: &str, plugin: Arc<Plugin>) -> Option<Self> {
        Some(Single::from(&DeviceKey::of(config, device)?, config, device, plugin))
    }

    fn from(key: &DeviceKey, config: &Config, device: &str, plugin: Arc<Plugin>) -> Self {
        let connection = Connection::new(&key.device.link, &key.link, &surroundings(config, Plug::In));
        Single { spec: key.spec(device, plugin, &connection, None), connection }
    }
}

/// Opens one device over its real link and has it carry out a command.
pub async fn command(config: &Config, device: &str, name: &str, arguments: &str) -> Result<String, CommandError> {
    let refused = CommandError::Refused;
    let key = DeviceKey::of(config, device).ok_or_else(|| CommandError::NotRunning(device.to_owned()))?;
    key.check_command(device, name)?;
    let loader = super::loader(&config.hub.state).map_err(|error| refused(describe(&error)))?;
    let loader = loader.within(&config.loading);
    let loaded = plugins::load(&loader, config, &key.device.plugin).await;
    let loaded = loaded.ok_or_else(|| refused(format!("plugin {} is not loaded", key.device.plugin)))?;
    let component = loaded.map_err(|error| refused(describe(&error)))?;
    let Single { spec, connection } = Single::from(&key, config, device, component);
    let mut opened = plugin::open(&spec).await.map_err(|error| refused(describe(&error)))?;
    let answer = opened.driver.command(name, arguments).await.map_err(|error| refused(error.to_string()));
    connection.close().await;
    let answer = answer?;
    answer.map_err(|failure| CommandError::Refused(failure.to_string()))
}
