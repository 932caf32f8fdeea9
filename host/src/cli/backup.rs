//! `tutin backup` and `tutin public-key`: what is taken away from the machine to keep or check elsewhere.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use super::origin::Origin;
use super::output::say;
use crate::journal;

/// Arguments of `tutin backup`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    #[command(flatten)]
    origin: Origin,
    /// The copy. It must not exist.
    pub to: PathBuf,
}

/// Copies a journal as it is at one moment, beside a running hub.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { origin, to } = arguments;
    if to.exists() {
        bail!("{} exists already; a backup replaces nothing", to.display());
    }
    let reader = origin.reader()?;
    let partial = to.with_extension("partial");
    if partial.exists() {
        fs::remove_file(&partial).with_context(|| partial.display().to_string())?;
    }
    let copy = partial.clone();
    let copied = tokio::task::spawn_blocking(move || reader.copy_to(&copy)).await.context("backup")?;
    if let Err(error) = copied {
        // What is there of it is of no use.
        let _ = fs::remove_file(&partial);
        return Err(error).with_context(|| format!("copying to {}", partial.display()));
    }
    File::open(&partial).and_then(|file| file.sync_all()).with_context(|| partial.display().to_string())?;
    fs::rename(&partial, &to).with_context(|| to.display().to_string())?;
    let last = journal::read(&to)?.last_entry()?;
    let bytes = fs::metadata(&to).map_or(0, |file| file.len());
    say(format_args!("{}: {last} entries, {bytes} bytes; `tutin verify {}` checks it", to.display(), to.display()));
    say(format_args!("the private key is not in it, and the readings after this moment are not either"));
    Ok(ExitCode::SUCCESS)
}

/// Arguments of `tutin public-key`.
#[derive(Debug, Clone, Args)]
pub struct KeyArguments {
    #[command(flatten)]
    origin: Origin,
}

/// Prints the key that checks a journal's signatures, as PEM.
pub async fn public_key(arguments: KeyArguments) -> anyhow::Result<ExitCode> {
    let Some(key) = arguments.origin.reader()?.public_key()? else { bail!("the journal names no key") };
    print!("{}", key.to_pem());
    Ok(ExitCode::SUCCESS)
}
