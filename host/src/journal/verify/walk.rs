//! From entry to entry.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use super::finding::{Fault, Finding};
use super::{Options, Progress, Report, tables};
use crate::journal::block;
use crate::journal::chain::{End, Hash, Link, Seal};
use crate::journal::error::JournalError;
use crate::journal::event::Event;
use crate::journal::schema::{
    Class, KIND_AVERAGES, KIND_CHECKPOINT, KIND_DELIVERIES, KIND_EVENT, KIND_GAPS, KIND_READINGS,
};
use crate::key::PublicKey;
use crate::notation::unhex;
use crate::time::Timestamp;

/// Entries that are read in one transaction.
const AT_ONCE: i64 = 500;
/// Findings that are kept; a journal with more has one cause.
const MOST: usize = 100;
/// How far behind an entry its content is looked for, to tell a swap from an edit.
const NEAR: i64 = 500;

/// A row of the table `entry`.
pub struct Row {
    pub seq: u64,
    pub at: Timestamp,
    pub kind: i64,
    pub payload: Vec<u8>,
    pub hash: Hash,
}

/// A walk under way.
pub struct Walk {
    options: Options,
    /// The entry before the next one.
    end: End,
    /// What the journal said of its end when the walk began.
    head: End,
    head_signature: Vec<u8>,
    entries: u64,
    readings: u64,
    pruned: u64,
    checkpoints: u64,
    keys: Vec<PublicKey>,
    findings: Vec<Finding>,
    /// Entries that are not there as the journal itself says: by the first, the last and, when they were pruned, its hash.
    absent: BTreeMap<u64, (u64, Option<Hash>)>,
    /// Entries up to here were written before there was a chain.
    converted: u64,
    /// Averages were pruned, so that deliveries of them may be gone.
    pub averages_pruned: bool,
}

