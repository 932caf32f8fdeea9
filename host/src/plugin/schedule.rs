//! When a device is polled: at once, then at a steady beat of its own.
//!
//! Beats of different devices are spread over the interval by their names, so that a thousand devices do not ask at the same
//! moment. A beat that passes while a poll still runs is missed and counted, never made up for.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tokio::time::Instant;

/// Pause of a device that is polled as fast as it answers, when it does not.
const NOTHING_CAME: Duration = Duration::from_secs(1);

/// The beat of one device.
#[derive(Debug, Clone)]
pub struct Schedule {
    anchor: Instant,
    interval: Duration,
    due: Instant,
}

impl Schedule {
    /// Due now, then at the beat that the name gives.
    pub fn new(name: &str, interval: Duration, now: Instant) -> Self {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let share = (hasher.finish() % 1_000) as u32;
        Schedule { anchor: now + interval * share / 1_000, interval, due: now }
    }

    /// When the next poll is due.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// A poll has ended: the next beat after `now` is due. Returns how many beats passed meanwhile.
    pub fn advance(&mut self, now: Instant) -> u64 {
        let next = self.beat_after(self.due);
        if next > now {
            self.due = next;
            return 0;
        }
        self.due = self.beat_after(now);
        let passed = self.due.duration_since(next).as_nanos() / self.interval.as_nanos().max(1);
        u64::try_from(passed).unwrap_or(u64::MAX)
    }

    /// Another beat from the next poll on, which comes when it was due, or earlier when the new beat is quicker.
    pub fn change(&mut self, name: &str, interval: Duration, now: Instant) {
        if interval != self.interval {
            let spread = Schedule::new(name, interval, now).anchor;
            self.due = self.due.min(spread);
            (self.anchor, self.interval) = (self.due, interval);
        }
    }

    /// Nothing came: with no interval of its own the device is left alone for a moment, so that a dead one costs nothing.
    pub fn hold_back(&mut self, now: Instant) {
        if self.interval.is_zero() {
            self.due = now + NOTHING_CAME;
        }
    }

    fn beat_after(&self, moment: Instant) -> Instant {
        match moment.checked_duration_since(self.anchor) {
            None => self.anchor,
            Some(since) => {
                let beats = since.as_nanos() / self.interval.as_nanos().max(1) + 1;
                let nanos = u64::try_from(self.interval.as_nanos().saturating_mul(beats)).unwrap_or(u64::MAX);
                self.anchor + Duration::from_nanos(nanos)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_device_is_polled_at_once_and_then_at_its_beat() {
        let start = Instant::now();
        let mut schedule = Schedule::new("no2-north", SECOND, start);
        assert_eq!(schedule.due(), start);
        schedule.advance(start);
        let first = schedule.due();
        assert!(first > start && first <= start + SECOND);
        schedule.advance(first + Duration::from_millis(3));
        assert_eq!(schedule.due(), first + SECOND);
    }

    #[test]
    fn beats_that_pass_during_a_slow_poll_are_missed_and_counted() {
        let start = Instant::now();
        let mut schedule = Schedule::new("a", SECOND, start);
        schedule.advance(start);
        let beat = schedule.due();
        assert_eq!(schedule.advance(beat + Duration::from_millis(2500)), 2);
        assert_eq!(schedule.due(), beat + 3 * SECOND);
    }

    #[test]
    fn a_device_without_an_interval_is_left_alone_while_nothing_comes() {
        let start = Instant::now();
        let mut schedule = Schedule::new("a", Duration::ZERO, start);
        schedule.advance(start);
        assert!(schedule.due() <= start);
        schedule.hold_back(start);
        assert_eq!(schedule.due(), start + SECOND);
    }

    #[test]
    fn another_beat_begins_without_a_burst_and_without_a_long_pause() {
        let start = Instant::now();
        let check = |before: Duration, after: Duration| {
            let mut schedule = Schedule::new("a", before, start);
            schedule.advance(start);
            let (due, now) = (schedule.due(), start + before / 100);
            schedule.change("a", after, now);
            assert!(schedule.due() >= now && schedule.due() <= due.min(now + after), "{before:?} to {after:?}");
            let first = schedule.due();
            assert_eq!(schedule.advance(first), 0, "{before:?} to {after:?}");
            assert_eq!(schedule.due(), first + after, "{before:?} to {after:?}");
        };
        check(SECOND, 3600 * SECOND);
        check(3600 * SECOND, SECOND);
    }

    #[test]
    fn devices_do_not_beat_together() {
        let start = Instant::now();
        let mut dues: Vec<_> = (0..100)
            .map(|n| {
                let mut schedule = Schedule::new(&format!("device-{n}"), SECOND, start);
                schedule.advance(start);
                schedule.due()
            })
            .collect();
        dues.sort();
        dues.dedup();
        assert!(dues.len() > 80, "{} different beats", dues.len());
    }
}
