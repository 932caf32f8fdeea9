//! The runner against scripted sinks and queues, with a clock that stands still.
//!
//! Order, retries and the end are decided here for every sink, so they are tested here once.

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
    settled: Arc<Mutex<Vec<(u64, Outcome)>>>,
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
            self.settled.lock().unwrap().push((settled.id, settled.outcome));
        }
    }
}

struct Scene {
    shutdown: CancellationToken,
    seen: mpsc::UnboundedReceiver<Seen>,
    settled: Arc<Mutex<Vec<(u64, Outcome)>>>,
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
    }
}

fn start(records: u32, when_empty: WhenEmpty, script: Vec<Step>) -> Scene {
    let settled = Arc::new(Mutex::new(Vec::new()));
    let records = (0..records).map(|at| Queued { id: u64::from(at), record: poll_record(i64::from(at)) }).collect();
    let queue = Listed { records, settled: Arc::clone(&settled), when_empty };
    start_with(queue, settled, script)
}

fn start_with<Q: Queue + 'static>(queue: Q, settled: Arc<Mutex<Vec<(u64, Outcome)>>>, script: Vec<Step>) -> Scene {
    let (seen_tx, seen) = mpsc::unbounded_channel();
    let (status_tx, status) = watch::channel(DeliveryStatus::default());
    let shutdown = CancellationToken::new();
    let sink = Scripted { script: script.into(), seen: seen_tx, start: Instant::now(), batch: 100 };
    let token = shutdown.clone();
    let running = tokio::spawn(async move { run("test", sink, queue, delivery(), token, status_tx).await });
    Scene { shutdown, seen, settled, status, running }
}

impl Scene {
    async fn calls(mut self) -> (Vec<(f64, Vec<String>)>, DeliveryStatus, Vec<(u64, Outcome)>) {
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

#[tokio::test(start_paused = true)]
async fn records_are_delivered_in_order_and_in_batches() {
    let scene = start(7, WhenEmpty::End, vec![]);
    let (calls, status, _) = scene.calls().await;
    assert_eq!(keys(&calls), ["poll-0 poll-1 poll-2", "poll-3 poll-4 poll-5", "poll-6"]);
    assert_eq!((status.delivered, status.rejected, status.retries), (7, 0, 0));
    assert!(matches!(status.connection, Connection::Up { .. }));
}

#[tokio::test(start_paused = true)]
async fn nothing_overtakes_a_record_that_must_be_retried() {
    let scene = start(4, WhenEmpty::End, vec![Step::Say(vec![accept(), retry(), retry()]), Step::Say(vec![retry()])]);
    let (calls, status, settled) = scene.calls().await;
    assert_eq!(keys(&calls), ["poll-0 poll-1 poll-2", "poll-1 poll-2 poll-3", "poll-1 poll-2 poll-3"]);
    // The first was noted as accepted at once, before the others were.
    assert_eq!(settled[0], (0, accept()));
    assert_eq!((status.delivered, status.retries), (4, 2));
    assert_eq!(status.last_error.as_deref(), Some("away"));
}

#[tokio::test(start_paused = true)]
async fn a_rejected_record_does_not_hold_back_the_others() {
    let scene = start(4, WhenEmpty::End, vec![Step::Say(vec![accept(), reject(), accept()])]);
    let (calls, status, _) = scene.calls().await;
    assert_eq!(keys(&calls), ["poll-0 poll-1 poll-2", "poll-3"]);
    assert!(calls[1].0 < 0.001, "a rejection made the runner wait {} s", calls[1].0);
    assert_eq!((status.delivered, status.rejected), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn the_pause_doubles_is_capped_and_begins_again_after_a_success() {
    let away = || Step::Say(vec![retry()]);
    let script = vec![away(), away(), away(), away(), away(), Step::Say(vec![accept(), retry()])];
    let scene = start(3, WhenEmpty::End, script);
    let (calls, _, _) = scene.calls().await;
    let pauses: Vec<f64> = calls.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    for (pause, whole) in pauses.iter().zip([1.0, 2.0, 4.0, 8.0, 8.0, 1.0]) {
        assert!(*pause <= whole + 0.002 && *pause >= whole * 0.75, "{pauses:?}");
    }
    assert_eq!(pauses.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_without_answer_is_ended_and_tried_again() {
    let scene = start(2, WhenEmpty::End, vec![Step::Stall]);
    let (calls, status, settled) = scene.calls().await;
    assert_eq!(keys(&calls), ["poll-0 poll-1", "poll-0 poll-1"]);
    assert!(calls[1].0 >= 10.75, "tried again after {} s", calls[1].0);
    assert_eq!(settled[0].1, Outcome::Retry { reason: "no answer within 10000 ms".into() });
    assert_eq!(status.delivered, 2);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_the_sink_said_nothing_of_is_tried_again() {
    struct Silent;
    impl Sink for Silent {
        async fn deliver(&mut self, _: &[Record]) -> Vec<Outcome> {
            Vec::new()
        }
        fn batch(&self) -> usize {
            1
        }
        fn timeout(&self) -> Duration {
            Duration::MAX
        }
        async fn close(&mut self) {}
    }
    let queued = vec![Queued { id: 7, record: poll_record(0) }];
    let settled = attempt(&mut Silent, queued, Duration::from_secs(1)).await;
    assert!(matches!(&settled[..], [Settled { id: 7, outcome: Outcome::Retry { .. } }]), "{settled:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_delivers_what_waits_and_closes() {
    let mut scene = start(5, WhenEmpty::Wait, vec![]);
    scene.seen.recv().await;
    scene.shutdown.cancel();
    let begin = Instant::now();
    let (calls, status, _) = scene.calls().await;
    assert_eq!(status.delivered, 5, "{calls:?}");
    assert!(begin.elapsed() < DRAIN);
}

#[tokio::test(start_paused = true)]
async fn a_stop_during_a_pause_makes_one_last_attempt() {
    let mut scene = start(1, WhenEmpty::Wait, vec![Step::Say(vec![retry()]), Step::Say(vec![retry()])]);
    scene.seen.recv().await;
    scene.status.wait_for(|status| status.retries == 1).await.unwrap();
    scene.shutdown.cancel();
    let (calls, status, _) = scene.calls().await;
    assert_eq!(calls.len(), 1, "one more after the first");
    assert!(calls[0].0 < 0.5, "the last attempt came after {} s", calls[0].0);
    assert_eq!(status.delivered, 0);
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_a_silent_far_end_only_so_long() {
    let mut scene = start(1, WhenEmpty::Wait, vec![Step::Stall]);
    scene.seen.recv().await;
    scene.shutdown.cancel();
    let begin = Instant::now();
    let (_, status, settled) = scene.calls().await;
    assert!(begin.elapsed() <= DRAIN + CLOSE);
    assert_eq!(status.delivered, 0);
    assert!(settled.is_empty(), "{settled:?}");
}

#[tokio::test(start_paused = true)]
async fn a_live_route_ends_with_its_readings_delivered() {
    let (sender, queue): (LiveSender, _) = live_queue("test", 10);
    for second in 0..4 {
        sender.offer(poll_record(second));
    }
    let scene = start_with(queue, Arc::default(), vec![Step::Say(vec![retry()])]);
    drop(sender);
    let (calls, status, _) = scene.calls().await;
    assert_eq!(keys(&calls), ["poll-0 poll-1 poll-2", "poll-0 poll-1 poll-2", "poll-3"]);
    assert_eq!(status.delivered, 4);
}
