//! `tutin plugin`: the integrator's commands, one file each.

mod access;
mod build;
mod conform;
mod inspect;
mod keys;
mod new;
mod pull;
mod push;
mod record;
mod recording;
mod run;
mod sign;
mod status;
mod test;
mod verify;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Subcommand;
use tokio_util::sync::CancellationToken;

use crate::config::model::Loading;
use crate::hub::describe;
use crate::plugin::{Loader, Plugin};

/// Commands about plugins.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Make a folder to begin a driver with: it builds, its case passes, its README asks for what must be known.
    New(new::Arguments),
    /// Build the component of a driver's folder.
    Build(build::Arguments),
    /// Show a plugin's permissions, vendor, models, settings and commands.
    Inspect(inspect::Arguments),
    /// Play a driver's cases without hardware and compare what it makes of them.
    Test(test::Arguments),
    /// Put a driver through the faults that every driver must stand.
    Conform(conform::Arguments),
    /// Poll a real instrument with a driver, without a hub.
    Run(run::Arguments),
    /// Make a case of what `tutin trace` recorded of a real instrument.
    Record(record::Arguments),
    /// Make and show keys that sign plugins.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Sign a plugin: the signature goes into a file beside it.
    Sign(sign::Arguments),
    /// Say who signed a plugin, if one of the trusted keys did. Nothing of it runs.
    Verify(verify::Arguments),
    /// Show what the plugins of a running hub have used, and which of their limits they broke.
    Status(status::Arguments),
    /// Fetch a plugin and its signature from an OCI registry.
    Pull(pull::Arguments),
    /// Store a plugin and its signature in an OCI registry.
    Push(push::Arguments),
}

impl Command {
    /// What is logged when nothing else is asked for: where things go wrong on purpose, that is no news.
    pub fn usual_log(&self) -> &'static str {
        match self {
            Command::Test(_) | Command::Conform(_) | Command::Record(_) => "off",
            Command::Run(_) => "warn",
            _ => "info",
        }
    }
}

/// Carries out the command, until it has ended or somebody ends it.
pub async fn run(command: Command, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    // It has a connection to close.
    let ends_itself = matches!(command, Command::Run(_));
    tokio::select! {
        // What ended at the same moment has ended.
        biased;
        ended = carry_out(command, shutdown.clone()) => ended,
        () = shutdown.cancelled(), if !ends_itself => Ok(interrupted()),
    }
}

/// What a shell calls a command that was ended by Ctrl-C.
fn interrupted() -> ExitCode {
    ExitCode::from(130)
}

async fn carry_out(command: Command, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    match command {
        Command::New(arguments) => new::run(arguments).await,
        Command::Build(arguments) => build::run(arguments).await,
        Command::Inspect(arguments) => inspect::run(arguments).await,
        Command::Test(arguments) => test::run(arguments).await,
        Command::Conform(arguments) => conform::run(arguments).await,
        Command::Run(arguments) => run::run(arguments, shutdown).await,
        Command::Record(arguments) => record::run(arguments).await,
        Command::Keys(command) => keys::run(command),
        Command::Sign(arguments) => sign::run(arguments).await,
        Command::Verify(arguments) => verify::run(arguments),
        Command::Status(arguments) => status::run(arguments).await,
        Command::Pull(arguments) => pull::run(arguments).await,
        Command::Push(arguments) => push::run(arguments).await,
    }
}

/// How long compiling may take here. Whoever works on a driver waits for it and can end it; an interpreter in it takes minutes on a
/// busy machine.
const COMPILE: Duration = Duration::from_mins(10);

/// Loads plugins that no hub runs yet. What it compiles is kept for the next command.
fn loader() -> anyhow::Result<Loader> {
    let limits = Loading { compile: COMPILE, ..Loading::default() };
    Ok(crate::hub::loader(&state()?)?.within(&limits))
}

/// Loads one, or says why it cannot be.
async fn load(file: &Path) -> anyhow::Result<Arc<Plugin>> {
    let (loader, file) = (loader()?, file.to_owned());
    let loaded = tokio::task::spawn_blocking(move || loader.load(&file)).await.context("loading")?;
    loaded.map_err(|error| anyhow::anyhow!("{}", describe(&error)))
}

/// A folder of the user's own for compiled plugins and certificates: compiled code that others could have put there must never be loaded.
pub(super) fn state() -> anyhow::Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    let cache = cache.context("neither XDG_CACHE_HOME nor HOME says where compiled plugins may be kept")?;
    Ok(cache.join("tutin"))
}

/// The component that is meant: the file itself, or what was built last of a driver's folder, in its `target` or in that of a checkout around it.
fn component(named: &Path) -> anyhow::Result<PathBuf> {
    if named.is_file() {
        return Ok(named.to_owned());
    }
    if !named.is_dir() {
        bail!("there is no file and no folder {}", named.display());
    }
    let folder = std::path::absolute(named).with_context(|| format!("{}", named.display()))?;
    let name = folder.file_name().context("the driver's folder has no name")?;
    let file = Path::new(name).with_added_extension("wasm");
    let places = folder.ancestors().skip(1).map(|around| around.join("target/plugins").join(&file));
    let places = std::iter::once(folder.join("target").join(&file)).chain(places);
    let built = places
        .filter(|place| place.is_file())
        .max_by_key(|place| place.metadata().and_then(|meta| meta.modified()).ok());
    built.with_context(|| {
        format!("{} is not built: run `tutin plugin build {}`, or name the component", name.display(), folder.display())
    })
}
