//! `tutin plugin`: the integrator's commands, one file each.

mod access;
mod inspect;
mod keys;
mod pull;
mod push;
mod sign;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;

use crate::plugin::Loader;

/// Commands about plugins.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Show a plugin's permissions, vendor, models, settings and commands.
    Inspect(inspect::Arguments),
    /// Make and show keys that sign plugins.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Sign a plugin: the signature goes into a file beside it.
    Sign(sign::Arguments),
    /// Say who signed a plugin, if one of the trusted keys did. Nothing of it runs.
    Verify(verify::Arguments),
    /// Fetch a plugin and its signature from an OCI registry.
    Pull(pull::Arguments),
    /// Store a plugin and its signature in an OCI registry.
    Push(push::Arguments),
}

/// Carries out the command.
pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Inspect(arguments) => inspect::run(arguments).await,
        Command::Keys(command) => keys::run(command),
        Command::Sign(arguments) => sign::run(arguments).await,
        Command::Verify(arguments) => verify::run(arguments),
        Command::Pull(arguments) => pull::run(arguments).await,
        Command::Push(arguments) => push::run(arguments).await,
    }
}

/// Loads plugins that no hub runs yet. What it compiles is kept for the next command, in a folder of the user's own: compiled
/// code that others could have put there must never be loaded.
fn loader() -> anyhow::Result<Loader> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    let cache = cache.context("neither XDG_CACHE_HOME nor HOME says where compiled plugins may be kept")?;
    Ok(crate::hub::loader(&cache.join("tutin"))?)
}
