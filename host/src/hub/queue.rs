//! What waits in the journal for one sink: new averages first, then those that are late, at a bounded rate and marked so, then readings
//! behind the sink's cursor.
//!
//! Invariant: new averages never wait for late ones. Within each of the two lanes a parameter's blocks go in the order of time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::error;

use crate::config::model::{Delivery, Path, Route};
use crate::journal::{
    Cursor, Journal, JournalError, Place, Position, QueuedContent, QueuedDelivery, Reader, Settlement, Tried, Verdict,
};
use crate::pipeline::ReadingRoute;
use crate::reading::DeviceCatalog;
use crate::sink::{Content, Outcome, PollSelection, Queue, Queued, Record, Settled, Timeliness};
use crate::time::Timestamp;

/// All routes of readings that go through the journal.
#[derive(Default)]
pub struct ReadingRoutes {
    routes: RwLock<Vec<ReadingRoute>>,
}

impl ReadingRoutes {
    /// Replaces the routes.
    pub fn set<'a>(&self, routes: impl IntoIterator<Item = &'a Route>) {
        let routes =
            routes.into_iter().filter_map(ReadingRoute::new).filter(|route| route.path == Path::Journal).collect();
        *self.routes.write().unwrap_or_else(PoisonError::into_inner) = routes;
    }

    /// Which points of a device go to a sink: those that any of its routes carries.
    fn wanted(&self, sink: &str, catalog: &DeviceCatalog) -> Option<Arc<[bool]>> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        let leading = routes.iter().filter(|route| route.to.iter().any(|to| to == sink));
        leading
            .filter_map(|route| route.wanted(catalog))
            .reduce(|a, b| a.iter().zip(b.iter()).map(|(a, b)| *a || *b).collect())
    }

    fn any_for(&self, sink: &str) -> bool {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        routes.iter().any(|route| route.to.iter().any(|to| to == sink))
    }
}

/// Entries that a sink may skip before its place is stored again.
const FAR: u64 = 1000;

/// The queue of one sink.
pub struct JournalQueue {
    hub: String,
    sink: String,
    journal: Journal,
    reader: Arc<Mutex<Reader>>,
    written: watch::Receiver<u64>,
    routes: Arc<ReadingRoutes>,
    /// Blocks that ended longer ago are late.
    late_after: Duration,
    history: Allowance,
    /// Whether the journal knows `settled`.
    placed: bool,
    /// Readings up to here are settled, and up to `scanned` none waits for this sink.
    settled: Cursor,
    scanned: Cursor,
    next_id: u64,
    /// The last look found nothing; there is no need for another before the next commit.
    drained: bool,
    /// Late averages wait until then.
    held_until: Option<Instant>,
    /// What was handed out last.
    taken: HashMap<u64, Taken>,
}

enum Taken {
    Average { delivery: i64, key: Arc<str>, timeliness: Timeliness },
    Poll { place: Cursor, key: Arc<str> },
}

impl JournalQueue {
    /// Opens the queue where the sink left off. A sink that a route brings readings to for the first time begins with those that come
    /// from now on; that is durable before this returns.
    pub async fn open(
        hub: &str,
        sink: &str,
        journal: &Journal,
        routes: &Arc<ReadingRoutes>,
        delivery: &Delivery,
    ) -> Result<Self, JournalError> {
        let reader = journal.reader()?;
        let placed = reader.cursor(sink)?;
        let settled = placed.unwrap_or(Cursor { entry: reader.last_entry()?, item: u32::MAX });
        let mut queue = JournalQueue {
            hub: hub.to_owned(),
            sink: sink.to_owned(),
            journal: journal.clone(),
            reader: Arc::new(Mutex::new(reader)),
            written: journal.written(),
            routes: Arc::clone(routes),
            late_after: delivery.late_after,
            history: Allowance::new(delivery.history_rate),
            placed: placed.is_some(),
            settled,
            scanned: settled,
            next_id: 0,
            drained: false,
            held_until: None,
            taken: HashMap::new(),
        };
        queue.take_place().await?;
        Ok(queue)
    }

