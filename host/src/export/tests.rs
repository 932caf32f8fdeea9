//! Journals made by the real writer, and what an export makes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::average::{Average, AverageKey, Companionship, Mass, Report, Used};
use crate::config::model;
use crate::journal::{self, Derive, Derived, Event, Journal, Reader, Revisions};
use crate::reading::{Columns, DeviceCatalog, InstrumentState, PlantState, Point, PointKind, PollSet, Qualifiers};
use crate::rounding::Rounding;
use crate::time::Timestamp;

/// Hands out averages once.
struct Once(Vec<Derived>);

impl Derive for Once {
    fn committed(&mut self, _: u64, _: &[Arc<PollSet>]) {}

    fn happened(&mut self, _: Timestamp, _: &Event) {}

    fn needed_from(&self) -> Option<Timestamp> {
        None
    }

    fn derive(&mut self, _: Timestamp) -> Vec<Derived> {
        std::mem::take(&mut self.0)
    }
}

/// One number and one text, sampled at this moment.
fn set(device: &str, sampled_at: Timestamp) -> Arc<PollSet> {
    let point = |id: &str, kind| Point { id: id.into(), label: String::new(), unit: "[ppb]".into(), kind };
    let catalog = DeviceCatalog {
        device: device.into(),
        plugin: "test 1".into(),
        plugin_digest: "00".into(),
        points: vec![point("no2", PointKind::Number), point("mode", PointKind::Text)],
    };
    let columns = Columns {
        points: vec![0, 1],
        values: vec![f64::from_bits(0x7ff4_0000_0000_beef), 0.0],
        states: vec![InstrumentState::Valid; 2],
        statuses: vec![10, u64::MAX],
        times: vec![sampled_at; 2],
        texts: vec![(1, "zero, \"span\"".into())],
        ..Columns::default()
    };
    Arc::new(PollSet { catalog: Arc::new(catalog), received_at: Timestamp::from_seconds(42), columns })
}

fn average(start: Timestamp, parameter: &str, revision: u32) -> Derived {
    let key = AverageKey {
        source: "stack-1".into(),
        parameter: parameter.into(),
        rule_set: "kz-20min".into(),
        start,
        revision,
    };
    let average = Average {
        mean_raw: Some(1.5),
        unit_raw: "[ppb]".into(),
        mean: Some(0.1 + 0.2),
        max: Some(2.0),
        corrected: Some(0.25),
        validated: Some(0.25),
        report: Some(Report { decimals: 1, rounding: Rounding::HalfUp }),
        mass: Some(Mass { g_s: 1.5, kg: 1.8 }),
        label: "1970-01-01T05:00:00+05:00".into(),
        used: Used {
            companions: [(
                "oxygen".to_owned(),
                Companionship { mean: Some(7.5), measured: 1, ..Companionship::default() },
            )]
            .into(),
            ..Used::default()
        },
        expected: 20,
        received: 20,
        valid: 19,
        coverage: 0.95,
        state: InstrumentState::Valid,
        plant: PlantState::Operating,
        qualifiers: Qualifiers::LATE,
        ..Average::empty(key, Duration::from_secs(1200), "mg/m3", "abc")
    };
    Derived { average, deliveries: Vec::new(), gap: None, hold: None }
}

/// Each set is an entry of its own.
async fn journal_of(folder: &Path, sets: Vec<Arc<PollSet>>, averages: Vec<Derived>) -> PathBuf {
    let file = folder.join("journal.sqlite");
    let settings = model::Journal { commit_interval: Duration::from_millis(5), ..model::Journal::default() };
    let (journal, running) = Journal::open(&file, &settings, Once(averages)).unwrap();
    for set in sets {
        journal.append(set).await.unwrap();
        journal.flush().await.unwrap();
    }
    journal.flush().await.unwrap();
    drop(journal);
    tokio::task::spawn_blocking(|| running.join()).await.unwrap();
    file
}

fn keep_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn csv_of_readings(
    file: &Path,
    selection: &ReadingSelection,
    damage: Damage,
) -> Result<(String, Summary), ExportError> {
    let out = file.with_extension("csv");
    let mut table = table(What::Readings, Format::Csv, Target::file(&out, &[]).unwrap()).unwrap();
    let mut reader = journal::read(file).unwrap();
    let summary = readings(&mut reader, selection, damage, &mut *table, &mut keep_on)?;
    table.finish()?;
    Ok((std::fs::read_to_string(out).unwrap(), summary))
}

