//! `cargo xtask ci`: everything that must hold before a change is taken.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::{process, setup, tidy};

type Step = (&'static str, fn(&Path) -> Result<()>);

/// In this order, because the first failure ends the run and the quickest to find stand first.
const STEPS: &[Step] = &[
    ("set-up", setup::run),
    ("format", |root| process::run(process::cargo(root).args(["fmt", "--all", "--check"]))),
    ("tidy", tidy::run),
    ("lints", |root| {
        process::run(process::cargo(root).args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
    }),
    ("plugins", crate::build_plugins),
    // The whole workspace and its tests are named so that dependencies get the features that the tests want and are built once.
    ("build", |root| process::run(process::cargo(root).args(["build", "--workspace", "--bin", "tutin", "--tests"]))),
    ("tests", |root| process::run(process::cargo(root).args(["test", "--workspace"]))),
    ("documentation", |root| {
        let mut cargo = process::cargo(root);
        process::run(cargo.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
    }),
    ("dependencies", dependencies),
];

/// Runs all steps; the first failure ends it.
pub fn run(root: &Path) -> Result<()> {
    let begin = Instant::now();
    let mut times = Vec::new();
    for (number, (name, step)) in STEPS.iter().enumerate() {
        println!("\n=== {}/{} {name}", number + 1, STEPS.len());
        let step_begin = Instant::now();
        step(root).with_context(|| format!("{name}, after {}", show(step_begin.elapsed())))?;
        times.push((name, step_begin.elapsed()));
        println!("=== {name}: {}", show(step_begin.elapsed()));
    }
    println!("\nall steps passed in {}", show(begin.elapsed()));
    for (name, time) in times {
        println!("  {name:<14} {:>9}", show(time));
    }
    Ok(())
}

/// Licences and bans. The tool has to be compiled by whoever wants it, so a machine without it may go on.
fn dependencies(root: &Path) -> Result<()> {
    if process::find("cargo-deny").is_none() {
        println!("cargo-deny is not installed: licences and bans of deny.toml are not checked here");
        return Ok(());
    }
    process::run(process::cargo(root).args(["deny", "check", "licenses", "bans"]))
}

fn show(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{:.0} min {:.0} s", (seconds / 60.0).floor(), seconds % 60.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_minutes_from_one_minute_on() {
        assert_eq!(show(Duration::from_millis(1_250)), "1.2 s");
        assert_eq!(show(Duration::from_secs(135)), "2 min 15 s");
    }
}
