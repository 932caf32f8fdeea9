//! The one thread that writes: it collects orders for a moment, commits them together, and then asks what follows.
//!
//! Nothing is derived from a reading before the commit that holds it has returned. What was derived waits for the next
//! commit; if the process dies in between, it is derived again from the journal.
//!
//! After a failed commit nothing is forgotten: the same group is tried again until it succeeds, while the queue in front fills and
//! the devices wait.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rusqlite::{Transaction, params};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info};

use super::block::BlockWriter;
use super::error::JournalError;
use super::schema::{KIND_AVERAGES, KIND_CATALOG, KIND_EVENT, KIND_READINGS, Owned};
use crate::average::Average;
use crate::config::model;
use crate::reading::{DeviceCatalog, PollSet};
use crate::time::Timestamp;

/// Pause after a commit that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// What follows from readings. Pure towards the journal: it is told what is durable and says what to add.
pub trait Derive: Send + 'static {
    /// These sets now stand in this entry.
    fn committed(&mut self, entry: u64, sets: &[Arc<PollSet>]);
    /// What follows at this moment from all that was committed before it.
    fn derive(&mut self, now: Timestamp) -> Vec<Derived>;
}

/// A closed average and where it goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Derived {
    /// The average.
    pub average: Average,
    /// Sinks and the idempotency key of the average there.
    pub deliveries: Vec<(String, String)>,
}

/// A parameter under a rule set that has blocks from this moment on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// The source.
    pub source: String,
    /// The parameter.
    pub parameter: String,
    /// The rule set.
    pub rule_set: String,
    /// A moment in its first block.
    pub begins: Timestamp,
}

/// What became of deliveries to one sink.
#[derive(Debug, Clone, PartialEq)]
pub struct Settlement {
    /// The sink.
    pub sink: String,
    /// Averages, by their delivery's id.
    pub averages: Vec<(i64, Verdict)>,
    /// What becomes of the sink's place in the readings; `None`: it stays.
    pub place: Option<Place>,
    /// Readings that the far end will never take: key and reason.
    pub rejected: Vec<(String, String)>,
}

/// A sink's place in the readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Readings up to here are settled.
    At(Cursor),
    /// No route brings readings to the sink any more.
    Forgotten,
}

/// What became of one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Confirmed; the far end's words.
    Acknowledged(String),
    /// Never to be taken; the far end's words.
    Rejected(String),
    /// To be tried again; what happened.
    Again(String),
}

/// A place in the readings: an entry and the poll set in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// Sequence number of the entry.
    pub entry: u64,
    /// Position of the set in the entry's block.
    pub item: u32,
}

pub enum Order {
    Append(Arc<PollSet>),
    Event(serde_json::Value),
    Begin(Vec<Stream>, oneshot::Sender<()>),
    Settle(Settlement, oneshot::Sender<()>),
    Flush(oneshot::Sender<()>),
}

pub struct Writer<D> {
    file: Owned,
    settings: model::Journal,
    /// Senders that wait for room in the queue, with readings that are older than the queue's end.
    waiting: Arc<AtomicUsize>,
    derive: D,
    derived: Vec<Derived>,
    report: watch::Sender<u64>,
    next: u64,
    /// Entries of the catalogs that were written since the start, by device.
    catalogs: HashMap<String, (Arc<DeviceCatalog>, u64)>,
    failing: bool,
}

/// What one commit holds.
#[derive(Default)]
struct Group {
    sets: Vec<Arc<PollSet>>,
    readings: usize,
    events: Vec<serde_json::Value>,
    streams: Vec<Stream>,
    settlements: Vec<Settlement>,
    done: Vec<oneshot::Sender<()>>,
    /// Everything that was received before this moment is in this group or an earlier one. `None`: orders are still queued, so that
    /// nothing can be said; blocks must not close on readings that wait.
    complete_until: Option<Timestamp>,
}

impl<D: Derive> Writer<D> {
    pub fn new(
        file: Owned,
        settings: model::Journal,
        waiting: Arc<AtomicUsize>,
        derive: D,
        report: watch::Sender<u64>,
    ) -> Result<Self, JournalError> {
        let last: i64 = file.connection.query_row("SELECT coalesce(max(seq), 0) FROM entry", [], |row| row.get(0))?;
        Ok(Writer {
            file,
            settings,
            waiting,
            derive,
            derived: Vec::new(),
            report,
            next: u64::try_from(last).unwrap_or(0) + 1,
            catalogs: HashMap::new(),
            failing: false,
        })
    }

