//! What one commit holds: orders that came within its time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::event::{Event, LostReadings};
use super::orders::{Order, Release, Resend, Settlement, Stream};
use crate::average::Average;
use crate::config::model;
use crate::reading::PollSet;
use crate::time::Timestamp;

/// Orders for one commit.
#[derive(Default)]
pub struct Group {
    pub sets: Vec<Arc<PollSet>>,
    pub events: Vec<Event>,
    pub streams: Vec<Stream>,
    pub settlements: Vec<Settlement>,
    pub resends: Vec<(Resend, oneshot::Sender<u64>)>,
    pub releases: Vec<(Release, oneshot::Sender<u64>)>,
    pub revisions: Vec<Average>,
    pub done: Vec<oneshot::Sender<()>>,
    /// Everything that was received before this moment is in this group or an earlier one. `None`: orders are still queued, so that
    /// nothing can be said; blocks must not close on readings that wait.
    pub complete_until: Option<Timestamp>,
    readings: usize,
    lost: BTreeMap<String, LostReadings>,
}

/// Whether more orders will come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inbox {
    Open,
    Closed,
}

enum Next {
    Order(Order),
    Nothing,
    Closed,
}

impl Group {
    /// Begins with what was found when the journal was opened.
    pub fn beginning(events: Vec<Event>) -> Self {
        Group { events, ..Group::default() }
    }

    /// True when there is nothing to commit and nobody waits.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
            && self.events.is_empty()
            && self.settlements.is_empty()
            && self.resends.is_empty()
            && self.releases.is_empty()
            && self.done.is_empty()
    }

    /// Collects for one commit: until the interval is over, the group is full, or somebody waits and nothing more is there.
    pub async fn collect(
        &mut self,
        inbox: &mut mpsc::Receiver<Order>,
        settings: &model::Journal,
        waiting: &AtomicUsize,
    ) -> Inbox {
        let deadline = Instant::now() + settings.commit_interval;
        let mut waited_for = false;
        while self.readings < settings.commit_readings {
            let deadline = if waited_for { Instant::now() } else { deadline };
            match self.next(inbox, waiting, deadline).await {
                Next::Order(order) => waited_for |= self.add(order),
                Next::Nothing => return Inbox::Open,
                Next::Closed => return Inbox::Closed,
            }
        }
        Inbox::Open
    }

    /// Goes on collecting for a while because nothing can be stored: devices must not wait for a disk. Readings beyond the bound are
    /// counted and let go.
    pub async fn hold(
        &mut self,
        inbox: &mut mpsc::Receiver<Order>,
        settings: &model::Journal,
        waiting: &AtomicUsize,
        pause: Duration,
    ) -> Inbox {
        let deadline = Instant::now() + pause;
        while Instant::now() < deadline {
            match self.next(inbox, waiting, deadline).await {
                Next::Order(Order::Append(set)) if self.readings + set.len() > settings.held_readings => {
                    self.lose(&set)
                }
                Next::Order(order) => drop(self.add(order)),
                Next::Nothing => return Inbox::Open,
                Next::Closed => return Inbox::Closed,
            }
        }
        Inbox::Open
    }

    /// The next order, or nothing when the time is over. Notes until when everything is here.
    async fn next(&mut self, inbox: &mut mpsc::Receiver<Order>, waiting: &AtomicUsize, deadline: Instant) -> Next {
        let before = Timestamp::now();
        if let Ok(order) = inbox.try_recv() {
            return Next::Order(order);
        }
        if waiting.load(Ordering::SeqCst) == 0 {
            self.complete_until = Some(before);
        }
        match tokio::time::timeout_at(deadline, inbox.recv()).await {
            Ok(Some(order)) => Next::Order(order),
            Ok(None) => Next::Closed,
            Err(_) => Next::Nothing,
        }
    }

    /// Readings that did not fit, by device.
    pub fn lost(&self) -> Vec<LostReadings> {
        self.lost.values().cloned().collect()
    }

    /// How many readings did not fit.
    pub fn lost_readings(&self) -> u64 {
        self.lost.values().map(|lost| lost.readings).sum()
    }

    fn lose(&mut self, set: &PollSet) {
        let (device, at) = (&set.catalog.device, set.received_at);
        let lost = self.lost.entry(device.clone()).or_insert_with(|| LostReadings {
            device: device.clone(),
            from: at,
            to: at,
            readings: 0,
        });
        lost.to = at;
        lost.readings += set.len() as u64;
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
            Order::Resend(resend, done) => self.resends.push((resend, done)),
            Order::Release(release, done) => self.releases.push((release, done)),
            Order::Revise(averages, done) => {
                self.revisions.extend(averages);
                self.done.push(done);
            }
            Order::Flush(done) => self.done.push(done),
        }
        true
    }
}
