//! What a process has used, as Linux tells it in `/proc`.

use std::fs;

use anyhow::{Context, Result};

/// Nanoseconds in one tick of `/proc/PID/stat` (`USER_HZ` is 100 on every Linux of today).
const TICK: u64 = 10_000_000;

/// Use of one process up to a moment.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    ticks: u64,
    scheduled: u64,
    /// Resident memory, KiB.
    pub resident: u64,
}

impl Usage {
    /// Of this process, now.
    pub fn of(process: u32) -> Result<Self> {
        let read = |file: &str| {
            let path = format!("/proc/{process}/{file}");
            fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
        };
        Ok(Usage {
            ticks: ticks(&read("stat")?).context("/proc/PID/stat has no times")?,
            scheduled: scheduled(process),
            resident: resident(&read("status")?).context("/proc/PID/status has no VmRSS")?,
        })
    }

    /// Computing time since an earlier moment, in nanoseconds.
    ///
    /// The scheduler's own account of the threads is exact and forgets a thread that ended; the account of the process
    /// remembers all and counts in ticks. So the first is taken unless the second shows that it has lost something.
    pub fn computed_since(&self, earlier: &Usage) -> u64 {
        let ticks = (self.ticks - earlier.ticks) * TICK;
        let scheduled = self.scheduled.saturating_sub(earlier.scheduled);
        if scheduled + 2 * TICK < ticks { ticks } else { scheduled }
    }
}

/// utime and stime, fields 14 and 15. The name before them may hold anything, a bracket too.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn resident(status: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
}

fn scheduled(process: u32) -> u64 {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return 0 };
    let of_thread = |thread: fs::DirEntry| -> Option<u64> {
        fs::read_to_string(thread.path().join("schedstat")).ok()?.split(' ').next()?.parse().ok()
    };
    threads.flatten().filter_map(of_thread).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_a_name_with_brackets() {
        let stat = "4242 (a) b) (c)) S 1 2 3 4 5 6 7 8 9 10 700 30 0 0 20 0 4 0 5 6 7";
        assert_eq!(ticks(stat), Some(730));
    }

    #[test]
    fn resident_memory_is_in_kib() {
        assert_eq!(resident("Name:\tx\nVmHWM:\t 5 kB\nVmRSS:\t    1234 kB\n"), Some(1234));
    }

    #[test]
    fn a_thread_that_ended_is_not_forgotten() {
        let usage = |ticks, scheduled| Usage { ticks, scheduled, resident: 0 };
        assert_eq!(usage(10, 104_000_000).computed_since(&usage(0, 1_000_000)), 103_000_000);
        assert_eq!(usage(50, 104_000_000).computed_since(&usage(0, 0)), 500_000_000);
    }
}
