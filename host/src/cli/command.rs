//! `tutin command`: one command to one instrument. A hub that runs carries it out, and records it; without one the instrument is reached
//! directly.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use super::run::load;
use crate::hub;
use crate::hub::control::{self, Request};

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
    let Arguments { device, command, arguments: given, .. } = arguments.clone();
    let request = Request::Command { device, command, arguments: given };
    if let Some(answer) =
        control::ask_running(&config.hub.state, &request).with_context(|| format!("device {}", arguments.device))?
    {
        println!("{answer}");
        return Ok(ExitCode::SUCCESS);
    }
    let answer = hub::single::command(&config, &arguments.device, &arguments.command, &arguments.arguments);
    println!("{}", answer.await.with_context(|| format!("device {}", arguments.device))?);
    Ok(ExitCode::SUCCESS)
}
