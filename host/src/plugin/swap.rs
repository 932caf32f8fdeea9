//! Another driver for a running device: made ready while the one that runs goes on polling, put in its place between two polls with its snapshot,
//! and proven by its first polls.
//!
//! The driver that was there before is kept aside, paused, until then. When the newcomer falls, does not want its settings, or gets no answer where the
//! one before gets one, that one is back in the same beat and polls at once, so that the beat has its reading.
//!
//! Invariant: one driver has the links at any moment, and of one beat only one driver's readings are kept.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;
use tracing::{error, info, warn};

use super::device::{Outlet, Phase, Task};
use super::opening::Polled;
use super::opening::{DeviceSpec, OpenError, Opened, open};
use super::polling::{Fault, MORE, ask};
use crate::capability::Link;
use crate::capability::wire::Memory;
use crate::notation::counted;
use crate::reading::PollSet;
use crate::status::InstrumentState;
use crate::time::Timestamp;

/// Polls of a newcomer before it is proven, and the time that they take at least.
const POLLS: u32 = 3;
const PROBATION: Duration = Duration::from_secs(2);
/// Longest poll of a newcomer, unless the one before it was as slow.
const PATIENCE: Duration = Duration::from_millis(1500);

/// An order to go over to another driver, or to the same one with other settings.
pub struct Swap {
    /// Number of the order, greater than that of any before.
    pub generation: u64,
    /// What is to run. The links stay those of the device, whatever is given here.
    pub spec: DeviceSpec,
    /// Told what becomes of it. There is room for two.
    pub news: mpsc::Sender<News>,
}

/// What became of a swap, so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// When.
    pub at: Timestamp,
    /// What.
    pub step: Step,
}

/// A step of a swap. The first one is not the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The newcomer polls from now on, and is on probation.
    TookOver,
    /// It is proven.
    Proven,
    /// It gave way to the one before.
    RolledBack(String),
    /// It never took over.
    Refused(String),
    /// Another order came before it was proven.
    Superseded,
}

/// A driver that is made ready.
pub(super) struct Understudy {
    swap: Swap,
    opening: AbortOnDropHandle<Result<Opened, OpenError>>,
}

/// The probation of a newcomer.
pub(super) struct Trial {
    news: mpsc::Sender<News>,
    aside: Aside,
    polls: u32,
    begin: Instant,
    patience: Duration,
}

/// The driver that was there before, and all that makes it go on as it was.
struct Aside {
    spec: DeviceSpec,
    /// `None` once it fell as it was asked for a second opinion: then it comes back as it does after any fall, and at once.
    opened: Option<Opened>,
    generation: u64,
    falls: u32,
    started_at: Instant,
    /// Whether the instrument answered it the last time.
    answers: bool,
}

/// Waits until the understudy is ready. Cancel safe.
pub(super) async fn ready(understudy: &mut Option<Understudy>) -> Result<Opened, String> {
    match understudy {
        None => std::future::pending().await,
        Some(understudy) => match (&mut understudy.opening).await {
            Ok(opened) => opened.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        },
    }
}

impl<O: Outlet> Task<O> {
    /// Opens another driver beside the one that runs.
    pub(super) fn make_ready(&mut self, mut swap: Swap) {
        if let Some(before) = self.understudy.take() {
            tell(&before.swap.news, Step::Superseded);
        }
        let understudy = |(name, link): (&String, &Link)| (name.clone(), link.understudy());
        swap.spec.links = self.spec.links.iter().map(understudy).collect::<BTreeMap<_, _>>();
        let spec = swap.spec.clone();
        let opening = AbortOnDropHandle::new(tokio::spawn(async move { open(&spec).await }));
        self.understudy = Some(Understudy { swap, opening });
    }

