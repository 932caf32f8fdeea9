//! Zero and span: which gas the instrument is given, and how its reading follows.
//!
//! The cell is a mixture of what came through the inlets. After a switch it turns into the new gas as a first-order
//! system does: `new + (old - new) · exp(-t / response)`. After 20 time constants, less than a binary32 can show, the new gas
//! is there alone, so that a reading far from a calibration is exactly the sample's.

use std::time::Duration;

use serde::Serialize;

/// What the instrument is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The stack's gas.
    Measuring,
    /// Zero gas, entered for this range.
    Zero(Range),
    /// Span gas with the target concentration of this range.
    Span(Range),
}

/// Which of the two ranges a calibration is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the instrument's own")]
pub enum Range {
    R1,
    R2,
}

/// A check that repeats by itself: zero, then span, then the stack until the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cycle {
    every: Duration,
    zero_for: Duration,
    span_for: Duration,
}

/// Why there is no such cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("zero ({zero_for:?}) and span ({span_for:?}) must end before the next cycle begins ({every:?})")]
pub struct CycleError {
    every: Duration,
    zero_for: Duration,
    span_for: Duration,
}

/// Shares of the gases in the cell; they add up to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Mixture {
    pub(super) sample: f64,
    pub(super) zero: f64,
    pub(super) span_r1: f64,
    pub(super) span_r2: f64,
}

/// The state of the valves, by the time since the start.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Calibration {
    response: Duration,
    cycle: Option<Cycle>,
    /// A coil has been turned on; the cycle waits.
    held_by_coil: bool,
    phase: Phase,
    since: Duration,
    before: Mixture,
    /// Changes of the cycle up to here have been made.
    advanced_to: Duration,
    ended: Option<(Duration, Mixture)>,
}

impl Cycle {
    /// The first zero begins after `every`. A part that takes no time is left out.
    pub fn new(every: Duration, zero_for: Duration, span_for: Duration) -> Result<Self, CycleError> {
        if zero_for.saturating_add(span_for) < every {
            Ok(Cycle { every, zero_for, span_for })
        } else {
            Err(CycleError { every, zero_for, span_for })
        }
    }

    fn phase(&self, at: Duration) -> Phase {
        let within = self.within(at);
        if at < self.every || within >= self.zero_for + self.span_for {
            Phase::Measuring
        } else if within < self.zero_for {
            Phase::Zero(Range::R1)
        } else {
            Phase::Span(Range::R1)
        }
    }

    fn next_change(&self, after: Duration) -> Duration {
        let within = self.within(after);
        let begin = after.saturating_sub(within);
        if begin.is_zero() || within >= self.zero_for + self.span_for {
            begin.saturating_add(self.every)
        } else if within < self.zero_for {
            begin.saturating_add(self.zero_for)
        } else {
            begin.saturating_add(self.zero_for + self.span_for)
        }
    }

