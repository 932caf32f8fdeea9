//! What waits in the journal for one sink: averages from the outbox first, then readings behind the sink's cursor.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::watch;
use tracing::error;

use crate::config::model::{Path, Route};
use crate::journal::{Cursor, Journal, JournalError, Place, Position, Reader, Settlement, Verdict};
use crate::pipeline::ReadingRoute;
use crate::reading::DeviceCatalog;
use crate::sink::{Content, Outcome, PollSelection, Queue, Queued, Record, Settled};

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
    /// Whether the journal knows `settled`.
    placed: bool,
    /// Readings up to here are settled, and up to `scanned` none waits for this sink.
    settled: Cursor,
    scanned: Cursor,
    next_id: u64,
    /// The last look found nothing; there is no need for another before the next commit.
    drained: bool,
    /// What was handed out last.
    taken: HashMap<u64, Taken>,
}

enum Taken {
    Average { delivery: i64 },
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
            placed: placed.is_some(),
            settled,
            scanned: settled,
            next_id: 0,
            drained: false,
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
    async fn fetch(&mut self, max: usize) -> Result<Vec<Queued>, JournalError> {
        self.take_place().await?;
        self.taken.clear();
        self.scanned = self.settled.max(self.scanned);
        let (reader, sink, after) = (Arc::clone(&self.reader), self.sink.clone(), self.scanned);
        let with_readings = self.routes.any_for(&self.sink);
        let read = tokio::task::spawn_blocking(move || {
            let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            let averages = reader.queued(&sink, max)?;
            let readings =
                if averages.is_empty() && with_readings { reader.readings_after(after)? } else { Vec::new() };
            Ok::<_, JournalError>((averages, readings))
        });
        let (averages, readings) = read.await.map_err(|_| JournalError::Closed)??;
        if !averages.is_empty() {
            let taken = averages.into_iter().map(|queued| {
                let record = Record { key: queued.key.into(), content: Content::Average(Arc::new(queued.average)) };
                (record, Taken::Average { delivery: queued.id })
            });
            return Ok(self.hand_out(taken.collect()));
        }
        Ok(self.select(readings, max))
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
                    taken.push((Record { key: Arc::clone(&key), content }, Taken::Poll { place, key }));
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

impl Queue for JournalQueue {
    async fn next(&mut self, max: usize) -> Vec<Queued> {
        loop {
            if self.drained && self.written.changed().await.is_err() {
                return Vec::new();
            }
            self.drained = false;
            // Before the look: a commit after it must be seen as a change.
            self.written.mark_unchanged();
            let scanned = self.scanned;
            match self.fetch(max).await {
                Ok(queued) if !queued.is_empty() => return queued,
                // A whole entry without anything for this sink: on to the next.
                Ok(_) if self.scanned > scanned => continue,
                Ok(_) => {}
                Err(error) => error!(sink = self.sink, "what waits for it cannot be read: {error}"),
            }
            self.drained = true;
        }
    }

    async fn settle(&mut self, settled: Vec<Settled>) {
        let mut settlement =
            Settlement { sink: self.sink.clone(), averages: Vec::new(), place: None, rejected: Vec::new() };
        let mut in_order = true;
        for Settled { id, outcome } in settled {
            match self.taken.remove(&id) {
                None => {}
                Some(Taken::Average { delivery }) => settlement.averages.push((delivery, verdict(outcome))),
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
