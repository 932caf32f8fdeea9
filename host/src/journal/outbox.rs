//! Deliveries: queued with their average in one transaction, settled when the far end has spoken, queued again on demand.

use rusqlite::{OptionalExtension, params};
use serde_json::json;

use super::event::Event;
use super::orders::{Derived, Occurred, Place, Release, Settlement, Verdict};
use super::schema::KIND_DELIVERIES;
use super::store::{Commit, length_s, length_s_of, sha256};
use crate::average::Average;
use crate::gap::{Gap, GapCause};
use crate::status::{InstrumentState, Qualifiers};
use crate::time::Timestamp;

impl Commit<'_> {
    /// `hold`: why it waits for a person instead of the sink.
    pub(super) fn queue(
        &self,
        sink: &str,
        key: &str,
        average: &Average,
        body: &str,
        hold: Option<&str>,
    ) -> rusqlite::Result<()> {
        let of = &average.key;
        self.transaction
            .prepare_cached(
                "INSERT OR IGNORE INTO delivery (sink, key, source, parameter, rule_set, start, length_s, revision, ends, state, queued, \
                 content_hash, answer) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?12, ?10, ?11, ?13)",
            )?
            .execute(params![
                sink,
                key,
                of.source,
                of.parameter,
                of.rule_set,
                of.start.0,
                length_s(average),
                of.revision,
                average.end().0,
                self.at.0,
                sha256(body),
                if hold.is_some() { "held" } else { "queued" },
                hold,
            ])?;
        Ok(())
    }

    /// What was found while deriving. A delivery of an event has no average; until it is settled its row names the event's entry.
    pub fn occurred(&mut self, occurred: &[Occurred]) -> rusqlite::Result<()> {
        let mut queued = Vec::new();
        for Occurred { event, deliveries } in occurred {
            let entry = self.event(event)?;
            for (sink, key) in deliveries {
                self.transaction
                    .prepare_cached(
                        "INSERT OR IGNORE INTO delivery (sink, key, ends, state, queued, content_hash, entry) \
                         VALUES (?1, ?2, ?3, 'queued', ?3, ?4, ?5)",
                    )?
                    .execute(params![sink, key, self.at.0, sha256(&event.to_json()), entry as i64])?;
                queued.push(json!({ "sink": sink, "key": key, "state": "queued" }));
            }
        }
        if !queued.is_empty() {
            self.add(KIND_DELIVERIES, serde_json::Value::Array(queued).to_string().as_bytes())?;
        }
        Ok(())
    }

    /// Queues what was held of a period. Returns how many.
    pub fn release(&mut self, release: &Release) -> rusqlite::Result<u64> {
        let Release { source, from, to, reason, author } = release.clone();
        let queued = self
            .transaction
            .prepare_cached(
                "UPDATE delivery SET state = 'queued', queued = ?4, answer = NULL WHERE state = 'held' AND (?1 IS NULL OR source = ?1) \
                 AND start >= ?2 AND start < ?3",
            )?
            .execute(params![source, from.0, to.0, self.at.0])?;
        let deliveries = u64::try_from(queued).unwrap_or(u64::MAX);
        self.event(&Event::Release { from, to, deliveries, reason, author })?;
        Ok(deliveries)
    }

    /// Another revision of averages, each with the next number, to all sinks that an earlier revision went to.
    pub fn revisions(&mut self, averages: &[Average]) -> rusqlite::Result<()> {
        let mut derived = Vec::new();
        for average in averages {
            let mut average = average.clone();
            let key = &mut average.key;
            let of = params![key.source, key.parameter, key.rule_set, key.start.0, length_s_of(average.length)];
            let newest: Option<u32> = self
                .transaction
                .prepare_cached(
                    "SELECT max(revision) FROM average WHERE source = ?1 AND parameter = ?2 AND rule_set = ?3 AND start = ?4 \
                     AND length_s = ?5",
                )?
                .query_row(of, |row| row.get(0))?;
            let of = params![key.source, key.parameter, key.rule_set, key.start.0, length_s_of(average.length)];
            let mut statement = self.transaction.prepare_cached(
                "SELECT sink, max(key), max(CASE WHEN state = 'held' THEN answer END) FROM delivery WHERE source = ?1 AND parameter = ?2 AND rule_set = ?3 AND start = ?4 \
                 AND length_s = ?5 GROUP BY sink",
            )?;
            let sinks = statement.query_map(of, |row| {
                Ok(((row.get::<_, String>(0)?, row.get::<_, String>(1)?), row.get::<_, Option<String>>(2)?))
            })?;
            let (sinks, held): (Vec<_>, Vec<_>) = sinks.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
            key.revision = newest.map_or(0, |newest| newest + 1);
            // A key ends with the revision.
            let deliveries = sinks.into_iter().map(|(sink, known)| {
                let stem = known.rsplit_once('/').map_or(known.as_str(), |(stem, _)| stem);
                (sink, format!("{stem}/{}", key.revision))
            });
            let deliveries = deliveries.collect();
            let gap = self.gap_of(&average)?;
            // A block that waits for a person goes on waiting, as long as something in it is implausible.
            let implausible = average.qualifiers.contains(Qualifiers::IMPLAUSIBLE);
            let hold = held.into_iter().flatten().next().filter(|_| implausible);
            derived.push(Derived { deliveries, average, gap, hold });
        }
        self.averages(&derived)
    }

    /// Why a revised block has still not enough valid data: what was known before, else what its state says.
    fn gap_of(&self, average: &Average) -> rusqlite::Result<Option<Gap>> {
        if average.state == InstrumentState::Valid {
            return Ok(None);
        }
        let key = &average.key;
        let known: Option<(String, String)> = self
            .transaction
            .prepare_cached(
                "SELECT cause, detail FROM gap WHERE source = ?1 AND parameter = ?2 AND rule_set = ?3 AND start = ?4 AND length_s = ?5 \
                 ORDER BY revision DESC LIMIT 1",
            )?
            .query_row(params![key.source, key.parameter, key.rule_set, key.start.0, length_s(average)], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        let (cause, detail) = known.unwrap_or_default();
        let cause = serde_json::from_value(cause.into()).unwrap_or(GapCause::Device);
        let detail = if detail.is_empty() { average.state.name().to_owned() } else { detail };
        Ok(Some(Gap { cause, detail }))
    }

    /// Queues what a sink was given of a period once more. Returns how many.
    pub fn resend(&mut self, sink: &str, from: Timestamp, to: Timestamp) -> rusqlite::Result<u64> {
        let queued = self
            .transaction
            .prepare_cached(
                "UPDATE delivery SET state = 'queued', queued = ?4, answered = NULL, answer = NULL, answer_hash = NULL WHERE sink = ?1 AND start >= ?2 AND start < ?3 AND state NOT IN ('queued', 'held')",
            )?
            .execute(params![sink, from.0, to.0, self.at.0])?;
        let deliveries = u64::try_from(queued).unwrap_or(u64::MAX);
        self.event(&Event::Resend { sink: sink.to_owned(), from, to, deliveries })?;
        Ok(deliveries)
    }

    /// What became of deliveries. What the far end took or refused for good is an entry; a failed attempt is only counted.
    pub fn settle(&mut self, settlements: &[Settlement]) -> rusqlite::Result<()> {
        let entry = self.end.seq + 1;
        let mut lines = Vec::new();
        for settlement in settlements {
            self.settle_one(settlement, entry, &mut lines)?;
        }
        if !lines.is_empty() {
            self.add(KIND_DELIVERIES, serde_json::Value::Array(lines).to_string().as_bytes())?;
        }
        Ok(())
    }

    fn settle_one(
        &self,
        settlement: &Settlement,
        entry: u64,
        lines: &mut Vec<serde_json::Value>,
    ) -> rusqlite::Result<()> {
        let sink = &settlement.sink;
        for tried in &settlement.averages {
            let (state, answer) = match &tried.verdict {
                Verdict::Acknowledged(answer) => ("acknowledged", answer),
                Verdict::Rejected(reason) => ("rejected", reason),
                Verdict::Again(reason) => ("queued", reason),
            };
            let is_over = state != "queued";
            let changed = self
                .transaction
                .prepare_cached(
                    "UPDATE delivery SET state = ?3, answer = ?4, answer_hash = ?5, attempts = attempts + 1, last_try = ?6, \
                     first_try = coalesce(first_try, ?6), answered = ?7, late = ?8, entry = coalesce(?9, entry) \
                     WHERE sink = ?1 AND id = ?2",
                )?
                .execute(params![
                    sink,
                    tried.delivery,
                    state,
                    answer,
                    is_over.then(|| sha256(answer)),
                    tried.sent.0,
                    is_over.then_some(tried.answered.0),
                    tried.late,
                    is_over.then_some(entry as i64),
                ])?;
            if is_over && changed > 0 {
                lines.push(json!({ "sink": sink, "key": tried.key, "state": state, "sent": tried.sent, "answered": tried.answered,
                    "late": tried.late, "answer": answer, "answer_hash": sha256(answer) }));
            }
        }
        for (key, reason) in &settlement.rejected {
            self.transaction
                .prepare_cached(
                    "INSERT OR IGNORE INTO delivery (sink, key, state, queued, attempts, first_try, last_try, answered, answer, \
                     answer_hash, entry) VALUES (?1, ?2, 'rejected', ?3, 1, ?3, ?3, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![sink, key, self.at.0, reason, sha256(reason), entry as i64])?;
            lines.push(json!({ "sink": sink, "key": key, "state": "rejected", "sent": self.at, "answered": self.at, "late": false,
                "answer": reason, "answer_hash": sha256(reason) }));
        }
        self.place(sink, settlement.place)
    }

    fn place(&self, sink: &str, place: Option<Place>) -> rusqlite::Result<()> {
        match place {
            None => {}
            Some(Place::At(cursor)) => {
                self.transaction
                    .prepare_cached("INSERT OR REPLACE INTO cursor (sink, entry, item) VALUES (?1, ?2, ?3)")?
                    .execute(params![sink, cursor.entry as i64, cursor.item])?;
            }
            Some(Place::Forgotten) => {
                self.transaction.prepare_cached("DELETE FROM cursor WHERE sink = ?1")?.execute([sink])?;
            }
        }
        Ok(())
    }
}
