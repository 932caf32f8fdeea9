//! `tutin export`: the journal read back into a file, beside a running hub or without one.
//!
//! Only rows go to standard output. Exit code 0: all that was asked for was written; 1: an error, or damaged entries were left out;
//! 130: interrupted.

mod choice;
mod progress;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{ArgGroup, Args, ValueEnum};
use tokio_util::sync::CancellationToken;

use self::choice::Choice;
use self::progress::Display;
use super::origin::moment;
use super::run::load;
use crate::config::model::Config;
use crate::export::{self, Damage, ExportError, Format, Progress, Summary, Target, What};
use crate::hub;
use crate::journal::{self, Reader, Revisions};
use crate::time::Timestamp;

/// Exit code after Ctrl-C, as shells have it.
const INTERRUPTED: u8 = 130;

const MORE_HELP: &str = "\
Periods:
  A time is RFC 3339, as in 2026-11-01T08:00:00+05:00, or a date, which is its midnight in UTC. --from is the first moment, --to the
  moment after the last one. Readings are selected by the time of their sample, averages by the start of their block.
  Entries of the journal are found by the time of their commit: those from one hour before --from to 31 days after --to are
  searched. A reading is missed if its device's clock was ahead by more than that hour, or if it came more than 31 days late; leave
  --from or --to away to search without that bound.

Rows:
  Readings come in the order of their commit, averages by start and name. Every row names the journal's entry that holds it. What the
  hub stores after the export began is not in it.

Values:
  Numbers read back as the same bits. Where JSON has no number (NaN, infinities) it says null, and value_bits has the bits; CSV says
  NaN, inf, -inf. In CSV an empty field is none and \"\" an empty text. status and raw are unsigned words of up to 64 bits.";

/// Arguments of `tutin export`.
#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("origin").required(true).args(["config", "journal"])), after_long_help = MORE_HELP)]
pub struct Arguments {
    /// Configuration files, later ones over earlier ones: they say where the journal is, and names are checked against them.
    #[arg(long, value_name = "FILE")]
    pub config: Vec<PathBuf>,
    /// The journal itself, without a configuration.
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
    /// What is exported.
    #[arg(long, value_enum)]
    pub what: Exported,
    /// How it is written; parquet needs --out.
    #[arg(long, value_enum)]
    pub format: Written,
    /// The first moment.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub from: Option<Timestamp>,
    /// The moment after the last one.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub to: Option<Timestamp>,
    /// Only readings of these devices.
    #[arg(long, value_name = "NAME", num_args = 1..)]
    pub device: Vec<String>,
    /// Only readings of these points.
    #[arg(long, value_name = "NAME", num_args = 1..)]
    pub point: Vec<String>,
    /// Only these sources. For readings, with --config: the points that the configuration takes their parameters from now.
    #[arg(long, value_name = "NAME", num_args = 1..)]
    pub source: Vec<String>,
    /// Only these parameters. For readings, with --config: the points that the configuration takes them from now.
    #[arg(long, value_name = "NAME", num_args = 1..)]
    pub parameter: Vec<String>,
    /// Only averages under these rule sets.
    #[arg(long, value_name = "NAME", num_args = 1..)]
    pub rule_set: Vec<String>,
    /// Which revisions of averages; latest when left out.
    #[arg(long, value_enum)]
    pub revisions: Option<Revised>,
    /// The file. It is written as FILE.partial and takes its name, in the place of an older one, when it is whole and on disk. Left
    /// out, or `-`: standard output.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Leave damaged entries out, list them at the end, and exit with 1.
    #[arg(long)]
    pub skip_damaged: bool,
    /// Say how far it is, also when standard error is no terminal.
    #[arg(long)]
    pub progress: bool,
}

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Exported {
    /// Each reading as it was received.
    Readings,
    /// Closed blocks.
    Averages,
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Written {
    /// RFC 4180 with a header line.
    Csv,
    /// One JSON object in each line.
    Jsonl,
    /// Apache Parquet.
    Parquet,
}

/// Which revisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Revised {
    /// The newest of each average.
    Latest,
    /// Each one.
    All,
}

/// Exports until it is done or the token is cancelled.
pub async fn run(arguments: Arguments, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    let config = if arguments.config.is_empty() {
        None
    } else {
        let Some(config) = load(&arguments.config) else { return Ok(ExitCode::FAILURE) };
        Some(config)
    };
    let choice = choice::choose(&arguments, config.as_ref())?;
    let journal = journal_of(&arguments, config.as_ref())?;
    // Reading and writing wait for disks, so it is done beside the runtime.
    let task = tokio::task::spawn_blocking(move || export(&arguments, &choice, &journal, &shutdown));
    task.await.context("export")?
}

