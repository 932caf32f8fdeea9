//! What a device remembers of the time when nobody heard it: fetched page by page after the outage, beside the live polls.
//!
//! Invariant: an outage is forgotten only when its last page is in, the driver says that it cannot, or it is too long ago.

use std::collections::VecDeque;
use std::time::Duration;

use tracing::{info, warn};

use super::batch;
use super::instance::Failure;
use super::opening::{DeviceSpec, OpenError, Opened};
use crate::reading::PollSet;
use crate::status::{InstrumentState, Qualifiers};
use crate::time::Timestamp;

/// Outages that are kept apart.
const OUTAGES: usize = 16;
/// Pages in a row that may fail before an outage is given up.
const FAILURES: u32 = 10;

/// What is still to be fetched.
pub(super) struct Backfill {
    reach: Duration,
    /// When the device was last heard.
    heard: Option<Timestamp>,
    /// Whether a poll has failed since then, or no hub ran. A poll that only takes long is no outage.
    is_missed: bool,
    /// Oldest first.
    outages: VecDeque<Outage>,
}

struct Outage {
    begin: Timestamp,
    end: Timestamp,
    next: String,
    samples: usize,
    failures: u32,
}

impl Backfill {
    pub(super) fn new(spec: &DeviceSpec) -> Self {
        let is_missed = spec.unheard_since.is_some();
        Backfill { reach: spec.backfill, heard: spec.unheard_since, is_missed, outages: VecDeque::new() }
    }

    /// How far back is read from now on.
    pub(super) fn reach(&mut self, reach: Duration) {
        self.reach = reach;
    }

    /// A poll brought this. A driver may say itself, sample by sample, that the device was not heard; one that waits for what its device sends by
    /// itself says nothing while nothing comes, which means neither.
    pub(super) fn took(&mut self, set: &PollSet, interval: Duration) {
        let is_silent =
            |state: &InstrumentState| matches!(state, InstrumentState::CommError | InstrumentState::Missing);
        if set.is_empty() {
            return;
        }
        if set.columns.states.iter().all(is_silent) {
            self.missed();
        } else {
            self.heard(set.received_at, interval);
        }
    }

    /// A poll brought nothing.
    pub(super) fn missed(&mut self) {
        self.is_missed = true;
    }

    /// The device answered now. Was it not heard for longer than two of its beats, then there is something to fetch.
    fn heard(&mut self, now: Timestamp, interval: Duration) {
        let before = self.heard.replace(now).filter(|_| std::mem::take(&mut self.is_missed));
        let Some(before) = before.filter(|before| before.after(patience(interval)) < now) else { return };
        if self.reach.is_zero() {
            return;
        }
        let begin = before.max(now.before(self.reach));
        let is_full = self.outages.len() >= OUTAGES;
        match self.outages.back_mut() {
            // Nothing of the one before is fetched yet: both are fetched as one.
            Some(outage) if outage.next.is_empty() || is_full => outage.end = now,
            _ => self.outages.push_back(Outage { begin, end: now, next: String::new(), samples: 0, failures: 0 }),
        }
    }

    /// Fetches the next page. What it brings must be durable before the page after it is asked for: asking may be the acknowledgement.
    pub(super) async fn page(&mut self, spec: &DeviceSpec, opened: &mut Opened) -> Result<Option<PollSet>, OpenError> {
        let Some(outage) = self.outages.front_mut() else { return Ok(None) };
        if !opened.features.backfill() {
            self.outages.clear();
            return Ok(None);
        }
        let name = &*spec.name;
        // A driver that falls over what its device remembers must not fall again and again.
        let answer = match opened.driver.backfill(outage.begin.0, outage.end.0, &outage.next).await {
            Ok(answer) => answer,
            Err(error) => {
                outage.failures += FAILURES / 2;
                if outage.failures >= FAILURES {
                    warn!(device = name, "back-fill of {} to {} given up: {error}", outage.begin, outage.end);
                    self.outages.pop_front();
                }
                return Err(error.into());
            }
        };
        let history = match answer {
            Ok(history) => history,
            Err(failure @ (Failure::Unsupported(_) | Failure::Settings(_))) => {
                info!(device = name, "no back-fill: {failure}");
                self.outages.pop_front();
                return Ok(None);
            }
            Err(failure) => {
                outage.failures += 1;
                if outage.failures >= FAILURES {
                    warn!(device = name, "back-fill of {} to {} given up: {failure}", outage.begin, outage.end);
                    self.outages.pop_front();
                }
                return Ok(None);
            }
        };
        outage.failures = 0;
        let mut samples = history.samples;
        if samples.points_changed {
            opened.take_points().await?;
        }
        let rows = samples.points.len();
        samples.qualifiers.resize(rows, 0);
        samples.qualifiers.iter_mut().for_each(|bits| *bits |= Qualifiers::LATE.0);
        let set = match batch::poll_set(samples, &opened.catalog, Timestamp::now(), spec.limits.samples) {
            Ok(set) => set,
            Err(fault) => {
                warn!(device = name, "back-fill given up, driver at fault: {fault}");
                self.outages.pop_front();
                return Ok(None);
            }
        };
        outage.samples += rows;
        outage.next = history.next;
        if outage.next.is_empty() {
            info!(device = name, "back-fill of {} to {}: {} samples", outage.begin, outage.end, outage.samples);
            self.outages.pop_front();
        }
        Ok(Some(set).filter(|set| !set.is_empty()))
    }
}