    /// Until the last sender is gone and everything is committed.
    pub fn run(mut self, runtime: &tokio::runtime::Handle, mut inbox: mpsc::Receiver<Order>) {
        let mut open = true;
        while open {
            let mut group = Group::default();
            open = runtime.block_on(collect(&mut inbox, &self.settings, &self.waiting, &mut group));
            let complete_until = group.complete_until;
            self.commit_until_done(group);
            if let Some(moment) = complete_until {
                self.derived.extend(self.derive.derive(moment.before(self.settings.commit_interval)));
            }
            if !self.derived.is_empty() {
                self.commit_until_done(Group::default());
            }
        }
        if let Err(error) = self.file.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
            error!("journal: last checkpoint: {error}");
        }
    }

    fn commit_until_done(&mut self, group: Group) {
        if group.is_empty() && self.derived.is_empty() {
            return;
        }
        let entry = loop {
            match self.commit(&group) {
                Ok(entry) => break entry,
                Err(error) => {
                    if !self.failing {
                        error!("journal: nothing can be stored, trying again every second: {error}");
                    }
                    self.failing = true;
                    std::thread::sleep(AFTER_FAILURE);
                }
            }
        };
        if std::mem::take(&mut self.failing) {
            info!("journal: storing again");
        }
        self.derived.clear();
        if let Some(entry) = entry {
            self.derive.committed(entry, &group.sets);
        }
        for done in group.done {
            // Who asked may have gone.
            let _ = done.send(());
        }
        self.report.send_replace(self.next);
    }

    /// One transaction. Returns the entry that holds the readings, if there are any.
    fn commit(&mut self, group: &Group) -> rusqlite::Result<Option<u64>> {
        let now = Timestamp::now();
        let mut next = self.next;
        let mut catalogs = Vec::new();
        let transaction = self.file.connection.transaction()?;
        for event in &group.events {
            add(&transaction, &mut next, now, KIND_EVENT, event.to_string().as_bytes())?;
        }
        let mut block = BlockWriter::new();
        for set in &group.sets {
            let device = &set.catalog.device;
            let known =
                catalogs.iter().rev().find(|(catalog, _)| Arc::ptr_eq(catalog, &set.catalog)).map(|(_, entry)| *entry);
            let before =
                || self.catalogs.get(device).filter(|(c, _)| Arc::ptr_eq(c, &set.catalog)).map(|(_, entry)| *entry);
            let entry = match known.or_else(before) {
                Some(entry) => entry,
                None => {
                    let text = serde_json::to_vec(&*set.catalog).unwrap_or_default();
                    let entry = add(&transaction, &mut next, now, KIND_CATALOG, &text)?;
                    catalogs.push((Arc::clone(&set.catalog), entry));
                    entry
                }
            };
            block.push(entry, set);
        }
        let readings = match group.sets.is_empty() {
            true => None,
            false => Some(add(&transaction, &mut next, now, KIND_READINGS, &block.finish())?),
        };
        store_averages(&transaction, &mut next, now, &self.derived)?;
        for Stream { source, parameter, rule_set, begins } in &group.streams {
            transaction
                .prepare_cached(
                    "INSERT OR IGNORE INTO stream (source, parameter, rule_set, begins) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![source, parameter, rule_set, begins.0])?;
        }
        for settlement in &group.settlements {
            settle(&transaction, now, settlement)?;
        }
        transaction.commit()?;
        self.next = next;
        let device = |catalog: &Arc<DeviceCatalog>| catalog.device.clone();
        self.catalogs.extend(catalogs.into_iter().map(|(catalog, entry)| (device(&catalog), (catalog, entry))));
        Ok(readings)
    }
}

impl Group {
    fn is_empty(&self) -> bool {
        self.sets.is_empty() && self.events.is_empty() && self.settlements.is_empty() && self.done.is_empty()
    }

    /// Takes an order. Returns true when somebody waits for the commit.
    fn add(&mut self, order: Order) -> bool {
        match order {
            Order::Append(set) => {
                self.readings += set.len();
                self.sets.push(set);
                return false;
            }
            Order::Event(event) => {
                self.events.push(event);
                return false;
            }
            Order::Begin(streams, done) => {
                self.streams.extend(streams);
                self.done.push(done);
            }
            Order::Settle(settlement, done) => {
                self.settlements.push(settlement);
                self.done.push(done);
            }
            Order::Flush(done) => self.done.push(done),
        }
        true
    }
}

