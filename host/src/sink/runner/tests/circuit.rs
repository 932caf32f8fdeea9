//! A far end that is away for long: what it is still asked, and what its first answer changes.

use super::*;
use crate::time::Timestamp;

fn away() -> Step {
    Step::Say(vec![retry()])
}

fn pauses(calls: &[(f64, Vec<String>)]) -> Vec<f64> {
    calls.windows(2).map(|pair| pair[1].0 - pair[0].0).collect()
}

fn is_open(status: &DeliveryStatus) -> bool {
    matches!(status.circuit, Circuit::Open { .. })
}

#[tokio::test(start_paused = true)]
async fn a_dead_far_end_is_probed_with_one_record() {
    let began = Timestamp::now();
    let mut scene = start(5, WhenEmpty::End, vec![away(); 6]);

    let open = scene.status.wait_for(is_open).await.unwrap().clone();
    let (calls, status, _) = scene.calls().await;

    assert!(matches!(open.circuit, Circuit::Open { since } if since >= began && since <= Timestamp::now()), "{open:?}");
    assert_eq!(open.retries, 3);
    let full = "poll-0 poll-1 poll-2";
    assert_eq!(keys(&calls)[..7], [full, full, full, "poll-0", "poll-0", "poll-0", "poll-0"]);
    for (pause, whole) in pauses(&calls).iter().zip([1.0, 2.0, 4.0, 8.0, 8.0, 8.0]) {
        assert!(*pause <= whole + 0.002 && *pause >= whole * 0.75, "{calls:?}");
    }
    assert_eq!((status.delivered, status.retries, status.circuit), (5, 6, Circuit::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_circuit_closes_at_the_first_answer_and_full_batches_go_again() {
    let script = vec![away(), away(), away(), away(), Step::Say(vec![accept()]), away()];
    let scene = start(5, WhenEmpty::End, script);

    let (calls, status, _) = scene.calls().await;

    let batch = "poll-1 poll-2 poll-3";
    assert_eq!(keys(&calls)[4..], ["poll-0", batch, batch, "poll-4"]);
    let pauses = pauses(&calls);
    assert!(pauses[4] < 0.002, "the first full batch waited: {pauses:?}");
    assert!(pauses[5] <= 1.002, "the pause did not begin anew: {pauses:?}");
    assert_eq!((status.delivered, status.circuit), (5, Circuit::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_rejection_closes_the_circuit_too() {
    let scene = start(4, WhenEmpty::End, vec![away(), away(), away(), Step::Say(vec![reject()])]);

    let (calls, status, _) = scene.calls().await;

    assert_eq!(keys(&calls)[3..], ["poll-0", "poll-1 poll-2 poll-3"]);
    assert!(pauses(&calls)[3] < 0.002, "{calls:?}");
    assert_eq!((status.delivered, status.rejected, status.circuit), (3, 1, Circuit::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_far_end_that_takes_some_of_a_batch_is_not_dead() {
    let some = || Step::Say(vec![accept(), retry()]);
    let scene = start(6, WhenEmpty::End, vec![away(), away(), some(), away(), away(), some()]);

    let (calls, _, _) = scene.calls().await;

    assert!(calls.iter().take(6).all(|(_, keys)| keys.len() == 3), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_while_the_circuit_is_open_waits_for_no_pause() {
    let mut scene = start(4, WhenEmpty::Wait, vec![away(); 9]);
    scene.status.wait_for(is_open).await.unwrap();
    let begin = Instant::now();
    scene.shutdown.cancel();

    let (calls, status, _) = scene.calls().await;

    assert!(begin.elapsed() < Duration::from_millis(500), "it took {:?}", begin.elapsed());
    assert_eq!(keys(&calls)[3..], ["poll-0"]);
    assert_eq!(status.delivered, 0);
}

#[tokio::test(start_paused = true)]
async fn a_far_end_that_is_back_at_the_stop_gets_all_that_waits() {
    let mut scene = start(5, WhenEmpty::Wait, vec![away(); 3]);
    scene.status.wait_for(is_open).await.unwrap();
    scene.shutdown.cancel();

    let (calls, status, _) = scene.calls().await;

    assert_eq!(keys(&calls)[3..], ["poll-0", "poll-1 poll-2 poll-3", "poll-4"]);
    assert_eq!(status.delivered, 5);
}
