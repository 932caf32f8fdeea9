//! `cargo xtask demo`: from a fresh machine to readings on the screen.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{plugins, process};

/// Builds everything, what builds it included, and becomes `tutin demo`, so that its output, its exit code and Ctrl-C are the user's own.
pub fn run(root: &Path, arguments: &[String]) -> Result<()> {
    crate::build_plugins(root)?;
    process::run(process::cargo(root).args(["build", "--workspace", "--bin", "tutin"]))?;
    let hub = plugins::target_dir(root).join("debug/tutin");
    let error = Command::new(&hub).arg("demo").args(arguments).current_dir(root).exec();
    Err(error).with_context(|| format!("cannot start {}", hub.display()))
}
