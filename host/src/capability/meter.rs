//! What one device's plugin has used since the hub started: figures for people, kept across restarts of the instance.
//!
//! Invariant: writing a figure never waits for whoever reads them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Calls that must go well after a fall. Opening a device takes four.
const PROBATION: u64 = 20;

/// The counters of one device.
#[derive(Debug, Default)]
pub struct Meter {
    calls: AtomicU64,
    computed_ns: AtomicU64,
    longest_ns: AtomicU64,
    host_calls: AtomicU64,
    memory: AtomicU64,
    peak_memory: AtomicU64,
    traps: AtomicU64,
    dropped_lines: AtomicU64,
    dropped_messages: AtomicU64,
    /// Calls that must go well before others need not mind what this one computes.
    probation: AtomicU64,
    breaks: Mutex<BTreeMap<String, u64>>,
}

/// The figures of a [`Meter`] at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Calls into the plugin.
    pub calls: u64,
    /// Computing time of all of them, microseconds.
    pub computed_us: u64,
    /// Computing time of the longest, microseconds.
    pub longest_us: u64,
    /// Calls of the plugin to the host.
    pub host_calls: u64,
    /// Linear memory now, bytes.
    pub memory: u64,
    /// Most linear memory of one instance, bytes.
    pub peak_memory: u64,
    /// Traps and panics.
    pub traps: u64,
    /// Log lines above the rate.
    pub dropped_lines: u64,
    /// Messages and frames for which the device's queue had no room.
    pub dropped_messages: u64,
    /// Limits that were broken, by name, and how often.
    pub breaks: BTreeMap<String, u64>,
}

impl Meter {
    /// A call into the plugin has ended.
    pub(crate) fn called(&self, computed: Duration) {
        let nanos = u64::try_from(computed.as_nanos()).unwrap_or(u64::MAX);
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.computed_ns.fetch_add(nanos, Ordering::Relaxed);
        self.longest_ns.fetch_max(nanos, Ordering::Relaxed);
    }

    /// The plugin has fallen; what it does next is done aside.
    pub(crate) fn fell(&self) {
        self.probation.store(PROBATION, Ordering::Relaxed);
    }

    /// A call went well.
    pub(crate) fn did_well(&self) {
        let left = self.probation.load(Ordering::Relaxed);
        self.probation.store(left.saturating_sub(1), Ordering::Relaxed);
    }

    /// Whether it fell not long ago.
    pub(crate) fn is_on_probation(&self) -> bool {
        self.probation.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn host_called(&self) {
        self.host_calls.fetch_add(1, Ordering::Relaxed);
    }

    /// An instance has so much more memory, and so much in all. There may be two of a device, while one takes over from the other.
    pub(crate) fn took_memory(&self, more: u64, in_all: u64) {
        self.memory.fetch_add(more, Ordering::Relaxed);
        self.peak_memory.fetch_max(in_all, Ordering::Relaxed);
    }

    /// An instance has ended, and its memory with it.
    pub(crate) fn gave_back_memory(&self, bytes: u64) {
        self.memory.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn trapped(&self) {
        self.traps.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn dropped_line(&self) {
        self.dropped_lines.fetch_add(1, Ordering::Relaxed);
    }

    /// A queue of the device had no room for so many.
    pub(crate) fn dropped_messages(&self, count: u64) {
        self.dropped_messages.fetch_add(count, Ordering::Relaxed);
    }

    /// A limit was broken. Returns how often it has been by now.
    pub(crate) fn broke(&self, limit: &str) -> u64 {
        let mut breaks = self.breaks.lock().unwrap_or_else(PoisonError::into_inner);
        let count = breaks.entry(limit.to_owned()).or_default();
        *count += 1;
        *count
    }

    /// The figures as they are now.
    pub fn read(&self) -> Figures {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Figures {
            calls: of(&self.calls),
            computed_us: of(&self.computed_ns) / 1_000,
            longest_us: of(&self.longest_ns) / 1_000,
            host_calls: of(&self.host_calls),
            memory: of(&self.memory),
            peak_memory: of(&self.peak_memory),
            traps: of(&self.traps),
            dropped_lines: of(&self.dropped_lines),
            dropped_messages: of(&self.dropped_messages),
            breaks: self.breaks.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

impl Figures {
    /// Adds those of another device of the same plugin.
    pub fn add(&mut self, other: &Figures) {
        self.calls += other.calls;
        self.computed_us += other.computed_us;
        self.longest_us = self.longest_us.max(other.longest_us);
        self.host_calls += other.host_calls;
        self.memory += other.memory;
        self.peak_memory = self.peak_memory.max(other.peak_memory);
        self.traps += other.traps;
        self.dropped_lines += other.dropped_lines;
        self.dropped_messages += other.dropped_messages;
        for (limit, count) in &other.breaks {
            *self.breaks.entry(limit.clone()).or_default() += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_is_not_forgotten_and_what_is_there_now_is_told_apart() {
        let meter = Meter::default();
        meter.called(Duration::from_micros(30));
        meter.called(Duration::from_micros(12));
        meter.took_memory(1 << 20, 1 << 20);
        meter.took_memory(1 << 16, 1 << 16);
        meter.gave_back_memory(1 << 20);
        meter.broke("limits.call");
        assert_eq!(meter.broke("limits.call"), 2);

        let figures = meter.read();

        assert_eq!((figures.calls, figures.computed_us, figures.longest_us), (2, 42, 30));
        assert_eq!((figures.memory, figures.peak_memory), (1 << 16, 1 << 20));
        assert_eq!(figures.breaks, BTreeMap::from([("limits.call".to_owned(), 2)]));
    }

    #[test]
    fn a_plugin_has_the_sum_of_its_devices_and_the_most_of_any() {
        let one = Figures { calls: 2, longest_us: 9, memory: 5, peak_memory: 8, ..Figures::default() };
        let other = Figures { calls: 3, longest_us: 4, memory: 6, peak_memory: 7, ..Figures::default() };

        let mut sum = one;
        sum.add(&other);

        assert_eq!((sum.calls, sum.longest_us, sum.memory, sum.peak_memory), (5, 9, 11, 8));
    }
}