    fn within(&self, at: Duration) -> Duration {
        let nanos = at.as_nanos() % self.every.as_nanos().max(1);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

impl Mixture {
    fn of(phase: Phase) -> Self {
        let none = Mixture { sample: 0.0, zero: 0.0, span_r1: 0.0, span_r2: 0.0 };
        match phase {
            Phase::Measuring => Mixture { sample: 1.0, ..none },
            Phase::Zero(_) => Mixture { zero: 1.0, ..none },
            Phase::Span(Range::R1) => Mixture { span_r1: 1.0, ..none },
            Phase::Span(Range::R2) => Mixture { span_r2: 1.0, ..none },
        }
    }

    fn towards(self, target: Mixture, remaining: f64) -> Mixture {
        let share = |from: f64, to: f64| to + (from - to) * remaining;
        Mixture {
            sample: share(self.sample, target.sample),
            zero: share(self.zero, target.zero),
            span_r1: share(self.span_r1, target.span_r1),
            span_r2: share(self.span_r2, target.span_r2),
        }
    }
}

impl Calibration {
    pub(super) fn new(response: Duration, cycle: Option<Cycle>) -> Self {
        Calibration {
            response,
            cycle,
            held_by_coil: false,
            phase: Phase::Measuring,
            since: Duration::ZERO,
            before: Mixture::of(Phase::Measuring),
            advanced_to: Duration::ZERO,
            ended: None,
        }
    }

    /// Makes the changes of the cycle that are due. Call it before asking anything about `at`.
    pub(super) fn advance(&mut self, at: Duration) {
        if let Some(cycle) = self.cycle.filter(|_| !self.held_by_coil) {
            let mut change = cycle.next_change(self.advanced_to);
            while change <= at {
                self.enter(cycle.phase(change), change);
                change = cycle.next_change(change);
            }
        }
        self.advanced_to = self.advanced_to.max(at);
    }

    /// What a coil does: on enters the phase, whatever was before; off leaves it, if it is the one.
    pub(super) fn switch(&mut self, phase: Phase, on: bool, at: Duration) {
        self.advance(at);
        if on {
            self.held_by_coil = true;
            self.enter(phase, at);
        } else if self.phase == phase {
            self.held_by_coil = false;
            self.enter(Phase::Measuring, at);
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// What is in the cell.
    pub(super) fn mixture(&self, at: Duration) -> Mixture {
        let elapsed = at.saturating_sub(self.since);
        let target = Mixture::of(self.phase);
        if elapsed >= self.response.saturating_mul(20) {
            return target;
        }
        self.before.towards(target, (-elapsed.as_secs_f64() / self.response.as_secs_f64()).exp())
    }

    /// When the last zero or span ended, and what was in the cell then.
    pub(super) fn ended(&self) -> Option<(Duration, Mixture)> {
        self.ended
    }

    fn enter(&mut self, phase: Phase, at: Duration) {
        if phase == self.phase {
            return;
        }
        let mixture = self.mixture(at);
        if self.phase != Phase::Measuring {
            self.ended = Some((at, mixture));
        }
        self.before = mixture;
        self.since = at;
        self.phase = phase;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_cycle_goes_through_zero_and_span_and_back() {
        let cycle = Cycle::new(secs(100), secs(10), secs(20)).unwrap();
        let mut calibration = Calibration::new(secs(1), Some(cycle));
        let mut check = |at: u64, expected: Phase| {
            calibration.advance(secs(at));
            assert_eq!(calibration.phase(), expected, "at {at} s");
        };

        check(0, Phase::Measuring);
        check(99, Phase::Measuring);
        check(100, Phase::Zero(Range::R1));
        check(109, Phase::Zero(Range::R1));
        check(110, Phase::Span(Range::R1));
        check(130, Phase::Measuring);
        check(1_015, Phase::Span(Range::R1));
    }

    #[test]
    fn a_part_without_time_is_left_out() {
        let check = |zero_for: u64, span_for: u64, expected: [Phase; 2]| {
            let cycle = Cycle::new(secs(100), secs(zero_for), secs(span_for)).unwrap();
            let mut calibration = Calibration::new(secs(1), Some(cycle));
            let phases = [100, 110].map(|at| {
                calibration.advance(secs(at));
                calibration.phase()
            });
            assert_eq!(phases, expected, "zero {zero_for} s, span {span_for} s");
        };

        check(10, 0, [Phase::Zero(Range::R1), Phase::Measuring]);
        check(0, 10, [Phase::Span(Range::R1), Phase::Measuring]);
    }

    #[test]
    fn a_cycle_that_never_measures_is_refused() {
        assert!(Cycle::new(secs(30), secs(10), secs(20)).is_err());
        assert!(Cycle::new(secs(0), secs(0), secs(0)).is_err());
    }

    #[test]
    fn the_reading_follows_a_switch_as_a_first_order_system() {
        let mut calibration = Calibration::new(secs(10), None);
        calibration.switch(Phase::Zero(Range::R1), true, secs(100));

        let after_one = calibration.mixture(secs(110));
        assert!((after_one.sample - (-1.0f64).exp()).abs() < 1e-12, "{after_one:?}");
        assert!((after_one.sample + after_one.zero - 1.0).abs() < 1e-12, "{after_one:?}");

        calibration.switch(Phase::Zero(Range::R1), false, secs(110));
        let after_two = calibration.mixture(secs(120));
        assert!((after_two.zero - after_one.zero * (-1.0f64).exp()).abs() < 1e-12, "{after_two:?}");
        assert_eq!(calibration.mixture(secs(310)), Mixture::of(Phase::Measuring));
    }

    #[test]
    fn reading_late_changes_nothing() {
        let cycle = Cycle::new(secs(100), secs(10), secs(20)).unwrap();
        let mut often = Calibration::new(secs(7), Some(cycle));
        let mut seldom = often.clone();

        (0..=133).for_each(|at| often.advance(secs(at)));
        seldom.advance(secs(133));

        assert_eq!(often.mixture(secs(133)), seldom.mixture(secs(133)));
        assert_ne!(often.mixture(secs(133)), Mixture::of(Phase::Measuring));
    }

    #[test]
    fn a_coil_holds_its_phase_over_the_cycle_until_it_is_turned_off() {
        let cycle = Cycle::new(secs(100), secs(10), secs(20)).unwrap();
        let mut calibration = Calibration::new(secs(1), Some(cycle));

        calibration.switch(Phase::Span(Range::R2), true, secs(90));
        calibration.advance(secs(105));
        assert_eq!(calibration.phase(), Phase::Span(Range::R2));

        calibration.switch(Phase::Zero(Range::R2), false, secs(106));
        assert_eq!(calibration.phase(), Phase::Span(Range::R2), "another coil's off does nothing");

        calibration.switch(Phase::Span(Range::R2), false, secs(150));
        assert_eq!(calibration.phase(), Phase::Measuring);
        calibration.advance(secs(205));
        assert_eq!(calibration.phase(), Phase::Zero(Range::R1), "the cycle goes on");
    }
}
