//! How long a single set takes from its append until it is durable.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use tutin::config::model;

use super::bare;
use super::load::{self, Load};
use super::table;

/// Longest time for each of the two.
const LONGEST: Duration = Duration::from_secs(5);
/// Commits that are enough.
const ENOUGH: usize = 2_000;

/// Measures and prints. Returns the journal, with one set in each entry.
pub async fn measure(folder: &Path, faults: &mut Vec<String>) -> Result<PathBuf> {
    let journal = folder.join("single/journal.sqlite");
    let settings = model::Journal { commit_interval: Duration::from_millis(1), ..model::Journal::default() };
    let mut lines = vec![table::head(["commit", "commits", "p50 ms", "p99 ms", "longest ms"])];
    let times = journal_times(&journal, &settings).await?;
    let blocks = bare::blocks(&journal)?;
    if blocks.len() != times.len() {
        faults.push(format!("{} single sets were committed, and {} stand alone", times.len(), blocks.len()));
    }
    lines.push(line("append and flush of one set", times));
    lines.push(line("the same bytes in a plain file, fdatasync", bare_times(&folder.join("bare"), &blocks)?));
    table::print("Commit of single sets (commit_interval 1 ms)", &lines);
    Ok(journal)
}

async fn journal_times(file: &Path, settings: &model::Journal) -> Result<Vec<Duration>> {
    let mut load = Load::new();
    let (journal, running) = load::open(file, settings)?;
    let (begin, mut times) = (Instant::now(), Vec::new());
    while begin.elapsed() < LONGEST && times.len() < ENOUGH {
        let set = load::next(&mut load)?;
        let asked = Instant::now();
        journal.append(set).await?;
        journal.flush().await?;
        times.push(asked.elapsed());
    }
    load::close(journal, running).await?;
    Ok(times)
}

fn bare_times(file: &Path, blocks: &[Vec<u8>]) -> Result<Vec<Duration>> {
    let mut open = File::create(file)?;
    let (begin, mut times) = (Instant::now(), Vec::new());
    for block in blocks {
        if begin.elapsed() >= LONGEST {
            break;
        }
        let asked = Instant::now();
        open.write_all(block)?;
        open.sync_data()?;
        times.push(asked.elapsed());
    }
    std::fs::remove_file(file)?;
    Ok(times)
}

fn line(name: &str, mut times: Vec<Duration>) -> [String; 5] {
    let mut at = |share| table::ms(table::percentile(&mut times, share));
    let (p50, p99, longest) = (at(0.5), at(0.99), at(1.0));
    [name.to_owned(), times.len().to_string(), p50, p99, longest]
}
