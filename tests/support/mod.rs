//! Real peers and the hub itself, each started for one test and ended with it.
//!
//! Everything listens on a free port of the loopback interface and lives in a temporary folder. A peer that is not installed fails the test with
//! the line that installs it: a test that is skipped proves nothing.

#![allow(dead_code, reason = "each part is whole, whichever of it the tests of the day need")]

pub mod hub;
pub mod lines;
pub mod mosquitto;
pub mod ports;
pub mod pymodbus;
pub mod store;

use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a test waits for an event that should come soon. Long, because a busy machine is no fault of the hub.
pub const SOON: Duration = Duration::from_secs(30);

/// The workspace's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}
