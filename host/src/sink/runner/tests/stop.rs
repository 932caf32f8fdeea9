//! How delivery ends.

use super::*;

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
