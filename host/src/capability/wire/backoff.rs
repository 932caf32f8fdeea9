//! The pause before connecting again: it doubles while nothing comes, and begins anew when something came.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::model::Reconnect;

/// When a connection may be tried.
#[derive(Debug)]
pub struct Backoff {
    reconnect: Reconnect,
    pause: Duration,
    not_before: Option<Instant>,
}

impl Backoff {
    /// At once.
    pub fn new(reconnect: Reconnect) -> Self {
        Backoff { reconnect, pause: reconnect.min, not_before: None }
    }

    /// When the next attempt may be made; `None`: at once.
    pub fn not_before(&self) -> Option<Instant> {
        self.not_before.filter(|moment| *moment > Instant::now())
    }

    /// An attempt failed, or a connection was lost: the next waits.
    pub fn failed(&mut self) {
        self.not_before = Some(Instant::now() + self.pause);
        self.pause = self.pause.saturating_mul(2).min(self.reconnect.max);
    }

    /// There is a connection: the next attempt need not wait, should it be needed.
    pub fn connected(&mut self) {
        self.not_before = None;
    }

    /// Something came: the pause begins anew.
    pub fn answered(&mut self) {
        self.pause = self.reconnect.min;
    }

    /// Waits until the next attempt may be made. Cancel safe.
    pub async fn ready(&self) {
        if let Some(moment) = self.not_before() {
            tokio::time::sleep_until(moment).await;
        }
    }
}
