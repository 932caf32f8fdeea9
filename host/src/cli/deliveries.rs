//! `tutin deliveries` and `tutin resend`: what became of what was to be sent, and sending it again.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use super::origin::{Origin, moment};
use super::output::say;
use crate::hub::control::{self, Request};
use crate::journal::{self, Delivered, DeliveryFilter, SinkCounts};
use crate::time::Timestamp;

/// Arguments of `tutin deliveries`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    #[command(flatten)]
    origin: Origin,
    /// Only those to this sink.
    #[arg(long, value_name = "NAME")]
    sink: Option<String>,
    /// List the single deliveries in this state, the newest first; without it only what the sinks did not take is listed.
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Of blocks that begin at this moment or later.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Timestamp>,
    /// Of blocks that begin before this moment.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Option<Timestamp>,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// One JSON object in each line.
    #[arg(long)]
    json: bool,
}

/// States to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum State {
    /// Waiting.
    Queued,
    /// Held for a person, because the plausibility gate stopped some of it.
    Held,
    /// Refused for good by the far end.
    Rejected,
    /// Went out marked late.
    Late,
    /// Confirmed.
    Acknowledged,
}

/// Lists.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let reader = arguments.origin.reader()?;
    let counts = reader.sink_counts()?;
    let of_interest = |sink: &str| arguments.sink.as_deref().is_none_or(|wanted| wanted == sink);
    if let Some(sink) = &arguments.sink
        && !counts.iter().any(|count| count.sink == *sink)
    {
        let known: Vec<_> = counts.iter().map(|count| count.sink.as_str()).collect();
        bail!("nothing was ever queued for a sink {sink}; there is: {}", known.join(", "));
    }
    for count in counts.iter().filter(|count| of_interest(&count.sink)) {
        say(format_args!("{}", if arguments.json { serde_json::to_string(count)? } else { summary(count) }));
    }
    let states = match arguments.state {
        Some(state) => vec![state],
        None => vec![State::Rejected, State::Held, State::Queued],
    };
    for state in states {
        let filter = DeliveryFilter {
            sink: arguments.sink.clone(),
            state: Some(name(state).to_owned()),
            during: (arguments.from.is_some() || arguments.to.is_some())
                .then(|| arguments.from.unwrap_or(Timestamp(i64::MIN))..arguments.to.unwrap_or(Timestamp(i64::MAX))),
            limit: arguments.limit,
        };
        for delivered in reader.deliveries(&filter)? {
            say(format_args!("{}", if arguments.json { serde_json::to_string(&delivered)? } else { line(&delivered) }));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn name(state: State) -> &'static str {
    match state {
        State::Queued => "queued",
        State::Held => "held",
        State::Rejected => "rejected",
        State::Late => "late",
        State::Acknowledged => "acknowledged",
    }
}

fn summary(count: &SinkCounts) -> String {
    let SinkCounts { sink, queued, acknowledged, rejected, late, held, oldest_queued } = count;
    let oldest = oldest_queued.map_or_else(String::new, |oldest| format!(", the oldest of {oldest}"));
    let held = if *held > 0 { format!("; {held} held until `tutin release`") } else { String::new() };
    format!(
        "{sink}: {queued} queued{oldest}{held}; {acknowledged} acknowledged, {rejected} rejected, {late} of them late"
    )
}

fn line(delivered: &Delivered) -> String {
    let Delivered { sink, key, state, attempts, sent, answered, late, answer, .. } = delivered;
    let time = |what: &str, at: &Option<Timestamp>| at.map_or_else(String::new, |at| format!(", {what} {at}"));
    let (sent, answered) = (time("sent", sent), time("answered", answered));
    let late = if *late { ", late" } else { "" };
    let answer = answer.as_ref().map_or_else(String::new, |answer| format!(": {answer}"));
    format!("  {state:<12} {sink} {key} ({attempts} attempts{sent}{answered}{late}){answer}")
}

/// Arguments of `tutin resend`.
#[derive(Debug, Clone, Args)]
pub struct ResendArguments {
    #[command(flatten)]
    origin: Origin,
    /// The sink.
    #[arg(long, value_name = "NAME")]
    sink: String,
    /// First moment of the first block: RFC 3339 or a date.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Timestamp,
    /// The moment before which the last block begins.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Timestamp,
}

/// Queues what the sink was given of the period once more: in the running hub, or in the journal of one that does not run.
pub async fn resend(arguments: ResendArguments) -> anyhow::Result<ExitCode> {
    let ResendArguments { origin, sink, from, to } = arguments;
    if from >= to {
        bail!("--from {from} is not before --to {to}");
    }
    let file = origin.file()?;
    let known: Vec<String> = journal::read(&file)?.sink_counts()?.into_iter().map(|count| count.sink).collect();
    if !known.contains(&sink) {
        let known = if known.is_empty() { "none yet".to_owned() } else { known.join(", ") };
        bail!("nothing was ever queued for a sink {sink}; there is: {known}");
    }
    let answer = control::ask(&file, Request::Resend { sink: sink.clone(), from, to }).await;
    let queued = answer.with_context(|| format!("resend to {sink}"))?;
    say(format_args!(
        "{queued} deliveries to {sink} are queued again, with their keys: the far end can tell that they are the same"
    ));
    if queued == "0" {
        say(format_args!(
            "it was given nothing of that period, or all of it is still queued; `tutin deliveries` lists it"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Arguments of `tutin release`.
#[derive(Debug, Clone, Args)]
pub struct ReleaseArguments {
    #[command(flatten)]
    origin: Origin,
    /// Only those of this source.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// First moment of the first block: RFC 3339 or a date.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Timestamp,
    /// The moment before which the last block begins.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Timestamp,
    /// Why they may go.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// On whose behalf.
    #[arg(long, env = "USER", default_value = "unknown")]
    author: String,
}

/// Lets averages go that the plausibility gate held: in the running hub, or in the journal of one that does not run.
pub async fn release(arguments: ReleaseArguments) -> anyhow::Result<ExitCode> {
    let ReleaseArguments { origin, source, from, to, reason, author } = arguments;
    if from >= to {
        bail!("--from {from} is not before --to {to}");
    }
    let release = journal::Release { source, from, to, reason, author };
    let queued = control::ask(&origin.file()?, Request::Release(release)).await.context("release")?;
    if queued == "0" {
        say(format_args!("nothing of that period was held; `tutin deliveries --state held` lists what is"));
        return Ok(ExitCode::FAILURE);
    }
    say(format_args!("{queued} deliveries are queued; they are marked implausible, and the release is recorded"));
    Ok(ExitCode::SUCCESS)
}
