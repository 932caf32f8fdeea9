//! What can befall a journal's file: each time a named error, or a recovery that is recorded.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::tests::{Script, close, set, settings};
use super::verify::{Fault, Options, Report, verify};
use super::*;

async fn with_readings(file: &Path, count: u32) {
    let (journal, running) = Journal::open(file, &settings(), Script::default()).unwrap();
    for value in 0..count {
        journal.append(set("a", f64::from(value))).await.unwrap();
        journal.flush().await.unwrap();
    }
    close(journal, running).await;
}

/// Opens as a hub does, and ends again. Returns all events of the journal then.
async fn opened(file: &Path) -> Vec<Event> {
    let (journal, running) = Journal::open(file, &settings(), Script::default()).unwrap();
    journal.append(set("a", 0.5)).await.unwrap();
    journal.flush().await.unwrap();
    close(journal, running).await;
    let mut events = Vec::new();
    let always = crate::time::Timestamp(i64::MIN)..crate::time::Timestamp(i64::MAX);
    read(file).unwrap().events(always, |_, event| events.push(event)).unwrap();
    events
}

fn check(file: &Path) -> Report {
    verify(file, &Options::default(), |_| {}).unwrap()
}

/// A copy of the file and its log as they are while the hub runs: what a power cut leaves.
fn cut_power(file: &Path, copy: &Path) {
    for ending in ["", "-wal"] {
        let of = |path: &Path| format!("{}{ending}", path.display());
        if Path::new(&of(file)).exists() {
            fs::copy(of(file), of(copy)).unwrap();
        }
    }
    fs::copy(file.with_extension("lock"), copy.with_extension("lock")).unwrap();
    fs::copy(file.with_extension("key"), copy.with_extension("key")).unwrap();
}

