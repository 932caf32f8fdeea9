//! The journal piece by piece, for whoever reads much of it. Each piece is a short transaction of its own, because a long one
//! keeps the journal of a running hub from being checkpointed, and its file grows.
//!
//! Invariant: a scan sees what stood in the journal when it was begun, each row once; what is added meanwhile is left out. An entry
//! that cannot be read is handed over as such, so that the caller decides whether to go on.

use rusqlite::{OptionalExtension, Row, params};

use super::error::JournalError;
use super::reader::Reader;
use super::schema::KIND_READINGS;
use crate::average::Average;
use crate::reading::PollSet;
use crate::time::Timestamp;

/// Most entries in one piece.
const ENTRIES: i64 = 256;
/// A piece ends with the entry that brings it to this many bytes.
const BYTES: usize = 4 << 20;
/// Most averages in one piece.
const AVERAGES: i64 = 1000;

/// A passage through the readings that were committed in a period, by the time of their commit.
#[derive(Debug, Clone)]
pub struct ReadingScan {
    until: i64,
    newest: i64,
    /// Time and sequence number of the entry behind which it goes on.
    place: (i64, i64),
    /// First and last entry.
    bounds: (i64, i64),
}

/// A passage through the averages whose blocks begin in a period, by the start of the block.
#[derive(Debug, Clone)]
pub struct AverageScan {
    until: i64,
    newest: i64,
    revisions: Revisions,
    place: AveragePlace,
    seen: u64,
    count: u64,
}

/// Which revisions of an average.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revisions {
    /// The newest.
    Latest,
    /// Each one.
    All,
}

/// What was found, and where.
#[derive(Debug)]
pub struct Found<T> {
    /// The entry that holds it.
    pub entry: u64,
    /// What it is.
    pub content: Content<T>,
}

/// What an entry turned out to hold.
#[derive(Debug)]
pub enum Content<T> {
    /// What was stored.
    Kept(T),
    /// Something else than what was stored; the text says what is wrong.
    Damaged(String),
}

/// How far a scan is: so many of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// Entries or averages that were handed over.
    pub done: u64,
    /// Entries or averages in all.
    pub all: u64,
}

/// Key of an average behind which a scan goes on.
#[derive(Debug, Clone)]
struct AveragePlace {
    start: i64,
    source: String,
    parameter: String,
    rule_set: String,
    length: i64,
    revision: i64,
}

