//! The behaviour that every sink owes the runner, held against each of them with a real far end.
//!
//! A far end is something to deliver to that can be taken away and brought back, and that shows what arrived.

mod broker;
mod disk;
mod turns;
mod web;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{Mutex, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::turns::TakingTurns;
use super::runner::{self, Circuit, DeliveryStatus};
use super::samples::{average_record, late, poll_record};
use super::{Built, Outcome, Record, Sink, live_queue};
use crate::config::model::{self, Delivery, SinkKind};

/// What the suite needs of a far end.
trait FarEnd: Sized {
    /// A far end that is ready.
    fn start() -> impl Future<Output = Self>;

    /// The section of a sink that delivers to it.
    fn kind(&self) -> SinkKind;

    /// Takes it away: nothing is taken any more.
    fn vanish(&mut self) -> impl Future<Output = ()>;

    /// Brings it back, where it was.
    fn come_back(&mut self) -> impl Future<Output = ()>;

    /// At least so many objects that arrived, in the order of their arrival. Waits for them.
    fn objects(&mut self, count: usize) -> impl Future<Output = Vec<Value>>;

    /// Their keys.
    async fn arrived(&mut self, count: usize) -> Vec<String> {
        let key = |object: &Value| object["key"].as_str().unwrap().to_owned();
        self.objects(count).await.iter().map(key).collect()
    }
}

fn delivery() -> Delivery {
    Delivery {
        batch: 100,
        timeout: Duration::from_secs(10),
        retry_min: Duration::from_millis(10),
        retry_max: Duration::from_millis(100),
        live_queue: 10,
        late_after: Duration::from_secs(300),
        history_rate: 100,
    }
}

fn build(kind: SinkKind) -> Built {
    Built::from_config("north", &model::Sink { delivery: delivery(), kind }).unwrap()
}

fn is_accepted(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Accepted { .. })
}

fn is_retry(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Retry { .. })
}

fn averages(blocks: std::ops::Range<u32>) -> Vec<Record> {
    blocks.map(average_record).collect()
}

fn keys(blocks: std::ops::Range<u32>) -> Vec<String> {
    blocks.map(|block| format!("average-{block}")).collect()
}

async fn what_is_accepted_has_arrived_in_order<F: FarEnd>() {
    let mut far_end = F::start().await;
    let mut sink = build(far_end.kind());

    let outcomes = sink.deliver(&averages(0..20)).await;

    assert_eq!(outcomes.len(), 20);
    assert!(outcomes.iter().all(is_accepted), "{outcomes:?}");
    assert_eq!(far_end.arrived(20).await, keys(0..20));
    sink.close().await;
}

async fn averages_and_readings_arrive<F: FarEnd>() {
    let mut far_end = F::start().await;
    let mut sink = build(far_end.kind());

    let outcomes = sink.deliver(&[average_record(0), poll_record(1), average_record(2)]).await;

    assert!(outcomes.iter().all(is_accepted), "{outcomes:?}");
    assert_eq!(far_end.arrived(4).await, ["average-0", "poll-1/0", "poll-1/1", "average-2"]);
    sink.close().await;
}

async fn a_late_average_says_so_in_every_payload<F: FarEnd>() {
    let mut far_end = F::start().await;
    let mut sink = build(far_end.kind());

    let outcomes = sink.deliver(&[late(average_record(0)), average_record(1), late(poll_record(2))]).await;

    assert!(outcomes.iter().all(is_accepted), "{outcomes:?}");
    let objects = far_end.objects(4).await;
    let said = |at: usize| (objects[at]["key"].as_str().unwrap(), &objects[at]["qualifiers"]);
    assert_eq!(said(0), ("average-0", &json!(["late"])));
    assert_eq!(said(1), ("average-1", &json!([])));
    assert_eq!(said(2), ("poll-2/0", &json!([])));
    sink.close().await;
}

async fn a_far_end_that_is_away_means_retry_and_nothing_is_lost<F: FarEnd>() {
    let mut far_end = F::start().await;
    far_end.vanish().await;
    let mut sink = build(far_end.kind());

    let outcomes = sink.deliver(&averages(0..3)).await;

    assert_eq!(outcomes.len(), 3);
    assert!(outcomes.iter().all(is_retry), "{outcomes:?}");

    far_end.come_back().await;
    let outcomes = sink.deliver(&averages(0..3)).await;

    assert!(outcomes.iter().all(is_accepted), "{outcomes:?}");
    assert_eq!(far_end.arrived(3).await, keys(0..3));
    sink.close().await;
}