/// Silence that is no outage yet.
fn patience(interval: Duration) -> Duration {
    interval.saturating_mul(2).max(Duration::from_secs(2))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::reading::{DeviceCatalog, Point, PointKind};

    fn of(reach: u64, heard: Option<i64>) -> Backfill {
        let heard = heard.map(Timestamp::from_seconds);
        Backfill { reach: Duration::from_secs(reach), heard, is_missed: true, outages: VecDeque::new() }
    }

    #[test]
    fn only_silence_is_an_outage_and_it_reaches_no_further_than_allowed() {
        let check = |reach, heard, now: i64, expected: Option<(i64, i64)>| {
            let mut backfill = of(reach, heard);
            backfill.heard(Timestamp::from_seconds(now), Duration::from_secs(10));
            let found =
                backfill.outages.front().map(|outage| (outage.begin.0 / 1_000_000_000, outage.end.0 / 1_000_000_000));
            assert_eq!(found, expected, "{reach} {heard:?} {now}");
        };
        check(3600, None, 1000, None);
        check(3600, Some(990), 1000, None);
        check(3600, Some(979), 1000, Some((979, 1000)));
        check(15, Some(900), 1000, Some((985, 1000)));
        check(0, Some(900), 1000, None);
    }

    #[test]
    fn a_poll_of_comm_errors_alone_is_silence() {
        let point = Point { id: "no2".into(), label: String::new(), unit: String::new(), kind: PointKind::Number };
        let (device, plugin, plugin_digest) = ("d".into(), "p".into(), String::new());
        let catalog = Arc::new(DeviceCatalog { device, plugin, plugin_digest, points: vec![point] });
        let mut backfill = of(3600, Some(100));
        let mut took = |state, at| {
            let set = PollSet::without_values(Arc::clone(&catalog), Timestamp::from_seconds(at), state);
            backfill.took(&set, Duration::from_secs(1));
        };
        took(InstrumentState::CommError, 150);
        took(InstrumentState::Missing, 190);
        took(InstrumentState::Fault, 200);
        let outage = backfill.outages.front().unwrap();
        assert_eq!((outage.begin, outage.end), (Timestamp::from_seconds(100), Timestamp::from_seconds(200)));
    }

    #[test]
    fn an_outage_while_another_is_being_fetched_is_one_of_its_own() {
        let mut backfill = of(3600, Some(100));
        backfill.heard(Timestamp::from_seconds(200), Duration::from_secs(1));
        backfill.outages.front_mut().unwrap().next = "half".into();
        backfill.missed();
        backfill.heard(Timestamp::from_seconds(300), Duration::from_secs(1));
        let ends: Vec<i64> = backfill.outages.iter().map(|outage| outage.end.0 / 1_000_000_000).collect();
        assert_eq!(ends, [200, 300]);
    }

    #[test]
    fn a_poll_that_takes_long_is_no_outage() {
        let mut backfill = of(3600, Some(100));
        backfill.is_missed = false;
        backfill.heard(Timestamp::from_seconds(200), Duration::from_secs(1));
        assert!(backfill.outages.is_empty());
        backfill.missed();
        backfill.heard(Timestamp::from_seconds(300), Duration::from_secs(1));
        assert_eq!(backfill.outages.front().map(|outage| outage.begin), Some(Timestamp::from_seconds(200)));
    }

    #[test]
    fn a_second_outage_before_the_first_is_fetched_makes_it_longer() {
        let mut backfill = of(3600, Some(100));
        for now in [200, 201, 300] {
            backfill.missed();
            backfill.heard(Timestamp::from_seconds(now), Duration::from_secs(1));
        }
        let outage = backfill.outages.front().unwrap();
        assert_eq!((outage.begin, outage.end), (Timestamp::from_seconds(100), Timestamp::from_seconds(300)));
    }
}
