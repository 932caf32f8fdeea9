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
    /// The component; without it what was built of the driver's folder, two above that of the case.
    #[arg(long, value_name = "FILE")]
    plugin: Option<PathBuf>,
    /// One sentence: what was recorded where.
    #[arg(long, default_value = "Recorded of a real instrument.")]
    about: String,
}

/// Makes the case, and shows what the driver made of it.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { trace, folder, config, device, plugin, about } = arguments;
    let Some(config) = load(&config) else { return Ok(ExitCode::FAILURE) };
    let source = source(&config, &device, about)?;
    let driver = std::path::absolute(&folder)?;
    let driver =
        driver.parent().and_then(Path::parent).context("a case stands in cases/NAME of the driver's folder")?;
    let plugin = super::load(&super::component(plugin.as_deref().unwrap_or(driver))?).await?;
    let recorded = record(plugin, &trace, &folder, &source, &super::state()?).await;
    let Recorded { played, left_out } = recorded.map_err(|error| anyhow!("{}", describe(&error)))?;
    say(format_args!("{}", told::write(&played.told).trim_end()));
    if left_out > 0 {
        say(format_args!(
            "{left_out} exchanges of the trace are not in the case: no poll of this driver asks them. They are of another device on the \
             line, or of a command"
        ));
    }
    let file = folder.join(EXPECTED);
    say(format_args!(
        "{} lines in {}; read them: from now on they are what is expected",
        played.told.len(),
        file.display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// Link, device and settings as the hub had them. A serial line is played over TCP.
fn source(config: &Config, name: &str, about: String) -> anyhow::Result<Source> {
    let device = config.devices.get(name).with_context(|| format!("the configuration has no device {name}"))?;
    let link =
        config.links.get(&device.link).with_context(|| format!("the configuration has no link {}", device.link))?;
    let kind = match link.type_name() {
        "modbus_rtu" => "modbus_rtu_tcp",
        "stream_serial" | "stream_udp" => "stream_tcp",
        kind @ ("modbus_tcp" | "modbus_rtu_tcp" | "stream_tcp" | "stream_listen") => kind,
        kind => bail!("a trace of a link of type {kind} shows no bytes that could be played back"),
    };
    let link = Table::from_iter([("type".to_owned(), Value::String(kind.to_owned()))]);
    let mut options = Table::new();
    if device.unit != 1 {
        options.insert("unit".to_owned(), Value::Integer(device.unit.into()));
    }
    if !device.more_units.is_empty() {
        let units = device.more_units.iter().map(|unit| Value::Integer((*unit).into()));
        options.insert("more_units".to_owned(), Value::Array(units.collect()));
    }
    let Value::Table(settings) = Value::try_from(&device.settings).context("settings")? else {
        bail!("the settings of device {name} are no table");
    };
    Ok(Source { about, link, device: options, settings })
}
