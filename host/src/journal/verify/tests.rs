//! Every way to alter a journal that we know is found and located.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, params};
use tempfile::TempDir;

use super::*;
use crate::config::model;
use crate::gap::{Gap, GapCause};
use crate::journal::tests::{Script, derived, set};
use crate::journal::{Derived, Event, Journal, Settlement, Tried, Verdict};
use crate::time::Timestamp;

/// A journal with some of everything. Its writer has ended.
async fn journal(folder: &TempDir) -> PathBuf {
    let file = folder.path().join("j.sqlite");
    let given = Script::default();
    let settings = model::Journal {
        commit_interval: Duration::from_millis(2),
        checkpoint_interval: Duration::from_millis(20),
        ..model::Journal::default()
    };
    let (journal, running) = Journal::open(&file, &settings, given.clone()).unwrap();
    for round in 0..30_i64 {
        for value in 0..4 {
            journal.append(set(if value % 2 == 0 { "a" } else { "b" }, (round * 10 + value) as f64)).await.unwrap();
        }
        let gap = Gap { cause: GapCause::Link, detail: format!("timeout {round}") };
        let lost = Derived { gap: Some(gap), ..derived(round * 2400 + 1200, "authority") };
        given.give([derived(round * 2400, "authority"), lost]);
        journal.event(Event::Problem { what: format!("problem {round}") }).await.unwrap();
        journal.flush().await.unwrap();
        journal.flush().await.unwrap();
    }
    let always = Timestamp(i64::MIN)..Timestamp(i64::MAX);
    let mut written = journal.written();
    while journal.reader().unwrap().queued("authority", always.clone(), 60).unwrap().len() < 60 {
        written.changed().await.unwrap();
    }
    let queued = journal.reader().unwrap().queued("authority", always, 40).unwrap();
    for queued in queued {
        let verdict = Verdict::Acknowledged(format!("receipt {}", queued.id));
        let tried = Tried {
            delivery: queued.id,
            key: queued.key,
            verdict,
            sent: Timestamp(1),
            answered: Timestamp(2),
            late: false,
        };
        let settlement = Settlement { sink: "authority".into(), averages: vec![tried], place: None, rejected: vec![] };
        journal.settle(settlement).await.unwrap();
    }
    drop(journal);
    tokio::task::spawn_blocking(|| running.join()).await.unwrap();
    file
}

fn check(file: &Path) -> Report {
    verify(file, &Options::default(), |_| {}).unwrap()
}

