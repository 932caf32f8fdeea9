//! `tutin calc`: recorded samples through the whole chain, without a hub, and every step of a block for who checks it by hand.
//!
//! Exit code 0: averages were made; 1: the file or the configuration cannot be used, or no block came of it.

mod explain;
mod samples;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use self::samples::{KnownUnits, Rows, Samples};
use super::origin::moment;
use super::output::say;
use super::run::load;
use crate::average::Average;
use crate::config::model::{Config, Pattern};
use crate::export::{self, Format, Target, What};
use crate::hub::assignments::assignments;
use crate::hub::offline::{self, Finding};
use crate::pipeline::{Assignment, Line, Trace};
use crate::time::Timestamp;

/// Blocks from the first sample to the last, beyond which a time is wrong.
const MOST_BLOCKS: u128 = 1_000_000;

/// Arguments of `tutin calc`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// Recorded samples, CSV: a column `time` and one for each point, named `device.point (unit)`, with its states in `device.point.state`;
    /// or what `tutin export --what readings --format csv` writes.
    file: PathBuf,
    /// Configuration files, later ones over earlier ones.
    #[arg(long, value_name = "FILE", required = true)]
    config: Vec<PathBuf>,
    /// Only this source; `*` stands for any text.
    #[arg(long, value_name = "NAME", default_value = "*")]
    source: String,
    /// Only this parameter. Others are computed where it needs them.
    #[arg(long, value_name = "NAME", default_value = "*")]
    parameter: String,
    /// Only this rule set.
    #[arg(long, value_name = "NAME", default_value = "*")]
    rule_set: String,
    /// Time of the first row, where the file has no column `time`.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    start: Option<Timestamp>,
    /// Time from one row to the next, as in 1h.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    step: Option<Duration>,
    /// Show every step of the block that this moment belongs to.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    explain: Option<Timestamp>,
    /// How averages are printed.
    #[arg(long, value_enum, default_value_t = Form::Table)]
    format: Form,
}

/// Forms of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people.
    Table,
    /// The columns of `tutin export --what averages`.
    Csv,
    /// The same as JSON Lines.
    Jsonl,
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = crate::config::parse_duration(text).filter(|duration| !duration.is_zero());
    parsed.ok_or_else(|| format!("{text:?} is no duration; write it as in 1s, 20min or 1h"))
}

/// Computes and prints.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Some(config) = load(&arguments.config) else { return Ok(ExitCode::FAILURE) };
    let all = chosen(&config, &arguments.source)?;
    // Opening plugins waits; they are asked only for units that the file does not name.
    let runtime = tokio::runtime::Handle::current();
    let (file, rows) = (arguments.file.clone(), Rows { start: arguments.start, step: arguments.step });
    let (for_units, wanted) = (config.clone(), samples::wanted(&all));
    let read = tokio::task::spawn_blocking(move || {
        let units = || runtime.block_on(known_units(&for_units));
        samples::read(&file, &for_units, &wanted, rows, &units)
    });
    let samples = read.await.context("reading samples")??;
    for (column, nearest) in &samples.unused {
        let advice = nearest.as_ref().map_or_else(String::new, |nearest| format!("; did you mean {nearest:?}?"));
        eprintln!("tutin: column {column:?} is no point that the configuration uses: it is left out{advice}");
    }
    let computed = compute(&config, all, &samples, &arguments)?;
    for problem in &computed.problems {
        eprintln!("tutin: {problem}");
    }
    if computed.averages.is_empty() {
        bail!("no block came of {} samples: are source, parameter, rule set and times right?", samples.sets.len());
    }
    match arguments.explain {
        Some(_) => explain::print(&computed),
        None => print(&computed.averages, arguments.format)?,
    }
    if computed.averages.iter().all(|average| average.received == 0) {
        bail!("no sample is in any of these blocks: does the file have the points that they are taken from?");
    }
    Ok(ExitCode::SUCCESS)
}

/// What came out.
pub struct Computed {
    /// The averages that were asked for.
    pub averages: Vec<Average>,
    /// How each was made, and what became of its samples where that was asked for.
    pub made: Vec<(Assignment, Option<Trace>)>,
    /// Points that are not there, units that do not convert.
    problems: Vec<String>,
}

fn chosen(config: &Config, source: &str) -> anyhow::Result<Vec<Assignment>> {
    let pattern = Pattern(source.to_owned());
    let names = config.sources.keys().filter(|name| pattern.matches(name));
    let all: Vec<Assignment> = names.flat_map(|name| assignments(config, name).unwrap_or_default()).collect();
    if all.is_empty() {
        let known: Vec<&str> = config.sources.keys().map(String::as_str).collect();
        bail!("no source {source} in the configuration; there is: {}", known.join(", "));
    }
    Ok(all)
}

