//! One commit: a transaction that adds entries to the chain, keeps the tables beside them, and signs the new end.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, params};
use serde_json::json;
use sha2::{Digest, Sha256};
use tracing::error;

use super::block::BlockWriter;
use super::chain::{End, Link, Seal};
use super::error::JournalError;
use super::event::Event;
use super::opening::{self, Opened, Witness};
use super::orders::{Derived, Stream};
use super::schema::{
    self, Class, KIND_AVERAGES, KIND_CATALOG, KIND_CHECKPOINT, KIND_DELIVERIES, KIND_EVENT, KIND_GAPS, KIND_READINGS,
    class_of,
};
use crate::average::Average;
use crate::key::SigningKey;
use crate::notation::hex;
use crate::reading::{DeviceCatalog, PollSet};
use crate::time::Timestamp;

/// A difference between wall clock and monotonic clock, from one commit to the next, that counts as a step.
const STEP: Duration = Duration::from_millis(500);

/// The journal's file, in the hands of its writer.
pub struct Store {
    file: PathBuf,
    connection: Connection,
    witness: Witness,
    key: SigningKey,
    end: End,
    catalogs: Catalogs,
    /// Both clocks at the last commit.
    clocks: Option<(Timestamp, Instant)>,
    checkpoint: Option<Instant>,
}

/// Entries of the catalogs that were written since the start, by device.
#[derive(Default)]
pub struct Catalogs(HashMap<String, (Arc<DeviceCatalog>, u64)>);

/// Catalogs that a commit brings, with their entries.
type FreshCatalogs = Vec<(Arc<DeviceCatalog>, u64)>;

/// A transaction under way.
pub struct Commit<'a> {
    pub(super) transaction: Transaction<'a>,
    key: &'a SigningKey,
    pub(super) end: End,
    /// The time of its entries.
    pub at: Timestamp,
    grown: [(i64, i64); Class::ALL.len()],
    in_use: i64,
}

impl Store {
    /// Takes over an opened journal.
    pub fn new(file: &Path, opened: Opened) -> (Self, Vec<Event>) {
        let Opened { connection, witness, key, end, events, .. } = opened;
        let file = file.to_owned();
        let (catalogs, clocks, checkpoint) = (Catalogs::default(), None, None);
        (Store { file, connection, witness, key, end, catalogs, clocks, checkpoint }, events)
    }

    /// The last entry.
    pub fn end(&self) -> End {
        self.end
    }

    /// Opens the file anew after a failure: what the last attempt left in memory is not trusted.
    pub fn reopen(&mut self) -> Result<(), JournalError> {
        let failed = |source| JournalError::opening(&self.file, source);
        if !self.file.exists() {
            return Err(JournalError::Missing { file: self.file.clone() });
        }
        let connection = Connection::open(&self.file).map_err(failed)?;
        schema::prepare(&connection).map_err(failed)?;
        let hash: Vec<u8> = connection.query_row("SELECT hash FROM head", [], |row| row.get(0)).map_err(failed)?;
        if hash != self.end.hash.0 {
            let what = "the journal does not end with what this hub wrote last".to_owned();
            return Err(JournalError::Damaged { entry: self.end.seq, what });
        }
        self.connection = connection;
        Ok(())
    }

    /// The file is damaged: it is kept under another name, for the next start to begin a new one.
    pub fn set_aside(&self, error: &rusqlite::Error) {
        if let Err(error) = opening::set_aside(&self.file, error) {
            error!("journal: {error}");
        }
    }

    /// Begins a commit, beside which the catalogs of earlier ones can be found. A step of the clock since the last one becomes its first
    /// entry.
    pub fn begin(&mut self) -> rusqlite::Result<(Commit<'_>, &Catalogs)> {
        let (now, instant) = (Timestamp::now(), Instant::now());
        let step = self.step(now, instant);
        // Small steps backwards are not worth an entry, but time in the journal only goes back where it says so.
        let at = if step.is_some() { now } else { now.max(self.end.at) };
        let transaction = self.connection.transaction()?;
        let mut commit =
            Commit { transaction, key: &self.key, end: self.end, at, grown: Default::default(), in_use: 1 };
        if let Some(step) = step {
            commit.event(&step)?;
        }
        Ok((commit, &self.catalogs))
    }

    fn step(&self, now: Timestamp, instant: Instant) -> Option<Event> {
        let expected = match self.clocks {
            Some((then, since)) => then.after(instant.saturating_duration_since(since)),
            // Across a restart only a step backwards can be told from time that passed.
            None => now.max(self.end.at),
        };
        let nanoseconds = now.0.saturating_sub(expected.0);
        let is_step = nanoseconds.unsigned_abs() > STEP.as_nanos() as u64;
        is_step.then(|| Event::ClockStep { seconds: nanoseconds as f64 / 1e9, expected })
    }

