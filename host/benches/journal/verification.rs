//! How fast a journal is checked, beside a walk that reads each payload and only hashes it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use tutin::journal::verify;

use super::{bare, table};

/// Measures and prints; what does not hold is a fault.
pub fn measure(journals: &[(&str, PathBuf)], faults: &mut Vec<String>) -> Result<()> {
    let mut lines = vec![table::head([
        "verify",
        "readings",
        "entries",
        "s",
        "readings/s",
        "entries/s",
        "walk and SHA-256 s",
        "x bare",
    ])];
    for (name, journal) in journals {
        let begin = Instant::now();
        let report = verify::verify(journal, &verify::Options::default(), |_| ()).context("verify")?;
        let took = begin.elapsed();
        faults.extend(report.findings.iter().map(|finding| format!("{name}: {finding}")));
        let bare = walk(journal)?;
        lines.push([
            (*name).to_owned(),
            report.readings.to_string(),
            report.entries.to_string(),
            format!("{:.3}", took.as_secs_f64()),
            table::rate(report.readings, took),
            table::rate(report.entries, took),
            format!("{:.3}", bare.as_secs_f64()),
            format!("{:.2}", took.as_secs_f64() / bare.as_secs_f64().max(1e-9)),
        ]);
    }
    table::print("Verify (files in the page cache)", &lines);
    Ok(())
}

fn walk(journal: &Path) -> Result<Duration> {
    let begin = Instant::now();
    let connection = bare::connect(journal)?;
    let mut statement = connection.prepare("SELECT payload FROM entry ORDER BY seq")?;
    let mut rows = statement.query([])?;
    let mut hash = [0; 32];
    while let Some(row) = rows.next()? {
        let payload = row.get_ref(0)?.as_blob()?;
        hash = Sha256::new().chain_update(hash).chain_update(payload).finalize().into();
    }
    std::hint::black_box::<[u8; 32]>(hash);
    Ok(begin.elapsed())
}
