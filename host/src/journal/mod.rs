//! The durable store of readings, averages and deliveries: one SQLite file.
//!
//! One thread writes (`writer`), in groups; readers use short transactions of their own connections. The format of a block of
//! readings stands in `block`, the tables in `schema`.
//!
//! Invariants: a raw reading is durable before anything is derived from it. A closed average and the rows that will deliver
//! it are written in one transaction. What was settled as accepted does not come back after a restart.

mod block;
mod error;
mod reader;
mod schema;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

pub use error::JournalError;
pub use reader::{Position, QueuedAverage, Reader};
pub use writer::{Cursor, Derive, Derived, Place, Settlement, Stream, Verdict};

use tokio::sync::{mpsc, oneshot, watch};
use writer::{Order, Writer};

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
    file: PathBuf,
}

/// The writer's thread. It ends, everything committed, when the last [`Journal`] is dropped.
pub struct Running {
    thread: JoinHandle<()>,
}

impl Journal {
    /// Opens or makes the file and starts the writer. `derive` is told of every committed set and asked what
    /// follows from it. Must be called within a runtime.
    pub fn open<D: Derive>(
        file: &Path,
        settings: &model::Journal,
        derive: D,
    ) -> Result<(Journal, Running), JournalError> {
        let owned = schema::open(file)?;
        let (orders, inbox) = mpsc::channel(QUEUE);
        let (report, written) = watch::channel(0);
        let waiting = Arc::new(AtomicUsize::new(0));
        let writer = Writer::new(owned, settings.clone(), Arc::clone(&waiting), derive, report)?;
        let runtime = tokio::runtime::Handle::current();
        let thread = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || writer.run(&runtime, inbox))
            .map_err(JournalError::Thread)?;
        Ok((Journal { orders, waiting, written, file: file.to_owned() }, Running { thread }))
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
        let (done, committed) = oneshot::channel();
        self.order(Order::Begin(streams, done)).await?;
        committed.await.map_err(|_| JournalError::Closed)
    }

    /// Returns when the writer has ended, which it does not do by itself while anybody holds a journal.
    pub async fn ended(&self) {
        let mut written = self.written.clone();
        while written.changed().await.is_ok() {}
    }

    /// Records something that happened. `event` is a JSON object with a member `event`.
    pub async fn event(&self, event: serde_json::Value) -> Result<(), JournalError> {
        self.order(Order::Event(event)).await
    }

    /// Records what became of deliveries to a sink; returns when it is durable.
    pub async fn settle(&self, settlement: Settlement) -> Result<(), JournalError> {
        let (done, committed) = oneshot::channel();
        self.order(Order::Settle(settlement, done)).await?;
        committed.await.map_err(|_| JournalError::Closed)
    }

    /// Returns when everything that was ordered before is durable.
    pub async fn flush(&self) -> Result<(), JournalError> {
        let (done, committed) = oneshot::channel();
        self.order(Order::Flush(done)).await?;
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
