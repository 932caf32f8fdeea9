//! What is kept for how long: by class, with a bound in bytes and an alarm long before it.
//!
//! What is older than its class is kept for is taken away. Raw readings that take more than their bound give way early, the oldest
//! first; averages and events never do, whatever they take: the alarm is all that a bound does for them. Readings that an open block
//! or a sink still needs stay, however old.
//!
//! What was taken away leaves the number and the hash of its last entry behind, in an entry of the chain: the rest still verifies.

use std::time::{Duration, Instant};

use rusqlite::{OptionalExtension, params};
use tracing::{info, warn};

use super::event::Event;
use super::schema::Class;
use super::store::{Commit, Done, Store};
use crate::config::model;
use crate::time::Timestamp;

/// Entries that go with one commit.
const AT_ONCE: u32 = 2_000;
/// Share of a bound at which an alarm is raised.
const ALARM: f64 = 0.8;
/// Share of a bound under which it is cleared again.
const ALL_CLEAR: f64 = 0.75;

/// Decides what goes, and when.
pub struct Retention {
    keep: model::Retention,
    next: Instant,
    alarmed: [bool; Class::ALL.len()],
}

/// Why entries go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    Age,
    Bytes,
}

impl Retention {
    /// Looks for the first time when the hub has taken up its open blocks.
    pub fn new(settings: &model::Journal) -> Self {
        Retention {
            keep: settings.retention.clone(),
            next: Instant::now() + settings.retention.every,
            alarmed: [false; 3],
        }
    }

    /// Takes away a little, when something is due. `needed_from`: readings from there on must stay.
    pub fn step(&mut self, store: &mut Store, needed_from: Option<Timestamp>) -> rusqlite::Result<Option<Done>> {
        if Instant::now() < self.next {
            return Ok(None);
        }
        let alarmed = self.alarmed;
        let done = self.look(store, needed_from);
        if done.is_err() {
            // What was not stored was not told.
            self.alarmed = alarmed;
            self.next = Instant::now() + self.keep.every;
        }
        done
    }

    fn look(&mut self, store: &mut Store, needed_from: Option<Timestamp>) -> rusqlite::Result<Option<Done>> {
        let (mut commit, _) = store.begin()?;
        let (mut changed, mut more) = (false, false);
        for class in Class::ALL {
            let (age, bound) = self.of(class);
            let (_, bytes) = commit.size(class)?;
            changed |= self.alarm(&mut commit, class, bytes, bound)?;
            let before = commit.at.before(age);
            let over = bound.filter(|bound| class == Class::Raw && bytes > *bound);
            let (before, reason) = match over {
                Some(_) => (Timestamp(i64::MAX), Reason::Bytes),
                None => (before, Reason::Age),
            };
            let surplus = over.map(|bound| bytes - bound);
            let gone = commit.prune(class, before, surplus, needed_from, reason)?;
            changed |= gone > 0;
            more |= gone == u64::from(AT_ONCE);
        }
        self.next = Instant::now() + if more { Duration::ZERO } else { self.keep.every };
        if changed { commit.finish(Vec::new()).map(Some) } else { Ok(None) }
    }

    fn of(&self, class: Class) -> (Duration, Option<i64>) {
        let keep = &self.keep;
        let (age, bytes) = match class {
            Class::Raw => (keep.raw, keep.raw_bytes),
            Class::Averages => (keep.averages, keep.averages_bytes),
            Class::Events => (keep.events, keep.events_bytes),
        };
        (age, (bytes > 0).then(|| i64::try_from(bytes).unwrap_or(i64::MAX)))
    }

    /// Returns true when an alarm was raised or cleared.
    fn alarm(
        &mut self,
        commit: &mut Commit<'_>,
        class: Class,
        bytes: i64,
        bound: Option<i64>,
    ) -> rusqlite::Result<bool> {
        let share = bound.map_or(0.0, |bound| bytes as f64 / bound as f64);
        let Some(alarmed) = self.alarmed.get_mut(class as usize) else { return Ok(false) };
        let raised = share >= if *alarmed { ALL_CLEAR } else { ALARM };
        if raised == *alarmed {
            return Ok(false);
        }
        *alarmed = raised;
        let bound = bound.unwrap_or(0);
        let detail = format!("{} take {bytes} bytes of {bound}, {:.0} %", class.name(), share * 100.0);
        if raised {
            warn!("journal: {detail}");
        }
        commit.event(&Event::Alarm {
            alarm: format!("journal_{}", class.name()),
            raised,
            detail,
            at: None,
            by: None,
        })?;
        Ok(true)
    }
}

