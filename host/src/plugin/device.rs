//! The task that owns one device: it opens the driver, polls at the device's beat, and starts the driver anew when it falls.
//!
//! Invariant: at every beat the device's points get a reading, from the driver or, when there is none, a reading without a value
//! that says why.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::backfill::Backfill;
use super::batch;
use super::bells::Bells;
use super::instance::{CallError, Failure};
use super::opening::{DeviceSpec, OpenError, Opened, open};
use super::pace::Paced;
use super::schedule::Schedule;
use crate::capability::Link;
use crate::reading::{DeviceCatalog, InstrumentState, PollSet};
use crate::time::Timestamp;

/// Pause before the first restart; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A driver that ran well for so long begins a new row of restarts, after which the device is parked (`limits.restarts`).
const RECOVERED: Duration = Duration::from_secs(60);
/// A parked device is tried again this often: drivers always come back, but not at the others' cost.
const PARKED_PAUSE: Duration = Duration::from_secs(600);
/// A driver that says `more` is asked again at once, at most this often in one beat.
const MORE: u32 = 100;
/// How often a driver's snapshot is taken.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(60);
/// Bit of the description's features.
const FEATURE_SNAPSHOT: u32 = 2;

/// Where readings go.
pub trait Outlet: Send + Sync + 'static {
    /// Takes one set; waits while the next stage has no room.
    fn put(&self, set: Arc<PollSet>) -> impl Future<Output = ()> + Send;

    /// Waits until everything that was put is durable. False when it never will be.
    fn kept(&self) -> impl Future<Output = bool> + Send;
}

/// What a device is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// The driver is being opened for the first time.
    Starting,
    /// The last poll brought readings.
    Running,
    /// The driver runs but the last poll failed.
    Failing(String),
    /// The driver fell and is started again after a pause.
    Restarting(String),
    /// The driver fell too often, or cannot run with these settings.
    Parked(String),
}

/// How a device is, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceStatus {
    /// What it is doing.
    pub phase: Phase,
    /// Polls since the hub started.
    pub polls: u64,
    /// Beats that passed while a poll still ran.
    pub missed: u64,
    /// Times that the driver was started again.
    pub restarts: u64,
}

/// A command on its way to a device, and where its answer goes.
pub struct Command {
    /// Name of the command.
    pub name: String,
    /// A JSON object, or empty.
    pub arguments: String,
    /// Takes the answer.
    pub answer: oneshot::Sender<Result<String, String>>,
}

/// Runs the device until the token is cancelled. A poll that runs then is finished first, within the plugin's limits.
pub async fn run<O: Outlet>(
    spec: DeviceSpec,
    outlet: Arc<O>,
    commands: mpsc::Receiver<Command>,
    status: watch::Sender<DeviceStatus>,
    shutdown: CancellationToken,
) {
    let schedule = Schedule::new(&spec.name, spec.interval, Instant::now());
    let bells = Bells::new(spec.links.values());
    let backfill = Backfill::new(&spec);
    let outlet = Arc::new(Paced::new(outlet, &spec));
    let task = Task {
        bells,
        backfill,
        spec,
        outlet,
        status,
        schedule,
        opened: None,
        catalog: None,
        snapshot: Vec::new(),
        snapshot_at: Instant::now(),
        falls: 0,
        started_at: Instant::now(),
        start_at: Instant::now(),
    };
    task.run(commands, shutdown).await;
}

impl DeviceStatus {
    /// A device that has done nothing yet.
    pub fn starting() -> Self {
        DeviceStatus { phase: Phase::Starting, polls: 0, missed: 0, restarts: 0 }
    }
}

