//! `tutin verify`: whether a journal is what was written, without the hub.
//!
//! Exit code 0: everything holds; 1: something does not, and it is named.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;

use super::output::say;
use crate::journal::chain::Hash;
use crate::journal::verify::{self, Options, Progress, Report};
use crate::key::PublicKey;

/// Arguments of `tutin verify`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// The journal, or a copy of it.
    pub journal: PathBuf,
    /// Every signature must be of this key: a PEM file, as `tutin public-key` writes it. Without it the journal's own word is taken.
    #[arg(long, value_name = "FILE")]
    pub public_key: Option<PathBuf>,
    /// An entry that is known from elsewhere, as in 1200:9f86…, the number and the hash that an earlier `tutin verify` printed: shows
    /// when the whole journal was replaced by an older one.
    #[arg(long, value_name = "ENTRY:HASH", value_parser = known)]
    pub expect: Option<(u64, Hash)>,
    /// Say how far it is, also when standard error is no terminal.
    #[arg(long)]
    pub progress: bool,
}

fn known(text: &str) -> Result<(u64, Hash), String> {
    let parts = text.split_once(':').and_then(|(entry, hash)| Some((entry.parse().ok()?, Hash::from_hex(hash)?)));
    parts.ok_or_else(|| "write ENTRY:HASH, a number and 64 hexadecimal digits".to_owned())
}

/// Verifies and tells.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let public_key = arguments.public_key.as_deref().map(PublicKey::read).transpose()?;
    let options = Options { public_key, expect: arguments.expect };
    let show = arguments.progress || std::io::stderr().is_terminal();
    let file = arguments.journal.clone();
    let begin = Instant::now();
    let walk = move || {
        let mut shown = Instant::now();
        verify::verify(&file, &options, |progress| {
            if show && shown.elapsed() >= Duration::from_secs(1) {
                shown = Instant::now();
                eprintln!("{}", so_far(&progress));
            }
        })
    };
    let report = tokio::task::spawn_blocking(walk).await.context("verify")??;
    tell(&report, begin.elapsed(), &options);
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn so_far(progress: &Progress) -> String {
    let share = 100.0 * progress.entry as f64 / progress.last.max(1) as f64;
    format!("entry {} of {} ({share:.0} %), {} readings", progress.entry, progress.last, progress.readings)
}

fn tell(report: &Report, took: Duration, options: &Options) {
    let rate = report.readings as f64 / took.as_secs_f64().max(1e-9);
    say(format_args!(
        "{} entries with {} readings in {:.1} s ({rate:.0} readings/s)",
        report.entries,
        report.readings,
        took.as_secs_f64()
    ));
    if report.pruned > 0 {
        say(format_args!(
            "{} entries were taken away as the journal itself says; the chain goes on around them",
            report.pruned
        ));
    }
    say(format_args!("{} checkpoints hold", report.checkpoints));
    for key in &report.keys {
        say(format_args!("signed with {key}"));
    }
    if options.public_key.is_none() {
        say(format_args!(
            "that is the key which the journal itself names; with --public-key it is compared with one that you trust"
        ));
    }
    for finding in &report.findings {
        say(format_args!("{finding}"));
    }
    say(format_args!("last entry {}:{} of {}", report.end.seq, report.end.hash, report.end.at));
    match report.findings.first() {
        None => say(format_args!("everything holds")),
        Some(first) => {
            say(format_args!("DOES NOT HOLD from entry {} on; {} findings", first.entry, report.findings.len()))
        }
    }
}
