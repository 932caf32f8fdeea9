//! One device without a hub: for commissioning, before there is anything to run.
//!
//! Nothing is polled, stored or delivered; the link is the device's real one.

use crate::capability::{Connection, Plug};
use crate::config::model::Config;
use crate::hub::links::surroundings;
use crate::hub::units::DeviceKey;
use crate::hub::{CommandError, describe};
use crate::plugin;

/// Opens one device over its real link and has it carry out a command.
pub async fn command(config: &Config, device: &str, name: &str, arguments: &str) -> Result<String, CommandError> {
    let refused = CommandError::Refused;
    let key = DeviceKey::of(config, device).ok_or_else(|| CommandError::NotRunning(device.to_owned()))?;
    key.check_command(device, name)?;
    let loader = super::loader(&config.hub.state).map_err(|error| refused(describe(&error)))?;
    let loader = loader.within(&config.loading);
    let file = key.plugin.file.clone();
    let loaded = tokio::task::spawn_blocking(move || loader.load(&file).map_err(|error| describe(&error))).await;
    let component = loaded.map_err(|error| refused(error.to_string()))?.map_err(refused)?;
    let connection = Connection::new(&key.device.link, &key.link, &surroundings(config, Plug::In));
    let opened = plugin::open(&key.spec(device, component, &connection, None)).await;
    let mut opened = opened.map_err(|error| refused(describe(&error)))?;
    let answer = opened.driver.command(name, arguments).await.map_err(|error| refused(error.to_string()));
    connection.close().await;
    let answer = answer?;
    answer.map_err(|failure| CommandError::Refused(failure.to_string()))
}