impl Commit<'_> {
    /// Entries and bytes of a class.
    fn size(&self, class: Class) -> rusqlite::Result<(i64, i64)> {
        let mut statement = self.transaction.prepare_cached("SELECT entries, bytes FROM size WHERE class = ?1")?;
        let size = statement.query_row([class.name()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        Ok(size.unwrap_or((0, 0)))
    }

    /// Takes away the oldest entries of a class that were committed before this moment and that nobody needs; with a surplus, no more
    /// than make up for it. Returns how many.
    fn prune(
        &mut self,
        class: Class,
        before: Timestamp,
        surplus: Option<i64>,
        needed_from: Option<Timestamp>,
        reason: Reason,
    ) -> rusqlite::Result<u64> {
        let kinds = match class {
            Class::Raw => "2",
            Class::Averages => "3, 5, 6",
            Class::Events => "4",
        };
        let needed = self.needed(class, needed_from)?;
        // Events that the chain itself rests on stay.
        let sql = format!(
            "SELECT seq, length(payload), hash FROM entry WHERE kind IN ({kinds}) AND at < ?1 AND seq < ?2 AND (kind <> 4 OR \
             (json_valid(CAST(payload AS TEXT)) AND json_extract(CAST(payload AS TEXT), '$.event') NOT IN \
             ('begin', 'key', 'converted', 'lost', 'clock_step', 'pruned', 'streams'))) ORDER BY at LIMIT ?3"
        );
        let mut statement = self.transaction.prepare_cached(&sql)?;
        let rows = statement.query_map(params![before.0, needed, AT_ONCE], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?))
        })?;
        let mut gone: Vec<(i64, Vec<u8>)> = Vec::new();
        let mut bytes = 0;
        for row in rows {
            let (seq, length, hash) = row?;
            if surplus.is_some_and(|surplus| bytes >= surplus) {
                break;
            }
            bytes += length;
            gone.push((seq, hash));
        }
        drop(statement);
        let Some(last) = gone.last().map(|(seq, _)| *seq) else { return Ok(0) };
        for (seq, _) in &gone {
            self.transaction.prepare_cached("DELETE FROM entry WHERE seq = ?1")?.execute([seq])?;
            if class == Class::Averages {
                for sql in [
                    "DELETE FROM delivery WHERE state NOT IN ('queued', 'held') AND (source, parameter, rule_set, start, length_s, revision) IN \
                     (SELECT source, parameter, rule_set, start, length_s, revision FROM average WHERE entry = ?1)",
                    "DELETE FROM average WHERE entry = ?1",
                    "DELETE FROM gap WHERE entry = ?1",
                ] {
                    self.transaction.prepare_cached(sql)?.execute([seq])?;
                }
            }
        }
        let runs = self.note_runs(gone.clone())?;
        let entries = gone.len() as u64;
        self.shrink(class, entries as i64, bytes);
        let why = match reason {
            Reason::Age => "age",
            Reason::Bytes => "bytes",
        };
        info!("journal: {entries} entries of {} up to {last} taken away: {why}", class.name());
        self.event(&Event::Pruned { class: class.name().to_owned(), reason: why.to_owned(), entries, runs })?;
        Ok(entries)
    }

    /// The first entry that must stay.
    fn needed(&self, class: Class, needed_from: Option<Timestamp>) -> rusqlite::Result<i64> {
        let one = |sql: &str| -> rusqlite::Result<i64> {
            let found: Option<i64> = self.transaction.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
            Ok(found.unwrap_or(i64::MAX))
        };
        match class {
            Class::Raw => {
                let from = needed_from.map_or(i64::MIN, |from| from.0);
                let open: Option<i64> = self
                    .transaction
                    .prepare_cached("SELECT seq FROM entry WHERE kind = 2 AND at >= ?1 ORDER BY at LIMIT 1")?
                    .query_row([from], |row| row.get(0))
                    .optional()?;
                Ok(one("SELECT min(entry) FROM cursor")?.min(open.unwrap_or(i64::MAX)))
            }
            Class::Averages => one(
                "SELECT min(a.entry) FROM delivery d JOIN average a ON a.source = d.source AND a.parameter = d.parameter \
                 AND a.rule_set = d.rule_set AND a.start = d.start AND a.length_s = d.length_s AND a.revision = d.revision \
                 WHERE d.state IN ('queued', 'held')",
            ),
            Class::Events => Ok(i64::MAX),
        }
    }

    /// Joins what goes to runs, with those that stand beside it already. Returns the runs that are new or longer.
    fn note_runs(&mut self, mut gone: Vec<(i64, Vec<u8>)>) -> rusqlite::Result<Vec<(u64, u64, String)>> {
        gone.sort();
        let mut runs: Vec<(i64, i64, Vec<u8>)> = Vec::new();
        for (seq, hash) in gone {
            match runs.last_mut() {
                Some(run) if run.1 + 1 == seq => (run.1, run.2) = (seq, hash),
                _ => runs.push((seq, seq, hash)),
            }
        }
        let mut noted = Vec::new();
        for (mut first, mut last, mut hash) in runs {
            let read =
                |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?));
            let left = self
                .transaction
                .prepare_cached("SELECT first, last, hash FROM pruned WHERE last = ?1")?
                .query_row([first - 1], read)
                .optional()?;
            let right = self
                .transaction
                .prepare_cached("SELECT first, last, hash FROM pruned WHERE first = ?1")?
                .query_row([last + 1], read)
                .optional()?;
            if let Some((before, ..)) = left {
                first = before;
            }
            if let Some((own, behind, behind_hash)) = right {
                self.transaction.prepare_cached("DELETE FROM pruned WHERE first = ?1")?.execute([own])?;
                (last, hash) = (behind, behind_hash);
            }
            self.transaction
                .prepare_cached("INSERT OR REPLACE INTO pruned (first, last, hash) VALUES (?1, ?2, ?3)")?
                .execute(params![first, last, hash])?;
            noted.push((
                u64::try_from(first).unwrap_or(0),
                u64::try_from(last).unwrap_or(0),
                crate::notation::hex(&hash),
            ));
        }
        Ok(noted)
    }
}
