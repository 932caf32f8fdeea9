//! Certificates of an authority of its own, made for one test; the files are named in `certificates.py`.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{python, test_file};

/// A folder of them, gone with the test.
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// Makes them.
    pub fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(python());
        let status = command.arg(test_file("support/certificates.py")).arg(folder.path()).status().unwrap();
        assert!(status.success(), "certificates cannot be made: {status}");
        Certificates { folder }
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The authority's certificate, in PEM.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A file of them, like `client.crt`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
