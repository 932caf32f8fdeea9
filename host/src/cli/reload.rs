//! `tutin reload`: the running hub reads its configuration files again, checks them, and goes over to them.
//!
//! Nothing is touched when there is a mistake. Exit code 0: everything runs as the files say; 1: it does not, and it was said what and why.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use serde::{Deserialize, Serialize};
use tracing::{error, info};

use super::{knowledge, run};
use crate::config::problem::Severity;
use crate::config::report::{self, Style};
use crate::hub::control::{self, Request};
use crate::hub::{Applied, Hub};

/// Arguments of `tutin reload`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// Configuration files of the running hub, all of them, in their order.
    #[arg(long, required = true)]
    config: Vec<PathBuf>,
}

/// What the hub answers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Reloaded {
    /// Problems of the configuration, one line each.
    pub problems: String,
    /// What was touched; nothing was when a problem is an error.
    pub applied: Option<Applied>,
}

/// Asks the running hub and shows what came of it.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Some(config) = run::load(&arguments.config) else { return Ok(ExitCode::FAILURE) };
    let request = Request::Reload { files: whole_paths(&arguments.config)? };
    let state = config.hub.state.clone();
    let asked = tokio::task::spawn_blocking(move || control::ask_running(&state, &request));
    let Some(answer) = asked.await.context("reload")?? else {
        bail!("no hub runs with this configuration, in {}; start it with `tutin run`", config.hub.state.display())
    };
    let reloaded: Reloaded = serde_json::from_str(&answer).context("the running hub is of another version")?;
    eprint!("{}", reloaded.problems);
    let Some(applied) = reloaded.applied else {
        eprintln!("tutin: nothing was touched");
        return Ok(ExitCode::FAILURE);
    };
    let lines = applied.lines();
    lines.iter().for_each(|line| println!("{line}"));
    if lines.is_empty() {
        println!("nothing changed");
    }
    Ok(if applied.rolled_back.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// In the hub: reads its files again. `asked`: the files that whoever asks means.
pub async fn reload(hub: &mut Hub, files: &[PathBuf], asked: Option<&[PathBuf]>) -> Result<Reloaded, String> {
    let own = whole_paths(files).map_err(|error| format!("{error:#}"))?;
    if asked.is_some_and(|asked| asked != own) {
        return Err(format!("this hub reads {}: name these, in this order", show(&own)));
    }
    // As the hub was told of them: a relative path in there is then the same as before.
    let loaded = knowledge::load_and_check(files.to_vec()).await.map_err(|error| format!("{error:#}"))?;
    let problems = report::render(&loaded.problems, Style::Short);
    let has_errors = loaded.problems.iter().any(|problem| problem.severity == Severity::Error);
    let Some(config) = loaded.config.filter(|_| !has_errors) else { return Ok(Reloaded { problems, applied: None }) };
    let applied = hub.apply(config).await.map_err(|error| crate::hub::describe(&error))?;
    Ok(Reloaded { problems, applied: Some(applied) })
}

/// In the hub, where nobody waits for the answer: says it in the log.
pub fn log(reloaded: &Result<Reloaded, String>) {
    match reloaded {
        Err(reason) => error!("the configuration was not read again: {reason}"),
        Ok(Reloaded { problems, applied }) => {
            eprint!("{problems}");
            match applied {
                None => error!("the configuration has mistakes: nothing was touched"),
                Some(applied) => {
                    info!("the configuration was read again");
                    applied.lines().iter().for_each(|line| info!("{line}"));
                }
            }
        }
    }
}

fn whole_paths(files: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let whole = |file: &PathBuf| std::fs::canonicalize(file).with_context(|| file.display().to_string());
    files.iter().map(whole).collect()
}

fn show(files: &[PathBuf]) -> String {
    files
        .iter()
        .map(|file| file.as_path())
        .map(Path::display)
        .map(|file| file.to_string())
        .collect::<Vec<_>>()
        .join(", ")
}