impl Walk {
    /// Reads the journal's end and what it says of entries that are not there.
    pub fn begin(connection: &Connection, options: Options) -> Result<Self, JournalError> {
        let head = connection
            .query_row("SELECT seq, hash, at, signature FROM head", [], |row| {
                let end = End {
                    seq: u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0),
                    hash: Hash::from_bytes(&row.get::<_, Vec<u8>>(1)?).unwrap_or(Hash::ORIGIN),
                    at: Timestamp(row.get(2)?),
                };
                Ok((end, row.get::<_, Vec<u8>>(3)?))
            })
            .optional()?;
        let (head, head_signature) = head.unwrap_or((End::ORIGIN, Vec::new()));
        let mut walk = Walk {
            options,
            end: End::ORIGIN,
            head,
            head_signature,
            entries: 0,
            readings: 0,
            pruned: 0,
            checkpoints: 0,
            keys: Vec::new(),
            findings: Vec::new(),
            absent: BTreeMap::new(),
            converted: 0,
            averages_pruned: false,
        };
        walk.read_absent(connection)?;
        let odd: i64 = connection.query_row("SELECT count(*) FROM entry WHERE seq < 1", [], |row| row.get(0))?;
        if odd > 0 {
            let what = format!("{odd} entries have numbers that no journal gives");
            walk.find(Finding { entry: 0, fault: Fault::Inserted, what });
        }
        Ok(walk)
    }

    fn read_absent(&mut self, connection: &Connection) -> Result<(), JournalError> {
        let mut statement = connection.prepare("SELECT payload FROM entry WHERE kind = ?1 ORDER BY seq")?;
        let payloads = statement.query_map([KIND_EVENT], |row| row.get::<_, Vec<u8>>(0))?;
        for payload in payloads {
            match serde_json::from_slice(&payload?) {
                Ok(Event::Pruned { runs, class, .. }) => {
                    self.averages_pruned |= class == Class::Averages.name();
                    for (first, last, hash) in runs {
                        // A longer run takes the place of those that it grew out of.
                        self.absent.retain(|from, (to, _)| *from < first || *to > last);
                        self.absent.insert(first, (last, Hash::from_hex(&hash)));
                    }
                }
                Ok(Event::Lost { first, last, .. }) => {
                    self.absent.insert(first, (last, None));
                }
                Ok(Event::Converted { through, .. }) => self.converted = through,
                _ => {}
            }
        }
        Ok(())
    }

    /// Checks the next entries. False when there are no more.
    pub fn some_entries(&mut self, connection: &Connection) -> Result<bool, JournalError> {
        let from = i64::try_from(self.end.seq).unwrap_or(i64::MAX);
        // Entries and tables are compared as they are at one moment.
        let _moment = connection.unchecked_transaction()?;
        let rows = rows(connection, from, AT_ONCE)?;
        let (before, last) = (self.entries, self.head.seq);
        for row in rows.iter().filter(|row| row.seq <= last) {
            self.entry(connection, row)?;
        }
        Ok(self.entries > before)
    }

    fn entry(&mut self, connection: &Connection, row: &Row) -> Result<(), JournalError> {
        if row.seq > self.end.seq + 1 && !self.absent.contains_key(&(self.end.seq + 1)) {
            // A hub that runs may have taken entries away since the walk began.
            self.read_absent(connection)?;
        }
        let trusted = self.step_over(row);
        let link = Link { seq: row.seq, at: row.at, kind: row.kind, payload: &row.payload };
        if trusted && link.after(self.end.hash) != row.hash {
            let finding = self.what_happened(connection, row)?;
            self.find(finding);
        } else if row.at < self.end.at && row.seq > self.converted && !is_clock_step(row) {
            let what = format!("it says {}, and the entry before it {}", row.at, self.end.at);
            self.find(Finding { entry: row.seq, fault: Fault::BackDated, what });
        }
        if let Some((entry, hash)) = self.options.expect
            && entry == row.seq
            && hash != row.hash
        {
            let what = format!("its hash is {}, and {hash} was expected", row.hash);
            self.find(Finding { entry, fault: Fault::Unexpected, what });
        }
        self.content(connection, row)?;
        self.entries += 1;
        self.end = End { seq: row.seq, at: row.at, hash: row.hash };
        Ok(())
    }

    /// Entries between the last one and this that are not there. False when the hash before this entry is not known.
    fn step_over(&mut self, row: &Row) -> bool {
        let mut next = self.end.seq + 1;
        let mut trusted = true;
        while next < row.seq {
            let (last, hash) = match self.absent.range(..=next).next_back() {
                Some((_, (last, hash))) if (next..row.seq).contains(last) => (*last, *hash),
                _ => {
                    let last = self.absent.range(next..row.seq).next().map_or(row.seq, |(first, _)| *first) - 1;
                    self.find(Finding { entry: next, fault: Fault::Deleted, what: missing(next, last) });
                    trusted = false;
                    next = last + 1;
                    continue;
                }
            };
            match hash {
                Some(hash) => {
                    self.pruned += last + 1 - next;
                    self.end.hash = hash;
                    trusted = true;
                }
                None => {
                    let what = format!("{}; the hub recorded that they had gone", missing(next, last));
                    self.find(Finding { entry: next, fault: Fault::Lost, what });
                    // The chain goes on behind the last entry that was there.
                }
            }
            next = last + 1;
        }
        trusted
    }

    /// Tells what was done to an entry whose hash does not hold.
    fn what_happened(&self, connection: &Connection, row: &Row) -> Result<Finding, JournalError> {
        let before = self.end.hash;
        let as_here = |other: &Row, at: Timestamp| {
            Link { seq: row.seq, at, kind: other.kind, payload: &other.payload }.after(before)
        };
        let near = rows(connection, i64::try_from(row.seq).unwrap_or(i64::MAX), NEAR)?;
        let found = |fault: Fault, what: String| Ok(Finding { entry: row.seq, fault, what });
        if let Some(next) = near.first()
            && as_here(next, next.at) == next.hash
        {
            return found(Fault::Inserted, "the entry behind it is the one that belongs here".to_owned());
        }
        let stood_here = |other: &&Row| {
            let here = [as_here(other, other.at), as_here(other, row.at)];
            here.contains(&row.hash) || here.contains(&other.hash)
        };
        if let Some(other) = near.iter().find(stood_here) {
            return found(Fault::Swapped, format!("what stands in entry {} belongs here", other.seq));
        }
        if row.at < self.end.at {
            return found(Fault::BackDated, format!("it says {}, and the entry before it {}", row.at, self.end.at));
        }
        found(Fault::Edited, "its hash is not that of its content behind the entry before it".to_owned())
    }

    fn content(&mut self, connection: &Connection, row: &Row) -> Result<(), JournalError> {
        match row.kind {
            KIND_READINGS => match block::rows(&row.payload) {
                Ok(rows) => self.readings += rows,
                Err(what) => self.find(Finding { entry: row.seq, fault: Fault::Edited, what }),
            },
            KIND_AVERAGES => tables::averages(connection, row, self)?,
            KIND_GAPS => tables::gaps(connection, row, self)?,
            KIND_DELIVERIES => tables::deliveries(connection, row, self)?,
            KIND_EVENT => self.event(row),
            KIND_CHECKPOINT => self.checkpoint(row),
            _ => {}
        }
        Ok(())
    }

    fn event(&mut self, row: &Row) {
        let Ok(Event::Begin { public_key, .. } | Event::Key { public_key }) = serde_json::from_slice(&row.payload)
        else {
            return;
        };
        let Some(key) = PublicKey::from_hex(&public_key) else { return };
        self.keys.push(key);
        if self.options.public_key.is_some_and(|wanted| wanted != key) {
            let what = format!("from here on the key {key} signs, which is not the one that was given");
            self.find(Finding { entry: row.seq, fault: Fault::Signature, what });
        }
    }

    /// The key that must have signed.
    fn key(&self) -> Option<PublicKey> {
        self.options.public_key.or_else(|| self.keys.last().copied())
    }

    fn checkpoint(&mut self, row: &Row) {
        let holds = || -> Option<bool> {
            let text: Value = serde_json::from_slice(&row.payload).ok()?;
            let at: Timestamp = text.get("at")?.as_str()?.parse().ok()?;
            let end = End { seq: text.get("seq")?.as_u64()?, hash: Hash::from_hex(text.get("hash")?.as_str()?)?, at };
            let signature = unhex(text.get("signature")?.as_str()?)?;
            let here = end.seq + 1 == row.seq && end.hash == self.end.hash;
            Some(here && self.key()?.verifies(&end.message(Seal::Checkpoint), &signature))
        };
        match holds() {
            Some(true) => self.checkpoints += 1,
            _ => {
                let what = "the checkpoint is not signed for the chain before it".to_owned();
                self.find(Finding { entry: row.seq, fault: Fault::Signature, what });
            }
        }
    }

    /// Notes what does not hold.
    pub fn find(&mut self, finding: Finding) {
        if self.findings.len() < MOST {
            self.findings.push(finding);
        }
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        Progress { entry: self.end.seq, last: self.head.seq, readings: self.readings }
    }

    /// Entries up to here were written before there was a chain.
    pub fn converted(&self) -> u64 {
        self.converted
    }

    /// The end of the chain, its signature, and the report.
    pub fn finish(mut self, connection: &Connection) -> Result<Report, JournalError> {
        let (end, head) = (self.end, self.head);
        if end.seq < head.seq {
            let what = format!("{}: the journal was signed to its end", missing(end.seq + 1, head.seq));
            self.find(Finding { entry: end.seq + 1, fault: Fault::Truncated, what });
        } else if end.hash != head.hash {
            let what = "the signed end of the journal is another one".to_owned();
            self.find(Finding { entry: end.seq, fault: Fault::Edited, what });
        }
        let signed = self.key().is_some_and(|key| key.verifies(&head.message(Seal::Head), &self.head_signature));
        if !signed {
            let what = "the end of the journal is not signed with the key".to_owned();
            self.find(Finding { entry: head.seq, fault: Fault::Signature, what });
        }
        let (last, signed): (Option<i64>, Option<i64>) =
            connection.query_row("SELECT (SELECT max(seq) FROM entry), (SELECT seq FROM head)", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        if last > signed {
            let entry = u64::try_from(signed.unwrap_or(0)).unwrap_or(0) + 1;
            let what = "it stands behind the signed end of the journal".to_owned();
            self.find(Finding { entry, fault: Fault::Inserted, what });
        }
        if let Some((entry, _)) = self.options.expect
            && entry > end.seq
        {
            let what = format!("it is known from elsewhere, and the journal ends with {}", end.seq);
            self.find(Finding { entry, fault: Fault::Truncated, what });
        }
        // A table that misses an entry says less than the entry that is missing.
        self.findings.sort_by_key(|finding| (finding.entry, finding.fault == Fault::Table));
        Ok(Report {
            entries: self.entries,
            readings: self.readings,
            pruned: self.pruned,
            checkpoints: self.checkpoints,
            keys: self.keys,
            end,
            findings: self.findings,
        })
    }
}

fn rows(connection: &Connection, behind: i64, most: i64) -> Result<Vec<Row>, JournalError> {
    let mut statement = connection
        .prepare_cached("SELECT seq, at, kind, payload, hash FROM entry WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let rows = statement.query_map(params![behind, most], |row| {
        Ok(Row {
            seq: u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0),
            at: Timestamp(row.get(1)?),
            kind: row.get(2)?,
            payload: row.get(3)?,
            hash: Hash::from_bytes(&row.get::<_, Vec<u8>>(4)?).unwrap_or(Hash::ORIGIN),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn is_clock_step(row: &Row) -> bool {
    row.kind == KIND_EVENT && matches!(serde_json::from_slice(&row.payload), Ok(Event::ClockStep { .. }))
}

fn missing(first: u64, last: u64) -> String {
    if first == last { "it is not there".to_owned() } else { format!("entries {first} to {last} are not there") }
}
