//! The task that owns one device: it opens the driver, polls at the device's beat (`polling`), starts the driver anew when it falls, and goes over
//! to another one when it is told to (`swap`).
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
use super::bells::Bells;
use super::instance::Failure;
use super::opening::{DeviceSpec, Opened, open};
use super::pace::Paced;
use super::schedule::Schedule;
use super::swap::{Swap, Trial, Understudy, ready};
use crate::capability::Link;
use crate::notation::counted;
use crate::reading::{DeviceCatalog, PollSet};

/// Pause before the first restart; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A driver that ran well for so long begins a new row of restarts, after which the device is parked (`limits.restarts`).
const RECOVERED: Duration = Duration::from_secs(60);
/// A parked device is tried again this often: drivers always come back, but not at the others' cost.
const PARKED_PAUSE: Duration = Duration::from_secs(600);

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
    /// Which of the orders to go over to another driver runs ([`Swap::generation`]); 0: the one that it began with.
    pub generation: u64,
    /// Why the last other driver had to give way to the one before it, if one had to since.
    pub rolled_back: Option<String>,
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
    swaps: mpsc::Receiver<Swap>,
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
        took: Duration::ZERO,
        understudy: None,
        trial: None,
    };
    task.run(commands, swaps, shutdown).await;
}

impl DeviceStatus {
    /// A device that has done nothing yet.
    pub fn starting() -> Self {
        DeviceStatus { phase: Phase::Starting, polls: 0, missed: 0, restarts: 0, generation: 0, rolled_back: None }
    }
}

/// What the task knows.
pub(super) struct Task<O> {
    pub(super) bells: Bells,
    pub(super) backfill: Backfill,
    pub(super) spec: DeviceSpec,
    pub(super) outlet: Arc<O>,
    pub(super) status: watch::Sender<DeviceStatus>,
    pub(super) schedule: Schedule,
    pub(super) opened: Option<Opened>,
    /// Outlives the driver: what has no driver still has points without values.
    pub(super) catalog: Option<Arc<DeviceCatalog>>,
    pub(super) snapshot: Vec<u8>,
    pub(super) snapshot_at: Instant,
    /// Restarts in a row.
    pub(super) falls: u32,
    /// When the driver was started last.
    pub(super) started_at: Instant,
    /// When the driver may be started.
    pub(super) start_at: Instant,
    /// Time that the last poll took.
    pub(super) took: Duration,
    /// The one that is made ready to take over.
    pub(super) understudy: Option<Understudy>,
    /// While the driver has taken over and is on probation.
    pub(super) trial: Option<Trial>,
}

impl<O: Outlet> Task<O> {
    async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut swaps: mpsc::Receiver<Swap>,
        shutdown: CancellationToken,
    ) {
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                Some(command) = commands.recv() => self.command(command).await,
                Some(swap) = swaps.recv() => self.make_ready(swap),
                opened = ready(&mut self.understudy), if self.understudy.is_some() => self.take_over(opened).await,
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

    pub(super) async fn start(&mut self) {
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
        info!(device = &*self.spec.name, "started: {}, {}", catalog.plugin, counted(catalog.points.len(), "point"));
        self.started_at = Instant::now();
        self.catalog = Some(Arc::clone(catalog));
        self.opened = Some(opened);
    }

    async fn command(&mut self, command: Command) {
        let Command { name, arguments, answer } = command;
        let result = match &mut self.opened {
            None => Err(format!("device {} has no running driver", self.spec.name)),
            Some(opened) => match opened.driver.command(&name, &arguments).await {
                Ok(result) => result.map_err(|failure| failure.to_string()),
                Err(error) => {
                    self.opened = None;
                    match self.trial.take() {
                        Some(trial) => self.come_back(trial, error.to_string()),
                        None => self.fell(error.to_string()),
                    }
                    Err(error.to_string())
                }
            },
        };
        // Who asked may have gone.
        let _ = answer.send(result);
    }

    pub(super) fn good(&mut self) {
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
    pub(super) fn failing(&mut self, failure: &Failure) {
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
    pub(super) fn fell(&mut self, reason: String) {
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

    pub(super) fn park(&mut self, reason: String) {
        self.spec.links.values().for_each(Link::not_kept);
        self.falls = 0;
        self.start_at = Instant::now() + PARKED_PAUSE;
        error!(device = &*self.spec.name, "parked: {reason}; tried again in {} min", PARKED_PAUSE.as_secs() / 60);
        self.status.send_modify(|status| status.phase = Phase::Parked(reason));
    }
}