/// Numbers from a seed. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Alters the copy; returns what was done and the entry that must be named.
fn mutate(copy: &Connection, dice: &mut Dice) -> (&'static str, u64) {
    let number = |sql: &str| copy.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let last = number("SELECT max(seq) FROM entry");
    let seq = 1 + dice.below(last as u64) as i64;
    let of_table = |table: &str, dice: &mut Dice| {
        let count = copy.query_row(&format!("SELECT count(*) FROM {table} WHERE entry IS NOT NULL"), [], |row| {
            row.get::<_, i64>(0)
        });
        let skip = dice.below(count.unwrap() as u64) as i64;
        let sql = format!("SELECT rowid, entry FROM {table} WHERE entry IS NOT NULL LIMIT 1 OFFSET {skip}");
        copy.query_row(&sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)? as u64))).unwrap()
    };
    let run = |sql: &str, seq: i64| assert!(copy.execute(sql, params![seq]).unwrap() > 0, "{sql}");
    match dice.below(17) {
        0 => {
            let mut payload: Vec<u8> =
                copy.query_row("SELECT payload FROM entry WHERE seq = ?1", [seq], |row| row.get(0)).unwrap();
            let at = dice.below(payload.len() as u64) as usize;
            payload[at] ^= 1 << dice.below(8);
            copy.execute("UPDATE entry SET payload = ?2 WHERE seq = ?1", params![seq, payload]).unwrap();
            ("a bit of the content", seq as u64)
        }
        1 => {
            run("UPDATE entry SET at = at + 1 WHERE seq = ?1", seq);
            ("the time", seq as u64)
        }
        2 => {
            run("UPDATE entry SET at = at - 3600000000000 WHERE seq = ?1", seq);
            ("back-dated", seq as u64)
        }
        3 => {
            run("UPDATE entry SET kind = kind % 7 + 1 WHERE seq = ?1", seq);
            ("the kind", seq as u64)
        }
        4 => {
            run("DELETE FROM entry WHERE seq = ?1", seq);
            ("deleted", seq as u64)
        }
        5 => {
            copy.execute("DELETE FROM entry WHERE seq >= ?1", [seq]).unwrap();
            ("truncated", seq as u64)
        }
        6 => {
            copy.execute("DELETE FROM entry WHERE seq >= ?1", [seq]).unwrap();
            let sql = "UPDATE head SET (seq, hash, at) = (SELECT seq, hash, at FROM entry ORDER BY seq DESC LIMIT 1)";
            if seq > 1 {
                copy.execute(sql, []).unwrap();
            }
            // The last entry that is left is not one that was signed.
            ("truncated, and the head with it", seq.max(2) as u64 - 1)
        }
        7 => {
            copy.execute("UPDATE entry SET seq = -seq - 1 WHERE seq >= ?1", [seq]).unwrap();
            copy.execute("UPDATE entry SET seq = -seq WHERE seq < 0", []).unwrap();
            let sql = "INSERT INTO entry SELECT ?1, at, 4, CAST('{\"event\":\"stop\",\"hub\":\"x\"}' AS BLOB), hash FROM entry WHERE seq = ?1 + 1";
            run(sql, seq);
            ("inserted", seq as u64)
        }
        8 => {
            run("INSERT INTO entry SELECT seq + 1, at, 4, CAST('{}' AS BLOB), hash FROM entry WHERE seq = ?1", last);
            ("added at the end", last as u64 + 1)
        }
        9 | 10 => {
            let other = 1 + dice.below(last as u64) as i64;
            let (first, second) = (seq.min(other), seq.max(other));
            let payload = |seq: i64| {
                copy.query_row("SELECT payload FROM entry WHERE seq = ?1", [seq], |row| row.get::<_, Vec<u8>>(0))
            };
            if first == second || payload(first).unwrap() == payload(second).unwrap() {
                return mutate(copy, dice);
            }
            copy.execute("UPDATE entry SET seq = -1 WHERE seq = ?1", [first]).unwrap();
            copy.execute("UPDATE entry SET seq = ?1 WHERE seq = ?2", [first, second]).unwrap();
            copy.execute("UPDATE entry SET seq = ?1 WHERE seq = -1", [second]).unwrap();
            ("swapped", first as u64)
        }
        11 => {
            let (row, entry) = of_table("average", dice);
            run("UPDATE average SET body = replace(body, '\"mean\":0.3', '\"mean\":0.2') WHERE rowid = ?1", row);
            ("an average's body", entry)
        }
        12 => {
            let (row, entry) = of_table("average", dice);
            run("UPDATE average SET mean = mean * 2 WHERE rowid = ?1", row);
            ("an average's column", entry)
        }
        13 => {
            let (row, entry) = of_table("average", dice);
            run("DELETE FROM average WHERE rowid = ?1", row);
            ("an average's row", entry)
        }
        14 => {
            let (row, entry) = of_table("delivery", dice);
            run("UPDATE delivery SET answer = 'never' WHERE rowid = ?1", row);
            ("a receipt", entry)
        }
        15 => {
            let of =
                "SELECT a.entry FROM delivery d JOIN average a USING (source, parameter, rule_set, start, revision)";
            let find = format!("SELECT rowid FROM delivery WHERE state = 'queued' LIMIT 1 OFFSET {}", dice.below(5));
            let row: i64 = copy.query_row(&find, [], |row| row.get(0)).unwrap();
            let average =
                copy.query_row(&format!("{of} WHERE d.rowid = {row}"), [], |row| row.get::<_, i64>(0)).unwrap();
            run("DELETE FROM delivery WHERE rowid = ?1", row);
            // The entry behind that of the average says what was queued.
            ("a delivery that waits", average as u64 + 1)
        }
        _ => {
            let (row, entry) = of_table("gap", dice);
            run("UPDATE gap SET cause = 'device' WHERE rowid = ?1", row);
            ("the cause of a gap", entry)
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_nobody_touched_holds() {
    let folder = tempfile::tempdir().unwrap();
    let report = check(&journal(&folder).await);
    assert_eq!(report.findings, []);
    assert_eq!((report.readings, report.keys.len()), (120, 1));
    assert!(report.checkpoints > 2, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_mutations_are_each_found_and_located() {
    let folder = tempfile::tempdir().unwrap();
    let file = journal(&folder).await;
    let seed = std::env::var("TUTIN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(Timestamp::now().0 as u64);
    println!("seed {seed}: TUTIN_SEED={seed} repeats it");
    let mut dice = Dice(seed);
    let copy = folder.path().join("copy.sqlite");
    for round in 0..1000 {
        fs::copy(&file, &copy).unwrap();
        let connection = Connection::open(&copy).unwrap();
        connection.pragma_update(None, "journal_mode", "MEMORY").unwrap();
        let (what, entry) = mutate(&connection, &mut dice);
        drop(connection);
        let report = check(&copy);
        let first = report
            .findings
            .first()
            .unwrap_or_else(|| panic!("round {round} of seed {seed}: {what} at {entry} is not found"));
        assert_eq!(first.entry, entry, "round {round} of seed {seed}: {what}: {:?}", report.findings);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kind_of_alteration_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = journal(&folder).await;
    let copy = folder.path().join("copy.sqlite");
    let check = |sql: &str, fault: Fault| {
        fs::copy(&file, &copy).unwrap();
        let connection = Connection::open(&copy).unwrap();
        connection.execute_batch(sql).unwrap();
        drop(connection);
        let report = check(&copy);
        assert_eq!(report.findings.first().map(|finding| (finding.entry, finding.fault)), Some((20, fault)), "{sql}");
    };
    check("UPDATE entry SET payload = x'00' WHERE seq = 20", Fault::Edited);
    check("DELETE FROM entry WHERE seq = 20", Fault::Deleted);
    check("DELETE FROM entry WHERE seq >= 20", Fault::Truncated);
    check("UPDATE entry SET at = at - 60000000000 WHERE seq = 20", Fault::BackDated);
    check(
        "UPDATE entry SET seq = -1 WHERE seq = 20; UPDATE entry SET seq = 20 WHERE seq = 31; UPDATE entry SET seq = 31 WHERE seq = -1",
        Fault::Swapped,
    );
    check(
        "UPDATE entry SET seq = -seq - 1 WHERE seq >= 20; UPDATE entry SET seq = -seq WHERE seq < 0; \
         INSERT INTO entry SELECT 20, at, 4, x'7b7d', hash FROM entry WHERE seq = 21",
        Fault::Inserted,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_was_written_anew_does_not_have_the_plant_s_key() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ours, forged) = (journal(&folder).await, journal(&other).await);
    let key = check(&ours).keys[0];
    let options = Options { public_key: Some(key), ..Options::default() };
    assert_eq!(verify(&ours, &options, |_| {}).unwrap().findings, []);
    let findings = verify(&forged, &options, |_| {}).unwrap().findings;
    assert_eq!(findings.first().map(|finding| finding.fault), Some(Fault::Signature));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_is_known_by_an_entry_that_was_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let file = journal(&folder).await;
    let known = check(&file).end;
    let with = |seq, hash| {
        verify(&file, &Options { expect: Some((seq, hash)), ..Options::default() }, |_| {}).unwrap().findings
    };
    assert_eq!(with(known.seq, known.hash), []);
    assert_eq!(with(known.seq + 1, known.hash)[0].fault, Fault::Truncated);
    assert_eq!(with(known.seq, Hash::ORIGIN)[0].fault, Fault::Unexpected);
}
