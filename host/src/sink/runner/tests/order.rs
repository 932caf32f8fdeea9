//! What goes out when: order, batches and pauses.

use super::*;

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
    assert_eq!((settled[0].id, &settled[0].outcome), (0, &accept()));
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
    let (answer, some) = (Step::Say(vec![accept()]), Step::Say(vec![accept(), retry()]));
    let script = vec![away(), away(), away(), away(), away(), answer, some];
    let scene = start(3, WhenEmpty::End, script);
    let (calls, _, _) = scene.calls().await;
    let pauses: Vec<f64> = calls.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    for (pause, whole) in pauses.iter().zip([1.0, 2.0, 4.0, 8.0, 8.0, 0.0, 1.0]) {
        assert!(*pause <= whole + 0.002 && *pause >= whole * 0.75, "{pauses:?}");
    }
    assert_eq!(pauses.len(), 7);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_without_answer_is_ended_and_tried_again() {
    let scene = start(2, WhenEmpty::End, vec![Step::Stall]);
    let (calls, status, settled) = scene.calls().await;
    assert_eq!(keys(&calls), ["poll-0 poll-1", "poll-0 poll-1"]);
    assert!(calls[1].0 >= 10.75, "tried again after {} s", calls[1].0);
    assert_eq!(settled[0].outcome, Outcome::Retry { reason: "no answer within 10000 ms".into() });
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
    assert!(matches!(&settled[..], [Settled { id: 7, outcome: Outcome::Retry { .. }, .. }]), "{settled:?}");
}

/// Notes when its calls begin and end, by the wall clock, and sees to it that this clock moves meanwhile.
struct Clocked {
    calls: Arc<Mutex<Vec<(Timestamp, Timestamp)>>>,
}

impl Sink for Clocked {
    async fn deliver(&mut self, records: &[Record]) -> Vec<Outcome> {
        let after =
            |earlier: Timestamp| std::iter::repeat_with(Timestamp::now).find(|now| *now > earlier).unwrap_or(earlier);
        let begin = after(Timestamp::now());
        let end = after(begin);
        self.calls.lock().unwrap().push((begin, end));
        after(end);
        vec![accept(); records.len()]
    }

    fn batch(&self) -> usize {
        2
    }

    fn timeout(&self) -> Duration {
        Duration::MAX
    }

    async fn close(&mut self) {}
}

#[tokio::test(start_paused = true)]
async fn each_settlement_says_when_it_was_sent_and_answered() {
    let calls: Arc<Mutex<Vec<_>>> = Arc::default();
    let settled: Arc<Mutex<Vec<Settled>>> = Arc::default();
    let records = (0..3).map(|at| Queued { id: at, record: poll_record(0) }).collect();
    let queue = Listed { records, settled: Arc::clone(&settled), when_empty: WhenEmpty::End };
    let (status, _) = watch::channel(DeliveryStatus::default());

    let sink = Clocked { calls: Arc::clone(&calls) };
    run("test", sink, queue, delivery(), CancellationToken::new(), status).await;

    let (settled, calls) = (settled.lock().unwrap().clone(), calls.lock().unwrap().clone());
    assert_eq!(calls.len(), 2);
    for (settled, call) in settled.iter().zip([0, 0, 1]) {
        let ((begin, end), Attempt { sent, answered }) = (calls[call], settled.attempt);
        assert!(sent < begin && answered > end, "{settled:?} of {calls:?}");
    }
    assert_eq!(settled[0].attempt, settled[1].attempt);
    assert!(settled[2].attempt.sent >= settled[1].attempt.answered, "{settled:?}");
}