    /// The sink has a place in the readings while a route brings it some, and none while none does: who gets a route later begins
    /// with the readings that come then.
    async fn take_place(&mut self) -> Result<(), JournalError> {
        match (self.routes.any_for(&self.sink), self.placed) {
            (true, false) => {
                let last = self.reader.lock().unwrap_or_else(PoisonError::into_inner).last_entry()?;
                self.settled = Cursor { entry: last, item: u32::MAX };
                self.scanned = self.settled;
                self.store_place(Place::At(self.settled)).await?;
                self.placed = true;
            }
            (false, true) => {
                self.store_place(Place::Forgotten).await?;
                self.placed = false;
            }
            (true, true) if self.scanned.entry > self.settled.entry + FAR => {
                self.settled = self.scanned;
                self.store_place(Place::At(self.settled)).await?;
            }
            (true, true) | (false, false) => {}
        }
        Ok(())
    }

    async fn store_place(&self, place: Place) -> Result<(), JournalError> {
        let (sink, place) = (self.sink.clone(), Some(place));
        self.journal.settle(Settlement { sink, averages: Vec::new(), place, rejected: Vec::new() }).await
    }

    /// What there is now, at most `max`.
    async fn fetch(&mut self, max: usize) -> Result<Found, JournalError> {
        self.take_place().await?;
        self.taken.clear();
        self.scanned = self.settled.max(self.scanned);
        let (reader, sink, after) = (Arc::clone(&self.reader), self.sink.clone(), self.scanned);
        let with_readings = self.routes.any_for(&self.sink);
        let late = Timestamp::now().before(self.late_after);
        let allowed = self.history.left().min(max);
        let read = tokio::task::spawn_blocking(move || {
            let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            let new = reader.queued(&sink, late..Timestamp(i64::MAX), max)?;
            if !new.is_empty() {
                return Ok(Read { averages: new, timeliness: Timeliness::OnTime, ..Read::default() });
            }
            let mut history = reader.queued(&sink, Timestamp(i64::MIN)..late, allowed.max(1))?;
            let held_back = allowed == 0 && !history.is_empty();
            history.truncate(allowed);
            if !history.is_empty() {
                return Ok(Read { averages: history, timeliness: Timeliness::Late, ..Read::default() });
            }
            let readings = if with_readings { reader.readings_after(after)? } else { Vec::new() };
            Ok::<_, JournalError>(Read { readings, held_back, ..Read::default() })
        });
        let read = read.await.map_err(|_| JournalError::Closed)??;
        if read.averages.is_empty() {
            let held_back = read.held_back;
            return Ok(Found { queued: self.select(read.readings, max), held_back });
        }
        if read.timeliness == Timeliness::Late {
            self.history.take(read.averages.len());
        }
        let queued = self.averages(read.averages, read.timeliness).await?;
        Ok(Found { queued, held_back: false })
    }

    /// Averages and alarms as records. One that cannot be read is refused here, or it would hold up all behind it.
    async fn averages(
        &mut self,
        averages: Vec<QueuedDelivery>,
        timeliness: Timeliness,
    ) -> Result<Vec<Queued>, JournalError> {
        let (mut taken, mut damaged) = (Vec::new(), Vec::new());
        for QueuedDelivery { id, key, content, .. } in averages {
            match content {
                Ok(content) => {
                    let key: Arc<str> = key.into();
                    let content = match content {
                        QueuedContent::Average(average) => Content::Average(Arc::from(average)),
                        QueuedContent::Alarm(change) => Content::Alarm(Arc::new(change)),
                    };
                    let record = Record { key: Arc::clone(&key), content, timeliness };
                    taken.push((record, Taken::Average { delivery: id, key, timeliness }));
                }
                Err(what) => {
                    error!(sink = self.sink, "{key} cannot be delivered: {what}");
                    let (now, verdict) = (Timestamp::now(), Verdict::Rejected(what));
                    damaged.push(Tried { delivery: id, key, verdict, sent: now, answered: now, late: false });
                }
            }
        }
        if !damaged.is_empty() {
            let (sink, averages) = (self.sink.clone(), damaged);
            self.journal.settle(Settlement { sink, averages, place: None, rejected: Vec::new() }).await?;
        }
        Ok(self.hand_out(taken))
    }

    fn select(&mut self, readings: Vec<Position>, max: usize) -> Vec<Queued> {
        let mut taken = Vec::new();
        for (place, set) in readings {
            let wanted = self.routes.wanted(&self.sink, &set.catalog);
            match wanted {
                Some(_) if taken.len() == max => break,
                Some(wanted) => {
                    let key: Arc<str> =
                        format!("{}/{}/{}.{}", self.hub, set.catalog.device, place.entry, place.item).into();
                    let wanted = wanted.contains(&false).then_some(wanted);
                    let content = Content::Poll(PollSelection { set: Arc::new(set), wanted });
                    let record = Record { key: Arc::clone(&key), content, timeliness: Timeliness::OnTime };
                    taken.push((record, Taken::Poll { place, key }));
                }
                // Nothing in front of it waits, so it need not be looked at again.
                None if taken.is_empty() => self.scanned = place,
                None => {}
            }
        }
        self.hand_out(taken)
    }

