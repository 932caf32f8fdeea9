//! What is taken away, and what is not.

use std::path::Path;
use std::time::Duration;

use super::tests::{Script, close, derived, set};
use super::verify::{Options, Report, verify};
use super::*;
use crate::time::Timestamp;

const ALWAYS: std::ops::Range<Timestamp> = Timestamp(i64::MIN)..Timestamp(i64::MAX);

/// Looks at every commit, and keeps everything for ever unless a test says otherwise.
fn settings() -> model::Journal {
    let mut settings = model::Journal { commit_interval: Duration::from_millis(2), ..model::Journal::default() };
    settings.retention.every = Duration::from_millis(1);
    settings
}

/// Writes readings and averages, and goes on until `done`.
async fn run(file: &Path, settings: &model::Journal, script: Script, done: impl Fn(&Reader) -> bool) {
    let (journal, running) = Journal::open(file, settings, script.clone()).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    let mut round = 0;
    while round < 20 || !done(&journal.reader().unwrap()) {
        assert!(std::time::Instant::now() < deadline, "it did not come to that");
        journal.append(set("a", f64::from(round))).await.unwrap();
        if round < 20 {
            script.give([derived(i64::from(round) * 1200, "archive")]);
        }
        journal.flush().await.unwrap();
        round += 1;
    }
    close(journal, running).await;
}

fn check(file: &Path) -> Report {
    let report = verify(file, &Options::default(), |_| {}).unwrap();
    assert_eq!(report.findings, []);
    report
}

fn events(file: &Path) -> Vec<Event> {
    let mut events = Vec::new();
    read(file).unwrap().events(ALWAYS, |_, event| events.push(event)).unwrap();
    events
}

fn oldest_reading(reader: &Reader) -> i64 {
    reader.connection.query_row("SELECT min(seq) FROM entry WHERE kind = 2", [], |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_whose_time_is_over_go_and_the_rest_still_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("j.sqlite");
    let mut settings = settings();
    settings.retention.raw = Duration::from_millis(100);

    run(&file, &settings, Script::needing(Timestamp(i64::MAX)), |reader| oldest_reading(reader) > 40).await;

    let report = check(&file);
    assert!(report.pruned > 0, "{report:?}");
    assert_eq!(read(&file).unwrap().newest_averages(ALWAYS).unwrap().len(), 20, "averages stay");
    assert!(events(&file).iter().any(|event| matches!(event, Event::Pruned { reason, .. } if reason == "age")));
    assert!(read(&file).unwrap().readings_kept_from().unwrap() > Timestamp(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_that_an_open_block_needs_stay_however_old() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("j.sqlite");
    let mut settings = settings();
    settings.retention.raw = Duration::from_millis(1);

    run(&file, &settings, Script::needing(Timestamp(0)), |reader| reader.last_entry().unwrap() > 120).await;

    assert_eq!(check(&file).pruned, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_in_bytes_is_told_at_80_percent_and_only_readings_give_way_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("j.sqlite");
    let mut settings = settings();
    (settings.retention.raw_bytes, settings.retention.averages_bytes) = (2_000, 1_000);
    let pruned = |reader: &Reader| oldest_reading(reader) > 60;

    run(&file, &settings, Script::needing(Timestamp(i64::MAX)), pruned).await;

    let report = check(&file);
    assert!(report.pruned > 0, "{report:?}");
    let events = events(&file);
    for alarm in ["journal_raw", "journal_averages"] {
        let raised = |event: &Event| matches!(event, Event::Alarm { alarm: name, raised: true, .. } if name == alarm);
        assert!(events.iter().any(raised), "{alarm}: {events:?}");
    }
    assert_eq!(read(&file).unwrap().newest_averages(ALWAYS).unwrap().len(), 20, "averages never give way");
}

#[tokio::test(flavor = "multi_thread")]
async fn averages_go_when_their_time_is_over_but_not_before_they_are_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("j.sqlite");
    let mut settings = settings();
    settings.retention.averages = Duration::from_millis(1);
    run(&file, &settings, Script::default(), |reader| reader.last_entry().unwrap() > 120).await;
    assert_eq!(read(&file).unwrap().newest_averages(ALWAYS).unwrap().len(), 20, "none of them is delivered");

    let (journal, running) = Journal::open(&file, &settings, Script::default()).unwrap();
    let queued = journal.reader().unwrap().queued("archive", ALWAYS, 100).unwrap();
    let tried = |queued: QueuedDelivery| Tried {
        delivery: queued.id,
        key: queued.key,
        verdict: Verdict::Acknowledged("ok".into()),
        sent: Timestamp(1),
        answered: Timestamp(2),
        late: false,
    };
    let averages = queued.into_iter().map(tried).collect();
    journal.settle(Settlement { sink: "archive".into(), averages, place: None, rejected: vec![] }).await.unwrap();
    while !journal.reader().unwrap().newest_averages(ALWAYS).unwrap().is_empty() {
        journal.event(Event::Problem { what: "time passes".into() }).await.unwrap();
        journal.flush().await.unwrap();
    }
    close(journal, running).await;

    check(&file);
}
