//! What was asked and answered in bytes: the instrument says what it said then, and the driver is polled until it has said everything that
//! this driver asks. What others on the same line asked is left out.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use toml::{Table, Value};

use super::{POLLS, RecordError, Scenes, Source, failed, left_out, poll};
use crate::kit::case::{Case, Instrument, Step};
use crate::kit::play::{Actor, PlayError};
use crate::kit::stage::Stage;
use crate::plugin::{Failure, Plugin};
use crate::simulator::replay::{Script, without};

/// Name of the trace in the case's folder.
const TRACE: &str = "trace.jsonl";
/// Polls without anything new, after which nothing new is to come: drivers ask some things in every few polls only.
const IDLE: usize = 10;

/// What a driver does with a trace.
struct Heard {
    /// Polls until the last that brought something new.
    polls: usize,
    /// The trace without what it did not ask, when there is such.
    rest: Option<(String, usize)>,
    /// Answers that it would have asked for in further polls.
    later: usize,
}

/// Copies the trace beside the case, without what is another's.
pub(super) async fn scenes(
    plugin: Arc<Plugin>,
    trace: &Path,
    folder: &Path,
    source: &Source,
    state: &Path,
) -> Result<Scenes, RecordError> {
    let begin = Script::read(trace)?.begin();
    let copy = folder.join(TRACE);
    fs::copy(trace, &copy).map_err(failed(&copy))?;
    let Heard { polls, rest, later } = hear(plugin, folder, source, state).await?;
    let mut others = 0;
    if let Some((text, count)) = rest {
        fs::write(&copy, text).map_err(failed(&copy))?;
        others = count;
    }
    let of_others = "for no poll of this driver asks so. They are of another device on the line, or of a command";
    let left_out = left_out([(others, "exchange", of_others), (later, "answer", "the last, for it would be too long")]);
    Ok(Scenes {
        instrument: Table::from_iter([("trace".to_owned(), Value::String(TRACE.to_owned()))]),
        steps: (0..polls).map(|number| poll(begin.filter(|_| number == 0))).collect(),
        left_out,
    })
}

/// Polls the driver until the instrument has said everything, or nothing new any more.
async fn hear(plugin: Arc<Plugin>, folder: &Path, source: &Source, state: &Path) -> Result<Heard, RecordError> {
    let case = Case {
        name: String::new(),
        folder: folder.to_owned(),
        about: String::new(),
        link: source.link.clone(),
        device: source.device.clone(),
        settings: source.settings.clone(),
        instrument: Instrument { trace: Some(TRACE.into()), ..Instrument::default() },
        steps: Vec::new(),
    };
    let stage = Stage::set(plugin, &case, state).await.map_err(PlayError::Stage)?;
    let mut actor = Actor::enter(stage);
    let (mut polls, mut told, mut is_read) = (1, 0, false);
    for poll in 1..=POLLS {
        let came = actor.act(&Step::default(), None, None).await;
        if let Some(reason) = came.fell {
            return Err(RecordError::Other(vec![reason]));
        }
        if let Some(failure @ (Failure::Settings(_) | Failure::Internal(_))) = came.failure {
            return Err(RecordError::Driver { poll, failure });
        }
        let deviations = actor.stage.deviations().await;
        if !deviations.is_empty() {
            return Err(RecordError::Other(deviations));
        }
        is_read |= came.sets.iter().any(|set| set.readings().next().is_some());
        if actor.stage.told() > told {
            (polls, told) = (poll, actor.stage.told());
        }
        if actor.stage.untold() == 0 || poll - polls >= IDLE {
            break;
        }
    }
    let later = if polls == POLLS { actor.stage.untold() } else { 0 };
    // Of a driver that read nothing it cannot be said what is another's.
    let rest = is_read.then(|| without(&folder.join(TRACE), |request| actor.stage.is_unasked(request))).transpose()?;
    let rest = rest.filter(|(_, count)| *count > 0);
    let of_others = rest.as_ref().map_or(0, |(_, count)| *count);
    Ok(Heard { polls, rest, later: later.saturating_sub(of_others) })
}
