//! What a runner shows of itself, and what it logs: once when trouble begins, once when it ends.

use std::time::Duration;

use tokio::sync::watch;

use super::circuit::{Circuit, FAILURES_TO_OPEN};
use crate::sink::{Outcome, Settled};
use crate::time::Timestamp;

/// The present state of one sink's delivery.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeliveryStatus {
    /// Records that the far end confirmed since the start.
    pub delivered: u64,
    /// Records that the far end will never take, since the start.
    pub rejected: u64,
    /// Attempts since the start after which a record had to be tried again.
    pub retries: u64,
    /// What the last attempt showed.
    pub connection: Connection,
    /// Whether full batches are tried, or one record at a time.
    pub circuit: Circuit,
    /// Why the last failed attempt failed. Kept after the end of the trouble.
    pub last_error: Option<String>,
    /// When the far end last confirmed something.
    pub last_delivered: Option<Timestamp>,
}

/// Whether the far end answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Connection {
    /// Nothing was tried yet.
    #[default]
    Untried,
    /// It has answered since then.
    Up {
        /// First answer after a failure or the start.
        since: Timestamp,
    },
    /// It has not since then.
    Down {
        /// First failed attempt after an answer or the start.
        since: Timestamp,
    },
}

/// Shortest time between two log lines about refused records.
const REJECTION_LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Keeps the status, and writes the log.
pub(super) struct Progress {
    name: String,
    status: watch::Sender<DeliveryStatus>,
    retries_of_this_trouble: u64,
    rejections_logged_at: Option<Timestamp>,
    rejections_not_logged: usize,
}

impl Progress {
    pub(super) fn new(name: &str, status: watch::Sender<DeliveryStatus>) -> Self {
        Progress {
            name: name.to_owned(),
            status,
            retries_of_this_trouble: 0,
            rejections_logged_at: None,
            rejections_not_logged: 0,
        }
    }

    /// Takes note of one attempt, and of what it made of the circuit.
    pub(super) fn note(&mut self, settled: &[Settled], circuit: Circuit) {
        let now = Timestamp::now();
        let (mut accepted, mut rejected, mut first_rejection, mut failure) = (0, 0, None, None);
        for settled in settled {
            match &settled.outcome {
                Outcome::Accepted { .. } => accepted += 1,
                Outcome::Rejected { reason } => {
                    rejected += 1;
                    first_rejection = first_rejection.or(Some(reason));
                }
                Outcome::Retry { reason } => failure = failure.or(Some(reason)),
            }
        }
        let (connection_before, circuit_before) = {
            let status = self.status.borrow();
            (status.connection, status.circuit)
        };
        self.status.send_modify(|status| {
            status.delivered += accepted;
            status.rejected += rejected;
            if accepted > 0 {
                status.last_delivered = Some(now);
            }
            if let Some(reason) = failure {
                status.retries += 1;
                status.last_error = Some(reason.clone());
            }
            status.connection = match (failure.is_some(), status.connection) {
                (true, down @ Connection::Down { .. }) => down,
                (true, _) => Connection::Down { since: now },
                (false, up @ Connection::Up { .. }) => up,
                (false, _) => Connection::Up { since: now },
            };
            status.circuit = circuit;
        });
        if let Some(reason) = first_rejection {
            self.log_rejections(now, usize::try_from(rejected).unwrap_or(usize::MAX), reason);
        }
        self.log_connection(now, connection_before, circuit_before, failure);
        self.log_opening(circuit_before, circuit, failure);
    }

    /// The end of the drain cut an attempt short.
    pub(super) fn interrupted(&self) {
        tracing::warn!(sink = self.name, "the last attempt did not end in time; what was not confirmed stays queued");
    }

    fn log_connection(&mut self, now: Timestamp, before: Connection, circuit: Circuit, failure: Option<&String>) {
        match (before, failure) {
            (Connection::Down { .. }, Some(_)) => self.retries_of_this_trouble += 1,
            (_, Some(reason)) => {
                self.retries_of_this_trouble = 0;
                tracing::warn!(sink = self.name, reason, "delivery fails, will be tried until it works");
            }
            (Connection::Down { since }, None) => {
                let lasted_s = now.since(since).as_secs();
                let circuit_open_s = match circuit {
                    Circuit::Open { since } => Some(now.since(since).as_secs()),
                    Circuit::Closed => None,
                };
                tracing::info!(
                    sink = self.name,
                    lasted_s,
                    circuit_open_s,
                    retries = self.retries_of_this_trouble,
                    "delivery works again"
                );
            }
            (_, None) => {}
        }
    }

    fn log_opening(&self, before: Circuit, after: Circuit, failure: Option<&String>) {
        if let (Circuit::Closed, Circuit::Open { .. }, Some(reason)) = (before, after, failure) {
            let failures = FAILURES_TO_OPEN;
            tracing::warn!(
                sink = self.name,
                failures,
                reason,
                "only one record at a time is tried until the far end answers"
            );
        }
    }

    fn log_rejections(&mut self, now: Timestamp, count: usize, reason: &str) {
        self.rejections_not_logged += count;
        if self.rejections_logged_at.is_some_and(|logged_at| now.since(logged_at) < REJECTION_LOG_INTERVAL) {
            return;
        }
        let records = std::mem::take(&mut self.rejections_not_logged);
        tracing::warn!(sink = self.name, records, reason, "the far end refused records for good");
        self.rejections_logged_at = Some(now);
    }
}
