//! Reading the journal back, beside the writer, in short transactions.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::block;
use super::error::JournalError;
use super::event::Event;
use super::orders::Cursor;
use super::schema::{self, KIND_AVERAGES, KIND_CATALOG, KIND_EVENT, KIND_READINGS};
use crate::alarm::Change;
use crate::average::Average;
use crate::reading::{DeviceCatalog, PollSet};
use crate::time::Timestamp;

/// The first block behind a place. `+` keeps SQLite from an index that would have it sort all that follows.
const NEXT_BLOCK: &str = "SELECT seq, payload FROM entry WHERE seq >= ?1 AND +kind = ?2 ORDER BY seq LIMIT 1";
/// The first block of a time; the index is in the order of times.
const FIRST_BLOCK: &str = "SELECT seq FROM entry WHERE kind = ?1 AND at >= ?2 AND seq > 0 ORDER BY at LIMIT 1";
/// The last one.
const LAST_BLOCK: &str = "SELECT seq FROM entry WHERE kind = ?1 AND at < ?2 AND seq > 0 ORDER BY at DESC LIMIT 1";
/// What is asked for each block must not grow with the journal.
#[cfg(test)]
pub(super) const BLOCK_QUERIES: [&str; 3] = [NEXT_BLOCK, FIRST_BLOCK, LAST_BLOCK];

/// A connection that only reads.
pub struct Reader {
    pub(super) connection: Connection,
    catalogs: HashMap<u64, Arc<DeviceCatalog>>,
}

/// Something that waits for its delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct QueuedDelivery {
    /// Number of the delivery.
    pub id: i64,
    /// Idempotency key.
    pub key: String,
    /// What is delivered; or why it cannot be.
    pub content: Result<QueuedContent, String>,
    /// End of its block, or when it happened.
    pub ends: Timestamp,
}

/// What waits for its delivery.
#[derive(Debug, Clone, PartialEq)]
pub enum QueuedContent {
    /// A closed block.
    Average(Box<Average>),
    /// What became of an alarm.
    Alarm(Change),
}

/// A poll set and where it stands.
pub type Position = (Cursor, PollSet);

impl Reader {
    pub(super) fn open(file: &Path) -> Result<Self, JournalError> {
        Ok(Reader { connection: schema::open_to_read(file)?, catalogs: HashMap::new() })
    }

