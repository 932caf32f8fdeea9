//! The queue of a live route: in memory, bounded, the newest win.
//!
//! A record that had to be tried again goes back to the front and is tried until newer ones push it out. Of every
//! record that was offered exactly one thing becomes true: it was accepted, it was rejected, or it was counted as
//! dropped.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::{Outcome, Queue, Queued, Record, Settled};

/// Shortest time between two log lines about dropped records.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// A queue for at most `capacity` waiting records, and the end that fills it. `name` is the sink's, for the log.
pub fn live_queue(name: &str, capacity: usize) -> (LiveSender, LiveQueue) {
    let shared = Arc::new(Shared {
        name: name.to_owned(),
        capacity: capacity.max(1),
        waiting: Mutex::new(Waiting { senders: 1, ..Waiting::default() }),
        changed: Notify::new(),
    });
    (LiveSender { shared: Arc::clone(&shared) }, LiveQueue { shared, taken: VecDeque::new() })
}

/// Offers records to a live route. The queue ends when the last of its senders is gone.
#[derive(Debug)]
pub struct LiveSender {
    shared: Arc<Shared>,
}

/// The runner's end.
#[derive(Debug)]
pub struct LiveQueue {
    shared: Arc<Shared>,
    /// Handed out and not settled yet, oldest first.
    taken: VecDeque<Queued>,
}

#[derive(Debug)]
struct Shared {
    name: String,
    capacity: usize,
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    records: VecDeque<Queued>,
    next_id: u64,
    senders: usize,
    dropped: u64,
    dropped_since_log: u64,
    logged_at: Option<Instant>,
}

impl LiveSender {
    /// Takes the record; when the queue is full the oldest one that waits is dropped and counted. Never blocks.
    pub fn offer(&self, record: Record) {
        let mut waiting = self.shared.lock();
        let id = waiting.next_id;
        waiting.next_id += 1;
        waiting.records.push_back(Queued { id, record });
        self.shared.drop_oldest(&mut waiting);
        drop(waiting);
        self.shared.changed.notify_one();
    }

    /// Records that were dropped since the start.
    pub fn dropped(&self) -> u64 {
        self.shared.lock().dropped
    }
}

