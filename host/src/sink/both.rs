//! Two queues as one, for a sink that a live and a kept route share.
//!
//! A sink has one connection, one client identifier, one file: it must have one runner. Batches are taken from the two
//! queues in turn while both have some, so that live readings do not wait for the history behind them and the history
//! drains beside them. Order holds within each queue.

use super::{Queue, Queued, Settled};

/// Takes turns between two queues.
#[derive(Debug)]
pub struct Both<L, K> {
    live: L,
    kept: K,
    turn: Turn,
    live_ended: bool,
    kept_ended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Live,
    Kept,
}

impl<L: Queue, K: Queue> Both<L, K> {
    /// Live readings first, when both have something.
    pub fn new(live: L, kept: K) -> Self {
        Both { live, kept, turn: Turn::Live, live_ended: false, kept_ended: false }
    }
}

impl<L: Queue, K: Queue> Queue for Both<L, K> {
    async fn next(&mut self, max: usize) -> Vec<Queued> {
        loop {
            let (from, records) = match (self.live_ended, self.kept_ended, self.turn) {
                (true, true, _) => return Vec::new(),
                (false, true, _) => (Turn::Live, self.live.next(max).await),
                (true, false, _) => (Turn::Kept, self.kept.next(max).await),
                // Both are cancel safe: the one that is not taken keeps what it has.
                (false, false, Turn::Live) => tokio::select! {
                    biased;
                    records = self.live.next(max) => (Turn::Live, records),
                    records = self.kept.next(max) => (Turn::Kept, records),
                },
                (false, false, Turn::Kept) => tokio::select! {
                    biased;
                    records = self.kept.next(max) => (Turn::Kept, records),
                    records = self.live.next(max) => (Turn::Live, records),
                },
            };
            match (from, records.is_empty()) {
                (Turn::Live, true) => self.live_ended = true,
                (Turn::Kept, true) => self.kept_ended = true,
                (Turn::Live, false) => {
                    self.turn = Turn::Kept;
                    return numbered(records, 0);
                }
                (Turn::Kept, false) => {
                    self.turn = Turn::Live;
                    return numbered(records, 1);
                }
            }
        }
    }

    async fn settle(&mut self, settled: Vec<Settled>) {
        let (live, kept): (Vec<_>, Vec<_>) = settled.into_iter().partition(|settled| settled.id % 2 == 0);
        let own = |settled: Vec<Settled>| settled.into_iter().map(|settled| Settled { id: settled.id / 2, ..settled });
        if !live.is_empty() {
            self.live.settle(own(live).collect()).await;
        }
        if !kept.is_empty() {
            self.kept.settle(own(kept).collect()).await;
        }
    }
}

/// Even numbers are live, odd ones kept.
fn numbered(records: Vec<Queued>, queue: u64) -> Vec<Queued> {
    records.into_iter().map(|queued| Queued { id: queued.id * 2 + queue, ..queued }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::samples::{ATTEMPT, average_record, poll_record};
    use crate::sink::{LiveQueue, LiveSender, Outcome, live_queue};

    async fn take(both: &mut Both<LiveQueue, LiveQueue>, outcome: Outcome) -> String {
        let batch = both.next(2).await;
        let keys: Vec<&str> = batch.iter().map(|queued| &*queued.record.key).collect();
        let keys = keys.join(" ");
        let settle = |queued: &Queued| Settled { id: queued.id, outcome: outcome.clone(), attempt: ATTEMPT };
        both.settle(batch.iter().map(settle).collect()).await;
        keys
    }

    fn accepted() -> Outcome {
        Outcome::Accepted { answer: "ok".into() }
    }

    fn filled() -> (LiveSender, LiveSender, Both<LiveQueue, LiveQueue>) {
        let (live_tx, live) = live_queue("test", 100);
        let (kept_tx, kept) = live_queue("test", 100);
        for at in 0..4 {
            live_tx.offer(poll_record(at));
        }
        for block in 0..3 {
            kept_tx.offer(average_record(block));
        }
        (live_tx, kept_tx, Both::new(live, kept))
    }

    #[tokio::test]
    async fn live_readings_and_history_take_turns_until_both_end() {
        let (live_tx, kept_tx, mut both) = filled();
        drop(live_tx);
        assert_eq!(take(&mut both, accepted()).await, "poll-0 poll-1");
        assert_eq!(take(&mut both, accepted()).await, "average-0 average-1");
        assert_eq!(take(&mut both, accepted()).await, "poll-2 poll-3");
        assert_eq!(take(&mut both, accepted()).await, "average-2");
        drop(kept_tx);
        assert_eq!(take(&mut both, accepted()).await, "");
    }

    #[tokio::test]
    async fn each_queue_gets_back_what_is_its_own() {
        let (_live_tx, _kept_tx, mut both) = filled();
        let retry = || Outcome::Retry { reason: "away".into() };
        assert_eq!(take(&mut both, retry()).await, "poll-0 poll-1");
        assert_eq!(take(&mut both, retry()).await, "average-0 average-1");
        assert_eq!(take(&mut both, accepted()).await, "poll-0 poll-1");
        assert_eq!(take(&mut both, accepted()).await, "average-0 average-1");
        assert_eq!(take(&mut both, accepted()).await, "poll-2 poll-3");
    }
}
