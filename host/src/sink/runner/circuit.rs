//! What keeps a dead far end from costing anything: after some failed attempts in a row only a probe goes out.
//!
//! A batch that nobody takes is read from the queue, encoded and sent for nothing, and all of it may have to be read by
//! a far end that is struggling already. While the circuit is open each attempt therefore has one record, after the same
//! growing pause as always. The first answer closes the circuit, acceptance or refusal: the far end speaks.
//!
//! Invariant: a circuit is open from the third failed attempt in a row to the first answer, and at no other time.

use crate::sink::{Outcome, Settled};
use crate::time::Timestamp;

/// Failed attempts in a row that open the circuit.
pub(super) const FAILURES_TO_OPEN: u32 = 3;

/// Whether the far end gets full batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Circuit {
    /// It does.
    #[default]
    Closed,
    /// It does not answer: it is probed with one record at a time.
    Open {
        /// End of the attempt that opened the circuit.
        since: Timestamp,
    },
}

/// Counts failed attempts and opens and closes the circuit.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    circuit: Circuit,
    failures: u32,
}

impl Breaker {
    pub(super) fn circuit(&self) -> Circuit {
        self.circuit
    }

    /// How many records the next attempt may have, when a full batch has so many.
    pub(super) fn most(&self, full: usize) -> usize {
        match self.circuit {
            Circuit::Closed => full,
            Circuit::Open { .. } => full.min(1),
        }
    }

    /// Takes note of one attempt. It failed when every record of it must be tried again; a part that was taken is an
    /// answer.
    pub(super) fn note(&mut self, settled: &[Settled]) {
        let has_failed = settled.iter().all(|settled| matches!(settled.outcome, Outcome::Retry { .. }));
        let Some(Settled { attempt, .. }) = settled.last() else { return };
        if !has_failed {
            *self = Breaker::default();
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES_TO_OPEN && self.circuit == Circuit::Closed {
            self.circuit = Circuit::Open { since: attempt.answered };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::Attempt;

    fn retry() -> Outcome {
        Outcome::Retry { reason: "away".into() }
    }

    fn note(breaker: &mut Breaker, second: i64, outcomes: &[Outcome]) {
        let answered = Timestamp::from_seconds(second);
        let attempt = Attempt { sent: answered, answered };
        let settle = |outcome: &Outcome| Settled { id: 0, outcome: outcome.clone(), attempt };
        breaker.note(&outcomes.iter().map(settle).collect::<Vec<_>>());
    }

    #[test]
    fn the_third_failure_in_a_row_opens_it_and_later_ones_do_not_change_since_when() {
        let mut breaker = Breaker::default();
        for second in 1..=2 {
            note(&mut breaker, second, &[retry(), retry()]);
        }
        assert_eq!((breaker.circuit(), breaker.most(100)), (Circuit::Closed, 100));

        for second in 3..=5 {
            note(&mut breaker, second, &[retry()]);
        }

        let since = Timestamp::from_seconds(3);
        assert_eq!((breaker.circuit(), breaker.most(100)), (Circuit::Open { since }, 1));
    }

    #[test]
    fn any_answer_begins_the_count_anew() {
        let accepted = Outcome::Accepted { answer: "ok".into() };
        let rejected = Outcome::Rejected { reason: "never".into() };
        for answer in [accepted, rejected] {
            let mut breaker = Breaker::default();
            for second in 1..=2 {
                note(&mut breaker, second, &[retry()]);
            }
            note(&mut breaker, 3, &[answer, retry()]);
            for second in 4..=5 {
                note(&mut breaker, second, &[retry()]);
            }
            assert_eq!(breaker.circuit(), Circuit::Closed);
        }
    }
}