    /// Deliveries of averages and alarms to a sink that are not settled, of blocks that ended in this time, the oldest first, at most `max`.
    pub fn queued(&self, sink: &str, ended: Range<Timestamp>, max: usize) -> Result<Vec<QueuedDelivery>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT d.id, d.key, d.ends, d.source IS NULL, a.body, e.payload, e.at FROM delivery d LEFT JOIN average a \
             ON a.source = d.source AND a.parameter = d.parameter AND a.rule_set = d.rule_set AND a.start = d.start \
             AND a.length_s = d.length_s AND a.revision = d.revision \
             LEFT JOIN entry e ON e.seq = d.entry AND d.source IS NULL AND e.kind = 4 \
             WHERE d.sink = ?1 AND d.state = 'queued' AND d.ends >= ?2 AND d.ends < ?3 ORDER BY d.ends, d.id LIMIT ?4",
        )?;
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![sink, ended.start.0, ended.end.0, max], |row| {
            let is_event: bool = row.get(3)?;
            let content = if is_event {
                alarm(row.get(5)?, row.get::<_, Option<i64>>(6)?.map(Timestamp)).map(QueuedContent::Alarm)
            } else {
                average(row.get(4)?).map(|average| QueuedContent::Average(Box::new(average)))
            };
            Ok(QueuedDelivery { id: row.get(0)?, key: row.get(1)?, content, ends: Timestamp(row.get(2)?) })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How far a sink has settled the readings. `None`: it never had any.
    pub fn cursor(&self, sink: &str) -> Result<Option<Cursor>, JournalError> {
        let mut statement = self.connection.prepare_cached("SELECT entry, item FROM cursor WHERE sink = ?1")?;
        let cursor = statement.query_row([sink], |row| {
            let (entry, item): (i64, u32) = (row.get(0)?, row.get(1)?);
            Ok(Cursor { entry: u64::try_from(entry).unwrap_or(0), item })
        });
        Ok(cursor.optional()?)
    }

    /// The sinks that have a place in the readings.
    pub fn placed_sinks(&self) -> Result<Vec<String>, JournalError> {
        let mut statement = self.connection.prepare_cached("SELECT sink FROM cursor")?;
        let sinks = statement.query_map([], |row| row.get(0))?;
        Ok(sinks.collect::<Result<_, _>>()?)
    }

    /// Sequence number of the last entry, 0 when there is none.
    pub fn last_entry(&self) -> Result<u64, JournalError> {
        let mut statement = self.connection.prepare_cached("SELECT coalesce(max(seq), 0) FROM entry")?;
        let last: i64 = statement.query_row([], |row| row.get(0))?;
        Ok(u64::try_from(last).unwrap_or(0))
    }

    /// Where a stream goes on: the end of its last closed block, else where it began. `None`: it is new.
    pub fn continues_at(
        &self,
        source: &str,
        parameter: &str,
        rule_set: &str,
    ) -> Result<Option<Timestamp>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT coalesce(\
               (SELECT max(start + length_s * 1000000000) FROM average WHERE source = ?1 AND parameter = ?2 AND rule_set = ?3), \
               (SELECT begins FROM stream WHERE source = ?1 AND parameter = ?2 AND rule_set = ?3))",
        )?;
        let end: Option<i64> = statement.query_row([source, parameter, rule_set], |row| row.get(0))?;
        Ok(end.map(Timestamp))
    }

    /// Where a stream began, at its first start. `None`: it is new.
    pub fn began_at(&self, source: &str, parameter: &str, rule_set: &str) -> Result<Option<Timestamp>, JournalError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT begins FROM stream WHERE source = ?1 AND parameter = ?2 AND rule_set = ?3")?;
        let begins = statement.query_row([source, parameter, rule_set], |row| row.get::<_, i64>(0)).optional()?;
        Ok(begins.map(Timestamp))
    }

    /// Poll sets behind a place, in order: those of the first entries that hold any. Empty at the end of the journal.
    pub fn readings_after(&mut self, after: Cursor) -> Result<Vec<Position>, JournalError> {
        let mut from = after.entry;
        loop {
            let Some((entry, payload)) = self.next_block(from)? else { return Ok(Vec::new()) };
            let sets = self.decode(entry, &payload)?;
            let places = (0..).map(|item| Cursor { entry, item });
            let found: Vec<Position> = places.zip(sets).filter(|(place, _)| *place > after).collect();
            if !found.is_empty() {
                return Ok(found);
            }
            from = entry + 1;
        }
    }

    /// Averages that were stored behind an entry, each with its own entry, in order.
    pub fn averages_after(&self, after: u64) -> Result<Vec<(u64, Average)>, JournalError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT seq, payload FROM entry WHERE seq > ?1 AND +kind = ?2 ORDER BY seq")?;
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![after, KIND_AVERAGES], |row| {
            Ok((u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0), row.get::<_, Vec<u8>>(1)?))
        })?;
        let mut averages = Vec::new();
        for row in rows {
            let (entry, payload) = row?;
            let list: Vec<Average> = serde_json::from_slice(&payload)
                .map_err(|error| JournalError::Damaged { entry, what: error.to_string() })?;
            averages.extend(list.into_iter().map(|average| (entry, average)));
        }
        Ok(averages)
    }

    /// Hands over every poll set that was committed in this time, with its entry. Returns the last entry of that time.
    pub fn replay(
        &mut self,
        during: Range<Timestamp>,
        mut each: impl FnMut(u64, PollSet),
    ) -> Result<Option<u64>, JournalError> {
        let edge = |sql: &str, at: Timestamp| -> Result<Option<u64>, JournalError> {
            let seq: Option<i64> =
                self.connection.query_row(sql, params![KIND_READINGS, at.0], |row| row.get(0)).optional()?;
            Ok(seq.and_then(|seq| u64::try_from(seq).ok()))
        };
        let first = edge(FIRST_BLOCK, during.start)?;
        let last = edge(LAST_BLOCK, during.end)?;
        let (Some(mut next), Some(last)) = (first, last) else { return Ok(None) };
        while let Some((entry, payload)) = self.next_block(next)?.filter(|(entry, _)| *entry <= last) {
            for set in self.decode(entry, &payload)? {
                each(entry, set);
            }
            next = entry + 1;
        }
        Ok(Some(last))
    }

    /// From when on the journal still holds all readings.
    pub fn readings_kept_from(&self) -> Result<Timestamp, JournalError> {
        let sql = "SELECT CASE WHEN EXISTS (SELECT 1 FROM pruned) \
                   THEN coalesce((SELECT min(at) FROM entry WHERE kind = ?1), 9223372036854775807) END";
        let oldest: Option<i64> = self.connection.query_row(sql, [KIND_READINGS], |row| row.get(0))?;
        Ok(Timestamp(oldest.unwrap_or(i64::MIN)))
    }

    /// Hands over every event that was committed in this time, in order.
    pub fn events(&self, during: Range<Timestamp>, mut each: impl FnMut(Timestamp, Event)) -> Result<(), JournalError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT at, payload FROM entry WHERE kind = ?1 AND at >= ?2 AND at < ?3 ORDER BY seq")?;
        let rows = statement.query_map(params![KIND_EVENT, during.start.0, during.end.0], |row| {
            Ok((Timestamp(row.get(0)?), row.get::<_, Vec<u8>>(1)?))
        })?;
        for row in rows {
            let (at, payload) = row?;
            each(at, serde_json::from_slice(&payload).unwrap_or(Event::Unknown));
        }
        Ok(())
    }

    /// Hands over every event of these kinds that the journal holds, in order. A kind is the name that stands in the event.
    pub fn events_of(&self, kinds: &[&str], mut each: impl FnMut(Timestamp, Event)) -> Result<(), JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT at, payload FROM entry WHERE kind = ?1 AND json_extract(CAST(payload AS TEXT), '$.event') IN \
             (SELECT value FROM json_each(?2)) ORDER BY seq",
        )?;
        let kinds = serde_json::to_string(kinds).unwrap_or_default();
        let rows = statement
            .query_map(params![KIND_EVENT, kinds], |row| Ok((Timestamp(row.get(0)?), row.get::<_, Vec<u8>>(1)?)))?;
        for row in rows {
            let (at, payload) = row?;
            each(at, serde_json::from_slice(&payload).unwrap_or(Event::Unknown));
        }
        Ok(())
    }

    fn next_block(&self, from: u64) -> Result<Option<(u64, Vec<u8>)>, JournalError> {
        let mut statement = self.connection.prepare_cached(NEXT_BLOCK)?;
        let from = i64::try_from(from).unwrap_or(i64::MAX);
        let block = statement.query_row(params![from, KIND_READINGS], |row| {
            let (entry, payload): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
            Ok((u64::try_from(entry).unwrap_or(0), payload))
        });
        Ok(block.optional()?)
    }

    pub(super) fn decode(&mut self, entry: u64, payload: &[u8]) -> Result<Vec<PollSet>, JournalError> {
        let (connection, catalogs) = (&self.connection, &mut self.catalogs);
        block::read::<What>(payload, |at| catalog(connection, catalogs, at)).map_err(|what| match what {
            What::Damaged(what) => JournalError::Damaged { entry, what },
            What::Sqlite(error) => JournalError::Sqlite(error),
        })
    }
}

