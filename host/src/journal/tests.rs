//! The journal as the hub uses it: a file, a writer, readers beside it.

use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::average::{Average, AverageKey};
use crate::reading::{Columns, DeviceCatalog, InstrumentState, PlantState, Point, PointKind};
use crate::time::Timestamp;

/// Hands out what it was given once, and notes what was committed.
#[derive(Clone, Default)]
pub(crate) struct Script {
    averages: Arc<Mutex<Vec<Derived>>>,
    committed: Arc<Mutex<Vec<(u64, usize)>>>,
    needed_from: Option<Timestamp>,
}

impl Script {
    /// Readings from this moment on are still needed.
    pub(crate) fn needing(from: Timestamp) -> Self {
        Script { needed_from: Some(from), ..Script::default() }
    }

    /// Averages for the next time that the writer asks.
    pub(crate) fn give(&self, derived: impl IntoIterator<Item = Derived>) {
        self.averages.lock().unwrap().extend(derived);
    }

    /// Whether it has not asked yet.
    pub(crate) fn has_some(&self) -> bool {
        !self.averages.lock().unwrap().is_empty()
    }
}

impl Derive for Script {
    fn committed(&mut self, entry: u64, sets: &[Arc<PollSet>]) {
        self.committed.lock().unwrap().push((entry, sets.len()));
    }

    fn happened(&mut self, _: Timestamp, _: &Event) {}

    fn needed_from(&self) -> Option<Timestamp> {
        self.needed_from
    }

    fn derive(&mut self, _: Timestamp) -> Vec<Derived> {
        std::mem::take(&mut self.averages.lock().unwrap())
    }
}

const ALWAYS: std::ops::Range<Timestamp> = Timestamp(i64::MIN)..Timestamp(i64::MAX);

pub(super) fn settings() -> model::Journal {
    model::Journal { commit_interval: Duration::from_millis(5), ..model::Journal::default() }
}

pub(super) fn set(device: &str, value: f64) -> Arc<PollSet> {
    let point = Point { id: "no2".into(), label: "NO2".into(), unit: "[ppb]".into(), kind: PointKind::Number };
    let catalog = DeviceCatalog {
        device: device.into(),
        plugin: "test 1".into(),
        plugin_digest: "00".into(),
        points: vec![point],
    };
    let columns = Columns {
        points: vec![0],
        values: vec![value],
        states: vec![InstrumentState::Valid],
        statuses: vec![0b1010],
        ..Columns::default()
    };
    Arc::new(PollSet { catalog: Arc::new(catalog), received_at: Timestamp(42), columns })
}

pub(crate) fn derived(start: i64, sink: &str) -> Derived {
    let key = AverageKey {
        source: "stack-1".into(),
        parameter: "NO2".into(),
        rule_set: "kz-20min".into(),
        start: Timestamp::from_seconds(start),
        revision: 0,
    };
    let delivery = (sink.to_owned(), format!("{}", key.start));
    let average = Average {
        mean_raw: Some(1.5),
        unit_raw: "[ppb]".into(),
        mean: Some(0.1 + 0.2),
        min: Some(1.0),
        max: Some(2.0),
        expected: 20,
        received: 20,
        valid: 20,
        coverage: 1.0,
        state: InstrumentState::Valid,
        plant: PlantState::Operating,
        ..Average::empty(key, Duration::from_secs(1200), "mg/m3", "abc")
    };
    Derived { average, deliveries: vec![delivery], gap: None, hold: None }
}

