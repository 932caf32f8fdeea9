//! Lists for people: what became of deliveries, and which blocks were lost.

use std::ops::Range;
use std::path::Path;

use rusqlite::params;

use super::error::JournalError;
use super::opening;
use super::reader::Reader;
use crate::average::Average;
use crate::key::PublicKey;
use crate::time::Timestamp;

/// How many deliveries of a sink are in which state.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SinkCounts {
    /// The sink.
    pub sink: String,
    /// Waiting.
    pub queued: u64,
    /// Confirmed.
    pub acknowledged: u64,
    /// Refused for good.
    pub rejected: u64,
    /// Confirmed or refused, and marked late when they went out.
    pub late: u64,
    /// Held until a person lets them go.
    pub held: u64,
    /// End of the oldest block that waits.
    pub oldest_queued: Option<Timestamp>,
}

/// One delivery.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Delivered {
    /// The sink.
    pub sink: String,
    /// Idempotency key.
    pub key: String,
    /// queued, held, acknowledged or rejected.
    pub state: String,
    /// Attempts so far.
    pub attempts: u32,
    /// When the last one was sent.
    pub sent: Option<Timestamp>,
    /// When its answer came.
    pub answered: Option<Timestamp>,
    /// Whether it was marked late.
    pub late: bool,
    /// The far end's words, or what went wrong.
    pub answer: Option<String>,
    /// SHA-256 of the far end's words.
    pub answer_hash: Option<String>,
}

/// Which deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// To this sink; `None`: all.
    pub sink: Option<String>,
    /// In this state; `late`: those that were marked so.
    pub state: Option<String>,
    /// Of blocks that begin in this time.
    pub during: Option<Range<Timestamp>>,
    /// At most so many, the newest first.
    pub limit: u32,
}

/// One lost block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapRow {
    /// The source.
    pub source: String,
    /// The parameter.
    pub parameter: String,
    /// The rule set.
    pub rule_set: String,
    /// First moment of the block.
    pub start: Timestamp,
    /// Length of the block in seconds.
    pub length_s: u64,
    /// Who or what cost it its data.
    pub cause: String,
    /// More of it.
    pub detail: String,
}

/// Blocks of one parameter under one rule set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockCount {
    /// The source.
    pub source: String,
    /// The parameter.
    pub parameter: String,
    /// The rule set.
    pub rule_set: String,
    /// Length of a block in seconds.
    pub length_s: u64,
    /// Blocks that are closed.
    pub closed: u64,
    /// Those of them with enough valid data.
    pub valid: u64,
}

