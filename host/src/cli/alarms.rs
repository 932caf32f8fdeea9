//! `tutin alarms`: which alarms stand, and that somebody has seen one.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::origin::Origin;
use super::output::say;
use crate::hub::control::{self, Request};
use crate::journal;
use crate::pipeline::alarm::{Alarms, Standing};

/// Arguments of `tutin alarms`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    #[command(flatten)]
    origin: Origin,
    /// Acknowledge the alarm of this name.
    #[arg(long, value_name = "NAME")]
    acknowledge: Option<String>,
    /// On whose behalf.
    #[arg(long, env = "USER", default_value = "unknown")]
    by: String,
    /// One JSON object in each line.
    #[arg(long)]
    json: bool,
}

/// Lists the alarms that stand, from the journal; or acknowledges one, which only a running hub can.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let file = arguments.origin.file()?;
    if let Some(name) = arguments.acknowledge {
        let (name, by) = (name.clone(), arguments.by);
        let answer = control::ask(&file, Request::Acknowledge { name, by }).await.context("acknowledge")?;
        say(format_args!("{answer}"));
        return Ok(ExitCode::SUCCESS);
    }
    let mut alarms = Alarms::default();
    journal::read(&file)?.events_of(&["alarm"], |at, event| {
        if let Some(change) = event.as_alarm(at) {
            alarms.restore(&change);
        }
    })?;
    let standing: Vec<&Standing> = alarms.standing().collect();
    for alarm in &standing {
        say(format_args!("{}", if arguments.json { serde_json::to_string(alarm)? } else { line(alarm) }));
    }
    if standing.is_empty() && !arguments.json {
        say(format_args!("no alarm stands"));
    }
    Ok(ExitCode::SUCCESS)
}

fn line(alarm: &Standing) -> String {
    let Standing { name, state, since, detail, by } = alarm;
    let by = by.as_ref().map_or_else(String::new, |by| format!(" by {by}"));
    format!("{:<12} {name} since {since}{by}: {detail}", state.name())
}