fn compute(
    config: &Config,
    all: Vec<Assignment>,
    samples: &Samples,
    arguments: &Arguments,
) -> anyhow::Result<Computed> {
    let sampled = || samples.sets.iter().flat_map(|set| set.readings().map(|reading| reading.sampled_at));
    let (Some(first), Some(last)) = (sampled().min(), sampled().max()) else {
        bail!("{} has no sample", arguments.file.display());
    };
    let wanted = |assignment: &Assignment| {
        Pattern(arguments.parameter.clone()).matches(&assignment.parameter)
            && Pattern(arguments.rule_set.clone()).matches(&assignment.rule_set)
    };
    let shortest = all.iter().map(|assignment| assignment.rules.grid.length()).min().unwrap_or(Duration::from_secs(1));
    let blocks = last.since(first).as_nanos() / shortest.as_nanos().max(1);
    if blocks > MOST_BLOCKS {
        bail!("the samples reach from {first} to {last}, {blocks} blocks: is the time of one of them wrong?");
    }
    let mut line = Line::default();
    line.configuration = config.digest.clone();
    let mut end = last;
    for assignment in &all {
        let grid = &assignment.rules.grid;
        end = end.max(grid.block(last).end.after(assignment.rules.lateness));
        line.assign(assignment.clone(), first, 0);
    }
    for assignment in all.iter().filter(|assignment| wanted(assignment)) {
        if let Some(at) = arguments.explain {
            let start = assignment.rules.grid.block(at).start;
            line.trace(&assignment.source, &assignment.parameter, &assignment.rule_set, start);
        }
    }
    for (entry, set) in (1..).zip(&samples.sets) {
        line.take(entry, set);
    }
    let (mut averages, mut made) = (Vec::new(), Vec::new());
    loop {
        let closed = line.close(end);
        if closed.is_empty() {
            break;
        }
        for average in closed.into_iter().map(|closed| closed.average) {
            let of = |assignment: &&Assignment| {
                let key = &average.key;
                assignment.source == key.source
                    && assignment.parameter == key.parameter
                    && assignment.rule_set == key.rule_set
            };
            let Some(assignment) = all.iter().find(of).filter(|assignment| wanted(assignment)) else { continue };
            let explained = arguments.explain.map(|at| assignment.rules.grid.block(at).start);
            // The last day of a file is rarely whole: what lies behind its samples is nobody's loss.
            if explained.is_some_and(|start| start != average.key.start) || average.key.start > last {
                continue;
            }
            let trace =
                explained.and_then(|_| line.traced(&assignment.source, &assignment.parameter, &assignment.rule_set));
            made.push((assignment.clone(), trace));
            averages.push(average);
        }
    }
    Ok(Computed { averages, made, problems: line.problems() })
}

async fn known_units(config: &Config) -> KnownUnits {
    let mut units = KnownUnits::new();
    let state = std::env::temp_dir().join("tutin-check");
    let Ok(loader) = crate::hub::loader(&state) else { return units };
    for (device, finding) in offline::open_devices(config, &loader).await {
        if let Finding::Points(points) = finding {
            units.extend(points.into_iter().map(|point| ((device.clone(), point.id), point.unit)));
        }
    }
    units
}

fn print(averages: &[Average], form: Form) -> anyhow::Result<()> {
    let format = match form {
        Form::Table => return print_table(averages),
        Form::Csv => Format::Csv,
        Form::Jsonl => Format::JsonLines,
    };
    let mut table = export::table(What::Averages, format, Target::standard())?;
    for average in averages {
        export::write_average(table.as_mut(), 0, average)?;
    }
    Ok(table.finish()?)
}

fn print_table(averages: &[Average]) -> anyhow::Result<()> {
    say(format_args!(
        "{:<12} {:<12} {:<10} {:<26} {:>14} {:>14} {:>14} {:<8} {:>12} {:>9} {:<12} {}",
        "source",
        "parameter",
        "rule set",
        "block",
        "mean",
        "corrected",
        "reported",
        "unit",
        "g/s",
        "valid",
        "state",
        "remarks"
    ));
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.6}"));
    for average in averages {
        let key = &average.key;
        let valid = format!("{}/{}", average.valid, average.expected);
        let mut remarks: Vec<&str> = average.qualifiers.names().collect();
        remarks.extend(average.notes.iter().map(String::as_str));
        say(format_args!(
            "{:<12} {:<12} {:<10} {:<26} {:>14} {:>14} {:>14} {:<8} {:>12} {valid:>9} {:<12} {}",
            key.source,
            key.parameter,
            key.rule_set,
            average.label,
            number(average.mean),
            number(average.corrected),
            average.report.and_then(|_| average.reported()).unwrap_or_else(|| number(average.validated)),
            average.unit,
            number(average.mass.map(|mass| mass.g_s)),
            average.state.name(),
            remarks.join("; "),
        ));
    }
    Ok(())
}
