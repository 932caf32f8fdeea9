//! `cargo xtask bench journal`: what the journal costs, beside loops in the same run that do only what no journal can do without.
//!
//! Times are a report and never a verdict, because they depend on the machine and its disk. A reading that is lost, or a journal that does
//! not verify, is a failure on any.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;

mod append;
mod bare;
mod commit;
mod load;
mod recovery;
mod table;
mod usage;
mod verification;

/// What to measure.
#[derive(Parser)]
struct Options {
    /// Time for which readings are offered at a steady rate; half of it as fast as the journal takes them
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Readings offered in a second, whole thousands
    #[arg(long, default_value_t = 100_000)]
    rate: u64,
    /// Sizes of journals that a killed writer leaves, in millions of readings
    #[arg(long, value_delimiter = ',', default_values_t = [1, 5, 20])]
    recover: Vec<u64>,
    /// A folder on the disk to measure; that of the build otherwise
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Write this many readings to the file, go on writing, and abort
    #[arg(long, hide = true, requires = "file")]
    abort_after: Option<u64>,
    #[arg(long, hide = true)]
    file: Option<PathBuf>,
    /// What cargo hands to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    // One worker for timers; whoever appends does it on this thread, the journal has its own.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        match (options.abort_after, &options.file) {
            (Some(readings), Some(file)) => recovery::write_and_abort(file, readings).await,
            _ => measure(&options).await,
        }
    })
}

async fn measure(options: &Options) -> Result<()> {
    let on = options.folder.as_deref().unwrap_or(Path::new(env!("CARGO_TARGET_TMPDIR")));
    let folder = tempfile::tempdir_in(on).with_context(|| format!("no folder in {}", on.display()))?;
    let length = Duration::from_secs(options.seconds.max(1));
    let mut faults = Vec::new();

    eprintln!(
        "append: {} readings/s for {length:?}, then as fast as they are taken for {:?}",
        options.rate,
        length / 2
    );
    let (steady, fast) = append::measure(folder.path(), options.rate, length, &mut faults).await?;
    eprintln!("commit: single sets");
    let single = commit::measure(folder.path(), &mut faults).await?;
    eprintln!("verify");
    let journals = [("blocks of a steady load", steady), ("full blocks", fast), ("one set in each", single)];
    verification::measure(&journals, &mut faults)?;
    for (_, journal) in journals {
        std::fs::remove_dir_all(journal.parent().context("a journal without a folder")?)?;
    }
    eprintln!("recovery");
    recovery::measure(folder.path(), &options.recover, &mut faults).await?;

    for fault in &faults {
        println!("{fault}");
    }
    if !faults.is_empty() {
        bail!("{} of what must never happen", faults.len());
    }
    Ok(())
}