impl Reader {
    /// How many blocks that begin in this time are closed, and how many of them valid, by their newest revisions.
    pub fn block_counts(&self, during: Range<Timestamp>) -> Result<Vec<BlockCount>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT source, parameter, rule_set, length_s, count(*), total(state = 'valid') FROM average a \
             WHERE start >= ?1 AND start < ?2 AND revision = (SELECT max(revision) FROM average l WHERE l.source = a.source \
             AND l.parameter = a.parameter AND l.rule_set = a.rule_set AND l.start = a.start AND l.length_s = a.length_s) \
             GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
        )?;
        let rows = statement.query_map(params![during.start.0, during.end.0], |row| {
            Ok(BlockCount {
                source: row.get(0)?,
                parameter: row.get(1)?,
                rule_set: row.get(2)?,
                length_s: u64::try_from(row.get::<_, i64>(3)?).unwrap_or(0),
                closed: u64::try_from(row.get::<_, i64>(4)?).unwrap_or(0),
                valid: row.get::<_, f64>(5)? as u64,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Copies the journal as it is now into a new file. The copy needs no log beside it.
    pub fn copy_to(&self, file: &Path) -> Result<(), JournalError> {
        self.connection.execute("VACUUM INTO ?1", [file.to_string_lossy()])?;
        Ok(())
    }

    /// The key that the journal names last.
    pub fn public_key(&self) -> Result<Option<PublicKey>, JournalError> {
        opening::key_in_force(&self.connection)
    }

    /// The sinks that anything was ever queued for.
    pub fn sink_counts(&self) -> Result<Vec<SinkCounts>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT sink, total(state = 'queued'), total(state = 'acknowledged'), total(state = 'rejected'), \
             total(late AND state NOT IN ('queued', 'held')), total(state = 'held'), \
             min(CASE WHEN state = 'queued' THEN ends END) FROM delivery GROUP BY sink ORDER BY sink",
        )?;
        let rows = statement.query_map([], |row| {
            let count = |at: usize| row.get::<_, f64>(at).map(|count| count as u64);
            Ok(SinkCounts {
                sink: row.get(0)?,
                queued: count(1)?,
                acknowledged: count(2)?,
                rejected: count(3)?,
                late: count(4)?,
                held: count(5)?,
                oldest_queued: row.get::<_, Option<i64>>(6)?.map(Timestamp),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Single deliveries, the newest first.
    pub fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<Delivered>, JournalError> {
        let during = filter.during.clone().unwrap_or(Timestamp(i64::MIN)..Timestamp(i64::MAX));
        let mut statement = self.connection.prepare_cached(
            "SELECT sink, key, state, attempts, last_try, answered, late, answer, answer_hash FROM delivery \
             WHERE (?1 IS NULL OR sink = ?1) AND (?2 IS NULL OR state = ?2 OR (?2 = 'late' AND late)) \
             AND coalesce(start, queued) >= ?3 AND coalesce(start, queued) < ?4 ORDER BY id DESC LIMIT ?5",
        )?;
        let rows = statement.query_map(
            params![filter.sink, filter.state, during.start.0, during.end.0, filter.limit],
            |row| {
                Ok(Delivered {
                    sink: row.get(0)?,
                    key: row.get(1)?,
                    state: row.get(2)?,
                    attempts: row.get(3)?,
                    sent: row.get::<_, Option<i64>>(4)?.map(Timestamp),
                    answered: row.get::<_, Option<i64>>(5)?.map(Timestamp),
                    late: row.get(6)?,
                    answer: row.get(7)?,
                    answer_hash: row.get(8)?,
                })
            },
        )?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Lost blocks that begin in this time, by source, parameter, rule set and time; those that a later revision made good are not
    /// among them.
    pub fn gaps(&self, during: Range<Timestamp>) -> Result<Vec<GapRow>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT source, parameter, rule_set, start, length_s, cause, detail FROM gap g WHERE start >= ?1 AND start < ?2 \
             AND revision = (SELECT max(revision) FROM average a WHERE a.source = g.source AND a.parameter = g.parameter \
             AND a.rule_set = g.rule_set AND a.start = g.start AND a.length_s = g.length_s) \
             ORDER BY source, parameter, rule_set, start",
        )?;
        let rows = statement.query_map(params![during.start.0, during.end.0], |row| {
            Ok(GapRow {
                source: row.get(0)?,
                parameter: row.get(1)?,
                rule_set: row.get(2)?,
                start: Timestamp(row.get(3)?),
                length_s: u64::try_from(row.get::<_, i64>(4)?).unwrap_or(0),
                cause: row.get(5)?,
                detail: row.get(6)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The newest revision of each average whose block begins in this time, in the order of time.
    pub fn newest_averages(&self, during: Range<Timestamp>) -> Result<Vec<Average>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT body FROM average a WHERE start >= ?1 AND start < ?2 AND revision = (SELECT max(revision) FROM average l \
             WHERE l.source = a.source AND l.parameter = a.parameter AND l.rule_set = a.rule_set AND l.start = a.start \
             AND l.length_s = a.length_s) ORDER BY start, source, parameter, rule_set",
        )?;
        let bodies = statement.query_map(params![during.start.0, during.end.0], |row| row.get::<_, String>(0))?;
        let mut averages = Vec::new();
        for body in bodies {
            let body = body?;
            let average = serde_json::from_str(&body);
            averages
                .push(average.map_err(|error| JournalError::Damaged { entry: 0, what: format!("average: {error}") })?);
        }
        Ok(averages)
    }
}
