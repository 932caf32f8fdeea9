//! A disk that fails when a test says so: the state folder of a hub, behind the `faulty-disk` library.

use std::fs;
use std::path::PathBuf;

use super::built_file;
use super::hub::Site;

/// The disk of one site. Files outside its state folder, and other programs, never notice it.
pub struct Disk {
    folder: PathBuf,
    mode: PathBuf,
}

impl Disk {
    /// A good disk.
    pub fn of(site: &Site) -> Self {
        let disk = Disk { folder: site.path("state"), mode: site.path("disk") };
        disk.heal();
        disk
    }

    /// From now on it does this wrong: `full`, `short`, `write` or `sync`, as in `faulty-disk`.
    pub fn fail(&self, fault: &str) {
        // Renamed into place, since the hub reads it at any moment.
        let next = self.mode.with_extension("next");
        fs::write(&next, fault).unwrap();
        fs::rename(&next, &self.mode).unwrap();
    }

    /// All is well again.
    pub fn heal(&self) {
        self.fail("ok");
    }

    /// What a program must be started with to be on this disk.
    pub fn environment(&self) -> [(&'static str, PathBuf); 3] {
        let library = built_file("libfaulty_disk.so", "cargo build --package faulty-disk");
        [("LD_PRELOAD", library), ("FAULTY_DISK_DIR", self.folder.clone()), ("FAULTY_DISK_MODE", self.mode.clone())]
    }
}
