//! The configuration of one device: what a case or a command line says about link, device and settings, read by the same readers as a
//! hub's configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::{Table, Value};

use crate::capability::READING;
use crate::config::model::Config;
use crate::config::problem::Severity;
use crate::hub::single::Single;
use crate::plugin::Plugin;

/// Name of the device, as log lines and errors have it.
pub const DEVICE: &str = "device";
const LINK: &str = "link";
const PLUGIN: &str = "driver";

/// Why there is no such device. The text has a line for each mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Unfit(Vec<String>);

/// What is known about a device besides its plugin.
#[derive(Debug, Clone, Default)]
pub struct Site {
    /// As `[links.NAME]` of a hub, address included.
    pub link: Table,
    /// As `[devices.NAME]` of a hub, without plugin and link.
    pub device: Table,
    /// The driver's settings.
    pub settings: Table,
    /// The folder that relative paths in `device` start at.
    pub home: PathBuf,
}

impl Unfit {
    /// One mistake.
    pub fn new(text: impl Into<String>) -> Self {
        Unfit(vec![text.into()])
    }
}

/// The type of link that a plugin reads through when nothing else is said.
pub fn usual_link(plugin: &Plugin) -> Option<&'static str> {
    let reads = |package: &str| {
        let interface = format!("tutin:{package}/{READING}");
        plugin.wanted.iter().any(|wanted| wanted.offer.interface == interface)
    };
    let usual = [("modbus", "modbus_tcp"), ("stream", "stream_tcp"), ("mqtt", "mqtt"), ("opcua", "opcua")];
    usual.into_iter().find(|(package, _)| reads(package)).map(|(_, usual)| usual)
}

impl Site {
    /// The device, not connected yet. `state`: where the hub's own certificates are, for links that need one.
    pub fn single(&self, plugin: Arc<Plugin>, state: &Path) -> Result<Single, Unfit> {
        let config = self.config(&plugin, state)?;
        Single::of(&config, DEVICE, plugin).ok_or_else(|| Unfit::new("the configuration has no device"))
    }

    fn config(&self, plugin: &Plugin, state: &Path) -> Result<Config, Unfit> {
        let mut device = self.device.clone();
        for reserved in ["plugin", "link", "settings"] {
            if device.contains_key(reserved) {
                return Err(Unfit::new(format!("[device] {reserved} is not said here")));
            }
        }
        if let Some(Value::String(file)) = device.get_mut("settings_file") {
            *file = absolute(&self.home.join(&*file));
        }
        // Whoever tries a driver lets it do what it asks for; what a plant grants is the plant's affair.
        let asked = plugin.wanted.iter().map(|wanted| wanted.offer.interface).filter(|name| name.ends_with("/control"));
        device.entry("grants").or_insert_with(|| Value::Array(asked.map(Value::from).collect()));
        device.insert("plugin".into(), PLUGIN.into());
        device.insert("link".into(), LINK.into());
        device.insert("settings".into(), Value::Table(self.settings.clone()));
        let table = |name: &str, table: Table| Table::from_iter([(name.to_owned(), Value::Table(table))]);
        let hub = Table::from_iter([("state".to_owned(), Value::String(absolute(state)))]);
        let file = Table::from_iter([("file".to_owned(), Value::String(absolute(&plugin.file)))]);
        let text = Table::from_iter([
            ("hub".to_owned(), Value::Table(hub)),
            ("links".to_owned(), Value::Table(table(LINK, self.link.clone()))),
            ("plugins".to_owned(), Value::Table(table(PLUGIN, file))),
            ("devices".to_owned(), Value::Table(table(DEVICE, device))),
        ]);
        read(&text.to_string())
    }
}

fn read(text: &str) -> Result<Config, Unfit> {
    let unfit = |error: std::io::Error| Unfit::new(format!("a temporary file: {error}"));
    let folder = tempfile::tempdir().map_err(unfit)?;
    let file = folder.path().join("site.toml");
    std::fs::write(&file, text).map_err(unfit)?;
    // A hub of this machine may have options in its environment; they are not this device's.
    let loaded = crate::config::load(&[file], crate::config::process_secrets());
    let errors = loaded.problems.iter().filter(|problem| problem.severity == Severity::Error);
    let errors: Vec<String> = errors
        .map(|problem| {
            let path = problem.path.replacen("links.link", "[link]", 1).replacen("devices.device", "[device]", 1);
            let help = problem.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
            format!("{path}: {}{help}", problem.message)
        })
        .collect();
    loaded.config.ok_or(Unfit(errors))
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}
