//! A trace of a real instrument becomes a case: the instrument says what it said then, and the driver is polled until it has said everything
//! that this driver asks. What others on the same line asked is left out.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::{Table, Value};

use crate::kit::case::{CASE, Case, EXPECTED, Instrument, Step};
use crate::kit::play::{Actor, PlayError, Played, play};
use crate::kit::stage::Stage;
use crate::kit::told;
use crate::plugin::{Failure, Plugin};
use crate::simulator::replay::{Script, ScriptError, without};

/// Name of the trace in the case's folder.
const TRACE: &str = "trace.jsonl";
/// Most polls of one case.
const POLLS: usize = 100;
/// Polls without anything new, after which nothing new is to come: drivers ask some things in every few polls only.
const IDLE: usize = 10;

/// What is known of the instrument besides its trace.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// One sentence: what was recorded where and when.
    pub about: String,
    /// Options of the link, without the address.
    pub link: Table,
    /// Options of the device.
    pub device: Table,
    /// The driver's settings.
    pub settings: Table,
}

/// Why there is no case.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// There is one already, and it is not overwritten.
    #[error("{} is there already; name another folder", .0.display())]
    Exists(PathBuf),
    /// It cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// What.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The trace cannot be played.
    #[error(transparent)]
    Trace(#[from] ScriptError),
    /// The case cannot be played.
    #[error(transparent)]
    Play(#[from] PlayError),
    /// The driver does not ask what was recorded.
    #[error("the driver does not do with this trace as the hub did: are these the settings of then?\n{}", .0.join("\n"))]
    Other(Vec<String>),
    /// Whatever the instrument says, nothing can come of it.
    #[error("poll {poll} fails for reasons of the driver's own; correct the settings of the device, or the driver")]
    Driver {
        /// Which poll.
        poll: usize,
        /// What it said.
        #[source]
        failure: Failure,
    },
    /// A case that expects no sample would pass with a driver that reads nothing.
    #[error("not one sample came of {polls} polls; is the trace of this device, and are these the settings of then?{}", said(.last.as_deref()))]
    Nothing {
        /// How many.
        polls: usize,
        /// What the driver said last instead.
        last: Option<String>,
    },
}

/// What was made.
#[derive(Debug)]
pub struct Recorded {
    /// What came of the case.
    pub played: Played,
    /// Exchanges of the trace that no poll of the driver asks. They are not in the case.
    pub left_out: usize,
}

/// What a driver does with a trace.
struct Heard {
    /// Polls until the last that brought something new.
    polls: usize,
    /// The trace without what it did not ask, when there is such.
    rest: Option<(String, usize)>,
}

/// Makes the case and says what came of it. What was begun and cannot be ended is taken away again.
pub async fn record(
    plugin: Arc<Plugin>,
    trace: &Path,
    folder: &Path,
    source: &Source,
    state: &Path,
) -> Result<Recorded, RecordError> {
    let begin = Script::read(trace)?.begin();
    if folder.exists() {
        return Err(RecordError::Exists(folder.to_owned()));
    }
    let made = make(plugin, trace, folder, source, begin.map(|begin| begin.to_string()), state).await;
    if made.is_err() {
        // It may not have come so far.
        let _ = fs::remove_dir_all(folder);
    }
    made
}

async fn make(
    plugin: Arc<Plugin>,
    trace: &Path,
    folder: &Path,
    source: &Source,
    begin: Option<String>,
    state: &Path,
) -> Result<Recorded, RecordError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| RecordError::Write { path, source }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let copy = folder.join(TRACE);
    fs::copy(trace, &copy).map_err(failed(&copy))?;
    let Heard { polls, rest } = hear(Arc::clone(&plugin), folder, source, state).await?;
    let mut left_out = 0;
    if let Some((text, count)) = rest {
        fs::write(&copy, text).map_err(failed(&copy))?;
        left_out = count;
    }
    let file = folder.join(CASE);
    fs::write(&file, text(source, begin, polls)).map_err(failed(&file))?;
    let case = Case::read(folder).map_err(PlayError::Case)?;
    let played = play(plugin, &case, state).await?;
    if !played.problems.is_empty() {
        return Err(RecordError::Other(played.problems));
    }
    if !played.told.iter().any(|line| line.contains_key("point")) {
        let last = played.told.iter().rev().find_map(|line| line.get("failure"));
        return Err(RecordError::Nothing { polls, last: last.map(ToString::to_string) });
    }
    let expected = folder.join(EXPECTED);
    fs::write(&expected, told::write(&played.told)).map_err(failed(&expected))?;
    Ok(Recorded { played, left_out })
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
        if actor.stage.is_told() || poll - polls >= IDLE {
            break;
        }
    }
    // Of a driver that read nothing it cannot be said what is another's.
    let rest = is_read.then(|| without(&folder.join(TRACE), |request| actor.stage.is_unasked(request))).transpose()?;
    Ok(Heard { polls, rest: rest.filter(|(_, count)| *count > 0) })
}

fn said(last: Option<&str>) -> String {
    last.map(|last| format!(" The driver said last: {last}")).unwrap_or_default()
}

fn text(source: &Source, begin: Option<String>, polls: usize) -> String {
    let steps = (0..polls).map(|poll| {
        let time = begin.as_ref().filter(|_| poll == 0).map(|begin| ("poll".to_owned(), Value::String(begin.clone())));
        Value::Table(time.into_iter().collect())
    });
    let instrument = Table::from_iter([("trace".to_owned(), Value::String(TRACE.to_owned()))]);
    let members = [
        ("about", Value::String(source.about.clone())),
        ("link", Value::Table(source.link.clone())),
        ("device", Value::Table(source.device.clone())),
        ("settings", Value::Table(source.settings.clone())),
        ("instrument", Value::Table(instrument)),
        ("step", Value::Array(steps.collect())),
    ];
    let is_something = |value: &Value| value.as_table().is_none_or(|table| !table.is_empty());
    let case: Table = members
        .into_iter()
        .filter(|(_, value)| is_something(value))
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    case.to_string()
}