async fn a_sink_outlives_its_far_end<F: FarEnd>() {
    let mut far_end = F::start().await;
    let mut sink = build(far_end.kind());
    assert!(sink.deliver(&averages(0..1)).await.iter().all(is_accepted));
    assert_eq!(far_end.arrived(1).await, keys(0..1));

    far_end.vanish().await;
    assert!(sink.deliver(&averages(1..3)).await.iter().all(is_retry));
    far_end.come_back().await;

    let mut delivered = 1;
    for _ in 0..50 {
        let outcomes = sink.deliver(&averages(delivered..3)).await;
        delivered += u32::try_from(outcomes.iter().take_while(|outcome| is_accepted(outcome)).count()).unwrap();
        if delivered == 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(delivered, 3, "the sink did not find back");
    assert_eq!(far_end.arrived(3).await, keys(0..3));
    sink.close().await;
}

async fn a_dead_far_end_gets_everything_when_it_is_back<F: FarEnd>() {
    const LONG: Duration = Duration::from_secs(20);
    let mut far_end = F::start().await;
    let turn = Arc::new(Mutex::new(()));
    let sink = TakingTurns { sink: build(far_end.kind()), turn: Arc::clone(&turn) };
    far_end.vanish().await;
    let (sender, queue) = live_queue("test", 100);
    averages(0..20).into_iter().for_each(|record| sender.offer(record));
    let (reported, mut status) = watch::channel(DeliveryStatus::default());
    let running = tokio::spawn(runner::run("test", sink, queue, delivery(), CancellationToken::new(), reported));

    let is_open = |status: &DeliveryStatus| matches!(status.circuit, Circuit::Open { .. });
    timeout(LONG, status.wait_for(is_open)).await.unwrap().unwrap();
    // Who looks at what arrives has to be there first: a broker keeps nothing for those who come later.
    let held = turn.lock().await;
    far_end.come_back().await;
    drop((held, sender));
    timeout(LONG, running).await.unwrap().unwrap();

    assert_eq!(status.borrow().delivered, 20);
    assert_eq!(status.borrow().circuit, Circuit::Closed);
    assert_eq!(far_end.arrived(20).await, keys(0..20));
}

async fn a_record_tried_again_has_the_same_key<F: FarEnd>() {
    let mut far_end = F::start().await;
    let mut sink = build(far_end.kind());
    for _ in 0..2 {
        assert!(sink.deliver(&[poll_record(5)]).await.iter().all(is_accepted));
    }
    assert_eq!(far_end.arrived(4).await, ["poll-5/0", "poll-5/1", "poll-5/0", "poll-5/1"]);
    sink.close().await;
}

async fn a_dropped_attempt_does_not_spoil_the_next<F: FarEnd>() {
    let mut far_end = F::start().await;
    let mut sink = build(far_end.kind());
    let records = averages(0..5);
    // Dropped after its first step, as the runner's time limit may do at any moment.
    tokio::select! {
        biased;
        _ = sink.deliver(&records) => {}
        () = std::future::ready(()) => {}
    }

    let outcomes = sink.deliver(&records).await;

    assert!(outcomes.iter().all(is_accepted), "{outcomes:?}");
    assert!(far_end.arrived(5).await.ends_with(&keys(0..5)));
    sink.close().await;
}

async fn close_lets_everything_accepted_arrive<F: FarEnd>() {
    let mut far_end = F::start().await;
    let mut sink = build(far_end.kind());
    assert!(sink.deliver(&averages(0..10)).await.iter().all(is_accepted));

    tokio::time::timeout(Duration::from_secs(3), sink.close()).await.unwrap();
    drop(sink);

    assert_eq!(far_end.arrived(10).await, keys(0..10));
}

async fn an_empty_batch_is_no_harm<F: FarEnd>() {
    let far_end = F::start().await;
    let mut sink = build(far_end.kind());
    assert!(sink.deliver(&[]).await.is_empty());
    sink.close().await;
}

/// One test per promise and far end.
macro_rules! contract {
    ($far_end:ty, $($promise:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                crate::sink::contract::$promise::<$far_end>().await;
            }
        )+
    };
    ($far_end:ty) => {
        crate::sink::contract::contract!(
            $far_end,
            what_is_accepted_has_arrived_in_order,
            averages_and_readings_arrive,
            a_late_average_says_so_in_every_payload,
            a_far_end_that_is_away_means_retry_and_nothing_is_lost,
            a_sink_outlives_its_far_end,
            a_dead_far_end_gets_everything_when_it_is_back,
            a_record_tried_again_has_the_same_key,
            a_dropped_attempt_does_not_spoil_the_next,
            close_lets_everything_accepted_arrive,
            an_empty_batch_is_no_harm,
        );
    };
}
use contract;