    /// Between two polls: the newcomer gets what the one before knows, and its place.
    pub(super) async fn take_over(&mut self, opened: Result<Opened, String>) {
        let Some(Understudy { swap, .. }) = self.understudy.take() else { return };
        let mut newcomer = match opened {
            Ok(opened) => opened,
            Err(reason) => return self.refuse(&swap, &reason),
        };
        let mut before = self.hand_over().await;
        let memory = match self.hand_to(&mut newcomer).await {
            Ok(memory) => memory,
            Err(reason) => {
                self.opened = before;
                return self.refuse(&swap, &reason);
            }
        };
        let was = std::mem::replace(&mut self.spec, swap.spec);
        self.spec.links.values().for_each(|link| link.step_in(memory));
        self.schedule.change(&self.spec.name, self.spec.interval, Instant::now());
        self.backfill.reach(self.spec.backfill);
        let catalog = &newcomer.catalog;
        info!(device = &*self.spec.name, "goes over to {}, {}", catalog.plugin, counted(catalog.points.len(), "point"));
        self.catalog = Some(catalog.clone());
        self.opened = Some(newcomer);
        let (status, falls) = (self.status.borrow().clone(), std::mem::take(&mut self.falls));
        let started_at = std::mem::replace(&mut self.started_at, Instant::now());
        self.status.send_modify(|status| status.generation = swap.generation);
        tell(&swap.news, Step::TookOver);
        // While one is on probation it is not what another one gives way to.
        let aside = match self.trial.take() {
            Some(Trial { news, aside, .. }) => {
                tell(&news, Step::Superseded);
                Some(aside)
            }
            None => before.take().map(|opened| Aside {
                spec: was,
                opened: Some(opened),
                generation: status.generation,
                falls,
                started_at,
                answers: status.phase == Phase::Running,
            }),
        };
        match aside {
            Some(aside) => {
                let patience = PATIENCE.max(self.took * 2);
                self.trial = Some(Trial { news: swap.news, aside, polls: 0, begin: Instant::now(), patience });
            }
            // There is none that could come back.
            None => self.proven(&swap.news),
        }
    }

    /// The driver that runs, if one does, after it gave its snapshot.
    async fn hand_over(&mut self) -> Option<Opened> {
        let mut opened = self.opened.take()?;
        if let Err(error) = self.take_fresh_snapshot(&mut opened).await {
            warn!(device = &*self.spec.name, "fell as it handed over: {error}");
            self.spec.links.values().for_each(Link::not_kept);
            return None;
        }
        Some(opened)
    }

    /// Gives a newcomer what is known, if it wants it.
    async fn hand_to(&mut self, newcomer: &mut Opened) -> Result<Memory, String> {
        if !newcomer.features.snapshot() || self.snapshot.is_empty() {
            return Ok(Memory::None);
        }
        match newcomer.driver.restore(&self.snapshot).await {
            Ok(Ok(())) => Ok(Memory::Kept),
            Ok(Err(failure)) => {
                warn!(device = &*self.spec.name, "goes on without the snapshot of the driver before: {failure}");
                Ok(Memory::None)
            }
            Err(error) => Err(format!("restoring the snapshot of the driver before: {error}")),
        }
    }

    fn refuse(&mut self, swap: &Swap, reason: &str) {
        error!(device = &*self.spec.name, "does not go over: {reason}; what runs goes on");
        self.status.send_modify(|status| status.rolled_back = Some(reason.to_owned()));
        tell(&swap.news, Step::Refused(reason.to_owned()));
    }

    /// A poll of a driver on probation. Nothing of it is kept before all of it is there.
    pub(super) async fn try_out(&mut self, mut newcomer: Opened, mut trial: Trial) {
        trial.polls += 1;
        let asked = timeout(trial.patience, ask_all(&mut newcomer, &self.spec)).await;
        let asked = asked.unwrap_or_else(|_| {
            Err(Fault::Fell(format!("its poll took longer than {:.1} s", trial.patience.as_secs_f64())))
        });
        let doubt = match &asked {
            Err(Fault::Fell(reason)) => return self.come_back_and_poll(trial, reason.clone()).await,
            Err(Fault::Misfit(failure)) => return self.come_back_and_poll(trial, failure.to_string()).await,
            Err(Fault::Failed(failure)) => Some(failure.to_string()),
            Ok(sets) if is_silence(sets) => Some(String::from("the instrument does not answer it")),
            Ok(_) => None,
        };
        if let Some(reason) = doubt.filter(|_| trial.aside.answers) {
            match self.second_opinion(&mut trial).await {
                Some(sets) => {
                    drop(newcomer);
                    self.come_back(trial, format!("{reason}; the driver before it gets an answer"));
                    self.put_all(sets).await;
                    return self.settle().await;
                }
                None => self.spec.links.values().for_each(|link| link.step_in(Memory::Kept)),
            }
        }
        match asked {
            Ok(sets) => self.put_all(sets).await,
            Err(Fault::Failed(failure)) => self.failed(&newcomer.catalog, &failure).await,
            Err(_) => {}
        }
        self.settle().await;
        self.opened = Some(newcomer);
        if trial.polls >= POLLS && trial.begin.elapsed() >= PROBATION {
            if self.opened.as_ref().is_some_and(|opened| !opened.features.snapshot()) {
                // It is of the driver before, and nobody wants it any more.
                self.snapshot.clear();
            }
            self.proven(&trial.news);
        } else {
            self.trial = Some(trial);
        }
    }

