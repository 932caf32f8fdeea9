//! Finds the zero and span readings among the recorded samples of one point.
//!
//! A run is the time for which the instrument says `calibration`. Within it a sample belongs to the reference that it is nearer to;
//! three samples running on one side are a gas that stays, fewer are a transition and left out. The reading of a gas is the
//! median of the last third of its samples, when the instrument has settled, and of three samples at least.
//!
//! An instrument that lost more than half of its span is taken for one that reads zero gas: the zero chart will say so.
//!
//! Invariant: at most 602 samples are held, however long a run is, and each sample completes at most one reading.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Deserialize;

use crate::status::InstrumentState;
use crate::time::Timestamp;

/// Samples of one gas that are held; of a longer one these are the newest.
const HELD: usize = 600;

/// As many samples running are a gas that stays.
const STAYS: usize = 3;

/// What the cycles of a point look like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CycleSettings {
    /// What zero gas should read, in the samples' unit.
    pub zero: f64,
    /// What span gas should read, in the same unit.
    pub span: f64,
    /// A longer time without a sample ends a run.
    pub longest_gap: Duration,
}

/// Which gas was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CycleKind {
    /// Zero gas.
    Zero,
    /// Span gas.
    Span,
}

/// One reading of one gas.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CycleReading {
    /// Which gas.
    pub kind: CycleKind,
    /// Time of its last sample.
    pub at: Timestamp,
    /// Median of the settled samples.
    pub value: f64,
    /// How many those were.
    pub samples: u32,
}

/// Goes through the samples of one point, in the order of their times.
#[derive(Debug, Clone)]
pub struct CycleFinder {
    settings: CycleSettings,
    /// Samples of the gas, and behind them those on trial.
    held: VecDeque<f64>,
    kind: CycleKind,
    /// Time of the gas's last sample.
    at: Timestamp,
    /// Trailing samples nearer to the other reference, not enough to stay.
    on_trial: usize,
    /// Time of the last sample in calibration.
    last: Timestamp,
}

impl CycleSettings {
    /// These references, and at most ten minutes without a sample.
    pub fn new(zero: f64, span: f64) -> Self {
        CycleSettings { zero, span, longest_gap: Duration::from_secs(600) }
    }

    /// The reference that is nearer; half-way is zero.
    fn nearer(&self, value: f64) -> CycleKind {
        if (value - self.span).abs() < (value - self.zero).abs() { CycleKind::Span } else { CycleKind::Zero }
    }
}

impl CycleKind {
    /// Its name, as in alarms.
    pub fn name(self) -> &'static str {
        match self {
            CycleKind::Zero => "zero",
            CycleKind::Span => "span",
        }
    }
}

impl CycleFinder {
    /// A finder that has seen no sample.
    pub fn new(settings: CycleSettings) -> Self {
        let never = Timestamp(i64::MIN);
        CycleFinder { settings, held: VecDeque::new(), kind: CycleKind::Zero, at: never, on_trial: 0, last: never }
    }

    /// Takes the next sample, and gives the reading that it completes: the next gas stays, or the run is over.
    ///
    /// A sample without a value (`comm_error`, `missing`) is silence: it ends a run only when it lasts.
    pub fn take(&mut self, at: Timestamp, state: InstrumentState, value: f64) -> Option<CycleReading> {
        let in_calibration = state == InstrumentState::Calibration;
        let left = state.has_value() && !in_calibration;
        let over = left || at.since(self.last) > self.settings.longest_gap;
        let completed = if over { self.end_run() } else { None };
        if !in_calibration {
            return completed;
        }
        self.last = at;
        if !value.is_finite() {
            return completed;
        }
        // A run that has just begun completes nothing, so there are never two.
        self.collect(at, value).or(completed)
    }

    fn collect(&mut self, at: Timestamp, value: f64) -> Option<CycleReading> {
        let kind = self.settings.nearer(value);
        if kind == self.kind {
            self.held.truncate(self.of_the_gas());
            self.on_trial = 0;
            if self.held.len() >= HELD {
                self.held.pop_front();
            }
            self.held.push_back(value);
            self.at = at;
            return None;
        }
        self.held.push_back(value);
        self.on_trial += 1;
        let has_stayed = self.of_the_gas() >= STAYS;
        if has_stayed && self.on_trial < STAYS {
            return None;
        }
        let completed = self.reading();
        self.held.drain(..self.of_the_gas());
        (self.kind, self.at, self.on_trial) = (kind, at, 0);
        completed
    }

    fn end_run(&mut self) -> Option<CycleReading> {
        let completed = self.reading();
        self.held.clear();
        self.on_trial = 0;
        completed
    }

    /// The reading of the gas, when it has stayed.
    fn reading(&self) -> Option<CycleReading> {
        let count = self.of_the_gas();
        if count < STAYS {
            return None;
        }
        let settled = count.div_ceil(3).max(STAYS);
        let mut values: Vec<f64> = self.held.iter().take(count).skip(count - settled).copied().collect();
        let value = median(&mut values)?;
        Some(CycleReading { kind: self.kind, at: self.at, value, samples: u32::try_from(settled).unwrap_or(u32::MAX) })
    }

