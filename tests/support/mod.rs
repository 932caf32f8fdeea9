//! Real peers and the hub itself, each started for one test and ended with it.
//!
//! Everything listens on a free port of the loopback interface and lives in a temporary folder. A peer that is not installed fails the test with
//! the line that installs it: a test that is skipped proves nothing.

#![allow(dead_code, reason = "each part is whole, whichever of it the tests of the day need")]

pub mod asyncua;
pub mod beat;
pub mod between;
pub mod blessed;
pub mod certificates;
pub mod compiled;
pub mod components;
pub mod configuration;
pub mod disk;
pub mod hj212;
pub mod hostile;
pub mod hub;
pub mod journal;
pub mod lines;
pub mod mbpoll;
pub mod mosquitto;
pub mod played;
pub mod ports;
pub mod pymodbus;
pub mod random;
pub mod registry;
pub mod serial;
pub mod signing;
pub mod sparkplug;
pub mod store;
pub mod t200;
pub mod told;

use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a test waits for an event that should come soon. Long, because a busy machine is no fault of the hub.
pub const SOON: Duration = Duration::from_secs(30);

/// A file of the tests' own folder.
pub fn test_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// A file in the folder that cargo builds to, or in one above this test's binary; the command makes it when it is missing.
pub fn built_file(name: &str, command: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let found = test.ancestors().map(|folder| folder.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{name} is missing; run: {command}"))
}

/// The interpreter that has what the tests need of Python.
pub fn python() -> PathBuf {
    built_file("peers/venv/bin/python", "cargo xtask setup")
}

/// A program of the system.
pub fn installed(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = folders.map(|folder| folder.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{name} is not installed; run: cargo xtask setup"))
}
