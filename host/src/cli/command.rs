//! `tutin command`: one command to one instrument, for commissioning. A hub that polls the same instrument may run meanwhile, if the
//! instrument accepts two connections.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use super::run::load;
use crate::hub;

/// Arguments of `tutin command`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// Configuration files; later ones override earlier ones.
    #[arg(long, required = true)]
    pub config: Vec<PathBuf>,
    /// The device, as in `[devices.NAME]`.
    pub device: String,
    /// The command, as `tutin plugin inspect` lists it.
    pub command: String,
    /// Arguments of the command, a JSON object.
    #[arg(default_value = "")]
    pub arguments: String,
}

/// Connects, opens the driver, carries out the command, prints the answer.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Some(config) = load(&arguments.config) else { return Ok(ExitCode::FAILURE) };
    let known = || config.devices.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    if !config.devices.contains_key(&arguments.device) {
        bail!("no device {} in the configuration; there is: {}", arguments.device, known());
    }
    let answer = hub::single::command(&config, &arguments.device, &arguments.command, &arguments.arguments);
    println!("{}", answer.await.with_context(|| format!("device {}", arguments.device))?);
    Ok(ExitCode::SUCCESS)
}