    fn hand_out(&mut self, taken: Vec<(Record, Taken)>) -> Vec<Queued> {
        taken
            .into_iter()
            .map(|(record, taken)| {
                self.next_id += 1;
                self.taken.insert(self.next_id, taken);
                Queued { id: self.next_id, record }
            })
            .collect()
    }
}

/// What a look into the journal brought.
#[derive(Default)]
struct Read {
    averages: Vec<QueuedDelivery>,
    timeliness: Timeliness,
    readings: Vec<Position>,
    held_back: bool,
}

struct Found {
    queued: Vec<Queued>,
    /// There are late averages, whose turn has not come.
    held_back: bool,
}

/// How many late averages may go: so many a second, and no more than a second's at once.
struct Allowance {
    rate: f64,
    left: f64,
    at: Instant,
}

impl Allowance {
    fn new(rate: u32) -> Self {
        Allowance { rate: f64::from(rate), left: f64::from(rate), at: Instant::now() }
    }

    fn left(&mut self) -> usize {
        let now = Instant::now();
        let grown = now.saturating_duration_since(self.at).as_secs_f64() * self.rate;
        (self.left, self.at) = ((self.left + grown).min(self.rate), now);
        self.left as usize
    }

    fn take(&mut self, count: usize) {
        self.left -= count as f64;
    }

    /// When some may go again: a tenth of a second's, so that they go in batches.
    fn next(&self) -> Instant {
        let wanted = (self.rate / 10.0).max(1.0);
        self.at + Duration::from_secs_f64(((wanted - self.left) / self.rate).max(0.01))
    }
}

impl Queue for JournalQueue {
    async fn next(&mut self, max: usize) -> Vec<Queued> {
        loop {
            if self.drained {
                // Late averages that may not go yet may go when their time has come, without another commit.
                let more = match self.held_until {
                    None => self.written.changed().await.is_ok(),
                    Some(moment) => tokio::select! {
                        changed = self.written.changed() => changed.is_ok(),
                        () = tokio::time::sleep_until(moment) => true,
                    },
                };
                if !more {
                    return Vec::new();
                }
            }
            (self.drained, self.held_until) = (false, None);
            // Before the look: a commit after it must be seen as a change.
            self.written.mark_unchanged();
            let scanned = self.scanned;
            match self.fetch(max).await {
                Ok(found) if !found.queued.is_empty() => return found.queued,
                // A whole entry without anything for this sink: on to the next.
                Ok(_) if self.scanned > scanned => continue,
                Ok(found) => self.held_until = found.held_back.then(|| self.history.next()),
                Err(error) => error!(sink = self.sink, "what waits for it cannot be read: {error}"),
            }
            self.drained = true;
        }
    }

    async fn settle(&mut self, settled: Vec<Settled>) {
        let mut settlement =
            Settlement { sink: self.sink.clone(), averages: Vec::new(), place: None, rejected: Vec::new() };
        let mut in_order = true;
        for Settled { id, outcome, attempt } in settled {
            match self.taken.remove(&id) {
                None => {}
                Some(Taken::Average { delivery, key, timeliness }) => settlement.averages.push(Tried {
                    delivery,
                    key: key.to_string(),
                    verdict: verdict(outcome),
                    sent: attempt.sent,
                    answered: attempt.answered,
                    late: timeliness == Timeliness::Late,
                }),
                Some(Taken::Poll { place, key }) => {
                    in_order &= !matches!(outcome, Outcome::Retry { .. });
                    if !in_order {
                        continue;
                    }
                    if let Outcome::Rejected { reason } = outcome {
                        settlement.rejected.push((key.to_string(), reason));
                    }
                    settlement.place = Some(Place::At(place));
                    self.settled = place;
                }
            }
        }
        if let Err(error) = self.journal.settle(settlement).await {
            error!(sink = self.sink, "what became of its deliveries cannot be stored: {error}");
        }
    }
}

fn verdict(outcome: Outcome) -> Verdict {
    match outcome {
        Outcome::Accepted { answer } => Verdict::Acknowledged(answer),
        Outcome::Rejected { reason } => Verdict::Rejected(reason),
        Outcome::Retry { reason } => Verdict::Again(reason),
    }
}
