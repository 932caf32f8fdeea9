//! `tutin recompute`: a period derived again from its readings.
//!
//! Exit code 0: all averages came out as they stand, or revisions were recorded; 1: some did not, and no reason was given to record
//! them with.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;

use super::origin::moment;
use super::output::say;
use super::run::load;
use crate::average::Average;
use crate::hub;
use crate::hub::control::{self, Request};
use crate::hub::recompute::{Recipes, recompute};
use crate::journal::{self, Event};
use crate::time::Timestamp;

/// Derived at once.
const DAY: Duration = Duration::from_secs(86_400);
/// Averages in one request to the hub.
const AT_ONCE: usize = 200;
/// Differences that are shown.
const SHOWN: usize = 20;

/// Arguments of `tutin recompute`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// The journal.
    #[arg(long, value_name = "FILE", required_unless_present = "config")]
    journal: Option<PathBuf>,
    /// Configuration files: they say where the journal is, and with --corrected how averages should have been made.
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Derive by the configuration as it is now, instead of the one that was in force then.
    #[arg(long, requires = "config")]
    corrected: bool,
    /// First moment of the first block: RFC 3339 or a date.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Timestamp,
    /// The moment before which the last block begins.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Timestamp,
    /// Record what comes out otherwise as revisions, for this reason, and deliver them.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// On whose behalf.
    #[arg(long, env = "USER", default_value = "unknown")]
    author: String,
}

/// Derives, compares, and records if there is a reason.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    if arguments.from >= arguments.to {
        bail!("--from {} is not before --to {}", arguments.from, arguments.to);
    }
    let config = if arguments.config.is_empty() { None } else { load(&arguments.config) };
    let file = match (&arguments.journal, &config) {
        (Some(file), _) => file.clone(),
        (None, Some(config)) => hub::journal_file(config),
        (None, None) => return Ok(ExitCode::FAILURE),
    };
    let mut reader = journal::read(&file)?;
    let recipes = Recipes::read(&reader, config.as_ref().filter(|_| arguments.corrected))?;
    let (mut identical, mut without_readings, mut without_recipe) = (0, 0, 0);
    let mut differing = Vec::new();
    let mut from = arguments.from;
    while from < arguments.to {
        let to = from.after(DAY).min(arguments.to);
        let outcome = recompute(&mut reader, &recipes, from..to)?;
        identical += outcome.identical;
        without_readings += outcome.without_readings;
        without_recipe += outcome.without_recipe;
        differing.extend(outcome.differing);
        from = to;
    }
    say(format_args!("{identical} averages came out as they stand, to the byte"));
    if without_readings > 0 {
        say(format_args!("{without_readings} cannot be derived again: their readings are not kept any more"));
    }
    if without_recipe > 0 {
        say(format_args!("{without_recipe} cannot be derived again: the journal does not hold how they were made"));
    }
    for (stands, fresh) in differing.iter().take(SHOWN) {
        say(format_args!("{}", difference(stands, fresh)));
    }
    let revised = differing.len() as u64;
    match (&arguments.reason, revised) {
        (_, 0) => {}
        (None, count) => {
            say(format_args!("{count} came out otherwise; --reason TEXT records them as revisions and delivers them"));
            return Ok(ExitCode::FAILURE);
        }
        (Some(reason), count) => {
            let (author, to) = (arguments.author.clone(), arguments.to);
            let event = Event::Recompute {
                from: arguments.from,
                to,
                identical,
                revised,
                reason: reason.clone(),
                author: author.clone(),
            };
            let fresh = differing.into_iter().map(|(_, fresh)| Average {
                reason: Some(reason.clone()),
                author: Some(author.clone()),
                ..fresh
            });
            record(&file, fresh.collect(), event).await?;
            say(format_args!("{count} revisions are recorded, and queued for the sinks that had the ones before"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn record(file: &std::path::Path, fresh: Vec<Average>, event: Event) -> anyhow::Result<()> {
    let last = fresh.len().div_ceil(AT_ONCE);
    for (number, averages) in fresh.chunks(AT_ONCE).enumerate() {
        let event = (number + 1 == last).then(|| event.clone());
        control::ask(file, Request::Revise { averages: averages.to_vec(), event })
            .await
            .context("recording revisions")?;
    }
    Ok(())
}

fn difference(stands: &Average, fresh: &Average) -> String {
    let key = &stands.key;
    let show = |average: &Average| {
        let mean = average.mean.map_or_else(|| "none".to_owned(), |mean| mean.to_string());
        format!("{mean} {} ({}, {} of {} valid)", average.unit, average.state.name(), average.valid, average.expected)
    };
    format!(
        "{}/{}/{}/{}: {} stands, {} came out",
        key.source,
        key.parameter,
        key.rule_set,
        key.start,
        show(stands),
        show(fresh)
    )
}
