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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::model;
    use crate::hub::recompute::recompute;
    use crate::journal::Event;
    use crate::pipeline::{Assignment, Rules};
    use crate::reading::{Columns, DeviceCatalog, InstrumentState, Point, PointKind, PollSet};

    const SECOND: Duration = Duration::from_secs(1);
    const PATIENCE: Duration = Duration::from_secs(20);

    fn assignments() -> Vec<Assignment> {
        let of = |name: &str, block: Duration, from: Option<&str>| Assignment {
            rule_set: name.into(),
            rules: Rules { from: from.map(str::to_owned), ..Rules::simple(block, 0.0, Duration::from_millis(50)) },
            ..Assignment::of_point("d", "no2", Duration::from_millis(500))
        };
        vec![of("short", SECOND, None), of("long", 2 * SECOND, Some("short"))]
    }

    fn catalog() -> Arc<DeviceCatalog> {
        let point = Point { id: "no2".into(), label: String::new(), unit: "mg/m3".into(), kind: PointKind::Number };
        Arc::new(DeviceCatalog {
            device: "d".into(),
            plugin: String::new(),
            plugin_digest: String::new(),
            points: vec![point],
        })
    }

    fn set(catalog: &Arc<DeviceCatalog>, sampled: Timestamp, value: f64) -> Arc<PollSet> {
        let columns = Columns {
            points: vec![0],
            values: vec![value],
            states: vec![InstrumentState::Valid],
            times: vec![sampled],
            ..Columns::default()
        };
        Arc::new(PollSet { catalog: Arc::clone(catalog), received_at: Timestamp::now(), columns })
    }

    async fn until(journal: &Journal, what: &str, mut holds: impl FnMut(&[Average]) -> bool) -> Vec<Average> {
        let mut written = journal.written();
        let wait = async {
            loop {
                let all = journal.reader().unwrap().newest_averages(Timestamp(0)..Timestamp(i64::MAX)).unwrap();
                if holds(&all) {
                    return all;
                }
                // Blocks close with time, and not only with what is written.
                let _ = tokio::time::timeout(Duration::from_millis(100), written.changed()).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what} did not come"))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn late_readings_revise_their_block_and_the_longer_one_and_are_derived_to_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("j.sqlite");
        let settings = model::Journal { commit_interval: Duration::from_millis(5), ..model::Journal::default() };
        let derivation = Derivation::new("hub");
        derivation.set_routes([], "c");
        let (journal, running) = Journal::open(&file, &settings, derivation.clone()).unwrap();
        let streams = serde_json::to_value(assignments()).unwrap();
        journal.event(Event::Streams { configuration: "c".into(), streams }).await.unwrap();
        let begin = Timestamp::now();
        derivation.assign(assignments(), &mut journal.reader().unwrap(), begin).unwrap();
        let catalog = catalog();
        let start = begin.block_start(SECOND);
        journal.append(set(&catalog, start.after(Duration::from_millis(100)), 10.0)).await.unwrap();
        let of = |all: &[Average], rule_set: &str| {
            let holds = |average: &&Average| average.key.start <= begin && begin < average.end();
            all.iter().filter(|average| average.key.rule_set == rule_set).find(holds).cloned()
        };
        until(&journal, "both blocks", |all| of(all, "long").is_some()).await;
        let reviser = Reviser::start(journal.clone(), derivation.clone(), Duration::from_millis(300));

        journal.append(set(&catalog, start.after(Duration::from_millis(600)), 20.0)).await.unwrap();

        let revised = |all: &[Average], name: &str| of(all, name).is_some_and(|average| average.key.revision == 1);
        let all = until(&journal, "both revisions", |all| revised(all, "short") && revised(all, "long")).await;
        let short = of(&all, "short").unwrap();
        assert_eq!((short.mean, short.valid), (Some(15.0), 2));
        assert_eq!((short.reason.as_deref(), short.author.as_deref()), (Some(REASON), Some(AUTHOR)));
        assert!(short.received_until.is_some());
        assert_eq!(of(&all, "long").unwrap().mean, Some(15.0));
        let mut reader = journal.reader().unwrap();
        let recipes = Recipes::read(&reader, None).unwrap();
        let again = recompute(&mut reader, &recipes, Timestamp(0)..Timestamp::now().before(4 * SECOND)).unwrap();
        assert_eq!(again.differing, []);
        let again = recompute(&mut reader, &recipes, short.key.start..short.end()).unwrap();
        assert_eq!((again.differing.len(), again.identical >= 1), (0, true), "{again:?}");

        reviser.end().await;
        drop((journal, reader));
        tokio::task::spawn_blocking(|| running.join()).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn late_readings_that_no_revision_has_are_taken_up_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("j.sqlite");
        let settings = model::Journal { commit_interval: Duration::from_millis(5), ..model::Journal::default() };
        let before = Derivation::new("hub");
        let (journal, running) = Journal::open(&file, &settings, before.clone()).unwrap();
        let begin = Timestamp::now();
        before.assign(assignments(), &mut journal.reader().unwrap(), begin).unwrap();
        let catalog = catalog();
        until(&journal, "a block", |all| !all.is_empty()).await;
        journal.append(set(&catalog, begin, 10.0)).await.unwrap();
        journal.flush().await.unwrap();
        journal.flush().await.unwrap();
        drop(journal);
        tokio::task::spawn_blocking(|| running.join()).await.unwrap();

        let after = Derivation::new("hub");
        after.take_up(&crate::journal::read(&file).unwrap()).unwrap();

        let late = after.late_blocks(Timestamp(i64::MAX));
        assert_eq!(late.len(), 1);
        assert_eq!((late[0].rule_set.as_str(), late[0].start), ("short", begin.block_start(SECOND)));
    }
}
