//! A real OCI registry: Debian's `docker-registry`.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{SOON, installed, ports};

/// A registry of its own for one test, without encryption.
pub struct Registry {
    port: u16,
    folder: TempDir,
    process: Child,
}

/// The only user of a registry that asks for one.
pub const USER: &str = "integrator";
/// Its password.
pub const PASSWORD: &str = "correct horse";
/// Of the password, as a file for HTTP servers has it.
const BCRYPT: &str = "$2b$04$flLw1Jo8qgZ5HaexAxnNtekYNlsTVe8W9WtMa5BhYedwsnJfF4kAi";

impl Registry {
    /// Starts one on a free port that takes from everybody.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// Starts one for [`USER`] only.
    pub fn start_closed() -> Self {
        Self::start_with("auth:\n  htpasswd:\n    realm: test\n    path: users\n")
    }

    fn start_with(settings: &str) -> Self {
        let port = ports::free();
        let folder = tempfile::tempdir().unwrap();
        let settings = format!(
            "version: 0.1\nlog:\n  level: warn\nstorage:\n  filesystem:\n    rootdirectory: blobs\n\
             http:\n  addr: 127.0.0.1:{port}\n{settings}"
        );
        fs::write(folder.path().join("config.yml"), settings).unwrap();
        fs::write(folder.path().join("users"), format!("{USER}:{BCRYPT}\n")).unwrap();
        let log = folder.path().join("log");
        let mut command = Command::new(installed("docker-registry"));
        command.args(["serve", "config.yml"]).current_dir(folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(&log).unwrap());
        let registry = Registry { port, folder, process: command.spawn().unwrap() };
        if !ports::wait_until_open(port, SOON) {
            panic!("docker-registry does not listen: {}", fs::read_to_string(&log).unwrap_or_default());
        }
        registry
    }

    /// A reference to something in it.
    pub fn reference(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}", self.port)
    }

    /// The file in which it keeps what has this digest, `sha256:…`.
    pub fn blob(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").unwrap();
        let folder = self.folder.path().join("blobs/docker/registry/v2/blobs/sha256");
        folder.join(&hex[..2]).join(hex).join("data")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
