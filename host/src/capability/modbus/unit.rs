//! The units of a line, and how each has answered.
//!
//! A unit that does not answer is left alone for a time that grows, so that it costs the others little: never more than
//! one part in eleven of the line once it has been silent three times.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::pdu::Expected;

/// How long a silent unit is left alone, in its timeouts: after the first, the second, the third time. Then it doubles.
const ALONE: [u32; 3] = [1, 4, 10];

/// Most kinds of answers that are waited for of one unit. There are more counts of registers than that to tell them apart by.
const OWED: usize = 16;

/// All units that were asked.
#[derive(Debug, Default)]
pub(super) struct Units(BTreeMap<u8, Unit>);

#[derive(Debug, Default)]
struct Unit {
    /// Requests in a row that it did not answer.
    silences: u32,
    held_until: Option<Instant>,
    /// What was sent to it and not answered: all these answers may still come.
    owes: Vec<Expected>,
}

impl Units {
    /// How long the unit is still left alone.
    pub(super) fn held(&self, unit: u8, now: Instant) -> Option<Duration> {
        self.0.get(&unit)?.held_until?.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// What its answers that may still come look like.
    pub(super) fn owes(&self, unit: u8) -> Vec<Expected> {
        self.0.get(&unit).map(|unit| unit.owes.clone()).unwrap_or_default()
    }

    /// A request is sent: from here on its answer may come, whatever becomes of the one who waits for it.
    pub(super) fn sent(&mut self, unit: u8, expected: Expected) {
        let owes = &mut self.0.entry(unit).or_default().owes;
        if !owes.contains(&expected) {
            owes.push(expected);
        }
        // What is older than so many others of other shapes has had its time.
        if owes.len() > OWED {
            owes.remove(0);
        }
    }

    /// It answered what it was asked: it owes nothing.
    pub(super) fn answered(&mut self, unit: u8) {
        self.0.insert(unit, Unit::default());
    }

    /// None of them has answered twice in a row: it is not one slow answer.
    pub(super) fn are_gone(&self) -> bool {
        self.0.values().all(|unit| unit.silences > 1)
    }

    /// It did not answer in time. True when no unit of the line does.
    pub(super) fn silent(&mut self, unit: u8, timeout: Duration, longest: Duration) -> bool {
        self.0.entry(unit).or_default().silences += 1;
        // Several dead ones together must not cost more than one.
        let dead = self.0.values().filter(|unit| unit.silences > 1).count().max(1);
        let dead = u32::try_from(dead).unwrap_or(u32::MAX);
        let unit = self.0.entry(unit).or_default();
        let times = usize::try_from(unit.silences).unwrap_or(usize::MAX);
        let factor = match ALONE.get(times - 1) {
            Some(factor) => *factor,
            None => 10_u32.saturating_mul(1 << (unit.silences - 3).min(16)),
        };
        let alone = timeout.saturating_mul(factor.saturating_mul(dead)).min(longest.max(timeout));
        unit.held_until = Some(Instant::now() + alone);
        self.0.values().all(|unit| unit.silences > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_dead_unit_takes_less_than_a_tenth_of_the_line() {
        let mut units = Units::default();
        units.answered(1);
        let (mut waited, mut held) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..20 {
            units.silent(7, TIMEOUT, LONGEST);
            waited += TIMEOUT;
            held += units.held(7, Instant::now()).unwrap();
        }
        assert!(waited.as_secs_f64() / (waited + held).as_secs_f64() < 0.1, "{waited:?} of {held:?}");
        assert_eq!(units.held(7, Instant::now()), Some(LONGEST), "the longest pause is the longest");
        assert_eq!(units.held(1, Instant::now()), None);
    }

    #[test]
    fn a_line_is_lost_when_none_of_its_units_answers() {
        let mut units = Units::default();
        units.answered(1);
        assert!(!units.silent(7, TIMEOUT, LONGEST));
        assert!(units.silent(1, TIMEOUT, LONGEST));
        units.answered(1);
        assert!(!units.silent(7, TIMEOUT, LONGEST));
    }

    #[test]
    fn a_unit_that_did_not_answer_owes_until_it_answers() {
        let mut units = Units::default();
        let (first, second) = (Expected { function: 4, length: Some(3) }, Expected { function: 4, length: Some(5) });
        units.sent(7, first);
        units.silent(7, TIMEOUT, LONGEST);
        units.sent(7, second);
        units.silent(7, TIMEOUT, LONGEST);
        assert_eq!(units.owes(7), [first, second]);
        units.answered(7);
        assert_eq!((units.owes(7), units.held(7, Instant::now())), (vec![], None));
    }
}