fn journal_of(arguments: &Arguments, config: Option<&Config>) -> anyhow::Result<PathBuf> {
    let file = arguments.journal.clone().or_else(|| config.map(hub::journal_file));
    file.context("neither --config nor --journal says where the journal is")
}

fn export(
    arguments: &Arguments,
    choice: &Choice,
    file: &Path,
    shutdown: &CancellationToken,
) -> anyhow::Result<ExitCode> {
    if !file.is_file() {
        bail!("there is no journal {}", file.display());
    }
    let mut reader = journal::read(file)?;
    let kept_from = reader.readings_kept_from()?;
    if arguments.what == Exported::Readings
        && arguments.from.is_none_or(|from| from < kept_from)
        && kept_from.0 > i64::MIN
    {
        eprintln!("tutin: readings that were stored before {kept_from} are no longer kept");
    }
    let target = target(arguments, file)?;
    let mut display = Display::new(arguments.progress);
    let mut watch = |progress: Progress| {
        display.show(progress);
        if shutdown.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let written = write(arguments, choice, &mut reader, target, &mut watch);
    display.end();
    match written {
        Ok(summary) => Ok(report(&summary)),
        // The reader has seen enough, as `head` does.
        Err(error) if error.is_closed_pipe() => Ok(ExitCode::SUCCESS),
        Err(ExportError::Interrupted) => {
            eprintln!("tutin: interrupted; {} not finished", named(arguments));
            Ok(ExitCode::from(INTERRUPTED))
        }
        Err(error @ ExportError::Damaged { .. }) => {
            bail!("{error}; --skip-damaged leaves such entries out and lists them")
        }
        Err(error) => Err(error).with_context(|| named(arguments)),
    }
}

fn target(arguments: &Arguments, journal: &Path) -> anyhow::Result<Target> {
    let Some(out) = file_of(arguments) else {
        if arguments.format == Written::Parquet {
            bail!("--format parquet needs --out FILE: it cannot be written to standard output");
        }
        return Ok(Target::standard());
    };
    let beside = ["-wal", "-shm"].map(|ending| {
        let mut name = journal.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    });
    let mut precious = vec![journal.to_owned(), journal.with_extension("lock")];
    precious.extend(beside);
    precious.extend(arguments.config.iter().cloned());
    Ok(Target::file(out, &precious)?)
}

fn file_of(arguments: &Arguments) -> Option<&Path> {
    arguments.out.as_deref().filter(|out| *out != Path::new("-"))
}

fn named(arguments: &Arguments) -> String {
    file_of(arguments).map_or_else(|| "standard output".to_owned(), |out| out.display().to_string())
}

fn write(
    arguments: &Arguments,
    choice: &Choice,
    reader: &mut Reader,
    target: Target,
    watch: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Summary, ExportError> {
    let format = match arguments.format {
        Written::Csv => Format::Csv,
        Written::Jsonl => Format::JsonLines,
        Written::Parquet => Format::Parquet,
    };
    let damage = if arguments.skip_damaged { Damage::Skip } else { Damage::Stop };
    let revisions = match arguments.revisions {
        None | Some(Revised::Latest) => Revisions::Latest,
        Some(Revised::All) => Revisions::All,
    };
    let (table, summary) = match choice {
        Choice::Readings(selection) => {
            let mut table = export::table(What::Readings, format, target)?;
            let summary = export::readings(reader, selection, damage, &mut *table, watch)?;
            (table, summary)
        }
        Choice::Averages(selection) => {
            let mut table = export::table(What::Averages, format, target)?;
            let summary = export::averages(reader, selection, revisions, damage, &mut *table, watch)?;
            (table, summary)
        }
    };
    table.finish()?;
    Ok(summary)
}

/// Says what the rows do not show.
fn report(summary: &Summary) -> ExitCode {
    if summary.rows == 0 {
        eprintln!("tutin: nothing in the journal is what was asked for; there is no row");
    }
    for (entry, what) in &summary.damaged {
        eprintln!("tutin: journal entry {entry} is damaged and was left out: {what}");
    }
    if summary.damaged_in_all > 0 {
        eprintln!("tutin: {} damaged entries were left out", summary.damaged_in_all);
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
