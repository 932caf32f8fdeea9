//! A sink that waits with its attempts while a test changes the far end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::sink::{Built, Outcome, Record, Sink};

/// A sink that delivers only while nobody else has the turn.
pub(super) struct TakingTurns {
    pub sink: Built,
    pub turn: Arc<Mutex<()>>,
}

impl Sink for TakingTurns {
    async fn deliver(&mut self, records: &[Record]) -> Vec<Outcome> {
        let _turn = self.turn.lock().await;
        self.sink.deliver(records).await
    }

    fn batch(&self) -> usize {
        self.sink.batch()
    }

    fn timeout(&self) -> Duration {
        self.sink.timeout()
    }

    async fn close(&mut self) {
        self.sink.close().await;
    }
}