    /// What a successful commit leaves behind.
    pub fn committed(&mut self, done: Done) {
        self.end = done.end;
        self.clocks = Some((Timestamp::now(), Instant::now()));
        self.witness.tell(&self.end);
        for (catalog, entry) in done.catalogs {
            self.catalogs.0.insert(catalog.device.clone(), (catalog, entry));
        }
    }

    /// Whether a checkpoint is due, and from then on not before the next period is over.
    pub fn checkpoint_due(&mut self, period: Duration) -> bool {
        let due = self.checkpoint.is_some_and(|last| last.elapsed() >= period);
        if due || self.checkpoint.is_none() {
            self.checkpoint = Some(Instant::now());
        }
        due
    }

    /// Writes SQLite's log back into the file.
    pub fn write_back(&self) -> rusqlite::Result<()> {
        self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
    }
}

impl Catalogs {
    fn entry(&self, catalog: &Arc<DeviceCatalog>) -> Option<u64> {
        let (known, entry) = self.0.get(&catalog.device)?;
        (Arc::ptr_eq(known, catalog) || known == catalog).then_some(*entry)
    }
}

/// A commit that is durable.
pub struct Done {
    end: End,
    catalogs: FreshCatalogs,
}

impl Commit<'_> {
    /// Adds an entry to the chain.
    pub fn add(&mut self, kind: i64, payload: &[u8]) -> rusqlite::Result<u64> {
        let link = Link { seq: self.end.seq + 1, at: self.at, kind, payload };
        let hash = link.after(self.end.hash);
        self.transaction
            .prepare_cached("INSERT INTO entry (seq, at, kind, payload, hash) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![link.seq as i64, self.at.0, kind, payload, hash.0])?;
        self.end = End { seq: link.seq, at: self.at, hash };
        if let Some(grown) = class_of(kind).and_then(|class| self.grown.get_mut(class as usize)) {
            *grown = (grown.0 + 1, grown.1 + i64::try_from(payload.len()).unwrap_or(i64::MAX));
        }
        Ok(link.seq)
    }

    /// Notes what was taken away of a class.
    pub fn shrink(&mut self, class: Class, entries: i64, bytes: i64) {
        if let Some(grown) = self.grown.get_mut(class as usize) {
            *grown = (grown.0 - entries, grown.1 - bytes);
        }
    }

    /// Something happened.
    pub fn event(&mut self, event: &Event) -> rusqlite::Result<u64> {
        self.add(KIND_EVENT, event.to_json().as_bytes())
    }

    /// Poll sets, as one block. Returns the block's entry, and those of catalogs that were not `known`.
    pub fn readings(
        &mut self,
        sets: &[Arc<PollSet>],
        known: &Catalogs,
    ) -> rusqlite::Result<(Option<u64>, FreshCatalogs)> {
        if sets.is_empty() {
            return Ok((None, Vec::new()));
        }
        let mut fresh = FreshCatalogs::new();
        let mut block = BlockWriter::new();
        for set in sets {
            let now =
                fresh.iter().rev().find(|(catalog, _)| Arc::ptr_eq(catalog, &set.catalog)).map(|(_, entry)| *entry);
            let entry = match now.or_else(|| known.entry(&set.catalog)) {
                Some(entry) => entry,
                None => {
                    let text = serde_json::to_vec(&*set.catalog).unwrap_or_default();
                    let entry = self.add(KIND_CATALOG, &text)?;
                    fresh.push((Arc::clone(&set.catalog), entry));
                    entry
                }
            };
            block.push(entry, set);
        }
        let entry = self.add(KIND_READINGS, &block.finish())?;
        Ok((Some(entry), fresh))
    }

    /// Closed averages, their gaps and their deliveries. Those that stand there already are left alone, with their deliveries: they
    /// were derived again after a restart.
    pub fn averages(&mut self, derived: &[Derived]) -> rusqlite::Result<()> {
        let entry = self.end.seq + 1;
        let (mut bodies, mut gaps, mut queued) = (Vec::new(), Vec::new(), Vec::new());
        for Derived { average, deliveries, gap, hold } in derived {
            let body = serde_json::to_string(average).unwrap_or_default();
            if self.average(average, &body, entry)? == 0 {
                continue;
            }
            for (sink, key) in deliveries {
                self.queue(sink, key, average, &body, hold.as_deref())?;
                queued.push(match hold {
                    None => json!({ "sink": sink, "key": key, "state": "queued" }),
                    Some(why) => json!({ "sink": sink, "key": key, "state": "held", "answer": why }),
                });
            }
            if let Some(gap) = gap {
                gaps.push((average, gap));
            }
            bodies.push(body);
        }
        if bodies.is_empty() {
            return Ok(());
        }
        self.add(KIND_AVERAGES, format!("[{}]", bodies.join(",")).as_bytes())?;
        if !queued.is_empty() {
            self.add(KIND_DELIVERIES, serde_json::Value::Array(queued).to_string().as_bytes())?;
        }
        if gaps.is_empty() {
            return Ok(());
        }
        let entry = self.end.seq + 1;
        let mut lines = Vec::new();
        for (average, gap) in gaps {
            let (key, length) = (&average.key, average.length.as_secs());
            self.transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO gap (source, parameter, rule_set, start, length_s, revision, cause, detail, entry) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                )?
                .execute(params![
                    key.source,
                    key.parameter,
                    key.rule_set,
                    key.start.0,
                    length as i64,
                    key.revision,
                    gap.cause.name(),
                    gap.detail,
                    entry as i64
                ])?;
            lines.push(
                json!({ "source": key.source, "parameter": key.parameter, "rule_set": key.rule_set, "start": key.start,
                "length_s": length, "revision": key.revision, "cause": gap.cause.name(), "detail": gap.detail }),
            );
        }
        self.add(KIND_GAPS, serde_json::Value::Array(lines).to_string().as_bytes())?;
        Ok(())
    }

    fn average(&self, average: &Average, body: &str, entry: u64) -> rusqlite::Result<usize> {
        let key = &average.key;
        self.transaction
            .prepare_cached(
                "INSERT OR IGNORE INTO average (source, parameter, rule_set, start, revision, length_s, mean, unit, coverage, state, \
                 entry, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?
            .execute(params![
                key.source,
                key.parameter,
                key.rule_set,
                key.start.0,
                key.revision,
                length_s(average),
                average.mean,
                average.unit,
                average.coverage,
                average.state.name(),
                entry as i64,
                body,
            ])
    }

    /// Where new streams begin.
    pub fn streams(&self, streams: &[Stream]) -> rusqlite::Result<()> {
        for Stream { source, parameter, rule_set, begins } in streams {
            self.transaction
                .prepare_cached(
                    "INSERT OR IGNORE INTO stream (source, parameter, rule_set, begins) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![source, parameter, rule_set, begins.0])?;
        }
        Ok(())
    }

    /// The end of the chain as it stands, signed, inside the chain.
    pub fn checkpoint(&mut self) -> rusqlite::Result<()> {
        let End { seq, hash, at } = self.end;
        let signature = hex(&self.end.sign(Seal::Checkpoint, self.key));
        let text = json!({ "seq": seq, "hash": hash.to_string(), "at": at, "signature": signature }).to_string();
        self.add(KIND_CHECKPOINT, text.as_bytes()).map(|_| ())
    }

    /// The hub ends here: the journal is not in use any more.
    pub fn close(&mut self) {
        self.in_use = 0;
    }

    /// Signs the new end and makes it all durable.
    pub fn finish(self, catalogs: FreshCatalogs) -> rusqlite::Result<Done> {
        let Commit { transaction, key, end, grown, in_use, .. } = self;
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO head (one, seq, hash, at, signature, in_use) VALUES (1, ?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![end.seq as i64, end.hash.0, end.at.0, end.sign(Seal::Head, key), in_use])?;
        for (class, (entries, bytes)) in Class::ALL.into_iter().zip(grown).filter(|(_, grown)| *grown != (0, 0)) {
            transaction
                .prepare_cached(
                    "INSERT INTO size (class, entries, bytes) VALUES (?1, ?2, ?3) \
                     ON CONFLICT DO UPDATE SET entries = entries + excluded.entries, bytes = bytes + excluded.bytes",
                )?
                .execute(params![class.name(), entries, bytes])?;
        }
        transaction.commit()?;
        Ok(Done { end, catalogs })
    }
}

/// Lower-case hexadecimal SHA-256 of a text.
pub fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

pub(super) fn length_s(average: &Average) -> i64 {
    length_s_of(average.length)
}

pub(super) fn length_s_of(length: Duration) -> i64 {
    i64::try_from(length.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_of_the_wall_clock_is_a_step_and_time_that_passes_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("j.sqlite");
        let (mut store, _) = Store::new(&file, opening::open(&file).unwrap());
        let (then, since) = (Timestamp::from_seconds(1_000), Instant::now());
        store.clocks = Some((then, since));
        let step = |seconds: f64, passed: u64| {
            let now = then.after(Duration::from_secs(passed)).0 as f64 + seconds * 1e9;
            store.step(Timestamp(now as i64), since + Duration::from_secs(passed))
        };
        assert_eq!(step(0.0, 3600), None);
        assert_eq!(step(0.3, 3600), None);
        let expected = then.after(Duration::from_secs(60));
        assert_eq!(step(-30.0, 60), Some(Event::ClockStep { seconds: -30.0, expected }));
        assert_eq!(step(30.0, 60), Some(Event::ClockStep { seconds: 30.0, expected }));
    }

    #[test]
    fn an_entry_that_would_be_older_than_the_one_before_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("j.sqlite");
        let (mut store, _) = Store::new(&file, opening::open(&file).unwrap());
        let future = Timestamp::now().after(Duration::from_secs(3600));
        store.end.at = future;
        let (commit, _) = store.begin().unwrap();
        assert_eq!((commit.end.seq, commit.at < future), (1, true));
    }
}
