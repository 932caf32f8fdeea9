//! A restart changes nothing in what is derived, and no block is skipped.

use std::path::Path;

use super::*;
use crate::config::model;
use crate::journal::{self, Journal};
use crate::pipeline::Rules;
use crate::reading::{Columns, DeviceCatalog, Point, PointKind};

const BLOCK: Duration = Duration::from_secs(1200);
const LATENESS: Duration = Duration::from_secs(3600);

fn assignment() -> Assignment {
    Assignment {
        source: "stack-1".into(),
        parameter: "NO2".into(),
        rule_set: "kz-20min".into(),
        rules: Rules::simple(BLOCK, 0.75, LATENESS),
        ..Assignment::of_point("no2-north", "no2", Duration::from_secs(300))
    }
}

/// A reading that is received now and was sampled at this moment.
fn set(at: Timestamp, value: f64) -> Arc<PollSet> {
    let point = Point { id: "no2".into(), label: String::new(), unit: "[ppb]".into(), kind: PointKind::Number };
    let catalog = DeviceCatalog {
        device: "no2-north".into(),
        plugin: String::new(),
        plugin_digest: String::new(),
        points: vec![point],
    };
    let columns = Columns {
        points: vec![0],
        values: vec![value],
        states: vec![InstrumentState::Valid],
        times: vec![at],
        ..Columns::default()
    };
    Arc::new(PollSet { catalog: Arc::new(catalog), received_at: at, columns })
}

async fn with_journal(file: &Path, derivation: &Derivation, sets: Vec<Arc<PollSet>>, now: Timestamp) {
    let settings = model::Journal { commit_interval: Duration::from_millis(2), ..model::Journal::default() };
    let (journal, running) = Journal::open(file, &settings, derivation.clone()).unwrap();
    derivation.assign(vec![assignment()], &mut journal.reader().unwrap(), now).unwrap();
    for set in sets {
        journal.append(set).await.unwrap();
    }
    journal.flush().await.unwrap();
    drop(journal);
    tokio::task::spawn_blocking(|| running.join()).await.unwrap();
}

fn closed(derivation: &Derivation, now: Timestamp) -> Vec<Average> {
    derivation.clone().derive(now).into_iter().map(|derived| derived.average).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_the_middle_of_a_block_changes_nothing_in_its_average() {
    let folder = tempfile::tempdir().unwrap();
    let (once, twice) = (folder.path().join("once.sqlite"), folder.path().join("twice.sqlite"));
    // A block that is over but still waits for late samples, so that the writer's own clock does not close it.
    let start = Timestamp::now().before(BLOCK).block_start(BLOCK);
    let sets: Vec<_> = [(0, 0.1), (300, 0.2), (600, 0.3), (900, 0.4)]
        .map(|(seconds, value)| set(start.after(Duration::from_secs(seconds)), value))
        .into();
    let (first, rest) = sets.split_at(2);

    let whole = Derivation::new("hub");
    with_journal(&once, &whole, sets.clone(), start).await;
    with_journal(&twice, &Derivation::new("hub"), first.to_vec(), start).await;
    let resumed = Derivation::new("hub");
    with_journal(&twice, &resumed, rest.to_vec(), start).await;

    let end = start.after(BLOCK).after(LATENESS);
    let (whole, resumed) = (closed(&whole, end), closed(&resumed, end));
    assert_eq!(whole.last().map(|average| average.valid), Some(4));
    assert_eq!(whole.last(), resumed.last());
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_that_ended_while_no_hub_ran_are_closed_and_not_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("j.sqlite");
    let three_blocks_ago = Timestamp::now().before(LATENESS).block_start(BLOCK).before(3 * BLOCK);
    with_journal(&file, &Derivation::new("hub"), vec![], three_blocks_ago).await;
    let stored = journal::read(&file).unwrap().averages_after(0).unwrap();
    let starts: Vec<_> = stored.iter().map(|(_, average)| average.key.start).collect();
    let expected = [0, 1, 2].map(|n| three_blocks_ago.after(n * BLOCK));
    assert_eq!(starts, expected);
    assert!(stored.iter().all(|(_, average)| average.state == InstrumentState::Missing));
}
