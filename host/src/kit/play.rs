//! Walks a case: the instrument does its part of each step, the driver its own, and what came of it is told.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::capability::Link;
use crate::hub::describe;
use crate::kit::case::{Case, CaseError, Range, Step};
use crate::kit::stage::{Stage, StageError};
use crate::kit::told::{self, Line, Moment};
use crate::plugin::{self, Failure, Features, OpenError, Opened, Plugin};
use crate::reading::{Point, PollSet};
use crate::time::Timestamp;

/// Most polls of one step, for a driver that says that it has more.
const MORE: usize = 100;
/// Most pages of a memory.
const PAGES: usize = 1_000;

/// What came of a case.
#[derive(Debug, Clone)]
pub struct Played {
    /// Lines, in order.
    pub told: Vec<Line>,
    /// What no driver may do in this case, with its step.
    pub problems: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// Why a case was not played to its end.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// The stage cannot be set.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// The case is at fault.
    #[error(transparent)]
    Case(#[from] CaseError),
}

/// A driver on its stage.
pub struct Actor {
    /// The other side.
    pub stage: Stage,
    opened: Option<Opened>,
    features: Features,
    snapshot: Vec<u8>,
}

/// What came of one step.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Everything that was read.
    pub sets: Vec<PollSet>,
    /// The answer to a command.
    pub answer: Option<String>,
    /// What the driver said instead.
    pub failure: Option<Failure>,
    /// Why there is no driver any more.
    pub fell: Option<String>,
}

/// Plays a case with a plugin.
pub async fn play(plugin: Arc<Plugin>, case: &Case, state: &Path) -> Result<Played, PlayError> {
    let begin = Instant::now();
    let mut actor = Actor::enter(Stage::set(plugin, case, state).await?);
    let mut played = Played { told: Vec::new(), problems: Vec::new(), took: Duration::ZERO };
    let (mut now, own) = (None, Arc::new(case.times()));
    for (number, step) in (1..).zip(&case.steps) {
        let moment = |text: &str| {
            let reason = format!("step {number}: {text:?} is no time such as \"2026-11-01T00:00:00Z\"");
            text.parse::<Timestamp>()
                .map_err(|_| CaseError::Malformed { path: case.folder.join(super::case::CASE), reason })
        };
        if let Some(poll) = &step.poll {
            now = Some(moment(poll)?);
        }
        let range = match &step.backfill {
            Some(Range { begin, end }) => Some((moment(begin)?, moment(end)?)),
            None => None,
        };
        let place = if step.say.is_empty() { format!("step {number}") } else { format!("step {number}, {}", step.say) };
        let (poll, walk) = (now.unwrap_or_else(Timestamp::now), Instant::now());
        if let Some(problem) = actor.prepare(step).await {
            played.problems.push(format!("{place}: {problem}"));
        }
        let outcome = actor.act(step, range, now).await;
        let deviations = actor.stage.deviations().await;
        let around = walk.elapsed() + Duration::from_secs(1);
        let moment = Moment { poll, span: poll.before(around)..=poll.after(around), own: Arc::clone(&own) };
        played
            .told
            .extend(outcome.sets.iter().flat_map(PollSet::readings).map(|row| told::reading(number, &row, &moment)));
        played.told.extend(outcome.answer.iter().map(|answer| told::answer(number, answer)));
        played
            .told
            .extend(outcome.failure.iter().map(|failure| told::failure(number, failure.code(), failure.message())));
        played.told.extend(actor.stage.written().iter().map(|what| told::written(number, what)));
        if actor.keep(&outcome) {
            let frames = actor.stage.acknowledgements().await;
            played.told.extend(frames.map(|frames| told::acknowledged(number, &frames)));
        }
        played.problems.extend(outcome.fell.iter().map(|reason| format!("{place}: {reason}")));
        played.problems.extend(deviations.iter().map(|what| format!("{place}: {what}")));
        if step.exchange.iter().any(|exchange| exchange.closes) {
            actor.stage.connected_again().await;
        }
    }
    actor.stage.single.connection.close().await;
    played.took = begin.elapsed();
    Ok(played)
}

impl Actor {
    /// A driver that is opened when it is first needed.
    pub fn enter(stage: Stage) -> Self {
        Actor { stage, opened: None, features: Features::default(), snapshot: Vec::new() }
    }

    /// The instrument's part of a step, and a new instance where one is wanted. Returns what cannot be done.
    pub async fn prepare(&mut self, step: &Step) -> Option<String> {
        if step.restart
            && let Err(reason) = self.leave().await
        {
            return Some(reason);
        }
        if !step.push.is_empty() {
            // There is a connection only once there is a driver; what it fails with, it fails with in its own part.
            let _ = self.open().await;
        }
        self.stage.prepare(step).await
    }

