//! Delivery, written once for all sinks: take a batch, try it, tell the queue what became of it, wait, try again.
//!
//! The queue owns the records and their order; the runner owns time. It takes the oldest records, gives them to the
//! sink in one attempt that is limited in time, and settles every outcome at once, so that one record that has to wait
//! does not hold back the note that others arrived. A record that must be retried comes first in the next batch. A far
//! end that fails again and again is asked with one record at a time until it answers ([`Circuit`]).
//!
//! Invariant: one attempt at a time, and no record is offered to the sink while an older one that must be retried is
//! left out.

mod backoff;
mod circuit;
mod status;

use std::pin::pin;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::backoff::Backoff;
use self::circuit::Breaker;
pub use self::circuit::Circuit;
use self::status::Progress;
pub use self::status::{Connection, DeliveryStatus};
use super::{Attempt, Outcome, Queue, Queued, Record, Settled, Sink};
use crate::config::model::Delivery;
use crate::time::Timestamp;

/// Longest time between the shutdown signal and the sink's close.
pub const DRAIN: Duration = Duration::from_secs(5);
/// When nothing came for so long after the shutdown signal, the queue is taken as drained.
const DRAIN_IDLE: Duration = Duration::from_millis(200);
/// Longest time that a sink may take to flush and close.
pub const CLOSE: Duration = Duration::from_secs(3);

/// Delivers what the queue holds until the queue ends or the token is cancelled. After the token, what waits gets one
/// last attempt of at most [`DRAIN`]; then the sink is closed. What was not accepted by then stays in the queue.
///
/// `name` is the sink's, for the log; `status` always shows the present state.
pub async fn run<S: Sink, Q: Queue>(
    name: &str,
    mut sink: S,
    mut queue: Q,
    delivery: Delivery,
    shutdown: CancellationToken,
    status: watch::Sender<DeliveryStatus>,
) {
    let mut progress = Progress::new(name, status);
    let drain_ended = async {
        shutdown.cancelled().await;
        sleep(DRAIN).await;
    };
    tokio::select! {
        biased;
        () = deliver_all(&mut sink, &mut queue, &delivery, &shutdown, &mut progress) => {}
        // What is dropped here is an attempt whose records count as not delivered: they may arrive twice, never zero
        // times.
        () = drain_ended => progress.interrupted(),
    }
    if timeout(CLOSE, sink.close()).await.is_err() {
        tracing::warn!(sink = name, "did not close within {} s", CLOSE.as_secs());
    }
}

async fn deliver_all<S: Sink, Q: Queue>(
    sink: &mut S,
    queue: &mut Q,
    delivery: &Delivery,
    shutdown: &CancellationToken,
    progress: &mut Progress,
) {
    let mut backoff = Backoff::new(delivery.retry_min, delivery.retry_max);
    let mut breaker = Breaker::default();
    loop {
        let most = breaker.most(delivery.batch.min(sink.batch()).max(1));
        let records = next(queue, most, shutdown).await;
        if records.is_empty() {
            return;
        }
        // An attempt that begins after the signal is the last one if it fails.
        let is_stopping = shutdown.is_cancelled();
        let limit = delivery.timeout.min(sink.timeout());
        let settled = attempt(sink, records, limit).await;
        let must_wait = settled.iter().any(|settled| matches!(settled.outcome, Outcome::Retry { .. }));
        let moved = settled.iter().any(|settled| !matches!(settled.outcome, Outcome::Retry { .. }));
        breaker.note(&settled);
        progress.note(&settled, breaker.circuit());
        queue.settle(settled).await;
        if moved {
            backoff.reset();
        }
        if !must_wait {
            continue;
        }
        if is_stopping {
            return;
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            () = sleep(backoff.next_pause()) => {}
        }
    }
}

/// The next batch. Empty when the queue ended, or when the hub stops and nothing waits.
async fn next<Q: Queue>(queue: &mut Q, most: usize, shutdown: &CancellationToken) -> Vec<Queued> {
    if !shutdown.is_cancelled() {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            records = queue.next(most) => return records,
        }
    }
    timeout(DRAIN_IDLE, queue.next(most)).await.unwrap_or_default()
}

/// One attempt: as many settlements as records, whatever the sink says.
async fn attempt<S: Sink>(sink: &mut S, queued: Vec<Queued>, limit: Duration) -> Vec<Settled> {
    let (ids, records): (Vec<u64>, Vec<Record>) = queued.into_iter().map(|queued| (queued.id, queued.record)).unzip();
    let (sent, begin) = (Timestamp::now(), Instant::now());
    let outcomes = {
        let deliver = pin!(sink.deliver(&records));
        timeout(limit, deliver).await
    };
    let mut outcomes = outcomes.unwrap_or_default().into_iter();
    let (attempt, took) = (Attempt { sent, answered: Timestamp::now() }, begin.elapsed());
    let without_answer = || Outcome::Retry { reason: format!("no answer within {} ms", took.as_millis()) };
    let settle = |id| Settled { id, outcome: outcomes.next().unwrap_or_else(without_answer), attempt };
    ids.into_iter().map(settle).collect()
}

#[cfg(test)]
mod tests;
