//! The runner against scripted sinks and queues, with a clock that stands still.
//!
//! Order, retries and the end are decided here for every sink, so they are tested here once.

mod circuit;
mod order;
mod stop;

use std::collections::VecDeque;
use std::future::pending;
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;

use super::*;
use crate::sink::samples::poll_record;
use crate::sink::{LiveSender, live_queue};

/// What a scripted sink does with the next call.
#[derive(Clone)]
enum Step {
    /// Says this of the records, the last for all that remain.
    Say(Vec<Outcome>),
    /// Never answers.
    Stall,
}

/// What happened, in order.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    /// A call, and when: seconds since the start and the keys.
    Call(f64, Vec<String>),
    Closed,
}

struct Scripted {
    script: VecDeque<Step>,
    seen: mpsc::UnboundedSender<Seen>,
    start: Instant,
    batch: usize,
}

impl Sink for Scripted {
    async fn deliver(&mut self, records: &[Record]) -> Vec<Outcome> {
        let keys = records.iter().map(|record| record.key.to_string()).collect();
        let _ = self.seen.send(Seen::Call(self.start.elapsed().as_secs_f64(), keys));
        match self.script.pop_front().unwrap_or_else(|| Step::Say(vec![accept()])) {
            Step::Stall => pending().await,
            Step::Say(outcomes) => {
                let last = outcomes.last().cloned().unwrap();
                let all = outcomes.into_iter().chain(std::iter::repeat(last));
                all.take(records.len()).collect()
            }
        }
    }

    fn batch(&self) -> usize {
        self.batch
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(3600)
    }

    async fn close(&mut self) {
        let _ = self.seen.send(Seen::Closed);
    }
}

/// A queue that keeps what was settled, and ends when all of it was settled for good.
struct Listed {
    records: Vec<Queued>,
    settled: Arc<Mutex<Vec<Settled>>>,
    when_empty: WhenEmpty,
}

#[derive(Clone, Copy)]
enum WhenEmpty {
    End,
    Wait,
}

impl Queue for Listed {
    async fn next(&mut self, max: usize) -> Vec<Queued> {
        if let (true, WhenEmpty::Wait) = (self.records.is_empty(), self.when_empty) {
            pending::<()>().await;
        }
        self.records.iter().take(max).cloned().collect()
    }

    async fn settle(&mut self, settled: Vec<Settled>) {
        for settled in settled {
            if !matches!(settled.outcome, Outcome::Retry { .. }) {
                self.records.retain(|queued| queued.id != settled.id);
            }
            self.settled.lock().unwrap().push(settled);
        }
    }
}

struct Scene {
    shutdown: CancellationToken,
    seen: mpsc::UnboundedReceiver<Seen>,
    settled: Arc<Mutex<Vec<Settled>>>,
    status: watch::Receiver<DeliveryStatus>,
    running: tokio::task::JoinHandle<()>,
}

fn delivery() -> Delivery {
    Delivery {
        batch: 3,
        timeout: Duration::from_secs(10),
        retry_min: Duration::from_secs(1),
        retry_max: Duration::from_secs(8),
        live_queue: 10,
        late_after: Duration::from_secs(300),
        history_rate: 100,
    }
}

fn start(records: u32, when_empty: WhenEmpty, script: Vec<Step>) -> Scene {
    let settled = Arc::new(Mutex::new(Vec::new()));
    let records = (0..records).map(|at| Queued { id: u64::from(at), record: poll_record(i64::from(at)) }).collect();
    let queue = Listed { records, settled: Arc::clone(&settled), when_empty };
    start_with(queue, settled, script)
}

fn start_with<Q: Queue + 'static>(queue: Q, settled: Arc<Mutex<Vec<Settled>>>, script: Vec<Step>) -> Scene {
    let (seen_tx, seen) = mpsc::unbounded_channel();
    let (status_tx, status) = watch::channel(DeliveryStatus::default());
    let shutdown = CancellationToken::new();
    let sink = Scripted { script: script.into(), seen: seen_tx, start: Instant::now(), batch: 100 };
    let token = shutdown.clone();
    let running = tokio::spawn(async move { run("test", sink, queue, delivery(), token, status_tx).await });
    Scene { shutdown, seen, settled, status, running }
}

impl Scene {
    async fn calls(mut self) -> (Vec<(f64, Vec<String>)>, DeliveryStatus, Vec<Settled>) {
        self.running.await.unwrap();
        let mut calls = Vec::new();
        let mut is_closed = false;
        while let Ok(seen) = self.seen.try_recv() {
            match seen {
                Seen::Call(at, keys) => calls.push((at, keys)),
                Seen::Closed => is_closed = true,
            }
        }
        assert!(is_closed, "the sink was not closed");
        let status = self.status.borrow().clone();
        let settled = self.settled.lock().unwrap().clone();
        (calls, status, settled)
    }
}

fn accept() -> Outcome {
    Outcome::Accepted { answer: "ok".into() }
}

fn reject() -> Outcome {
    Outcome::Rejected { reason: "never".into() }
}

fn retry() -> Outcome {
    Outcome::Retry { reason: "away".into() }
}

fn keys(calls: &[(f64, Vec<String>)]) -> Vec<String> {
    calls.iter().map(|(_, keys)| keys.join(" ")).collect()
}