    /// The driver's part of a step.
    pub async fn act(&mut self, step: &Step, range: Option<(Timestamp, Timestamp)>, now: Option<Timestamp>) -> Outcome {
        let mut outcome = Outcome::default();
        let is_new = self.opened.is_none();
        match self.open().await {
            Ok(()) => {}
            Err(OpenError::Failure(failure)) => outcome.failure = Some(failure),
            Err(error) => outcome.fell = Some(describe(&error)),
        }
        let Some(mut opened) = self.opened.take() else { return outcome };
        let shift = now.map_or(0, |now| now.0.saturating_sub(Timestamp::now().0));
        opened.driver.shift_clock(shift);
        if is_new {
            // What the instrument sends when the connection is made.
            self.stage.entered().await;
        }
        let most = self.stage.single.spec.limits.samples;
        let fell = match (&step.command, range) {
            (Some(command), _) => command_once(&mut opened, command, &step.arguments, &mut outcome).await,
            (None, Some(range)) => fetch(&mut opened, range, most, &mut outcome).await,
            (None, None) => poll(&mut opened, now, most, &mut outcome).await,
        };
        match fell {
            Ok(()) => self.opened = Some(opened),
            Err(error) => outcome.fell = Some(describe(&error)),
        }
        outcome
    }

    /// What came of the step is durable, or not when the driver failed. Says whether the instrument may be told something now.
    pub(crate) fn keep(&self, outcome: &Outcome) -> bool {
        let links = &self.stage.single.spec.links;
        if outcome.failure.is_some() || outcome.fell.is_some() {
            links.values().for_each(Link::not_kept);
            return false;
        }
        let is_owed = links.values().any(Link::is_in_hand);
        links.values().for_each(Link::kept);
        is_owed
    }

    /// The driver as it stands, opened when there is none.
    async fn open(&mut self) -> Result<(), OpenError> {
        if self.opened.is_some() {
            return Ok(());
        }
        let mut opened = plugin::open(&self.stage.single.spec).await?;
        let snapshot = std::mem::take(&mut self.snapshot);
        if !snapshot.is_empty() {
            opened.driver.restore(&snapshot).await??;
        }
        self.features = opened.features;
        self.opened = Some(opened);
        Ok(())
    }

    /// The driver that is open now.
    pub(crate) fn opened_mut(&mut self) -> Option<&mut Opened> {
        self.opened.as_mut()
    }

    /// What it says that it measures.
    pub(crate) fn points(&self) -> Vec<Point> {
        self.opened.as_ref().map(|opened| opened.catalog.points.clone()).unwrap_or_default()
    }

    /// What it can do besides.
    pub(crate) fn features(&self) -> Features {
        self.features
    }

    /// What the last instance left for the next.
    pub(crate) fn snapshot(&self) -> &[u8] {
        &self.snapshot
    }

    /// Its linear memory, bytes.
    pub(crate) fn memory(&self) -> u64 {
        self.opened.as_ref().map_or(0, |opened| opened.driver.memory())
    }

    /// The instance goes; what the next one needs is kept.
    pub(crate) async fn leave(&mut self) -> Result<(), String> {
        let Some(mut opened) = self.opened.take() else { return Ok(()) };
        if opened.features.snapshot() {
            self.snapshot = opened.driver.snapshot().await.map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

async fn poll(
    opened: &mut Opened,
    now: Option<Timestamp>,
    most: usize,
    outcome: &mut Outcome,
) -> Result<(), OpenError> {
    for _ in 0..MORE {
        match opened.poll(now.unwrap_or_else(Timestamp::now), most).await? {
            Err(failure) => {
                outcome.failure = Some(failure);
                return Ok(());
            }
            Ok(polled) => {
                outcome.sets.push(polled.set);
                if !polled.more {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

async fn command_once(
    opened: &mut Opened,
    command: &str,
    arguments: &str,
    outcome: &mut Outcome,
) -> Result<(), OpenError> {
    match opened.driver.command(command, arguments).await? {
        Ok(answer) => outcome.answer = Some(answer),
        Err(failure) => outcome.failure = Some(failure),
    }
    Ok(())
}

async fn fetch(
    opened: &mut Opened,
    range: (Timestamp, Timestamp),
    most: usize,
    outcome: &mut Outcome,
) -> Result<(), OpenError> {
    let mut next = String::new();
    for _ in 0..PAGES {
        match opened.page(range, &next, most).await? {
            Err(failure) => {
                outcome.failure = Some(failure);
                return Ok(());
            }
            Ok((set, after)) => {
                outcome.sets.push(set);
                next = after;
            }
        }
        if next.is_empty() {
            return Ok(());
        }
    }
    outcome.fell = Some(format!("its memory has no end after {PAGES} pages"));
    Ok(())
}