fn csv_of_averages(file: &Path, selection: &AverageSelection, revisions: Revisions) -> String {
    let out = file.with_extension("csv");
    let mut table = table(What::Averages, Format::Csv, Target::file(&out, &[]).unwrap()).unwrap();
    let reader: Reader = journal::read(file).unwrap();
    averages(&reader, selection, revisions, Damage::Stop, &mut *table, &mut keep_on).unwrap();
    table.finish().unwrap();
    std::fs::read_to_string(out).unwrap()
}

/// Entry, device and point of each row.
fn places(csv: &str) -> Vec<String> {
    csv.lines().skip(1).map(|line| line.split(',').take(3).collect::<Vec<_>>().join(" ")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_says_what_the_journal_says_and_which_entry_says_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = journal_of(folder.path(), vec![set("a", Timestamp(7))], Vec::new()).await;

    let (csv, summary) = csv_of_readings(&file, &ReadingSelection::default(), Damage::Stop).unwrap();

    assert_eq!(
        csv,
        "entry,device,point,sampled_at,received_at,value,text,unit,state,qualifiers,status,raw\r\n\
         3,a,no2,1970-01-01T00:00:00.000000007Z,1970-01-01T00:00:42Z,NaN,,[ppb],valid,,10,\r\n\
         3,a,mode,1970-01-01T00:00:00.000000007Z,1970-01-01T00:00:42Z,,\"zero, \"\"span\"\"\",[ppb],valid,,18446744073709551615,\r\n"
    );
    assert_eq!(summary, Summary { rows: 2, ..Summary::default() });
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_are_selected_by_the_time_of_their_sample() {
    let folder = tempfile::tempdir().unwrap();
    let now = Timestamp::now();
    let days = |days: u64| now.before(Duration::from_secs(86_400 * days));
    let sets = vec![set("now", now), set("old", days(20)), set("older", days(40)), set("back", days(21))];
    let file = journal_of(folder.path(), sets, Vec::new()).await;
    let devices = |from: Option<u64>, to: Option<u64>| -> Vec<String> {
        let period = Period { from: from.map(days), to: to.map(days) };
        let selection = ReadingSelection { period, points: vec!["no2".into()], ..ReadingSelection::default() };
        let (csv, _) = csv_of_readings(&file, &selection, Damage::Stop).unwrap();
        places(&csv).iter().map(|place| place.split(' ').nth(1).unwrap().to_owned()).collect()
    };

    assert_eq!(devices(None, None), ["now", "old", "older", "back"]);
    assert_eq!(devices(Some(21), Some(20)), ["back"]);
    assert_eq!(devices(Some(20), None), ["now", "old"]);
    assert_eq!(devices(None, Some(20)), ["older", "back"]);
    // All were committed just now, more than 31 days after the end of this period.
    assert_eq!(devices(None, Some(39)), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_are_selected_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = journal_of(folder.path(), vec![set("a", Timestamp(1)), set("b", Timestamp(2))], Vec::new()).await;
    let check = |selection: ReadingSelection, expected: &[&str]| {
        let (csv, _) = csv_of_readings(&file, &selection, Damage::Stop).unwrap();
        assert_eq!(places(&csv), expected);
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let parameters = BTreeMap::from([("a".to_owned(), BTreeSet::from(["mode".to_owned()]))]);

    check(ReadingSelection { devices: names(&["b"]), ..Default::default() }, &["5 b no2", "5 b mode"]);
    check(ReadingSelection { points: names(&["no2"]), ..Default::default() }, &["3 a no2", "5 b no2"]);
    check(ReadingSelection { parameters: Some(parameters), ..Default::default() }, &["3 a mode"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_entry_ends_the_export_unless_it_may_be_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let sets = vec![set("a", Timestamp(1)), set("a", Timestamp(2)), set("a", Timestamp(3))];
    let file = journal_of(folder.path(), sets, Vec::new()).await;
    let entries: Vec<i64> = {
        let connection = rusqlite::Connection::open(&file).unwrap();
        let mut statement = connection.prepare("SELECT seq FROM entry WHERE kind = 2 ORDER BY seq").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.execute("UPDATE entry SET payload = x'0102' WHERE seq = ?1", [entries[1]]).unwrap();
    let all = ReadingSelection::default();

    let error = csv_of_readings(&file, &all, Damage::Stop).unwrap_err();
    assert_eq!(error.to_string(), format!("journal entry {} is damaged: 1 bytes where 4 are needed", entries[1]));
    assert!(!file.with_extension("csv").exists(), "half an export has its name");

    let (csv, summary) = csv_of_readings(&file, &all, Damage::Skip).unwrap();
    assert_eq!(places(&csv).len(), 4);
    let damaged = vec![(entries[1].cast_unsigned(), "1 bytes where 4 are needed".to_owned())];
    assert_eq!(summary, Summary { rows: 4, damaged, damaged_in_all: 1 });
}

#[tokio::test(flavor = "multi_thread")]
async fn averages_come_in_their_newest_revision_or_in_all() {
    let folder = tempfile::tempdir().unwrap();
    let block = Timestamp::from_seconds;
    let closed = [(1200, "NO2", 0), (1200, "NO2", 1), (0, "NO2", 0), (0, "CO", 0)];
    let averages = closed.map(|(start, parameter, revision)| average(block(start), parameter, revision)).to_vec();
    let file = journal_of(folder.path(), Vec::new(), averages).await;
    let check = |selection: AverageSelection, revisions, expected: &[&str]| {
        let csv = csv_of_averages(&file, &selection, revisions);
        let row = |line: &str| {
            let fields: Vec<&str> = line.split(',').collect();
            format!("{} {} {}", fields[1], &fields[3][11..16], fields[6])
        };
        assert_eq!(csv.lines().skip(1).map(row).collect::<Vec<_>>(), expected);
    };
    let all = AverageSelection::default;
    let period = Period { from: Some(block(1)), to: Some(block(1201)) };

    check(all(), Revisions::Latest, &["CO 00:00 0", "NO2 00:00 0", "NO2 00:20 1"]);
    check(all(), Revisions::All, &["CO 00:00 0", "NO2 00:00 0", "NO2 00:20 0", "NO2 00:20 1"]);
    check(AverageSelection { period, ..all() }, Revisions::Latest, &["NO2 00:20 1"]);
    check(AverageSelection { parameters: vec!["CO".into()], ..all() }, Revisions::All, &["CO 00:00 0"]);
    let line = csv_of_averages(&file, &all(), Revisions::Latest).lines().nth(1).unwrap().to_owned();
    assert_eq!(
        line,
        "stack-1,CO,kz-20min,1970-01-01T00:00:00Z,1970-01-01T00:20:00Z,1200,0,1970-01-01T05:00:00+05:00,\
         0.30000000000000004,0.25,0.25,0.3,1.5,1.8,,2.0,mg/m3,1.5,[ppb],20,20,19,0.95,valid,operating,late,7.5,,\
         \"{\"\"used\"\":{\"\"companions\"\":{\"\"oxygen\"\":{\"\"mean\"\":7.5,\"\"measured\"\":1,\"\"held\"\":0,\"\"substituted\"\":0,\"\"missing\"\":0}}},\
         \"\"notes\"\":[],\"\"implausible\"\":{},\"\"plants\"\":{}}\",,abc,,,2"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_pieces_are_one_export_and_each_row_comes_once() {
    let folder = tempfile::tempdir().unwrap();
    let averages = (0..2500).map(|block| average(Timestamp::from_seconds(block / 10), &format!("P{}", block % 10), 0));
    let file = journal_of(folder.path(), Vec::new(), averages.collect()).await;
    let connection = rusqlite::Connection::open(&file).unwrap();
    let copies = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 700) \
                  INSERT INTO entry (seq, at, kind, payload, hash) SELECT 100 + i, i / 5, 2, x'0100000000', x'' FROM n";
    connection.execute(copies, []).unwrap();

    let lines = csv_of_averages(&file, &AverageSelection::default(), Revisions::Latest);
    assert_eq!(lines.lines().skip(1).collect::<BTreeSet<_>>().len(), 2500);
    let mut reader = journal::read(&file).unwrap();
    let mut scan = reader.scan_readings(None, None).unwrap();
    let mut seen = Vec::new();
    loop {
        let piece = reader.next_readings(&mut scan).unwrap();
        if piece.is_empty() {
            break;
        }
        seen.extend(piece.iter().map(|found| found.entry));
    }
    assert_eq!(seen, (101..=800).collect::<Vec<u64>>());
    assert_eq!((scan.passed().done, scan.passed().all), (700, 700));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_enough_ends_the_export_and_finds_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = journal_of(folder.path(), vec![set("a", Timestamp(1))], Vec::new()).await;
    let out = file.with_extension("jsonl");
    let mut table = table(What::Readings, Format::JsonLines, Target::file(&out, &[]).unwrap()).unwrap();
    let mut reader = journal::read(&file).unwrap();

    let mut enough = |_: Progress| ControlFlow::Break(());
    let ended = readings(&mut reader, &ReadingSelection::default(), Damage::Stop, &mut *table, &mut enough);
    drop(table);

    assert!(matches!(ended, Err(ExportError::Interrupted)));
    let left = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!left.into_iter().any(|name| name.to_string_lossy().contains("jsonl")));
}
