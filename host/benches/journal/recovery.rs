//! How long a journal whose writer was killed takes until its first commit, beside SQLite alone on a copy of the same files.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rusqlite::Connection;
use tutin::config::model;
use tutin::journal::verify;

use super::load::{self, Load};
use super::table;

/// Sets that nobody waits for when the writer is killed.
const UNWAITED: u64 = 50;

/// Measures journals of these many million readings, and prints.
pub async fn measure(folder: &Path, millions: &[u64], faults: &mut Vec<String>) -> Result<()> {
    let mut lines = vec![table::head([
        "recovery",
        "readings",
        "file MB",
        "-wal MB",
        "opened ms",
        "first commit ms",
        "SQLite alone ms",
    ])];
    for million in millions {
        let file = folder.join(format!("recovery-{million}/journal.sqlite"));
        let readings = million * 1_000_000;
        killed_writer(&file, readings)?;
        let (size, log) = (length(&file), length(&wal(&file)));
        let alone = sqlite_alone(&file)?;
        let (opened, committed) = recover(&file).await?;
        let report = verify::verify(&file, &verify::Options::default(), |_| ()).context("verify")?;
        let name = format!("{million} million");
        if report.readings <= readings {
            faults.push(format!("{name}: {readings} were durable, and {} are there", report.readings));
        }
        faults.extend(report.findings.iter().map(|finding| format!("{name}: {finding}")));
        fs::remove_dir_all(file.parent().context("a journal without a folder")?)?;
        lines.push([
            name,
            report.readings.to_string(),
            table::mb(size),
            table::mb(log),
            table::ms(opened),
            table::ms(committed),
            table::ms(alone),
        ]);
    }
    table::print("Recovery after an abort (files in the page cache)", &lines);
    Ok(())
}

/// What the other process does: readings that are durable, some that may not be, and no orderly end.
pub async fn write_and_abort(file: &Path, readings: u64) -> Result<()> {
    let mut load = Load::new();
    let (journal, _running) = load::open(file, &model::Journal::default())?;
    while load.readings() < readings {
        journal.append(load::next(&mut load)?).await?;
    }
    journal.flush().await?;
    for _ in 0..UNWAITED {
        journal.append(load::next(&mut load)?).await?;
    }
    std::process::abort()
}

fn killed_writer(file: &Path, readings: u64) -> Result<()> {
    let bench = std::env::current_exe()?;
    // Nobody wants the memory of a process that aborts on purpose.
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -c 0; exec \"$0\" \"$@\""]).arg(bench);
    let status = command.arg(format!("--abort-after={readings}")).arg("--file").arg(file).status()?;
    // An abort has no exit code.
    if status.code().is_some() {
        bail!("the writer that was to abort ended with {status}");
    }
    Ok(())
}

async fn recover(file: &Path) -> Result<(Duration, Duration)> {
    let mut load = Load::new();
    let set = load::next(&mut load)?;
    let begin = Instant::now();
    let (journal, running) = load::open(file, &model::Journal::default())?;
    let opened = begin.elapsed();
    journal.append(set).await?;
    journal.flush().await?;
    let committed = begin.elapsed();
    load::close(journal, running).await?;
    Ok((opened, committed))
}

fn sqlite_alone(file: &Path) -> Result<Duration> {
    let copy = file.with_file_name("copy.sqlite");
    fs::copy(file, &copy)?;
    fs::copy(wal(file), wal(&copy))?;
    let begin = Instant::now();
    let connection = Connection::open(&copy)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute("UPDATE head SET in_use = 1", [])?;
    let took = begin.elapsed();
    drop(connection);
    fs::remove_file(&copy)?;
    Ok(took)
}

fn wal(file: &Path) -> std::path::PathBuf {
    file.with_extension("sqlite-wal")
}

fn length(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |file| file.len())
}