    fn of_the_gas(&self) -> usize {
        self.held.len().saturating_sub(self.on_trial)
    }
}

/// The middle value, of an even number the mean of the middle two.
fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get(values.len().saturating_sub(1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;
    use InstrumentState::{Calibration, CommError, Valid};

    fn finder() -> CycleFinder {
        CycleFinder::new(CycleSettings::new(0.0, 100.0))
    }

    /// Ten seconds from sample to sample, all in calibration but the last, which is valid.
    fn run(values: &[f64]) -> Vec<CycleReading> {
        let mut finder = finder();
        let samples = values.iter().map(|value| (Calibration, *value)).chain([(Valid, 40.0)]);
        (0..).zip(samples).filter_map(|(step, (state, value))| finder.take(at(10 * step), state, value)).collect()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn check(values: &[f64], expected: &[(CycleKind, f64)]) {
        let found: Vec<_> = run(values).iter().map(|reading| (reading.kind, reading.value)).collect();
        assert_eq!(found, expected, "{values:?}");
    }

    #[test]
    fn the_reading_is_the_median_of_the_settled_third() {
        let found = run(&[40.0, 20.0, 9.0, 5.0, 3.0, 2.0, 1.0, 1.5, 0.5, 0.9]);
        let expected = CycleReading { kind: CycleKind::Zero, at: at(90), value: 0.95, samples: 4 };
        assert_eq!(found, [expected]);
    }

    #[test]
    fn a_run_may_hold_zero_and_then_span() {
        check(&[1.0, 1.0, 1.0, 99.0, 98.0, 97.0], &[(CycleKind::Zero, 1.0), (CycleKind::Span, 98.0)]);
        check(
            &[99.0, 98.0, 97.0, 1.0, 2.0, 3.0, 95.0, 95.0, 95.0],
            &[(CycleKind::Span, 98.0), (CycleKind::Zero, 2.0), (CycleKind::Span, 95.0)],
        );
    }

    #[test]
    fn fewer_than_three_samples_are_a_transition() {
        check(&[1.0, 2.0], &[]);
        check(&[1.0, 99.0, 1.0, 99.0, 1.0, 99.0], &[]);
        check(&[99.0, 99.0, 1.0, 2.0, 3.0, 99.0, 99.0], &[(CycleKind::Zero, 2.0)]);
        check(&[1.0, 1.0, 1.0, 99.0, 99.0, 2.0], &[(CycleKind::Zero, 1.0)]);
    }

    #[test]
    fn half_way_is_zero_gas() {
        check(&[50.0, 50.0, 50.0], &[(CycleKind::Zero, 50.0)]);
    }

    #[test]
    fn a_value_that_is_no_number_is_left_out() {
        check(&[1.0, f64::NAN, 2.0, f64::INFINITY, 3.0], &[(CycleKind::Zero, 2.0)]);
    }

    #[test]
    fn samples_outside_of_a_calibration_are_no_reading() {
        let mut finder = finder();
        let found = (0..100).find_map(|step| finder.take(at(step), Valid, 1.0));
        assert_eq!(found, None);
    }

    #[test]
    fn a_gap_longer_than_the_setting_ends_a_run() {
        let after = |gap: i64| {
            let mut finder = finder();
            for second in 0..3 {
                assert_eq!(finder.take(at(second), Calibration, 1.0), None);
            }
            finder.take(at(2 + gap), Calibration, 1.0)
        };
        assert_eq!(after(600), None);
        assert_eq!(after(601).map(|reading| reading.at), Some(at(2)));
    }

    #[test]
    fn a_lost_poll_does_not_end_a_run_but_a_lost_link_does() {
        let mut finder = finder();
        for second in 0..3 {
            finder.take(at(second), Calibration, 1.0);
        }
        assert_eq!(finder.take(at(3), CommError, 0.0), None);
        assert_eq!(finder.take(at(4), Calibration, 1.0), None);
        assert_eq!(finder.take(at(604), CommError, 0.0), None);
        assert!(finder.take(at(605), CommError, 0.0).is_some());
        assert_eq!(finder.take(at(606), Valid, 40.0), None);
    }

    #[test]
    fn a_long_run_is_read_from_its_newest_samples() {
        let mut values = vec![9.0; 5000];
        values.extend([1.0; 200]);
        values.extend(vec![99.0; 5000]);

        let mut finder = finder();
        let found: Vec<_> =
            (0..).zip(&values).filter_map(|(step, value)| finder.take(at(step), Calibration, *value)).collect();

        assert_eq!(found, [CycleReading { kind: CycleKind::Zero, at: at(5199), value: 1.0, samples: 200 }]);
        assert!(finder.held.len() < HELD + STAYS);
    }
}
