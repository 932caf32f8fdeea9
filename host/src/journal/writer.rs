//! The one thread that writes: it collects orders for a moment, commits them together, and then asks what follows.
//!
//! Nothing is derived from a reading before the commit that holds it has returned. What was derived waits for the next
//! commit; if the process dies in between, it is derived again from the journal.
//!
//! After a failed commit nothing is forgotten: the same group is tried again until it succeeds. Meanwhile orders are taken on into memory, up
//! to a bound, so that devices go on being polled; readings beyond the bound are counted, and the count becomes an entry.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use rusqlite::ErrorCode;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tracing::{debug, error, info, warn};

use super::error::is_corruption;
use super::event::{Ending, Event};
use super::group::{Group, Inbox};
use super::orders::{Derive, Derived, Occurred, Order};
use super::retention::Retention;
use super::store::{Done, Store};
use crate::config::model;
use crate::time::Timestamp;

/// Pause after a commit that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Whether the journal can be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// It can.
    Good,
    /// It cannot.
    Failing {
        /// Since when.
        since: Timestamp,
        /// What the disk says.
        error: String,
        /// Whether it is full.
        full: bool,
    },
}

pub struct Writer<D> {
    store: Store,
    settings: model::Journal,
    /// Senders that wait for room in the queue, with readings that are older than the queue's end.
    waiting: Arc<AtomicUsize>,
    derive: D,
    derived: Vec<Derived>,
    occurred: Vec<Occurred>,
    retention: Retention,
    report: watch::Sender<u64>,
    storage: watch::Sender<Storage>,
    /// Whether the mark of an unclean end is to stay: no hub has started since.
    unclean: bool,
    /// The file is damaged: nothing more can be done with it here. Whoever starts the hub again gets a new one.
    corrupt: bool,
}

/// What a commit needs besides its group.
struct Committed {
    done: Done,
    entry: Option<u64>,
    at: Timestamp,
    resent: Vec<u64>,
}

impl<D: Derive> Writer<D> {
    pub fn new(
        store: Store,
        settings: model::Journal,
        waiting: Arc<AtomicUsize>,
        derive: D,
        report: watch::Sender<u64>,
        storage: watch::Sender<Storage>,
        ending: Ending,
    ) -> Self {
        let retention = Retention::new(&settings);
        Writer {
            store,
            settings,
            waiting,
            derive,
            derived: Vec::new(),
            occurred: Vec::new(),
            retention,
            report,
            storage,
            unclean: ending == Ending::Unclean,
            corrupt: false,
        }
    }

    /// Until the last sender is gone and everything is committed. `found` comes first.
    pub fn run(mut self, runtime: &Handle, mut inbox: mpsc::Receiver<Order>, found: Vec<Event>) {
        let mut group = Group::beginning(found);
        let mut state = Inbox::Open;
        while state == Inbox::Open {
            state = runtime.block_on(group.collect(&mut inbox, &self.settings, &self.waiting));
            let (held, complete_until) = self.commit_until_done(group, runtime, &mut inbox);
            state = if held == Inbox::Closed { held } else { state };
            if let Some(moment) = complete_until {
                self.derived.extend(self.derive.derive(moment.before(self.settings.commit_interval)));
            }
            self.occurred.extend(self.derive.occurred());
            group = Group::default();
            let has_found = !self.derived.is_empty() || !self.occurred.is_empty();
            if has_found && !self.corrupt {
                self.commit_until_done(Group::default(), runtime, &mut inbox);
            }
            self.retain();
        }
        if !self.corrupt {
            self.close();
        }
    }

    /// Returns whether the inbox is still open, and until when everything is stored.
    fn commit_until_done(
        &mut self,
        mut group: Group,
        runtime: &Handle,
        inbox: &mut mpsc::Receiver<Order>,
    ) -> (Inbox, Option<Timestamp>) {
        let mut state = Inbox::Open;
        if group.is_empty() && self.derived.is_empty() && self.occurred.is_empty() {
            return (state, group.complete_until);
        }
        let mut usable = true;
        let committed = loop {
            if usable {
                match self.commit(&group) {
                    Ok(committed) => break committed,
                    Err(error) if is_corruption(&error) => {
                        self.corrupt = true;
                        self.store.set_aside(&error);
                        return (Inbox::Closed, None);
                    }
                    Err(error) => self.failing(&error, error.sqlite_error_code()),
                }
            }
            if state == Inbox::Open {
                state = runtime.block_on(group.hold(inbox, &self.settings, &self.waiting, AFTER_FAILURE));
            } else {
                std::thread::sleep(AFTER_FAILURE);
            }
            // A file that went away or is another one is not written to.
            let reopened = self.store.reopen();
            usable = reopened.is_ok();
            if let Err(error) = reopened {
                debug!("journal: {error}");
            }
        };
        let complete_until = group.complete_until;
        self.after(committed, group);
        (state, complete_until)
    }

