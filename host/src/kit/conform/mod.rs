//! What every driver must stand, whatever it reads: the obligatory faults, wrong settings, and being handed over.
//!
//! The instrument is that of one of the driver's own cases, as its first step finds it. Each check has a stage of its own, so that one failure
//! does not hide another, and all run at once: most of their time is waiting.
//!
//! Invariant: a check passes only when the driver was seen to read the instrument first; a driver that never says anything conforms to nothing.

mod contract;
mod faults;
mod handover;
pub mod report;
mod settings;

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt;

use crate::kit::case::{Case, Step};
use crate::kit::stage::Stage;
use crate::plugin::Plugin;
use report::{Check, Outcome, Report};

/// Checks that run at once.
const AT_ONCE: usize = 24;

/// What a check works with.
pub(crate) struct Trial<'a> {
    plugin: Arc<Plugin>,
    case: &'a Case,
    state: &'a Path,
}

/// One obligation.
struct Obligation {
    /// Its name in reports.
    name: &'static str,
    /// What happens, in a few words.
    what: &'static str,
    /// Why it matters at a plant.
    why: &'static str,
    run: Run,
}

type Run = for<'a> fn(&'a Trial<'a>) -> Pin<Box<dyn Future<Output = Outcome> + 'a>>;

const OBLIGATIONS: &[Obligation] = &[
    Obligation {
        name: "description",
        what: "it says what it is",
        why: "administrators choose a driver and fill in its settings by nothing but its own description",
        run: |trial| Box::pin(contract::description(trial)),
    },
    Obligation {
        name: "points",
        what: "its points have names and units",
        why: "a point without a unit that the hub knows cannot be normalized, and one whose name changes breaks the record",
        run: |trial| Box::pin(contract::points(trial)),
    },
    Obligation {
        name: "settings",
        what: "settings that are wrong in each member",
        why: "a mistake in the settings must be told by name before the plant relies on the values",
        run: |trial| Box::pin(settings::each_is_checked(trial)),
    },
    Obligation {
        name: "absence",
        what: "the instrument is switched off when the hub starts",
        why: "a hub starts after a power cut before its instruments do",
        run: |trial| Box::pin(faults::absence(trial)),
    },
    Obligation {
        name: "silence",
        what: "the instrument falls silent",
        why: "a value that nobody confirmed must never be reported as valid",
        run: |trial| Box::pin(faults::silence(trial)),
    },
    Obligation {
        name: "reset",
        what: "the connection is reset",
        why: "converters and firewalls drop connections every day; nobody drives out for that",
        run: |trial| Box::pin(faults::reset(trial)),
    },
    Obligation {
        name: "restart",
        what: "the instrument is started again",
        why: "after a power dip the instrument comes back by itself, and so must its readings",
        run: |trial| Box::pin(faults::restart(trial)),
    },
    Obligation {
        name: "garbage",
        what: "other bytes come than the instrument sent",
        why: "a disturbed line must not become an emission",
        run: |trial| Box::pin(faults::garbage(trial)),
    },
    Obligation {
        name: "truncation",
        what: "half of each frame comes",
        why: "half a number is another number",
        run: |trial| Box::pin(faults::truncation(trial)),
    },
    Obligation {
        name: "lateness",
        what: "answers come too late",
        why: "an answer that is taken for that of the next request puts one gas's value under another's name",
        run: |trial| Box::pin(faults::lateness(trial)),
    },
    Obligation {
        name: "exception",
        what: "the instrument refuses with an error of its protocol",
        why: "an error code must not be read as a value, and must not bring the driver down",
        run: |trial| Box::pin(faults::exception(trial)),
    },
    Obligation {
        name: "snapshot",
        what: "it is handed over to a new instance, and given snapshots that are damaged",
        why: "a driver is replaced under way, perhaps by a later version of itself",
        run: |trial| Box::pin(handover::snapshot(trial)),
    },
    Obligation {
        name: "commands",
        what: "commands that it does not know, and arguments that are none",
        why: "people mistype; an instrument must not be changed by it",
        run: |trial| Box::pin(contract::commands(trial)),
    },
    Obligation {
        name: "memory",
        what: "the instrument's memory is asked for, if it has one",
        why: "what is fetched after an outage goes into the record under the time that the driver gives it",
        run: |trial| Box::pin(contract::backfill(trial)),
    },
    Obligation {
        name: "endurance",
        what: "polls in a row, two hundred or for six seconds",
        why: "a driver runs for years; what it takes with each poll is gone one day",
        run: |trial| Box::pin(contract::endurance(trial)),
    },
];

/// Puts a plugin through every check, against the instrument of this case.
pub async fn conform(plugin: Arc<Plugin>, case: &Case, state: &Path) -> Report {
    let begin = Instant::now();
    let trial = Trial { plugin: Arc::clone(&plugin), case, state };
    let trial = &trial;
    let checks = futures_util::stream::iter(OBLIGATIONS).map(|obligation| async move {
        let begin = Instant::now();
        let outcome = (obligation.run)(trial).await;
        let Obligation { name, what, why, .. } = obligation;
        Check { name, what, why, outcome, took: begin.elapsed() }
    });
    // Where nothing can be played, each check would say so.
    let checks = match Stage::set(Arc::clone(&plugin), case, state).await {
        Ok(_) => checks.buffered(AT_ONCE).collect().await,
        Err(error) => vec![Check {
            name: "case",
            what: "the case can be played",
            why: "everything is checked against its instrument",
            outcome: Outcome::Failed(vec![crate::hub::describe(&error)]),
            took: begin.elapsed(),
        }],
    };
    let description = plugin.description(&Default::default()).await;
    let name = description.map_or_else(|_| String::new(), |it| format!("{} {}", it.name, it.version));
    Report {
        plugin: name,
        file: plugin.file.clone(),
        digest: plugin.digest.clone(),
        case: case.folder.clone(),
        checks,
        took: begin.elapsed(),
    }
}

/// The first case of a driver whose first step only polls: its instrument measures.
pub fn suitable(cases: &[Case]) -> Option<&Case> {
    let measures = |step: &Step| {
        step.command.is_none()
            && step.backfill.is_none()
            && step.link.is_none()
            && step.fault.is_none()
            && !step.restart
    };
    let is_named = |case: &&Case| case.name == "measuring";
    let suits = |case: &&Case| case.steps.first().is_some_and(measures);
    cases.iter().filter(suits).find(is_named).or_else(|| cases.iter().find(suits))
}
