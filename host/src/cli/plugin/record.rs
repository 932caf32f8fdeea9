//! `tutin plugin record`: what `tutin trace` saw of a real instrument becomes a case.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use toml::{Table, Value};

use crate::cli::output::say;
use crate::cli::run::load;
use crate::config::model::Config;
use crate::hub::describe;
use crate::kit::case::EXPECTED;
use crate::kit::record::{Recorded, Source, record};
use crate::kit::told;
use crate::notation::counted;

/// Arguments of `tutin plugin record`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// The trace, as `tutin trace --to FILE` wrote it.
    trace: PathBuf,
    /// Folder of the case that is made, as in my-driver/cases/2026-11-unit-3.
    folder: PathBuf,
    /// Configuration of the hub whose link was traced; later files override earlier ones.
    #[arg(long, required = true)]
    config: Vec<PathBuf>,
    /// The device whose link it was, as in `[devices.NAME]`.
    #[arg(long)]
    device: String,
    /// The component; without it what was built of the driver's folder, two above that of the case, or else the device's own.
    #[arg(long, value_name = "FILE")]
    plugin: Option<PathBuf>,
    /// One sentence: what was recorded where; without it when, and with which driver.
    #[arg(long)]
    about: Option<String>,
}

/// Reads what the configuration says of the device, and makes the case.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { trace, folder, config, device, plugin, about } = arguments;
    let Some(config) = load(&config) else { return Ok(ExitCode::FAILURE) };
    let source = source(&config, &device, about)?;
    let driver = std::path::absolute(&folder)?;
    let driver =
        driver.parent().and_then(Path::parent).context("a case stands in cases/NAME of the driver's folder")?;
    let file = match (plugin, config.devices.get(&*device).and_then(|device| config.plugins.get(&device.plugin))) {
        (Some(file), _) => super::component(&file)?,
        (None, Some(own)) => super::component(driver).unwrap_or_else(|_| own.file.clone()),
        (None, None) => super::component(driver)?,
    };
    let plugin = super::load(&file).await?;
    let recorded = record(plugin, &trace, &folder, &source, &super::state()?).await;
    let recorded = recorded.map_err(|error| anyhow!("{}", describe(&error)))?;
    say(format_args!("{}", told::write(&recorded.played.told).trim_end()));
    summary(&recorded, &folder).iter().for_each(|line| say(format_args!("{line}")));
    Ok(ExitCode::SUCCESS)
}

/// What is not in the case, and what to do with it.
pub(super) fn summary(recorded: &Recorded, folder: &Path) -> Vec<String> {
    let (lines, file) = (counted(recorded.played.told.len(), "line"), folder.join(EXPECTED));
    let last = format!("{lines} in {}; read them: from now on they are what is expected", file.display());
    recorded.left_out.iter().cloned().chain([last]).collect()
}

/// The link over which what a link of this type showed is played: a serial line over TCP.
pub(super) fn played(kind: &str) -> anyhow::Result<Table> {
    let kind = match kind {
        "modbus_rtu" => "modbus_rtu_tcp",
        "stream_serial" | "stream_udp" => "stream_tcp",
        kind @ ("modbus_tcp" | "modbus_rtu_tcp" | "stream_tcp" | "stream_listen" | "mqtt" | "opcua") => kind,
        kind => bail!("what a link of type {kind} shows cannot be played back"),
    };
    Ok(Table::from_iter([("type".to_owned(), Value::String(kind.to_owned()))]))
}

/// Link, device and settings as the hub had them.
fn source(config: &Config, name: &str, about: Option<String>) -> anyhow::Result<Source> {
    let device = config.devices.get(name).with_context(|| format!("the configuration has no device {name}"))?;
    let link =
        config.links.get(&device.link).with_context(|| format!("the configuration has no link {}", device.link))?;
    let link = played(link.type_name())?;
    let mut options = Table::new();
    if device.unit != 1 {
        options.insert("unit".to_owned(), Value::Integer(device.unit.into()));
    }
    if !device.more_units.is_empty() {
        let units = device.more_units.iter().map(|unit| Value::Integer((*unit).into()));
        options.insert("more_units".to_owned(), Value::Array(units.collect()));
    }
    for (name, topics) in [("topics", &device.topics), ("publish_topics", &device.publish_topics)] {
        if !topics.is_empty() {
            let topics = topics.iter().map(|topic| Value::String(topic.clone()));
            options.insert(name.to_owned(), Value::Array(topics.collect()));
        }
    }
    let Value::Table(settings) = Value::try_from(&device.settings).context("settings")? else {
        bail!("the settings of device {name} are no table");
    };
    Ok(Source { about, link, device: options, settings })
}
