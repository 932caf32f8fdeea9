//! Files on disk, or a stream such as standard output: one line per object, or CSV.
//!
//! Writing may stop for long (a full disk, a pipe that nobody reads), so one thread per sink does it and the
//! sink waits for the thread with the runner's patience. What was written after the runner had given up waiting is not
//! written again, in whatever batches it comes.
//!
//! Invariant: on disk, a record is accepted only after its line was synchronized; a line that a crash cut short was
//! never accepted and is removed before the next one is written.

mod answer;
mod encode;
mod peer;
mod store;

use std::sync::Arc;
use std::time::Duration;

use self::encode::LineForm;
use self::peer::{Batch, Peer};
use super::payload::Encoder;
use super::{BuildError, Outcome, Record, Sink};
use crate::config::model::File;

/// The sink of `type = "file"`.
#[derive(Debug)]
pub struct FileSink {
    form: LineForm,
    peer: Peer,
    most: usize,
    limit: Duration,
}

impl FileSink {
    /// A sink for this hub. The file is opened with the first delivery. `limit` is the time of one attempt, `most` the
    /// records of one.
    pub fn new(hub: &str, config: &File, most: usize, limit: Duration) -> Result<Self, BuildError> {
        let encoder = Encoder::new(hub, config.shape, &config.fields)?;
        let form = LineForm { encoder, format: config.format };
        Ok(FileSink { form, peer: Peer::new(config).map_err(BuildError::Thread)?, most: most.max(1), limit })
    }
}

impl Sink for FileSink {
    async fn deliver(&mut self, records: &[Record]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(records.len());
        let keys: Vec<Arc<str>> = records.iter().map(|record| Arc::clone(&record.key)).collect();
        if let Some((count, written)) = self.peer.written_ahead(&keys).await {
            outcomes.resize(count, answer::outcome(Ok(written)));
        }
        for run in self.form.runs(records.get(outcomes.len()..).unwrap_or_default()) {
            let keys = run.iter().map(|record| Arc::clone(&record.key)).collect();
            let batch = Batch { keys, header: self.form.header(run), lines: self.form.lines(run) };
            let outcome = answer::outcome(self.peer.append(batch).await);
            outcomes.resize(outcomes.len() + run.len(), outcome.clone());
            if matches!(outcome, Outcome::Retry { .. }) {
                outcomes.resize(records.len(), outcome);
                break;
            }
        }
        outcomes
    }

    fn batch(&self) -> usize {
        self.most
    }

    fn timeout(&self) -> Duration {
        self.limit
    }

    async fn close(&mut self) {
        self.peer.close().await;
    }
}
