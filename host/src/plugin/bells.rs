//! What wakes a device between its beats: something came over one of its links that nobody asked for.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select_all;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::capability::Link;

/// Shortest time from one waking to the next, so that a flood of small messages is drained in handfuls.
const PAUSE: Duration = Duration::from_millis(20);

/// The bells of a device's links.
pub(super) struct Bells {
    bells: Vec<Arc<Notify>>,
    /// One rang and was not answered yet.
    is_rung: bool,
    not_before: Instant,
}

impl Bells {
    pub(super) fn new<'a>(links: impl Iterator<Item = &'a Link>) -> Self {
        Bells { bells: links.filter_map(Link::bell).collect(), is_rung: false, not_before: Instant::now() }
    }

    /// Waits until one rings. Cancel safe: a bell that was heard stays heard.
    pub(super) async fn rung(&mut self) {
        if self.bells.is_empty() {
            return std::future::pending().await;
        }
        if !self.is_rung {
            select_all(self.bells.iter().map(|bell| Box::pin(bell.notified()))).await;
            self.is_rung = true;
        }
        sleep_until(self.not_before).await;
        self.is_rung = false;
        self.not_before = Instant::now() + PAUSE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bell_that_was_heard_is_answered_even_if_something_came_between() {
        let bell = Arc::new(Notify::new());
        let mut bells = Bells { bells: vec![Arc::clone(&bell)], is_rung: false, not_before: Instant::now() + PAUSE };
        bell.notify_one();
        let broken_off = tokio::time::timeout(PAUSE / 2, bells.rung()).await;
        assert!(broken_off.is_err(), "it rang too early");
        tokio::time::timeout(PAUSE, bells.rung()).await.expect("the bell was forgotten");
        assert!(tokio::time::timeout(PAUSE * 10, bells.rung()).await.is_err(), "it rang twice");
    }
}
