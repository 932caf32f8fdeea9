//! What goes wrong between instrument and hub.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::Trial;
use super::report::Outcome;
use crate::kit::case::{Case, Step};
use crate::kit::play::{Actor, Outcome as Came};
use crate::kit::refusal::Refusals;
use crate::kit::stage::Stage;
use crate::notation::counted;
use crate::plugin::Failure;
use crate::reading::{InstrumentState, Reading, Value};
use crate::simulator::scripted::between::Fault;

/// Time that a driver has for its first values, and for coming back.
const PATIENCE: Duration = Duration::from_secs(6);
/// From one poll to the next.
const BEAT: Duration = Duration::from_millis(50);
/// Polls while something is wrong.
const POLLS: usize = 3;

/// What the driver said of the instrument while all was well: for each point the values that it had.
pub(super) struct Known {
    values: BTreeMap<String, BTreeSet<String>>,
}

/// Which valid values are a lie while something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lies {
    /// Every one: nothing comes that the instrument sent.
    All,
    /// Those that the instrument never said of this point.
    Unheard,
}

impl Trial<'_> {
    /// A driver on a stage of its own.
    pub(super) async fn actor(&self) -> Result<Actor, Outcome> {
        self.actor_of(self.case).await
    }

    /// The same with another case.
    pub(super) async fn actor_of(&self, case: &Case) -> Result<Actor, Outcome> {
        let stage = Stage::set(std::sync::Arc::clone(&self.plugin), case, self.state).await;
        let stage = stage.map_err(|error| Outcome::Failed(vec![crate::hub::describe(&error)]))?;
        Ok(Actor::enter(stage))
    }

    /// One poll while the instrument does what it does in the case's first step.
    pub(super) async fn poll(&self, actor: &mut Actor) -> Came {
        let Some(step) = self.case.steps.first() else { return Came::default() };
        let step = Step { poll: None, ..step.clone() };
        actor.prepare(&step).await;
        let came = actor.act(&step, None, None).await;
        actor.keep(&came);
        came
    }

    /// Polls until every point that has a value has it.
    pub(super) async fn read(&self, actor: &mut Actor) -> Result<Known, Outcome> {
        let begin = Instant::now();
        let mut known = Known { values: BTreeMap::new() };
        let mut last = String::from("it says nothing at all");
        let mut settled = 0;
        while begin.elapsed() < PATIENCE {
            let came = self.poll(actor).await;
            if let Some(reason) = came.fell {
                return Err(Outcome::Failed(vec![format!("before anything went wrong: {reason}")]));
            }
            if let Some(failure) = &came.failure {
                last = failure.to_string();
            }
            let before = known.values.len();
            known.learn(&came);
            settled = if known.values.len() == before && before > 0 { settled + 1 } else { 0 };
            if settled >= 2 {
                return Ok(known);
            }
            sleep(BEAT).await;
        }
        let case = self.case.folder.display();
        Err(Outcome::Failed(vec![format!(
            "the instrument of {case} was not read within {} s: {last}",
            PATIENCE.as_secs()
        )]))
    }

    /// Polls until every point has a valid value again; how long that took.
    pub(super) async fn back(&self, actor: &mut Actor, known: &Known, faults: &mut Vec<String>) -> Option<Duration> {
        let begin = Instant::now();
        let mut seen = Known { values: BTreeMap::new() };
        while begin.elapsed() < PATIENCE {
            let came = self.poll(actor).await;
            if let Some(reason) = &came.fell {
                faults.push(format!("when all was well again: {reason}"));
                return None;
            }
            known.judge(&came, Lies::Unheard, "when all was well again", faults);
            if !faults.is_empty() {
                return None;
            }
            seen.learn(&came);
            if known.values.keys().all(|point| seen.values.contains_key(point)) {
                return Some(begin.elapsed());
            }
            sleep(BEAT).await;
        }
        let missing: Vec<&str> =
            known.values.keys().filter(|point| !seen.values.contains_key(*point)).map(String::as_str).collect();
        faults.push(format!(
            "it does not come back: {} without a valid value after {} s",
            missing.join(", "),
            PATIENCE.as_secs()
        ));
        None
    }
}

impl Known {
    fn learn(&mut self, came: &Came) {
        for reading in came.sets.iter().flat_map(|set| set.readings()).filter(is_valid) {
            self.values.entry(reading.point.id.clone()).or_default().insert(shown(&reading));
        }
    }

    /// How many points have values.
    pub(super) fn points(&self) -> usize {
        self.values.len()
    }

    /// Adds what the driver did wrong.
    fn judge(&self, came: &Came, lies: Lies, when: &str, faults: &mut Vec<String>) {
        if let Some(reason) = &came.fell {
            faults.push(format!("{when}: {reason}"));
        }
        match &came.failure {
            Some(Failure::Settings(text)) => faults.push(format!("{when}: it blames its settings: {text}")),
            Some(Failure::Internal(text)) => faults.push(format!("{when}: it blames itself: {text}")),
            _ => {}
        }
        for reading in came.sets.iter().flat_map(|set| set.readings()).filter(is_valid) {
            let value = shown(&reading);
            let is_known = self.values.get(&reading.point.id).is_some_and(|values| values.contains(&value));
            if lies == Lies::All || !is_known {
                faults.push(format!(
                    "{when}: {} is {value} and valid, and the instrument did not say so",
                    reading.point.id
                ));
            }
        }
    }
}

