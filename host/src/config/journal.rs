//! `[journal]`: how the journal is written, and what is kept for how long.

use std::time::Duration;

/// The store of readings, averages and deliveries.
#[derive(Debug, Clone, PartialEq)]
pub struct Journal {
    /// Longest time that a reading waits for its commit. Default 200 ms, 1 ms to 10 s.
    pub commit_interval: Duration,
    /// Most readings in one commit. Default 20,000, 1 to 1,000,000.
    pub commit_readings: usize,
    /// Readings that are held in memory while the disk takes none. Default 2,000,000, 0 to 100,000,000.
    pub held_readings: usize,
    /// Time from one signed checkpoint to the next. Default 10 min, 1 s to 24 h.
    pub checkpoint_interval: Duration,
    /// `[journal.retention]`
    pub retention: Retention,
}

/// How long what is kept, and how much of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Retention {
    /// Readings. Default 365 d, 2 d to 100 a.
    pub raw: Duration,
    /// Averages, gaps and deliveries. Default 2190 d, 2 d to 100 a.
    pub averages: Duration,
    /// Events. Default 2190 d, 2 d to 100 a.
    pub events: Duration,
    /// Bytes of readings, beyond which the oldest go early; 0: no bound. Default 0.
    pub raw_bytes: u64,
    /// Bytes of averages, gaps and deliveries at which 100 % is told; nothing goes. 0: no bound. Default 0.
    pub averages_bytes: u64,
    /// Bytes of events, likewise. Default 0.
    pub events_bytes: u64,
    /// How often it is looked whether something may go. Default 1 min, 1 s to 24 h.
    pub every: Duration,
}

impl Default for Journal {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(86_400);
        Journal {
            commit_interval: Duration::from_millis(200),
            commit_readings: 20_000,
            held_readings: 2_000_000,
            checkpoint_interval: Duration::from_secs(600),
            retention: Retention {
                raw: 365 * DAY,
                averages: 2190 * DAY,
                events: 2190 * DAY,
                raw_bytes: 0,
                averages_bytes: 0,
                events_bytes: 0,
                every: Duration::from_secs(60),
            },
        }
    }
}
