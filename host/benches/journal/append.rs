//! How many readings a journal takes, and what one costs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tutin::config::model;
use tutin::journal::verify;

use super::bare::{self, Pace, Work};
use super::load::{self, Load, ROWS};
use super::table;
use super::usage::Usage;

/// From one handful of sets to the next.
const TICK: Duration = Duration::from_millis(10);

/// What came of one run.
struct Run {
    readings: u64,
    took: Duration,
    usage: Usage,
    bytes: u64,
    /// Longest time that who appended had to wait for room.
    waited: Option<Duration>,
}

/// Measures both loads and prints them. Returns the journals.
pub async fn measure(
    folder: &Path,
    rate: u64,
    length: Duration,
    faults: &mut Vec<String>,
) -> Result<(PathBuf, PathBuf)> {
    let steady = folder.join("steady/journal.sqlite");
    let fast = folder.join("fast/journal.sqlite");
    let mut lines = vec![table::head([
        "append",
        "readings",
        "readings/s",
        "CPU us/reading",
        "its thread's",
        "x bare",
        "file B/reading",
        "to disk B/reading",
        "longest wait ms",
    ])];
    for (name, journal, offered) in [("offered", &steady, Some(rate)), ("unbounded", &fast, None)] {
        let length = if offered.is_some() { length } else { length / 2 };
        let run = journal_run(journal, offered, length).await?;
        check(journal, &run, faults)?;
        let blocks = bare::blocks(journal)?;
        let file = folder.join("bare");
        let pace = if offered.is_some() { Pace::Steady } else { Pace::Unbounded };
        let plain = bare_run(&file, &blocks, &run, pace, Work::Nothing)?;
        let hashed = bare_run(&file, &blocks, &run, Pace::Unbounded, Work::Hash)?;
        fs::remove_file(&file)?;
        lines.push(line(&format!("{name}: journal"), &run, &plain));
        lines.push(line(&format!("{name}: plain file, fdatasync every 200 ms"), &plain, &plain));
        lines.push(line(&format!("{name}: the same with SHA-256, unpaced"), &hashed, &plain));
    }
    table::print(
        "Append (sets of 100 readings; CPU of the process with making the sets, and of the journal's thread)",
        &lines,
    );
    Ok((steady, fast))
}

async fn journal_run(file: &Path, rate: Option<u64>, length: Duration) -> Result<Run> {
    let mut load = Load::new();
    let (journal, running) = load::open(file, &model::Journal::default())?;
    let before = Usage::now()?;
    let begin = Instant::now();
    let mut waited = Duration::ZERO;
    let mut tick = tokio::time::interval(TICK);
    while begin.elapsed() < length {
        let sets = match rate {
            None => 1,
            Some(rate) => {
                tick.tick().await;
                (rate / ROWS / 100).max(1)
            }
        };
        for _ in 0..sets {
            let set = load::next(&mut load)?;
            let asked = Instant::now();
            journal.append(set).await?;
            waited = waited.max(asked.elapsed());
        }
    }
    journal.flush().await?;
    let took = begin.elapsed();
    let usage = Usage::since(&before)?;
    load::close(journal, running).await?;
    let bytes = fs::metadata(file)?.len();
    Ok(Run { readings: load.readings(), took, usage, bytes, waited: Some(waited) })
}

fn bare_run(file: &Path, blocks: &[Vec<u8>], journal: &Run, pace: Pace, work: Work) -> Result<Run> {
    let held: u64 = blocks.iter().map(|block| block.len() as u64).sum();
    let readings_held: u64 = blocks.iter().map(|block| readings_in(block)).sum();
    let wanted = journal.readings as f64 * held as f64 / readings_held.max(1) as f64;
    let before = Usage::now()?;
    let (took, bytes) = bare::append(file, blocks, wanted as u64, pace, work)?;
    let usage = Usage::since(&before)?;
    let readings = (bytes as f64 / held.max(1) as f64 * readings_held as f64).round() as u64;
    Ok(Run { readings, took, usage, bytes, waited: None })
}

/// A block begins with its version and the count of its sets.
fn readings_in(block: &[u8]) -> u64 {
    let count = block.get(1..5).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes);
    u64::from(count) * ROWS
}

fn check(journal: &Path, run: &Run, faults: &mut Vec<String>) -> Result<()> {
    let report = verify::verify(journal, &verify::Options::default(), |_| ()).context("verify")?;
    if report.readings != run.readings {
        faults.push(format!("{} readings were taken, and {} are there", run.readings, report.readings));
    }
    Ok(())
}

fn line(name: &str, run: &Run, bare: &Run) -> [String; 9] {
    let cost = |run: &Run| run.usage.process as f64 / run.readings.max(1) as f64;
    let each = |bytes: u64| format!("{:.1}", bytes as f64 / run.readings.max(1) as f64);
    let own = run.waited.map(|_| table::each_us(run.usage.writer, run.readings));
    [
        name.to_owned(),
        run.readings.to_string(),
        table::rate(run.readings, run.took),
        table::each_us(run.usage.process, run.readings),
        own.unwrap_or_else(|| "-".into()),
        format!("{:.1}", cost(run) / cost(bare).max(1e-9)),
        each(run.bytes),
        each(run.usage.written),
        run.waited.map_or("-".into(), table::ms),
    ]
}