/// A value that the instrument stands for. What a driver counts itself (a number of refused frames, the active range that is set) is no
/// measurement: it has no status of the instrument's and may stay valid, so it is told apart by its unit and kind.
fn is_valid(reading: &Reading<'_>) -> bool {
    let is_own = reading.point.unit == "1" || reading.point.unit.is_empty() && matches!(reading.value, Value::Text(_));
    reading.state == InstrumentState::Valid && !is_own && !matches!(reading.value, Value::None)
}

fn shown(reading: &Reading<'_>) -> String {
    match reading.value {
        Value::Number(number) => number.to_string(),
        Value::Text(text) => format!("{text:?}"),
        Value::None => String::from("nothing"),
    }
}

pub(super) async fn silence(trial: &Trial<'_>) -> Outcome {
    line(trial, Fault::Silent, Lies::All, "while it is silent").await
}

pub(super) async fn garbage(trial: &Trial<'_>) -> Outcome {
    line(trial, Fault::Garbage, Lies::All, "while garbage comes").await
}

pub(super) async fn truncation(trial: &Trial<'_>) -> Outcome {
    line(trial, Fault::Truncated, Lies::All, "while half of each frame comes").await
}

pub(super) async fn lateness(trial: &Trial<'_>) -> Outcome {
    line(trial, Fault::Late, Lies::Unheard, "while answers are late").await
}

pub(super) async fn restart(trial: &Trial<'_>) -> Outcome {
    line(trial, Fault::Reset, Lies::All, "while it is gone").await
}

pub(super) async fn reset(trial: &Trial<'_>) -> Outcome {
    with_known(trial, async |actor, known, faults| {
        actor.stage.fault(Fault::Reset);
        sleep(BEAT).await;
        actor.stage.fault(Fault::None);
        let came = trial.poll(actor).await;
        known.judge(&came, Lies::Unheard, "at the reset", faults);
    })
    .await
}

pub(super) async fn exception(trial: &Trial<'_>) -> Outcome {
    let mut is_possible = true;
    let outcome = with_known(trial, async |actor, known, faults| {
        let Some(Refusals { name, codes }) = actor.stage.refusals() else {
            is_possible = false;
            return;
        };
        for code in *codes {
            actor.stage.refuse(Some(*code));
            let came = trial.poll(actor).await;
            known.judge(&came, Lies::All, &format!("while it answers {name} 0x{code:02X}"), faults);
        }
        actor.stage.refuse(None);
    })
    .await;
    match outcome {
        Outcome::Passed(_) if !is_possible => Outcome::NotApplicable(
            "byte streams and MQTT have no errors of their own; the driver's cases show those of its protocol".into(),
        ),
        outcome => outcome,
    }
}

pub(super) async fn absence(trial: &Trial<'_>) -> Outcome {
    // Another driver has read the same instrument: what it says is known.
    let known = match trial.actor().await {
        Ok(mut actor) => trial.read(&mut actor).await,
        Err(outcome) => return outcome,
    };
    let (known, mut actor) = match (known, trial.actor().await) {
        (Ok(known), Ok(actor)) => (known, actor),
        (Err(outcome), _) | (_, Err(outcome)) => return outcome,
    };
    let mut faults = Vec::new();
    actor.stage.fault(Fault::Reset);
    for _ in 0..POLLS {
        let came = trial.poll(&mut actor).await;
        known.judge(&came, Lies::All, "before it is there", &mut faults);
    }
    actor.stage.fault(Fault::None);
    let back = trial.back(&mut actor, &known, &mut faults).await;
    Outcome::of(faults, came_back(&known, back))
}

/// One fault of the line: polls before, during and after.
async fn line(trial: &Trial<'_>, fault: Fault, lies: Lies, when: &str) -> Outcome {
    with_known(trial, async |actor, known, faults| {
        // Who is told of changes takes the last one to hold until the link itself is known to be lost.
        let lies = if actor.stage.holds_values() { Lies::Unheard } else { lies };
        actor.stage.fault(fault);
        for _ in 0..POLLS {
            let came = trial.poll(actor).await;
            known.judge(&came, lies, when, faults);
        }
        actor.stage.fault(Fault::None);
    })
    .await
}

async fn with_known(trial: &Trial<'_>, during: impl AsyncFnOnce(&mut Actor, &Known, &mut Vec<String>)) -> Outcome {
    let mut actor = match trial.actor().await {
        Ok(actor) => actor,
        Err(outcome) => return outcome,
    };
    let known = match trial.read(&mut actor).await {
        Ok(known) => known,
        Err(outcome) => return outcome,
    };
    let mut faults = Vec::new();
    during(&mut actor, &known, &mut faults).await;
    let back = if faults.is_empty() { trial.back(&mut actor, &known, &mut faults).await } else { None };
    faults.dedup();
    Outcome::of(faults, came_back(&known, back))
}

fn came_back(known: &Known, back: Option<Duration>) -> String {
    let points = counted(known.points(), "point");
    format!("{points} back after {} ms", back.unwrap_or_default().as_millis())
}
