//! One poll of a device: the driver is asked, and what it says goes to the outlet.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use super::batch::BatchFault;
use super::device::{Outlet, Phase, Task};
use super::instance::{CallError, Failure};
use super::opening::{DeviceSpec, OpenError, Opened, Polled};
use crate::capability::Link;
use crate::notation::counted;
use crate::reading::{DeviceCatalog, InstrumentState, PollSet};
use crate::time::Timestamp;

/// A driver that says `more` is asked again at once, at most this often in one beat.
pub(super) const MORE: u32 = 100;
/// How often a driver's snapshot is taken.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(60);

/// Why a poll brought nothing.
pub(super) enum Fault {
    /// The instance is unusable, or the driver says that it is at fault.
    Fell(String),
    /// The driver cannot run with its settings.
    Misfit(Failure),
    /// The instrument does not answer, or not as the driver can use.
    Failed(Failure),
}

/// Asks the driver once.
pub(super) async fn ask(opened: &mut Opened, spec: &DeviceSpec) -> Result<Polled, Fault> {
    let before = Arc::clone(&opened.catalog);
    let polled = match opened.poll(Timestamp::now(), spec.limits.samples).await {
        // It is the batch that is at fault; what is wrong with the points is said with whose fault that is.
        Err(OpenError::Batch(fault)) if !matches!(fault, BatchFault::Points(_)) => Err(Fault::Fell(fault.to_string())),
        Err(error) => Err(Fault::Fell(error.to_string())),
        Ok(Err(Failure::Internal(message))) => Err(Fault::Fell(message)),
        Ok(Err(failure @ Failure::Settings(_))) => Err(Fault::Misfit(failure)),
        Ok(Err(failure)) => Err(Fault::Failed(failure)),
        Ok(Ok(polled)) => Ok(polled),
    };
    if !Arc::ptr_eq(&before, &opened.catalog) {
        info!(device = &*spec.name, "{} now", counted(opened.catalog.points.len(), "point"));
    }
    polled
}

impl<O: Outlet> Task<O> {
    /// Polls once, and on while the driver has more. The driver comes back into its place only if it is still usable.
    pub(super) async fn poll(&mut self, opened: Opened) {
        let begin = Instant::now();
        match self.trial.take() {
            Some(trial) => self.try_out(opened, trial).await,
            None => self.poll_proven(opened).await,
        }
        self.took = begin.elapsed();
    }

    pub(super) async fn poll_proven(&mut self, mut opened: Opened) {
        for _ in 0..MORE {
            match ask(&mut opened, &self.spec).await {
                Err(Fault::Fell(reason)) => return self.fell_and_tell(reason).await,
                Err(Fault::Misfit(failure)) => {
                    self.park(failure.to_string());
                    return self.put_missing().await;
                }
                Err(Fault::Failed(failure)) => {
                    self.failed(&opened.catalog, &failure).await;
                    break;
                }
                Ok(Polled { set, more }) => {
                    self.took_set(set).await;
                    if !more {
                        break;
                    }
                }
            }
        }
        self.settle().await;
        if let Err(error) = self.fill_back(&mut opened).await {
            return self.fell(error.to_string());
        }
        if let Err(error) = self.take_snapshot(&mut opened).await {
            return self.fell(error.to_string());
        }
        self.opened = Some(opened);
    }

    /// The driver said something.
    pub(super) async fn took_set(&mut self, set: PollSet) {
        self.catalog = Some(Arc::clone(&set.catalog));
        self.good();
        self.backfill.took(&set, self.spec.interval);
        if !set.is_empty() {
            self.outlet.put(Arc::new(set)).await;
        }
    }

    /// The whole poll is lost.
    pub(super) async fn failed(&mut self, catalog: &Arc<DeviceCatalog>, failure: &Failure) {
        self.failing(failure);
        let state = match failure {
            Failure::Communication(_) => InstrumentState::CommError,
            _ => InstrumentState::Fault,
        };
        self.put_without_values(catalog, state).await;
    }

    /// What came unasked may be forgotten by the other end once the samples that were made of it are durable.
    pub(super) async fn settle(&mut self) {
        if !self.spec.links.values().any(Link::is_in_hand) {
            return;
        }
        let is_kept = self.status.borrow().phase == Phase::Running && self.outlet.kept().await;
        for link in self.spec.links.values() {
            if is_kept { link.kept() } else { link.not_kept() }
        }
    }

    /// Fetches one page of what the device remembers of the last outage.
    async fn fill_back(&mut self, opened: &mut Opened) -> Result<(), OpenError> {
        if self.status.borrow().phase != Phase::Running {
            return Ok(());
        }
        if let Some(set) = self.backfill.page(&self.spec, opened).await? {
            self.catalog = Some(Arc::clone(&opened.catalog));
            self.outlet.put(Arc::new(set)).await;
            self.outlet.kept().await;
        }
        Ok(())
    }

    async fn take_snapshot(&mut self, opened: &mut Opened) -> Result<(), CallError> {
        if self.snapshot_at.elapsed() >= SNAPSHOT_EVERY {
            self.take_fresh_snapshot(opened).await?;
        }
        Ok(())
    }

    pub(super) async fn take_fresh_snapshot(&mut self, opened: &mut Opened) -> Result<(), CallError> {
        if !opened.features.snapshot() {
            return Ok(());
        }
        let snapshot = opened.driver.snapshot().await?;
        self.snapshot_at = Instant::now();
        let (bytes, allowed) = (snapshot.len() as u64, self.spec.limits.snapshot);
        if bytes <= allowed {
            self.snapshot = snapshot;
        } else {
            self.spec.meter.broke("limits.snapshot");
            let name = &*self.spec.name;
            warn!(device = name, "snapshot of {bytes} bytes not kept: {allowed} are allowed (limits.snapshot)");
        }
        Ok(())
    }

    async fn fell_and_tell(&mut self, reason: String) {
        self.fell(reason);
        self.put_missing().await;
    }

    pub(super) async fn put_missing(&mut self) {
        if let Some(catalog) = self.catalog.clone() {
            self.put_without_values(&catalog, InstrumentState::Missing).await;
        }
    }

    async fn put_without_values(&mut self, catalog: &Arc<DeviceCatalog>, state: InstrumentState) {
        self.backfill.missed();
        let set = PollSet::without_values(Arc::clone(catalog), Timestamp::now(), state);
        self.outlet.put(Arc::new(set)).await;
    }
}
