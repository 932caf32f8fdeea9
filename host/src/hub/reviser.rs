//! Derives blocks again whose samples came after they had closed, and adds what comes out as revisions.
//!
//! Invariant: a late sample is in the journal before its block is looked at, and is looked at again after a restart until a revision
//! has it.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::derivation::Derivation;
use super::recompute::{Recipes, with_late};
use crate::average::Average;
use crate::journal::{Journal, JournalError};
use crate::pipeline::LateBlock;
use crate::time::Timestamp;

/// On whose behalf and why, as revisions say it.
const AUTHOR: &str = "hub";
const REASON: &str = "readings that came late";

/// The task that revises.
pub struct Reviser {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Reviser {
    /// Begins to look for late samples, `after` the last of a block has come.
    pub fn start(journal: Journal, derivation: Derivation, after: Duration) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(journal, derivation, after, stop.clone()));
        Reviser { stop, task }
    }

    /// Ends the task; what is late then is looked at after the next start.
    pub async fn end(self) {
        self.stop.cancel();
        if self.task.await.is_err() {
            error!("the task that revises ended in a panic");
        }
    }
}

async fn run(journal: Journal, derivation: Derivation, after: Duration, stop: CancellationToken) {
    let every = (after / 4).clamp(Duration::from_millis(250), Duration::from_secs(60));
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        let now = Timestamp::now();
        let blocks = derivation.late_blocks(now.before(after));
        if blocks.is_empty() {
            continue;
        }
        if let Err(error) = revise(&journal, blocks, now).await {
            error!(
                "late readings could not be taken into their blocks: {}; they are tried again after a restart",
                super::describe(&error)
            );
        }
    }
}

async fn revise(journal: &Journal, blocks: Vec<LateBlock>, until: Timestamp) -> Result<(), JournalError> {
    // What was received until now must be readable.
    journal.flush().await?;
    let mut reader = journal.reader()?;
    let count = blocks.len();
    let derived = tokio::task::spawn_blocking(move || {
        let recipes = Recipes::read(&reader, None)?;
        with_late(&mut reader, &recipes, &blocks, until)
    });
    let fresh = derived.await.map_err(|_| JournalError::Closed)??;
    let signed = fresh.into_iter().map(|average| Average {
        reason: Some(REASON.to_owned()),
        author: Some(AUTHOR.to_owned()),
        ..average
    });
    let revisions: Vec<Average> = signed.collect();
    info!("{count} blocks have late readings: {} averages are revised", revisions.len());
    if revisions.is_empty() { Ok(()) } else { journal.revise(revisions).await }
}