impl Reader {
    /// Begins with the readings that were committed at `from` or later and before `until`. `None`: without that bound.
    pub fn scan_readings(
        &self,
        from: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<ReadingScan, JournalError> {
        let (from, until) = bounds(from, until);
        let edge = |order: &str| -> rusqlite::Result<Option<i64>> {
            let query = format!(
                "SELECT seq FROM entry WHERE kind = ?1 AND at >= ?2 AND at < ?3 ORDER BY at {order}, seq {order} LIMIT 1"
            );
            self.connection.query_row(&query, params![KIND_READINGS, from, until], |row| row.get(0)).optional()
        };
        let bounds = edge("ASC")?.zip(edge("DESC")?).unwrap_or((0, -1));
        Ok(ReadingScan { until, newest: self.newest()?, place: (from, -1), bounds })
    }

    /// The next piece; empty at the end.
    pub fn next_readings(&mut self, scan: &mut ReadingScan) -> Result<Vec<Found<Vec<PollSet>>>, JournalError> {
        let payloads = self.next_payloads(scan)?;
        payloads
            .into_iter()
            .map(|(entry, payload)| {
                let entry = u64::try_from(entry).unwrap_or(0);
                let content = match self.decode(entry, &payload) {
                    Ok(sets) => sets.iter().find_map(fault).map_or(Content::Kept(sets), Content::Damaged),
                    Err(JournalError::Damaged { what, .. }) => Content::Damaged(what),
                    Err(other) => return Err(other),
                };
                Ok(Found { entry, content })
            })
            .collect()
    }

    /// Begins with the averages whose blocks begin at `from` or later and before `until`. `None`: without that bound.
    pub fn scan_averages(
        &self,
        from: Option<Timestamp>,
        until: Option<Timestamp>,
        revisions: Revisions,
    ) -> Result<AverageScan, JournalError> {
        let (from, until) = bounds(from, until);
        let count: i64 = self.connection.query_row(
            "SELECT count(*) FROM average WHERE start >= ?1 AND start < ?2",
            params![from, until],
            |row| row.get(0),
        )?;
        Ok(AverageScan {
            until,
            newest: self.newest()?,
            revisions,
            place: AveragePlace::before_all(from),
            seen: 0,
            count: u64::try_from(count).unwrap_or(0),
        })
    }

    /// The next piece; empty at the end.
    pub fn next_averages(&self, scan: &mut AverageScan) -> Result<Vec<Found<Average>>, JournalError> {
        let newest_only = match scan.revisions {
            Revisions::All => "",
            Revisions::Latest => {
                "AND NOT EXISTS (SELECT 1 FROM average newer WHERE newer.source = a.source AND newer.parameter = a.parameter \
                 AND newer.rule_set = a.rule_set AND newer.start = a.start AND newer.length_s = a.length_s \
                 AND newer.revision > a.revision AND newer.entry <= ?8)"
            }
        };
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT start, source, parameter, rule_set, length_s, revision, entry, body FROM average a \
             WHERE start >= ?1 AND start < ?7 AND entry <= ?8 \
             AND (start, source, parameter, rule_set, length_s, revision) > (?1, ?2, ?3, ?4, ?5, ?6) {newest_only} \
             ORDER BY start, source, parameter, rule_set, length_s, revision LIMIT {AVERAGES}"
        ))?;
        let AveragePlace { start, source, parameter, rule_set, length, revision } = &scan.place;
        let bounds = params![start, source, parameter, rule_set, length, revision, scan.until, scan.newest];
        let mut rows = statement.query(bounds)?;
        let mut found = Vec::new();
        let mut last = None;
        while let Some(row) = rows.next()? {
            found.push(average(row)?);
            last = Some(AveragePlace::of(row)?);
        }
        scan.seen += found.len() as u64;
        if let Some(last) = last {
            scan.place = last;
        }
        Ok(found)
    }

    /// The payloads of the next entries: at least one, and few enough to be held in memory.
    fn next_payloads(&self, scan: &mut ReadingScan) -> Result<Vec<(i64, Vec<u8>)>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT at, seq, payload FROM entry WHERE kind = ?1 AND at >= ?2 AND (at > ?2 OR seq > ?3) AND at < ?4 AND seq <= ?5 \
             ORDER BY at, seq LIMIT ?6",
        )?;
        let (at, seq) = scan.place;
        let mut rows = statement.query(params![KIND_READINGS, at, seq, scan.until, scan.newest, ENTRIES])?;
        let (mut payloads, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            scan.place = (row.get(0)?, row.get(1)?);
            let payload: Vec<u8> = row.get(2)?;
            bytes += payload.len();
            payloads.push((scan.place.1, payload));
            if bytes >= BYTES {
                break;
            }
        }
        Ok(payloads)
    }

    fn newest(&self) -> Result<i64, JournalError> {
        Ok(i64::try_from(self.last_entry()?).unwrap_or(i64::MAX))
    }
}

impl ReadingScan {
    /// How many entries it has passed, those of other kinds between them included.
    pub fn passed(&self) -> Passed {
        let (first, last) = self.bounds;
        let all = u64::try_from(last - first + 1).unwrap_or(0);
        // A clock that was set back puts entries out of the order of their numbers.
        let done = u64::try_from(self.place.1 - first + 1).unwrap_or(0).min(all);
        Passed { done, all }
    }
}

impl AverageScan {
    /// How many averages it has handed over of those in the period, older revisions included.
    pub fn passed(&self) -> Passed {
        Passed { done: self.seen, all: self.count.max(self.seen) }
    }
}

impl AveragePlace {
    /// Before every average that starts at this moment.
    fn before_all(start: i64) -> Self {
        let none = String::new;
        AveragePlace { start, source: none(), parameter: none(), rule_set: none(), length: -1, revision: -1 }
    }

    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(AveragePlace {
            start: row.get(0)?,
            source: row.get(1)?,
            parameter: row.get(2)?,
            rule_set: row.get(3)?,
            length: row.get(4)?,
            revision: row.get(5)?,
        })
    }
}

fn bounds(from: Option<Timestamp>, until: Option<Timestamp>) -> (i64, i64) {
    (from.map_or(i64::MIN, |from| from.0), until.map_or(i64::MAX, |until| until.0))
}

fn average(row: &Row<'_>) -> rusqlite::Result<Found<Average>> {
    let entry = u64::try_from(row.get::<_, i64>(6)?).unwrap_or(0);
    let body: String = row.get(7)?;
    let content = match serde_json::from_str(&body) {
        Ok(average) => Content::Kept(average),
        Err(error) => Content::Damaged(format!("average: {error}")),
    };
    Ok(Found { entry, content })
}

/// A row that no catalog explains would be passed over when the set is read row by row.
fn fault(set: &PollSet) -> Option<String> {
    let points = set.catalog.points.len();
    let unknown = set.columns.points.iter().find(|point| usize::from(**point) >= points)?;
    Some(format!("a reading of point {unknown} of device {}, which has {points} points", set.catalog.device))
}