enum What {
    Damaged(String),
    Sqlite(rusqlite::Error),
}

impl From<String> for What {
    fn from(what: String) -> Self {
        What::Damaged(what)
    }
}

fn catalog(
    connection: &Connection,
    known: &mut HashMap<u64, Arc<DeviceCatalog>>,
    entry: u64,
) -> Result<Arc<DeviceCatalog>, What> {
    if let Some(catalog) = known.get(&entry) {
        return Ok(Arc::clone(catalog));
    }
    let damaged = |what: String| What::Damaged(format!("catalog in entry {entry}: {what}"));
    let text: Vec<u8> = connection
        .prepare_cached("SELECT payload FROM entry WHERE seq = ?1 AND kind = ?2")
        .and_then(|mut statement| statement.query_row(params![entry as i64, KIND_CATALOG], |row| row.get(0)))
        .map_err(|error| match error {
            rusqlite::Error::QueryReturnedNoRows => damaged("it is not there".into()),
            other => What::Sqlite(other),
        })?;
    let catalog: DeviceCatalog = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    let catalog = Arc::new(catalog);
    known.insert(entry, Arc::clone(&catalog));
    Ok(catalog)
}

fn average(body: Option<String>) -> Result<Average, String> {
    let body = body.ok_or_else(|| "the average is not in the journal any more".to_owned())?;
    serde_json::from_str(&body).map_err(|error| format!("the stored average is damaged: {error}"))
}

fn alarm(payload: Option<Vec<u8>>, at: Option<Timestamp>) -> Result<Change, String> {
    let gone = || "the alarm is not in the journal any more".to_owned();
    let payload = payload.ok_or_else(gone)?;
    let event: Event =
        serde_json::from_slice(&payload).map_err(|error| format!("the stored alarm is damaged: {error}"))?;
    event.as_alarm(at.unwrap_or(Timestamp(0))).ok_or_else(gone)
}
