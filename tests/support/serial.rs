//! Two serial ports joined by a cable: a pair of pseudo terminals, made by socat.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{SOON, installed};

/// The pair. What is written to one end is read at the other; they have no speed of their own. Dropping it takes both away.
pub struct SerialPair {
    folder: TempDir,
    process: Option<Child>,
}

impl SerialPair {
    /// Makes one; returns when both ends are there.
    pub fn start() -> Self {
        let mut pair = SerialPair { folder: tempfile::tempdir().unwrap(), process: None };
        pair.join();
        pair
    }

    /// The end for the hub. The path stays the same when the pair is cut and joined again.
    pub fn hub_end(&self) -> PathBuf {
        self.folder.path().join("hub")
    }

    /// The end for the device.
    pub fn device_end(&self) -> PathBuf {
        self.folder.path().join("device")
    }

    /// Takes both ports away, as if the adapter was unplugged: whoever has one open gets an error, and their paths are gone.
    pub fn cut(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
        for end in [self.hub_end(), self.device_end()] {
            let _ = fs::remove_file(end);
        }
    }

    /// Brings both back under the same paths.
    pub fn join(&mut self) {
        self.cut();
        let end = |path: &Path| format!("pty,raw,echo=0,link={}", path.display());
        let mut command = Command::new(installed("socat"));
        command.arg(end(&self.hub_end())).arg(end(&self.device_end())).stdin(Stdio::null()).stdout(Stdio::null());
        self.process = Some(command.spawn().unwrap());
        let deadline = Instant::now() + SOON;
        while !(self.hub_end().exists() && self.device_end().exists()) {
            assert!(Instant::now() < deadline, "socat made no pair of terminals within {SOON:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for SerialPair {
    fn drop(&mut self) {
        self.cut();
    }
}
