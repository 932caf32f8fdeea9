//! `tutin plugin`: the integrator's commands, one file each.

mod inspect;
mod status;

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
    /// Show what the plugins of a running hub have used, and which of their limits they broke.
    Status(status::Arguments),
}

/// Carries out the command.
pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Inspect(arguments) => inspect::run(arguments).await,
        Command::Status(arguments) => status::run(arguments).await,
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
