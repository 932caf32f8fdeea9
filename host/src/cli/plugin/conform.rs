//! `tutin plugin conform`: what every driver must stand.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use crate::cli::output::say;
use crate::hub::describe;
use crate::kit::case::Case;
use crate::kit::conform::{conform, suitable};

/// Arguments of `tutin plugin conform`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// The component, or the folder that `tutin plugin build` made it of.
    #[arg(default_value = ".")]
    file: PathBuf,
    /// The case whose instrument is played; without it the one called `measuring`, else the first that only polls, of the driver's folder.
    #[arg(long, value_name = "FOLDER")]
    case: Option<PathBuf>,
    /// How the report is written.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// File to write the report to; without it standard output.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
    Junit,
}

/// Runs the checks. One that fails, fails the command.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { file, case, format, to } = arguments;
    let file = super::component(&file)?;
    let case = match case {
        Some(folder) => Case::read(&folder).map_err(|error| anyhow::anyhow!("{}", describe(&error)))?,
        None => case_of(&file)?,
    };
    let report = conform(super::load(&file).await?, &case, &super::state()?).await;
    let text = match format {
        Format::Text => report.text(),
        Format::Json => format!("{:#}\n", report.json()),
        Format::Junit => report.junit(),
    };
    match &to {
        None => say(format_args!("{}", text.trim_end())),
        Some(path) => std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?,
    }
    Ok(if report.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The case with the instrument: of `DIR/cases` for `DIR/target/NAME.wasm`, of `plugins/NAME/cases` for a checkout's `target/plugins/NAME.wasm`.
fn case_of(file: &Path) -> anyhow::Result<Case> {
    let file = std::path::absolute(file)?;
    let name = file.file_stem().unwrap_or_default();
    let places = file.ancestors().skip(1).flat_map(|around| {
        [
            around.join("cases"),
            around.join("plugins").join(name).join("cases"),
            around.join("plugins/examples").join(name).join("cases"),
        ]
    });
    let Some(folder) = places.into_iter().find(|place| place.is_dir()) else {
        bail!("{} has no folder of cases near it: name the case with --case", file.display())
    };
    let cases = Case::all(&folder).map_err(|error| anyhow::anyhow!("{}", describe(&error)))?;
    let chosen = suitable(&cases).cloned();
    chosen
        .with_context(|| format!("{} has no case whose first step only polls: name one with --case", folder.display()))
}