    /// Tells everybody of a commit that is durable.
    fn after(&mut self, committed: Committed, group: Group) {
        let Committed { done, entry, at, resent } = committed;
        self.store.committed(done);
        self.derived.clear();
        self.occurred.clear();
        for event in &group.events {
            self.unclean &= !matches!(event, Event::Start { .. });
            self.derive.happened(at, event);
        }
        if let Some(event) = self.storing_again(at, &group) {
            self.derive.happened(at, &event);
        }
        if let Some(entry) = entry {
            self.derive.committed(entry, &group.sets);
        }
        if !group.revisions.is_empty() {
            self.derive.revised(&group.revisions);
        }
        // Who asked may have gone.
        for done in group.done {
            let _ = done.send(());
        }
        let asked = group.resends.into_iter().map(|(_, done)| done);
        for (done, count) in asked.chain(group.releases.into_iter().map(|(_, done)| done)).zip(resent) {
            let _ = done.send(count);
        }
        self.report.send_replace(self.store.end().seq);
    }

    /// One transaction.
    fn commit(&mut self, group: &Group) -> rusqlite::Result<Committed> {
        let checkpoint = self.store.checkpoint_due(self.settings.checkpoint_interval);
        let outage = self.outage(group);
        let (mut commit, known) = self.store.begin()?;
        for event in outage.iter().chain(&group.events) {
            commit.event(event)?;
        }
        let (entry, catalogs) = commit.readings(&group.sets, known)?;
        commit.averages(&self.derived)?;
        commit.occurred(&self.occurred)?;
        commit.streams(&group.streams)?;
        commit.settle(&group.settlements)?;
        let mut resent = Vec::new();
        for (resend, _) in &group.resends {
            resent.push(commit.resend(&resend.sink, resend.from, resend.to)?);
        }
        for (release, _) in &group.releases {
            resent.push(commit.release(release)?);
        }
        commit.revisions(&group.revisions)?;
        if checkpoint {
            commit.checkpoint()?;
        }
        let at = commit.at;
        Ok(Committed { done: commit.finish(catalogs)?, entry, at, resent })
    }

    /// The outage that ends with this commit, if it succeeds.
    fn outage(&self, group: &Group) -> Option<Event> {
        let Storage::Failing { since, error, full } = self.storage.borrow().clone() else { return None };
        Some(Event::Storage { from: since, to: Timestamp::now(), error, full, lost: group.lost() })
    }

    fn storing_again(&mut self, at: Timestamp, group: &Group) -> Option<Event> {
        let outage = self.outage(group)?;
        let Event::Storage { from, .. } = &outage else { return None };
        match group.lost_readings() {
            0 => info!("journal: storing again after {} s; nothing was lost", at.since(*from).as_secs()),
            lost => error!(
                "journal: storing again after {} s; {lost} readings did not fit into memory",
                at.since(*from).as_secs()
            ),
        }
        self.storage.send_replace(Storage::Good);
        Some(outage)
    }

    /// Notes that nothing can be stored, once for each outage: what ended the first attempt is what is told.
    fn failing(&mut self, error: &dyn std::fmt::Display, code: Option<ErrorCode>) {
        let full = code == Some(ErrorCode::DiskFull);
        let error = if full { "the disk is full".to_owned() } else { error.to_string() };
        self.storage.send_if_modified(|storage| {
            if *storage != Storage::Good {
                return false;
            }
            error!("journal: nothing can be stored, trying again every second; readings are held in memory meanwhile: {error}");
            *storage = Storage::Failing { since: Timestamp::now(), error, full };
            true
        });
    }

    /// Takes away what need not be kept any more, a little at a time.
    fn retain(&mut self) {
        if self.corrupt || *self.storage.borrow() != Storage::Good {
            return;
        }
        match self.retention.step(&mut self.store, self.derive.needed_from()) {
            Ok(None) => {}
            Ok(Some(done)) => {
                self.store.committed(done);
                self.report.send_replace(self.store.end().seq);
            }
            Err(error) => warn!("journal: what is not needed any more could not be taken away: {error}"),
        }
    }

    /// The last entries: a checkpoint, and the mark that nobody writes any more.
    fn close(mut self) {
        let last = self.store.begin().and_then(|(mut commit, _)| {
            commit.checkpoint()?;
            if !self.unclean {
                commit.close();
            }
            commit.finish(Vec::new())
        });
        match last {
            Ok(done) => self.store.committed(done),
            Err(error) => error!("journal: last commit: {error}"),
        }
        if let Err(error) = self.store.write_back() {
            error!("journal: last write-back: {error}");
        }
    }
}
