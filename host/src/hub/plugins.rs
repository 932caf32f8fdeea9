//! Plugins as a hub loads them: only what the configuration trusts, and with an entry in the journal that says what it was.

use std::sync::Arc;

use tracing::info;

use super::{Hub, HubError};
use crate::config::model::Config;
use crate::journal::{Event, SignedBy};
use crate::plugin::{Description, LoadError, Loader, Plugin};

/// Loads a plugin of this configuration.
pub async fn load(loader: &Loader, config: &Config, name: &str) -> Option<Result<Arc<Plugin>, LoadError>> {
    let plugin = config.plugins.get(name)?.clone();
    let (loader, name, trust) = (loader.clone(), name.to_owned(), config.trust.clone());
    tokio::task::spawn_blocking(move || loader.load_trusted(&name, &plugin, &trust)).await.ok()
}

impl Hub {
    /// What runs from here on, for the journal and the log.
    pub(super) async fn record_plugin(&self, next: &Config, name: &str, plugin: &Plugin) -> Result<(), HubError> {
        // With the limits of a device that it is for: one that needs more than others could not be asked otherwise. What goes wrong
        // is the device's to tell.
        let device = next.devices.values().find(|device| device.plugin == name);
        let description = plugin.description(device.map_or(&next.limits, |device| &device.limits)).await.ok();
        let digest = &plugin.digest;
        info!(
            plugin = name,
            "loaded {} from {}, sha256:{digest}, {}",
            description.map_or_else(|| "a driver that does not say its name".to_owned(), own_name),
            plugin.file.display(),
            match &plugin.signer {
                Some(signer) => format!("signed by {} (key {})", signer.name, signer.key),
                None if next.trust.keys.is_empty() => "not looked at for a signature: there is no [trust]".to_owned(),
                None => "signed by nobody whom [trust] names".to_owned(),
            }
        );
        let event = Event::Plugin {
            plugin: name.to_owned(),
            file: plugin.file.display().to_string(),
            digest: digest.clone(),
            name: description.map(|description| description.name.clone()),
            version: description.map(|description| description.version.clone()),
            signer: plugin
                .signer
                .as_ref()
                .map(|signer| SignedBy { name: signer.name.clone(), key: signer.key.to_string() }),
        };
        self.journal.event(event).await?;
        Ok(())
    }
}

fn own_name(description: &Description) -> String {
    format!("{} {}", description.name, description.version)
}