impl Clone for LiveSender {
    fn clone(&self) -> Self {
        self.shared.lock().senders += 1;
        LiveSender { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for LiveSender {
    fn drop(&mut self) {
        self.shared.lock().senders -= 1;
        self.shared.changed.notify_one();
    }
}

impl Queue for LiveQueue {
    async fn next(&mut self, max: usize) -> Vec<Queued> {
        self.put_back();
        loop {
            // The permit of `notify_one` is kept until somebody waits: nothing that is offered in between is missed.
            let changed = self.shared.changed.notified();
            {
                let mut waiting = self.shared.lock();
                if !waiting.records.is_empty() {
                    let count = max.min(waiting.records.len());
                    let records: Vec<Queued> = waiting.records.drain(..count).collect();
                    self.taken.extend(records.iter().cloned());
                    return records;
                }
                if waiting.senders == 0 {
                    return Vec::new();
                }
            }
            changed.await;
        }
    }

    async fn settle(&mut self, settled: Vec<Settled>) {
        // Both lists rise by number, so that one walk is enough.
        let mut settled = settled.into_iter().peekable();
        self.taken.retain(|taken| {
            while settled.next_if(|settled| settled.id < taken.id).is_some() {}
            let of_this = settled.next_if(|settled| settled.id == taken.id);
            of_this.is_none_or(|settled| matches!(settled.outcome, Outcome::Retry { .. }))
        });
        self.put_back();
    }
}

impl LiveQueue {
    /// What was handed out and is not settled for good waits again, in front of everything newer.
    fn put_back(&mut self) {
        if self.taken.is_empty() {
            return;
        }
        let mut waiting = self.shared.lock();
        while let Some(queued) = self.taken.pop_back() {
            waiting.records.push_front(queued);
        }
        self.shared.drop_oldest(&mut waiting);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while the lock is held, and a list of records has no half-way state.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn drop_oldest(&self, waiting: &mut Waiting) {
        let Some(surplus @ 1..) = waiting.records.len().checked_sub(self.capacity) else { return };
        waiting.records.drain(..surplus);
        let surplus = u64::try_from(surplus).unwrap_or(u64::MAX);
        waiting.dropped += surplus;
        waiting.dropped_since_log += surplus;
        if waiting.logged_at.is_none_or(|logged_at| logged_at.elapsed() >= LOG_INTERVAL) {
            let dropped = std::mem::take(&mut waiting.dropped_since_log);
            waiting.logged_at = Some(Instant::now());
            tracing::warn!(sink = self.name, dropped, "live readings dropped: the sink is slower than they come");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::samples::{ATTEMPT, poll_record};

    fn keys(queued: &[Queued]) -> Vec<&str> {
        queued.iter().map(|queued| &*queued.record.key).collect()
    }

    fn settled(queued: &[Queued], outcome: Outcome) -> Vec<Settled> {
        let settle = |queued: &Queued| Settled { id: queued.id, outcome: outcome.clone(), attempt: ATTEMPT };
        queued.iter().map(settle).collect()
    }

    fn retry() -> Outcome {
        Outcome::Retry { reason: "away".into() }
    }

    fn accepted() -> Outcome {
        Outcome::Accepted { answer: "ok".into() }
    }

    #[tokio::test]
    async fn the_oldest_make_room_for_the_newest_and_are_counted() {
        let (sender, mut queue) = live_queue("dashboard", 2);
        for second in 0..5 {
            sender.offer(poll_record(second));
        }
        assert_eq!(sender.dropped(), 3);
        assert_eq!(keys(&queue.next(10).await), ["poll-3", "poll-4"]);
    }

    #[tokio::test]
    async fn a_record_to_retry_comes_again_first_until_newer_ones_push_it_out() {
        let (sender, mut queue) = live_queue("dashboard", 2);
        sender.offer(poll_record(0));
        let first = queue.next(10).await;
        queue.settle(settled(&first, retry())).await;
        sender.offer(poll_record(1));
        assert_eq!(keys(&queue.next(10).await), ["poll-0", "poll-1"]);

        sender.offer(poll_record(2));
        assert_eq!(keys(&queue.next(10).await), ["poll-1", "poll-2"]);
        assert_eq!(sender.dropped(), 1);
    }

    #[tokio::test]
    async fn what_was_accepted_does_not_come_again() {
        let (sender, mut queue) = live_queue("dashboard", 10);
        for second in 0..3 {
            sender.offer(poll_record(second));
        }
        let batch = queue.next(2).await;
        queue.settle(settled(&batch[..1], accepted())).await;
        assert_eq!(keys(&queue.next(10).await), ["poll-1", "poll-2"]);
        assert_eq!(sender.dropped(), 0);
    }

    #[tokio::test]
    async fn the_queue_ends_with_its_last_sender_and_not_before() {
        let (sender, mut queue) = live_queue("dashboard", 10);
        let second = sender.clone();
        drop(sender);
        second.offer(poll_record(0));
        drop(second);
        let batch = queue.next(10).await;
        assert_eq!(keys(&batch), ["poll-0"]);
        queue.settle(settled(&batch, accepted())).await;
        assert!(queue.next(10).await.is_empty());
    }

    #[tokio::test]
    async fn a_waiting_runner_is_woken() {
        let (sender, mut queue) = live_queue("dashboard", 10);
        let waiting = tokio::spawn(async move { keys(&queue.next(10).await).join(" ") });
        tokio::task::yield_now().await;
        sender.offer(poll_record(0));
        assert_eq!(waiting.await.unwrap(), "poll-0");
    }
}
