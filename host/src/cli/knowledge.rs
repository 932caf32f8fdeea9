//! What `check` and `run` ask the rest of the hub: what plugins say without a link, whether units convert, which members
//! payloads have.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use super::check::{self, Knowledge, Screen};
use crate::config::Loaded;
use crate::config::cross_check::{Gas, Members, PluginFinding};
use crate::config::model::Config;
use crate::config::problem::Severity;
use crate::hub::offline::{self, Finding};
use crate::pipeline::units::{self, Conversion};
use crate::plugin::Loader;
use crate::sink::payload;

/// `tutin check`.
pub async fn check(arguments: check::Arguments) -> anyhow::Result<ExitCode> {
    let terminal = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let screen = if terminal { Screen::Terminal } else { Screen::Plain };
    // Opening plugins waits, and the checks are plain functions: they run beside the runtime.
    let task = tokio::task::spawn_blocking(move || {
        with_knowledge(|knowledge| {
            check::check(
                &arguments,
                crate::config::process_environment(),
                knowledge,
                screen,
                &mut io::stdout(),
                &mut io::stderr(),
            )
        })
    });
    let code = task.await.context("check")?.context("writing the report")?;
    Ok(ExitCode::from(code))
}

/// A configuration with all that can be found out about it without any instrument.
pub async fn load_and_check(files: Vec<PathBuf>) -> anyhow::Result<Loaded> {
    let environment: Vec<_> = crate::config::process_environment().collect();
    let task = tokio::task::spawn_blocking(move || {
        with_knowledge(|knowledge| check::load_and_check(&files, environment.into_iter(), knowledge))
    });
    task.await.context("check")
}

/// Calls `work` with everything that is known. Must not be called on a thread of the runtime.
fn with_knowledge<T>(work: impl FnOnce(&Knowledge<'_>) -> T) -> T {
    let runtime = tokio::runtime::Handle::current();
    let plugin_checks = |config: &Config| runtime.block_on(findings(config));
    let convertible = |from: &str, to: &str, gas: Gas<'_>| convertible(from, to, gas);
    work(&Knowledge {
        plugin_checks: &plugin_checks,
        convertible: &convertible,
        members: Members {
            averages: payload::members_of_average(),
            alarms: payload::members_of_alarm(),
            readings: payload::members_of_reading(),
        },
    })
}

async fn findings(config: &Config) -> Vec<PluginFinding> {
    let loader = match loader_for_checks(config) {
        Ok(loader) => loader,
        Err(error) => return vec![fault("hub", format!("{error:#}"))],
    };
    let opened = offline::open_devices(config, &loader).await;
    let finding = |(device, finding): (String, Finding)| {
        let plugin = config.devices.get(&device).map_or("", |device| device.plugin.as_str());
        match finding {
            Finding::Points(points) => PluginFinding::Points { device, points },
            Finding::Plugin(message) => fault(&format!("plugins.{plugin}.file"), message),
            Finding::Pin(message) => fault(&format!("plugins.{plugin}.digest"), message),
            Finding::Grants(message) => fault(&format!("devices.{device}.plugin"), message),
            Finding::Settings(message) => fault(&format!("devices.{device}.settings"), message),
            Finding::Device(message) => fault(&format!("devices.{device}"), message),
        }
    };
    opened.into_iter().map(finding).collect()
}

/// The hub's own cache where there is one, so that a check writes nothing beside a configuration that was never run.
fn loader_for_checks(config: &Config) -> anyhow::Result<Loader> {
    let state = &config.hub.state;
    let folder = if state.is_dir() { state.clone() } else { super::plugin::state()? };
    Ok(crate::hub::loader(&folder)?.within(&config.loading))
}

fn fault(path: &str, message: String) -> PluginFinding {
    PluginFinding::Fault { path: path.to_owned(), severity: Severity::Error, message, help: None }
}

fn convertible(from: &str, to: &str, gas: Gas<'_>) -> Result<(), String> {
    let molar_mass = gas.molar_mass.or_else(|| units::molar_mass(gas.parameter));
    // Any molar volume will do to learn whether the units convert.
    let gas = molar_mass.map(|molar_mass| units::Gas { molar_mass, molar_volume: 22.414 });
    Conversion::between(from, to, gas).map(|_| ()).map_err(|error| error.to_string())
}
