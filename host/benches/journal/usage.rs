//! What this process used: computing time of all its threads and of the journal's own, and bytes given to the disk.
//!
//! The scheduler's account of threads is exact and forgets a thread that ends; none that computes ends between two looks.

use std::fs;

use anyhow::{Context, Result};

/// Use up to a moment.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Nanoseconds on a processor, all threads.
    pub process: u64,
    /// Of them those of the thread `journal`.
    pub writer: u64,
    /// Bytes that went to a disk.
    pub written: u64,
}

impl Usage {
    /// Now.
    pub fn now() -> Result<Self> {
        let (mut process, mut writer) = (0, 0);
        for thread in fs::read_dir("/proc/self/task")?.flatten() {
            let read = |file: &str| fs::read_to_string(thread.path().join(file)).unwrap_or_default();
            let computed: u64 = read("schedstat").split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0);
            process += computed;
            if read("comm").trim_end() == "journal" {
                writer += computed;
            }
        }
        let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
        let written = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok()).unwrap_or(0);
        Ok(Usage { process, writer, written })
    }

    /// Since an earlier moment.
    pub fn since(earlier: &Usage) -> Result<Self> {
        let now = Self::now().context("what this process used")?;
        Ok(Usage {
            process: now.process.saturating_sub(earlier.process),
            writer: now.writer.saturating_sub(earlier.writer),
            written: now.written.saturating_sub(earlier.written),
        })
    }
}