    async fn put_all(&mut self, sets: Vec<PollSet>) {
        for set in sets {
            self.took_set(set).await;
        }
    }

    /// Has the driver before ask the instrument. What it gets, if it gets an answer.
    async fn second_opinion(&mut self, trial: &mut Trial) -> Option<Vec<PollSet>> {
        self.spec.links.values().for_each(Link::not_kept);
        let Aside { spec, opened: place, answers, .. } = &mut trial.aside;
        let mut opened = place.take()?;
        spec.links.values().for_each(|link| link.step_in(Memory::Kept));
        let asked = timeout(trial.patience, ask_all(&mut opened, spec)).await;
        let fell = matches!(asked, Err(_) | Ok(Err(Fault::Fell(_))));
        *place = Some(opened).filter(|_| !fell);
        let sets = asked.ok().and_then(Result::ok).filter(|sets| sets.iter().any(|set| !set.is_empty()));
        let sets = sets.filter(|sets| !is_silence(sets));
        if sets.is_none() {
            spec.links.values().for_each(Link::not_kept);
            *answers = false;
        }
        sets
    }

    async fn come_back_and_poll(&mut self, trial: Trial, reason: String) {
        self.come_back(trial, reason);
        if self.opened.is_none() {
            self.start().await;
        }
        match self.opened.take() {
            Some(opened) => self.poll_proven(opened).await,
            None => self.put_missing().await,
        }
    }

    /// The driver before has its place again, with all that it had.
    pub(super) fn come_back(&mut self, trial: Trial, reason: String) {
        self.spec.links.values().for_each(Link::not_kept);
        let Trial { news, aside: Aside { spec, opened, generation, falls, started_at, .. }, .. } = trial;
        spec.links.values().for_each(|link| link.step_in(Memory::Kept));
        self.spec = spec;
        self.schedule.change(&self.spec.name, self.spec.interval, Instant::now());
        self.backfill.reach(self.spec.backfill);
        (self.falls, self.started_at, self.start_at) = (falls, started_at, Instant::now());
        let before = opened.as_ref().map(|opened| opened.catalog.clone());
        let name = before.as_ref().map_or("the driver before", |catalog| catalog.plugin.as_str());
        error!(device = &*self.spec.name, "{reason}; back to {name}");
        self.catalog = before.or(self.catalog.take());
        self.opened = opened;
        self.status.send_modify(|status| {
            status.generation = generation;
            status.rolled_back = Some(reason.clone());
        });
        tell(&news, Step::RolledBack(reason));
    }

    fn proven(&mut self, news: &mpsc::Sender<News>) {
        info!(device = &*self.spec.name, "the driver that took over is proven");
        self.status.send_modify(|status| status.rolled_back = None);
        tell(news, Step::Proven);
    }
}

/// Asks the driver, and on while it has more.
async fn ask_all(opened: &mut Opened, spec: &DeviceSpec) -> Result<Vec<PollSet>, Fault> {
    let mut sets = Vec::new();
    for _ in 0..MORE {
        let Polled { set, more } = ask(opened, spec).await?;
        sets.push(set);
        if !more {
            break;
        }
    }
    Ok(sets)
}

/// Whether all that was said is that the instrument does not answer.
fn is_silence(sets: &[PollSet]) -> bool {
    let mut states = sets.iter().flat_map(|set| &set.columns.states).peekable();
    states.peek().is_some() && states.all(|state| *state == InstrumentState::CommError)
}

/// Whoever wants to know has room for it, or has gone.
fn tell(news: &mpsc::Sender<News>, step: Step) {
    let _ = news.try_send(News { at: Timestamp::now(), step });
}