/// A copy of the journal as it is after so many readings, while the hub still runs.
async fn cut_power_after(readings: u32, file: &Path, copy: &Path) {
    let (journal, running) = Journal::open(file, &settings(), Script::default()).unwrap();
    for value in 0..readings {
        journal.append(set("a", f64::from(value))).await.unwrap();
        journal.flush().await.unwrap();
    }
    cut_power(file, copy);
    close(journal, running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_log_costs_at_most_what_was_not_committed_and_the_loss_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let (file, copy) = (folder.path().join("j.sqlite"), folder.path().join("copy.sqlite"));
    cut_power_after(20, &file, &copy).await;
    let log = schema::wal_of(&copy);
    let length = fs::metadata(&log).unwrap().len();
    fs::File::options().write(true).open(&log).unwrap().set_len(length - 3000).unwrap();

    let events = opened(&copy).await;

    let lost = events.iter().find_map(|event| match event {
        Event::Lost { first, last, .. } => Some((*first, *last)),
        _ => None,
    });
    let (first, last) = lost.expect("the loss is recorded");
    let findings = check(&copy).findings;
    assert_eq!(findings.iter().map(|found| (found.entry, found.fault)).collect::<Vec<_>>(), [(first, Fault::Lost)]);
    assert!(last >= first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_removed_is_noticed_and_its_numbers_are_not_given_again() {
    let folder = tempfile::tempdir().unwrap();
    let (file, copy) = (folder.path().join("j.sqlite"), folder.path().join("copy.sqlite"));
    with_readings(&file, 5).await;
    cut_power_after(20, &file, &copy).await;
    let known = read(&copy).unwrap().last_entry().unwrap();
    fs::remove_file(schema::wal_of(&copy)).unwrap();
    let _ = fs::remove_file(format!("{}-shm", copy.display()));

    let events = opened(&copy).await;

    assert!(events.iter().any(|event| matches!(event, Event::Lost { last, .. } if *last == known)), "{events:?}");
    let fresh: i64 = Connection::open(&copy)
        .unwrap()
        .query_row("SELECT min(seq) FROM entry WHERE seq > ?1", [known as i64 - 15], |row| row.get(0))
        .unwrap();
    assert_eq!(fresh as u64, known + 1);
    assert_eq!(check(&copy).findings[0].fault, Fault::Lost);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_database_is_set_aside_and_recording_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("j.sqlite");
    with_readings(&file, 5).await;
    let mut bytes = fs::read(&file).unwrap();
    bytes[..100].fill(0xff);
    fs::write(&file, &bytes).unwrap();

    let events = opened(&file).await;

    let aside = events.iter().find_map(|event| match event {
        Event::SetAside { file, .. } => Some(file.clone()),
        _ => None,
    });
    assert_eq!(fs::read(folder.path().join(aside.unwrap())).unwrap(), bytes, "the damaged file is kept as it was");
    assert_eq!(check(&file).readings, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_at_the_end_is_recorded_and_recording_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("j.sqlite");
    with_readings(&file, 5).await;
    let connection = Connection::open(&file).unwrap();
    let last: i64 = connection.query_row("SELECT max(seq) FROM entry", [], |row| row.get(0)).unwrap();
    connection.execute("UPDATE entry SET payload = CAST(payload || ' ' AS BLOB) WHERE seq = ?1", [last]).unwrap();
    drop(connection);

    let events = opened(&file).await;

    assert!(
        events.iter().any(|event| matches!(event, Event::Altered { entry, .. } if *entry == last as u64)),
        "{events:?}"
    );
    assert_eq!(check(&file).findings[0].entry, last as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_of_format_1_is_converted_and_nothing_in_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("j.sqlite");
    let old = Connection::open(&file).unwrap();
    old.execute_batch(include_str!("fixtures/format-1.sql")).unwrap();
    let all = |connection: &Connection, sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let entries =
        "SELECT seq || ' ' || at || ' ' || kind || ' ' || hex(payload) FROM entry WHERE seq <= 36 ORDER BY seq";
    let averages = "SELECT body FROM average ORDER BY entry, body";
    let deliveries = "SELECT sink || key || state || answer || attempts FROM delivery ORDER BY id";
    let before = [entries, averages, deliveries].map(|sql| all(&old, sql));
    drop(old);

    let events = opened(&file).await;

    let converted = Connection::open(&file).unwrap();
    assert_eq!([entries, averages, deliveries].map(|sql| all(&converted, sql)), before);
    assert!(!before.iter().any(Vec::is_empty));
    assert!(events.iter().any(|event| matches!(event, Event::Converted { from: 1, .. })), "{events:?}");
    assert_eq!(check(&file).findings, []);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    // A folder in the place of the file cannot be written, whoever asks; permissions do not stop a superuser.
    let file = folder.path().join("j.sqlite");
    fs::create_dir(&file).unwrap();
    let error = Journal::open(&file, &settings(), Script::default()).map(|_| ()).unwrap_err();
    assert!(matches!(error, JournalError::ReadOnly { .. }), "{error:?}");
    assert!(error.to_string().contains("j.sqlite"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_without_anything_beside_it_can_be_checked_where_nothing_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("j.sqlite");
    with_readings(&file, 5).await;
    let copy = folder.path().join("copy.sqlite");
    read(&file).unwrap().copy_to(&copy).unwrap();
    let report = check(&copy);
    assert_eq!((report.findings, report.readings), (vec![], 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_inside_that_cannot_be_read_is_set_aside_at_the_start_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("j.sqlite");
    with_readings(&file, 5).await;
    let root: i64 = Connection::open(&file)
        .unwrap()
        .query_row("SELECT rootpage FROM sqlite_master WHERE name = 'entry_by_kind'", [], |row| row.get(0))
        .unwrap();
    let mut bytes = fs::read(&file).unwrap();
    let page = usize::try_from(root - 1).unwrap() * 4096;
    bytes[page..page + 4096].fill(0xff);
    fs::write(&file, &bytes).unwrap();

    let events = opened(&file).await;

    assert!(events.iter().any(|event| matches!(event, Event::SetAside { .. })), "{events:?}");
    assert_eq!(check(&file).readings, 1);
}

#[test]
fn readings_are_found_by_their_number_and_not_by_walking_through_all() {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(schema::TABLES).unwrap();
    for sql in reader::BLOCK_QUERIES {
        let plan: Vec<String> = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap()
            .query_map([1, 1], |row| row.get(3))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{sql}: {plan:?}");
    }
}
