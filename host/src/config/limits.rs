//! `[limits]` and `[loading]`: what a plugin may use while it runs, and what its file may hold.

use std::time::Duration;

/// What a plugin may use. A device may have its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Linear memory of one instance, bytes. Default 16 MiB, 1 MiB to 1 GiB.
    pub memory: u64,
    /// Computing time of one call, without waiting. Default 100 ms, 10 ms to 10 s.
    pub call: Duration,
    /// Whole time of one call, waiting included. Default 60 s, 1 s to 10 min.
    pub wait: Duration,
    /// Host calls in one call. Default 1,000, 1 to 1,000,000.
    pub host_calls: u32,
    /// Log lines a second. Default 20, 0 to 10,000.
    pub log_lines_per_second: u32,
    /// Samples in one poll. Default 100,000, 1 to 1,000,000.
    pub samples: usize,
    /// Samples a second; a device that brings more is held back. Default 100,000, 1 to 100,000,000.
    pub samples_per_second: u32,
    /// Bytes that one call may hand over to the host. Default 16 MiB, 64 KiB to 1 GiB.
    pub results: u64,
    /// Bytes of a snapshot that is kept. Default 1 MiB, 0 B to 64 MiB.
    pub snapshot: u64,
    /// Handles of links and resources at once. Default 1,000, 1 to 100,000.
    pub handles: u32,
    /// Elements of all tables of one instance. Default 100,000, 1 to 10,000,000.
    pub table_elements: u32,
    /// Restarts in a row before the device is parked. Default 10, 0 to 1,000.
    pub restarts: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            memory: 16 << 20,
            call: Duration::from_millis(100),
            wait: Duration::from_secs(60),
            host_calls: 1_000,
            log_lines_per_second: 20,
            samples: 100_000,
            samples_per_second: 100_000,
            results: 16 << 20,
            snapshot: 1 << 20,
            handles: 1_000,
            table_elements: 100_000,
            restarts: 10,
        }
    }
}

/// What loading a plugin's file may cost, before anything of it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Loading {
    /// Size of the file, bytes. Default 64 MiB, 64 KiB to 1 GiB.
    pub file: u64,
    /// Functions, types, imports, exports, instances and the like, all together. Default 500,000, 1,000 to 100,000,000.
    pub items: u64,
    /// Size of one function, bytes. Default 1 MiB, 4 KiB to 16 MiB.
    pub function: u64,
    /// Processor time for compiling it. Default 2 min, 1 s to 1 h.
    pub compile: Duration,
    /// Memory for compiling it, bytes. Default 4 GiB, 256 MiB to 64 GiB.
    pub compile_memory: u64,
}

impl Loading {
    /// Largest file of a plugin where no configuration says otherwise, bytes.
    pub const LARGEST_FILE: u64 = 64 << 20;
}

impl Default for Loading {
    fn default() -> Self {
        Loading {
            file: Loading::LARGEST_FILE,
            items: 500_000,
            function: 1 << 20,
            compile: Duration::from_secs(120),
            compile_memory: 4 << 30,
        }
    }
}
