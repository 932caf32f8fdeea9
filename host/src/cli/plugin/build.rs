//! `tutin plugin build`: from a driver's folder to its component.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use tutin_kit::Folder;

use crate::cli::output::say;

/// Arguments of `tutin plugin build`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// The driver's folder: what it is written in is seen from its files (Cargo.toml, driver.c, driver.py or driver.js).
    #[arg(default_value = ".")]
    folder: PathBuf,
}

/// Builds `FOLDER/target/NAME.wasm`, where NAME is the folder's name.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let begin = Instant::now();
    let build = move || {
        let driver = Folder::read(&arguments.folder)?;
        driver.build(&driver.own_places())
    };
    let built = tokio::task::spawn_blocking(build).await.context("building")??;
    say(format_args!("{built}, in {:.1} s", begin.elapsed().as_secs_f64()));
    Ok(ExitCode::SUCCESS)
}