struct Task<O> {
    bells: Bells,
    backfill: Backfill,
    spec: DeviceSpec,
    outlet: Arc<O>,
    status: watch::Sender<DeviceStatus>,
    schedule: Schedule,
    opened: Option<Opened>,
    /// Outlives the driver: what has no driver still has points without values.
    catalog: Option<Arc<DeviceCatalog>>,
    snapshot: Vec<u8>,
    snapshot_at: Instant,
    /// Restarts in a row.
    falls: u32,
    /// When the driver was started last.
    started_at: Instant,
    /// When the driver may be started.
    start_at: Instant,
}

impl<O: Outlet> Task<O> {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                Some(command) = commands.recv() => self.command(command).await,
                // Something came unasked: the driver drains it now. The beat stays what it was.
                () = self.bells.rung(), if self.opened.is_some() => self.woken().await,
                () = sleep_until(self.schedule.due()) => {
                    self.beat().await;
                    let missed = self.schedule.advance(Instant::now());
                    if self.status.borrow().phase != Phase::Running {
                        self.schedule.hold_back(Instant::now());
                    }
                    if missed > 0 {
                        self.status.send_modify(|status| status.missed += missed);
                        debug!(device = &*self.spec.name, "{missed} polls missed: the last one took too long");
                    }
                }
            }
        }
    }

    async fn woken(&mut self) {
        if let Some(opened) = self.opened.take() {
            self.poll(opened).await;
        }
    }

    async fn beat(&mut self) {
        if self.opened.is_none() && Instant::now() >= self.start_at {
            self.start().await;
        }
        match self.opened.take() {
            Some(opened) => self.poll(opened).await,
            None => self.put_missing().await,
        }
        self.status.send_modify(|status| status.polls += 1);
    }

    async fn start(&mut self) {
        let mut opened = match open(&self.spec).await {
            Ok(opened) => opened,
            Err(error) if error.is_permanent() => return self.park(error.to_string()),
            Err(error) => return self.fell(error.to_string()),
        };
        if !self.snapshot.is_empty() {
            match opened.driver.restore(&self.snapshot).await {
                Ok(Ok(())) => {}
                Ok(Err(failure)) => warn!(device = &*self.spec.name, "goes on without its snapshot: {failure}"),
                Err(error) => {
                    // The next start goes on without it, or it would fall again.
                    self.snapshot.clear();
                    return self.fell(error.to_string());
                }
            }
        }
        let catalog = &opened.catalog;
        info!(device = &*self.spec.name, "started: {}, {} points", catalog.plugin, catalog.points.len());
        self.started_at = Instant::now();
        self.catalog = Some(Arc::clone(catalog));
        self.opened = Some(opened);
    }

    /// Polls once, and on while the driver has more. The driver comes back into its place only if it is still usable.
    async fn poll(&mut self, mut opened: Opened) {
        for _ in 0..MORE {
            match opened.driver.poll(Timestamp::now().0).await {
                Err(error) => return self.fell_and_tell(error.to_string()).await,
                Ok(Err(Failure::Internal(message))) => return self.fell_and_tell(message).await,
                Ok(Err(failure @ Failure::Settings(_))) => {
                    self.park(failure.to_string());
                    return self.put_missing().await;
                }
                Ok(Err(failure)) => {
                    self.failing(&failure);
                    let state = match failure {
                        Failure::Communication(_) => InstrumentState::CommError,
                        _ => InstrumentState::Fault,
                    };
                    self.put_without_values(&opened.catalog, state).await;
                    break;
                }
                Ok(Ok(batch)) => {
                    let more = batch.more;
                    if batch.points_changed
                        && let Err(error) = self.take_points(&mut opened).await
                    {
                        return self.fell_and_tell(error.to_string()).await;
                    }
                    match batch::poll_set(batch, &opened.catalog, Timestamp::now(), self.spec.limits.samples) {
                        Err(fault) => return self.fell_and_tell(fault.to_string()).await,
                        Ok(set) => {
                            self.good();
                            self.backfill.took(&set, self.spec.interval);
                            if !set.is_empty() {
                                self.outlet.put(Arc::new(set)).await;
                            }
                        }
                    }
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

    /// What came unasked may be forgotten by the other end once the samples that were made of it are durable.
    async fn settle(&mut self) {
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

    /// The driver knows other points now; what it says from here on refers to them.
    async fn take_points(&mut self, opened: &mut Opened) -> Result<(), OpenError> {
        opened.take_points().await?;
        info!(device = &*self.spec.name, "{} points now", opened.catalog.points.len());
        self.catalog = Some(Arc::clone(&opened.catalog));
        Ok(())
    }

    async fn take_snapshot(&mut self, opened: &mut Opened) -> Result<(), CallError> {
        if opened.features & FEATURE_SNAPSHOT != 0 && self.snapshot_at.elapsed() >= SNAPSHOT_EVERY {
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
        }
        Ok(())
    }

    async fn command(&mut self, command: Command) {
        let Command { name, arguments, answer } = command;
        let result = match &mut self.opened {
            None => Err(format!("device {} has no running driver", self.spec.name)),
            Some(opened) => match opened.driver.command(&name, &arguments).await {
                Ok(result) => result.map_err(|failure| failure.to_string()),
                Err(error) => {
                    self.opened = None;
                    self.fell(error.to_string());
                    Err(error.to_string())
                }
            },
        };
        // Who asked may have gone.
        let _ = answer.send(result);
    }

    async fn fell_and_tell(&mut self, reason: String) {
        self.fell(reason);
        self.put_missing().await;
    }

    async fn put_missing(&mut self) {
        if let Some(catalog) = self.catalog.clone() {
            self.put_without_values(&catalog, InstrumentState::Missing).await;
        }
    }

    async fn put_without_values(&mut self, catalog: &Arc<DeviceCatalog>, state: InstrumentState) {
        self.backfill.missed();
        let set = PollSet::without_values(Arc::clone(catalog), Timestamp::now(), state);
        self.outlet.put(Arc::new(set)).await;
    }

    fn good(&mut self) {
        if self.started_at.elapsed() >= RECOVERED {
            self.falls = 0;
        }
        let name = &*self.spec.name;
        self.status.send_if_modified(|status| match std::mem::replace(&mut status.phase, Phase::Running) {
            Phase::Running => false,
            Phase::Starting => true,
            Phase::Failing(_) | Phase::Restarting(_) | Phase::Parked(_) => {
                info!(device = name, "answers again");
                true
            }
        });
    }

    /// Logs when the failing begins or changes its reason, not at each beat.
    fn failing(&mut self, failure: &Failure) {
        let (name, reason) = (&*self.spec.name, failure.to_string());
        self.status.send_if_modified(|status| {
            let news = status.phase != Phase::Failing(reason.clone());
            match &status.phase {
                _ if !news => {}
                Phase::Failing(_) => debug!(device = name, "{reason}"),
                _ => warn!(device = name, "{reason}"),
            }
            status.phase = Phase::Failing(reason);
            news
        });
    }

    /// The instance is gone; another one is started after a pause that grows.
    fn fell(&mut self, reason: String) {
        self.spec.meter.fell();
        self.spec.links.values().for_each(Link::not_kept);
        self.falls += 1;
        if self.falls > self.spec.limits.restarts {
            return self.park(reason);
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << (self.falls - 1).min(10)).min(LONGEST_PAUSE);
        self.start_at = Instant::now() + pause;
        error!(device = &*self.spec.name, "{reason}; started again in {} s", pause.as_secs());
        self.status.send_modify(|status| {
            status.restarts += 1;
            status.phase = Phase::Restarting(reason);
        });
    }

    fn park(&mut self, reason: String) {
        self.spec.links.values().for_each(Link::not_kept);
        self.falls = 0;
        self.start_at = Instant::now() + PARKED_PAUSE;
        error!(device = &*self.spec.name, "parked: {reason}; tried again in {} min", PARKED_PAUSE.as_secs() / 60);
        self.status.send_modify(|status| status.phase = Phase::Parked(reason));
    }
}