pub(crate) async fn close(journal: Journal, running: Running) {
    drop(journal);
    tokio::task::spawn_blocking(|| running.join()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_come_back_bit_for_bit_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("j.sqlite");
    let nan = f64::from_bits(0x7ff4_0000_0000_beef);
    let (journal, running) = Journal::open(&file, &settings(), Script::default()).unwrap();
    journal.append(set("a", nan)).await.unwrap();
    journal.append(set("b", 2.5)).await.unwrap();
    journal.flush().await.unwrap();
    close(journal, running).await;

    let mut reader = read(&file).unwrap();
    let found = reader.readings_after(Cursor { entry: 0, item: 0 }).unwrap();

    let seen: Vec<_> = found
        .iter()
        .map(|(_, set)| (set.catalog.device.as_str(), set.columns.values[0].to_bits(), set.columns.statuses[0]))
        .collect();
    assert_eq!(seen, [("a", nan.to_bits(), 10), ("b", 2.5_f64.to_bits(), 10)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_derived_before_the_commit() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("j.sqlite");
    let script = Script::default();
    let (journal, running) = Journal::open(&file, &settings(), script.clone()).unwrap();
    for _ in 0..10 {
        journal.append(set("a", 1.0)).await.unwrap();
    }
    journal.flush().await.unwrap();
    close(journal, running).await;

    let mut reader = read(&file).unwrap();
    let committed = script.committed.lock().unwrap().clone();
    assert_eq!(committed.iter().map(|(_, sets)| sets).sum::<usize>(), 10);
    for (entry, sets) in committed {
        let found = reader.readings_after(Cursor { entry: entry - 1, item: u32::MAX }).unwrap();
        assert_eq!(found.iter().filter(|(place, _)| place.entry == entry).count(), sets);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_average_that_is_derived_again_is_delivered_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("j.sqlite");
    let script = Script::default();
    let (journal, running) = Journal::open(&file, &settings(), script.clone()).unwrap();
    let mut written = journal.written();
    for _ in 0..2 {
        script.averages.lock().unwrap().push(derived(1200, "authority"));
        written.changed().await.unwrap();
    }
    let queued = journal.reader().unwrap().queued("authority", ALWAYS, 10).unwrap();
    assert_eq!(queued.len(), 1);
    let expected = QueuedContent::Average(Box::new(derived(1200, "authority").average));
    assert_eq!(queued[0].content, Ok(expected));
    close(journal, running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_averages_do_not_come_back_and_others_keep_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("j.sqlite");
    let script = Script::default();
    let (journal, running) = Journal::open(&file, &settings(), script.clone()).unwrap();
    let mut written = journal.written();
    script.averages.lock().unwrap().extend([0, 1200, 2400].map(|start| derived(start, "authority")));
    while journal.reader().unwrap().queued("authority", ALWAYS, 10).unwrap().len() < 3 {
        written.changed().await.unwrap();
    }
    let queued = journal.reader().unwrap().queued("authority", ALWAYS, 10).unwrap();
    let verdicts = [Verdict::Acknowledged("R-1".into()), Verdict::Again("busy".into()), Verdict::Rejected("no".into())];
    let tried = |(queued, verdict): (&QueuedDelivery, Verdict)| Tried {
        delivery: queued.id,
        key: queued.key.clone(),
        verdict,
        sent: Timestamp(1),
        answered: Timestamp(2),
        late: false,
    };
    let averages = queued.iter().zip(verdicts).map(tried).collect();
    let settlement = Settlement { sink: "authority".into(), averages, place: None, rejected: vec![] };
    journal.settle(settlement).await.unwrap();
    close(journal, running).await;

    let waiting = read(&file).unwrap().queued("authority", ALWAYS, 10).unwrap();

    assert_eq!(waiting.iter().map(|queued| queued.id).collect::<Vec<_>>(), [queued[1].id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hubs_cannot_write_one_journal() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("j.sqlite");
    let (journal, running) = Journal::open(&file, &settings(), Script::default()).unwrap();
    let second = Journal::open(&file, &settings(), Script::default());
    assert!(matches!(second.map(|_| ()), Err(JournalError::InUse { .. })));
    close(journal, running).await;
    let (journal, running) = Journal::open(&file, &settings(), Script::default()).unwrap();
    close(journal, running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_of_another_format_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("j.sqlite");
    let other = rusqlite::Connection::open(&file).unwrap();
    other.pragma_update(None, "user_version", 99).unwrap();
    drop(other);
    let opened = Journal::open(&file, &settings(), Script::default()).map(|_| ());
    assert!(matches!(opened, Err(JournalError::Format { found: 99, .. })), "{opened:?}");
}
