//! The evidence journal: one SQLite file with everything that was measured, derived, done and delivered, each entry tied to the one before.
//!
//! One thread writes (`writer`), in groups; readers use short transactions of their own connections. The format of a block of
//! readings stands in `block`, that of the chain in `chain`, the tables in `schema`.
//!
//! Invariants: a raw reading is durable before anything is derived from it. A closed average and the rows that will deliver
//! it are written in one transaction. What was settled as accepted does not come back after a restart.
//! An entry is never changed; what was taken away leaves its hash.

mod block;
pub mod chain;
mod convert;
mod error;
mod event;
mod group;
mod listing;
mod opening;
mod orders;
mod outbox;
mod query;
mod reader;
mod retention;
mod schema;
mod store;
pub mod verify;
mod writer;

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod retention_tests;
#[cfg(test)]
pub(crate) mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot, watch};

pub use error::JournalError;
pub use event::{DevicePhase, Ending, Event, LinkState, LostReadings, SignedBy, SwapStep};
pub use listing::{BlockCount, Delivered, DeliveryFilter, GapRow, SinkCounts};
pub use opening::Predecessor;
pub use orders::{
    Cursor, Derive, Derived, Nothing, Occurred, Place, Release, Resend, Settlement, Stream, Tried, Verdict,
};
pub use query::{AverageScan, Content, Found, Passed, ReadingScan, Revisions};
pub use reader::{Position, QueuedContent, QueuedDelivery, Reader};
pub use writer::Storage;

use orders::Order;
use store::Store;
use writer::Writer;

use crate::average::Average;
use crate::config::model;
use crate::reading::PollSet;

/// Orders that may wait for the writer. A device whose readings find no room waits, and misses polls that are counted.
const QUEUE: usize = 4096;

/// The writing side, cheap to clone.
#[derive(Clone)]
pub struct Journal {
    orders: mpsc::Sender<Order>,
    /// Sets that wait for room in the queue.
    waiting: Arc<AtomicUsize>,
    written: watch::Receiver<u64>,
    storage: watch::Receiver<Storage>,
    found: Predecessor,
    file: PathBuf,
}

/// The writer's thread. It ends, everything committed, when the last [`Journal`] is dropped.
pub struct Running {
    thread: JoinHandle<()>,
}

impl Journal {
    /// Opens or makes the file and starts the writer. `derive` is told of every committed set and event, and asked what
    /// follows. Must be called within a runtime.
    pub fn open<D: Derive>(
        file: &Path,
        settings: &model::Journal,
        derive: D,
    ) -> Result<(Journal, Running), JournalError> {
        let opened = opening::open(file)?;
        let found = opened.found;
        let (store, events) = Store::new(file, opened);
        let (orders, inbox) = mpsc::channel(QUEUE);
        let (report, written) = watch::channel(0);
        let (state, storage) = watch::channel(Storage::Good);
        let waiting = Arc::new(AtomicUsize::new(0));
        let writer = Writer::new(store, settings.clone(), Arc::clone(&waiting), derive, report, state, found.ending);
        let runtime = tokio::runtime::Handle::current();
        let thread = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || writer.run(&runtime, inbox, events))
            .map_err(JournalError::Thread)?;
        Ok((Journal { orders, waiting, written, storage, found, file: file.to_owned() }, Running { thread }))
    }

    /// How the journal was when it was opened.
    pub fn found(&self) -> Predecessor {
        self.found
    }

    /// Whether it can be written.
    pub fn storage(&self) -> Storage {
        self.storage.borrow().clone()
    }

    /// A reader with a connection of its own.
    pub fn reader(&self) -> Result<Reader, JournalError> {
        Reader::open(&self.file)
    }

    /// Changes with every commit: wakes who waits for something to deliver.
    pub fn written(&self) -> watch::Receiver<u64> {
        self.written.clone()
    }

    /// Puts a set into the queue for the next commit. Waits while the queue is full.
    pub async fn append(&self, set: Arc<PollSet>) -> Result<(), JournalError> {
        let _waits = Waits::begin(&self.waiting);
        self.order(Order::Append(set)).await
    }

    /// Records where new streams begin; those that are known stay as they are. Returns when it is durable.
    pub async fn begin(&self, streams: Vec<Stream>) -> Result<(), JournalError> {
        self.ask(|done| Order::Begin(streams, done)).await
    }

    /// Returns when the writer has ended, which it does not do by itself while anybody holds a journal.
    pub async fn ended(&self) {
        let mut written = self.written.clone();
        while written.changed().await.is_ok() {}
    }

    /// Records something that happened.
    pub async fn event(&self, event: Event) -> Result<(), JournalError> {
        self.order(Order::Event(event)).await
    }

    /// Records what became of deliveries to a sink; returns when it is durable.
    pub async fn settle(&self, settlement: Settlement) -> Result<(), JournalError> {
        self.ask(|done| Order::Settle(settlement, done)).await
    }

    /// Queues what a sink was given of a period once more. Returns how many, when it is durable.
    pub async fn resend(&self, resend: Resend) -> Result<u64, JournalError> {
        self.ask(|done| Order::Resend(resend, done)).await
    }

    /// Queues what was held of a period. Returns how many deliveries, when it is durable.
    pub async fn release(&self, release: Release) -> Result<u64, JournalError> {
        self.ask(|done| Order::Release(release, done)).await
    }

    /// Adds a revision to each of these averages, and queues it for the sinks that had the one before. Returns when it is durable.
    pub async fn revise(&self, averages: Vec<Average>) -> Result<(), JournalError> {
        self.ask(|done| Order::Revise(averages, done)).await
    }

    /// Returns when everything that was ordered before is durable.
    pub async fn flush(&self) -> Result<(), JournalError> {
        self.ask(Order::Flush).await
    }

    async fn ask<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Result<T, JournalError> {
        let (done, committed) = oneshot::channel();
        self.order(order(done)).await?;
        committed.await.map_err(|_| JournalError::Closed)
    }

    async fn order(&self, order: Order) -> Result<(), JournalError> {
        self.orders.send(order).await.map_err(|_| JournalError::Closed)
    }
}

/// Counts a sender for as long as it lives, a dropped one too.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Waits(count)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Running {
    /// Waits for the writer's end. Drop every [`Journal`] first.
    pub fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("the journal's writer ended in a panic");
        }
    }
}

/// Opens a journal only to read it.
pub fn read(file: &Path) -> Result<Reader, JournalError> {
    Reader::open(file)
}
