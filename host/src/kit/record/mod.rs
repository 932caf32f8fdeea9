//! A trace of a real instrument becomes a case.
//!
//! `exchanges` makes one of what was asked and answered in bytes, `messages` of what came from a broker, `nodes` of what a server of OPC UA said.

mod exchanges;
mod messages;
mod nodes;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use toml::{Table, Value};

use crate::config::model::Limits;
use crate::kit::case::{CASE, Case, EXPECTED};
use crate::kit::play::{PlayError, Played, play};
use crate::kit::told;
use crate::notation::counted;
use crate::plugin::{Failure, Plugin};
use crate::simulator::replay::ScriptError;
use crate::time::Timestamp;

/// Most polls of one case.
const POLLS: usize = 100;
/// Span of what comes unasked in one step: a driver is woken by the first of it.
const STEP: Duration = Duration::from_millis(100);

/// What is known of the instrument besides its trace.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// One sentence: what was recorded where and when. Without it when, and with which driver.
    pub about: Option<String>,
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
    /// Nothing in it is for this device.
    #[error("{}: {what}", path.display())]
    Empty {
        /// The trace.
        path: PathBuf,
        /// What there is not.
        what: String,
    },
    /// The trace shows the begin of it only.
    #[error(
        "the message of {topic} at {at} has {length} bytes, and the trace has the first of them only: without it there is no case"
    )]
    Cut {
        /// Its topic.
        topic: String,
        /// When it came.
        at: Timestamp,
        /// Its length.
        length: usize,
    },
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
    /// What of the trace is not in it, a sentence for each reason.
    pub left_out: Vec<String>,
}

/// What a trace makes of a case.
struct Scenes {
    /// As `[instrument]`.
    instrument: Table,
    /// As `[[step]]`.
    steps: Vec<Table>,
    /// As in [`Recorded`].
    left_out: Vec<String>,
}

/// Makes the case and says what came of it. What was begun and cannot be ended is taken away again.
pub async fn record(
    plugin: Arc<Plugin>,
    trace: &Path,
    folder: &Path,
    source: &Source,
    state: &Path,
) -> Result<Recorded, RecordError> {
    let begun = Begun::new(folder)?;
    let scenes = match source.link.get("type").and_then(Value::as_str) {
        Some("mqtt") => messages::scenes(trace, &source.topics())?,
        Some("opcua") => nodes::scenes(trace)?,
        _ => exchanges::scenes(Arc::clone(&plugin), trace, folder, source, state).await?,
    };
    let file = folder.join(CASE);
    let about = match &source.about {
        Some(about) => about.clone(),
        None => about(&plugin, &scenes).await,
    };
    fs::write(&file, text(&about, source, &scenes)).map_err(failed(&file))?;
    let case = Case::read(folder).map_err(PlayError::Case)?;
    let played = play(plugin, &case, state).await?;
    if !played.problems.is_empty() {
        return Err(RecordError::Other(played.problems));
    }
    if !played.told.iter().any(|line| line.contains_key("point")) {
        let last = played.told.iter().rev().find_map(|line| line.get("failure"));
        return Err(RecordError::Nothing { polls: scenes.steps.len(), last: last.map(ToString::to_string) });
    }
    let expected = folder.join(EXPECTED);
    fs::write(&expected, told::write(&played.told)).map_err(failed(&expected))?;
    begun.keep();
    Ok(Recorded { played, left_out: scenes.left_out })
}

/// A folder that was made for a case, and goes again when no case comes of it: on a mistake, and when somebody does not wait for the end.
struct Begun<'a>(Option<&'a Path>);

impl<'a> Begun<'a> {
    fn new(folder: &'a Path) -> Result<Self, RecordError> {
        if let Some(parent) = folder.parent() {
            fs::create_dir_all(parent).map_err(failed(parent))?;
        }
        fs::create_dir(folder).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => RecordError::Exists(folder.to_owned()),
            _ => failed(folder)(error),
        })?;
        Ok(Begun(Some(folder)))
    }

    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if let Some(folder) = self.0 {
            // What cannot be removed is in the way of the next one, which says so.
            let _ = fs::remove_dir_all(folder);
        }
    }
}

impl Source {
    /// What its driver may subscribe to.
    fn topics(&self) -> Vec<&str> {
        self.device.get("topics").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    }
}

/// What came within the span of a step and fits together, for as many steps as a case has; and how much came after them.
fn grouped<T>(came: Vec<T>, at: impl Fn(&T) -> Timestamp, fits: impl Fn(&[T], &T) -> bool) -> (Vec<Vec<T>>, usize) {
    let mut groups: Vec<Vec<T>> = Vec::new();
    for one in came {
        let is_soon = |group: &Vec<T>| group.first().is_some_and(|first| at(first).after(STEP) > at(&one));
        match groups.last_mut() {
            Some(group) if is_soon(group) && fits(group, &one) => group.push(one),
            _ => groups.push(vec![one]),
        }
    }
    let later = groups.split_off(groups.len().min(POLLS)).iter().map(Vec::len).sum();
    (groups, later)
}

/// A sentence for each count of things of a trace that are not in its case, with the reason.
fn left_out<const N: usize>(counts: [(usize, &str, &str); N]) -> Vec<String> {
    let some = counts.into_iter().filter(|(count, ..)| *count > 0);
    some.map(|(count, noun, why)| format!("not in the case: {} of the trace, {why}", counted(count, noun))).collect()
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> RecordError {
    let path = path.to_owned();
    move |source| RecordError::Write { path, source }
}

/// A step that polls, at this time or at that of the step before.
fn poll(at: Option<Timestamp>) -> Table {
    at.map(|at| ("poll".to_owned(), Value::String(at.to_string()))).into_iter().collect()
}

fn said(last: Option<&str>) -> String {
    last.map(|last| format!(" The driver said last: {last}")).unwrap_or_default()
}

/// What can be said of a case without asking anybody.
async fn about(plugin: &Plugin, scenes: &Scenes) -> String {
    let begin = scenes.steps.first().and_then(|step| step.get("poll")?.as_str());
    let day = begin.and_then(|begin| begin.split_once('T')).map(|(day, _)| format!(" on {day}")).unwrap_or_default();
    let name = plugin.description(&Limits::default()).await;
    let name = name.map(|described| format!(" with {} {}", described.name, described.version)).unwrap_or_default();
    format!("Recorded of a real instrument{day}{name}.")
}

fn text(about: &str, source: &Source, scenes: &Scenes) -> String {
    let steps = scenes.steps.iter().cloned().map(Value::Table);
    let members = [
        ("about", Value::String(about.to_owned())),
        ("link", Value::Table(source.link.clone())),
        ("device", Value::Table(source.device.clone())),
        ("settings", Value::Table(source.settings.clone())),
        ("instrument", Value::Table(scenes.instrument.clone())),
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