/// Collects for one commit: until the interval is over, the group is full, or somebody waits and nothing more is there. Returns
/// false when no more orders will come.
async fn collect(
    inbox: &mut mpsc::Receiver<Order>,
    settings: &model::Journal,
    waiting: &AtomicUsize,
    group: &mut Group,
) -> bool {
    let deadline = tokio::time::Instant::from_std(Instant::now() + settings.commit_interval);
    let mut waited_for = false;
    while group.readings < settings.commit_readings {
        let before = Timestamp::now();
        let found = inbox.try_recv();
        if found.is_err() && waiting.load(Ordering::SeqCst) == 0 {
            group.complete_until = Some(before);
        }
        let order = match found {
            Ok(order) => Some(order),
            Err(mpsc::error::TryRecvError::Empty) if waited_for => return true,
            Err(_) => match tokio::time::timeout_at(deadline, inbox.recv()).await {
                Ok(order) => order,
                Err(_) => return true,
            },
        };
        match order {
            Some(order) => waited_for |= group.add(order),
            None => return false,
        }
    }
    true
}

fn add(
    transaction: &Transaction<'_>,
    next: &mut u64,
    at: Timestamp,
    kind: i64,
    payload: &[u8],
) -> rusqlite::Result<u64> {
    let entry = *next;
    transaction
        .prepare_cached("INSERT INTO entry (seq, at, kind, payload) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![entry as i64, at.0, kind, payload])?;
    *next += 1;
    Ok(entry)
}

/// Averages that stand there already are left alone, with their deliveries: they were derived again after a restart.
fn store_averages(
    transaction: &Transaction<'_>,
    next: &mut u64,
    now: Timestamp,
    derived: &[Derived],
) -> rusqlite::Result<()> {
    if derived.is_empty() {
        return Ok(());
    }
    let entry = *next;
    let mut fresh = Vec::new();
    for Derived { average, deliveries } in derived {
        let key = &average.key;
        let body = serde_json::to_string(average).unwrap_or_default();
        let length = i64::try_from(average.length.as_secs()).unwrap_or(i64::MAX);
        let added = transaction
            .prepare_cached(
                "INSERT OR IGNORE INTO average (source, parameter, rule_set, start, revision, length_s, mean, unit, coverage, \
                 state, entry, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?
            .execute(params![
                key.source,
                key.parameter,
                key.rule_set,
                key.start.0,
                key.revision,
                length,
                average.mean,
                average.unit,
                average.coverage,
                average.state.name(),
                entry as i64,
                body,
            ])?;
        if added == 0 {
            continue;
        }
        for (sink, delivery) in deliveries {
            transaction
                .prepare_cached(
                    "INSERT OR IGNORE INTO delivery (sink, key, source, parameter, rule_set, start, length_s, revision, state) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'queued')",
                )?
                .execute(params![sink, delivery, key.source, key.parameter, key.rule_set, key.start.0, length, key.revision])?;
        }
        fresh.push(body);
    }
    if !fresh.is_empty() {
        add(transaction, next, now, KIND_AVERAGES, format!("[{}]", fresh.join(",")).as_bytes())?;
    }
    Ok(())
}

fn settle(transaction: &Transaction<'_>, now: Timestamp, settlement: &Settlement) -> rusqlite::Result<()> {
    let sink = &settlement.sink;
    for (id, verdict) in &settlement.averages {
        let (state, answer) = match verdict {
            Verdict::Acknowledged(answer) => ("acknowledged", answer),
            Verdict::Rejected(reason) => ("rejected", reason),
            Verdict::Again(reason) => ("queued", reason),
        };
        transaction
            .prepare_cached(
                "UPDATE delivery SET state = ?3, answer = ?4, attempts = attempts + 1, last_try = ?5, \
                 first_try = coalesce(first_try, ?5) WHERE sink = ?1 AND id = ?2",
            )?
            .execute(params![sink, id, state, answer, now.0])?;
    }
    for (key, reason) in &settlement.rejected {
        transaction
            .prepare_cached(
                "INSERT OR IGNORE INTO delivery (sink, key, state, attempts, first_try, last_try, answer) \
                 VALUES (?1, ?2, 'rejected', 1, ?3, ?3, ?4)",
            )?
            .execute(params![sink, key, now.0, reason])?;
    }
    match settlement.place {
        None => {}
        Some(Place::At(Cursor { entry, item })) => {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO cursor (sink, entry, item) VALUES (?1, ?2, ?3)")?
                .execute(params![sink, entry as i64, item])?;
        }
        Some(Place::Forgotten) => {
            transaction.prepare_cached("DELETE FROM cursor WHERE sink = ?1")?.execute([sink])?;
        }
    }
    Ok(())
}
