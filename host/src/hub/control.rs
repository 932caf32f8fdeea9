//! How a command of a person reaches a running hub: a Unix socket in the state folder, which only the hub's own user can open.
//!
//! One line of JSON is asked, one line is answered. Nobody is served over the network here.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, Lines};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::Hub;
use super::error::ControlError;
use crate::average::Average;
use crate::capability::wire::{self, Direction, TracedFrame};
use crate::journal::{Event, Journal, JournalError, Release, Resend};
use crate::time::Timestamp;

/// Longest line that is read.
const LONGEST: u64 = 16 << 20;
/// Longest time that who asks waits for the answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a hub, or a journal without one, is asked to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Give a sink a period once more.
    Resend {
        /// The sink.
        sink: String,
        /// Blocks from here on.
        from: Timestamp,
        /// Before this moment.
        to: Timestamp,
    },
    /// Let go what was held.
    Release(Release),
    /// Somebody has seen an alarm.
    Acknowledge {
        /// The alarm.
        name: String,
        /// Who.
        by: String,
    },
    /// Add revisions, and record why.
    Revise {
        /// The averages as they came out.
        averages: Vec<Average>,
        /// The recomputation; the last request of it has it.
        event: Option<Event>,
    },
    /// Have a device carry out a command.
    Command {
        /// The device.
        device: String,
        /// The command.
        command: String,
        /// Its arguments.
        arguments: String,
    },
    /// Say what plugins have used.
    Figures,
    /// Read the configuration files again and go over to them.
    Reload {
        /// The files, whole paths, in their order: they must be those that the hub reads.
        files: Vec<PathBuf>,
    },
    /// Show what goes over a device's link, from now on until whoever asked hangs up.
    Trace {
        /// The device.
        device: String,
    },
}

/// What is answered.
pub enum Answer {
    /// One sentence.
    Text(String),
    /// One sentence, and then frames as they go over the link.
    Frames(String, wire::Frames),
}

/// A request on its way to the hub.
pub struct Asked {
    request: Request,
    answer: oneshot::Sender<Result<Answer, String>>,
}

impl Asked {
    /// The files, when this asks to read the configuration again. Then it is [`Asked::answer`]ed and not served.
    pub fn reload(&self) -> Option<&[PathBuf]> {
        match &self.request {
            Request::Reload { files } => Some(files),
            _ => None,
        }
    }

    /// Answers with one sentence, or why not.
    pub fn answer(self, result: Result<String, String>) {
        // Who asked may have gone.
        let _ = self.answer.send(result.map(Answer::Text));
    }
}

/// The hub's end. Dropping it takes the socket away.
pub struct Control {
    file: PathBuf,
    asked: mpsc::Receiver<Asked>,
    task: tokio::task::JoinHandle<()>,
}

fn socket(state: &Path) -> PathBuf {
    state.join("control.sock")
}

impl Control {
    /// Listens in this state folder. A hub that cannot listen still runs; commands then say that they cannot reach it.
    pub fn listen(state: &Path) -> Option<Self> {
        let file = socket(state);
        // One that a killed hub left behind. Whoever is here holds the journal, so that no other hub listens.
        let _ = std::fs::remove_file(&file);
        let listener = match UnixListener::bind(&file) {
            Ok(listener) => listener,
            Err(error) => {
                warn!("commands to this hub will not reach it: {}: {error}", file.display());
                return None;
            }
        };
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        if let Err(error) = std::fs::set_permissions(&file, private) {
            warn!("{}: {error}", file.display());
        }
        let (ask, asked) = mpsc::channel(8);
        Some(Control { file, asked, task: tokio::spawn(listen(listener, ask)) })
    }

    /// The next request. Cancel safe.
    pub async fn next(&mut self) -> Option<Asked> {
        self.asked.recv().await
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_file(&self.file);
    }
}

async fn listen(listener: UnixListener, ask: mpsc::Sender<Asked>) {
    // Each is served beside the others: one who watches a link may do so for days.
    let mut served = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while served.try_join_next().is_some() {}
        let ask = ask.clone();
        served.spawn(async move {
            if let Err(error) = serve(stream, &ask).await {
                debug!("a command was broken off: {error}");
            }
        });
    }
}

async fn serve(stream: UnixStream, ask: &mpsc::Sender<Asked>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    tokio::time::timeout(Duration::from_secs(2), tokio::io::BufReader::new(read.take(LONGEST)).read_line(&mut line))
        .await??;
    let answer = match serde_json::from_str(&line) {
        Err(error) => Err(format!("not a request: {error}")),
        Ok(request) => {
            let (answer, answered) = oneshot::channel();
            match ask.send(Asked { request, answer }).await {
                Ok(()) => answered.await.unwrap_or_else(|_| Err("the hub is ending".to_owned())),
                Err(_) => Err("the hub is ending".to_owned()),
            }
        }
    };
    let (result, frames) = match answer {
        Ok(Answer::Text(text)) => (Ok(text), None),
        Ok(Answer::Frames(text, frames)) => (Ok(text), Some(frames)),
        Err(reason) => (Err(reason), None),
    };
    write_line(&mut write, &result).await?;
    let Some(mut frames) = frames else { return Ok(()) };
    loop {
        match frames.recv().await {
            Ok(frame) => write_line(&mut write, &*frame).await?,
            Err(RecvError::Lagged(count)) => {
                let text = format!("{count} frames were not shown: whoever watches is too slow");
                let (at, link, hex) = (Timestamp::now(), String::new(), String::new());
                let content = Some(wire::Content::Gap(count));
                let frame = TracedFrame { at, link, direction: Direction::State, hex, text, content };
                write_line(&mut write, &frame).await?;
            }
            Err(RecvError::Closed) => return Ok(()),
        }
    }
}

async fn write_line(write: &mut OwnedWriteHalf, what: &impl Serialize) -> std::io::Result<()> {
    let mut text = serde_json::to_string(what)?;
    text.push('\n');
    write.write_all(text.as_bytes()).await
}

impl Hub {
    /// Carries out a request, and answers it.
    pub async fn serve(&self, asked: Asked) {
        let Asked { request, answer } = asked;
        let result = match request {
            Request::Trace { device } => {
                let result = self.trace(&device);
                let _ = answer.send(result);
                return;
            }
            Request::Command { device, command, arguments } => {
                self.command(&device, &command, &arguments).await.map_err(|error| super::describe(&error))
            }
            Request::Figures => serde_json::to_string(&self.figures()).map_err(|error| error.to_string()),
            Request::Resend { ref sink, .. } if !self.config.sinks.contains_key(sink) => {
                let known: Vec<&str> = self.config.sinks.keys().map(String::as_str).collect();
                Err(format!("no sink {sink} in the running configuration; there is: {}", known.join(", ")))
            }
            Request::Acknowledge { name, by } => self.acknowledge(&name, &by).await,
            request => in_journal(&self.journal, request).await.map_err(|error| super::describe(&error)),
        };
        // Who asked may have gone.
        let _ = answer.send(result.map(Answer::Text));
    }

    fn trace(&self, device: &str) -> Result<Answer, String> {
        let Some(link) = self.config.devices.get(device).map(|device| &device.link) else {
            let known: Vec<&str> = self.config.devices.keys().map(String::as_str).collect();
            return Err(format!("no device {device} in the running configuration; there is: {}", known.join(", ")));
        };
        let connection = self.links.get(link).ok_or_else(|| format!("link {link} is not in use"))?;
        let others = self.config.devices.iter().filter(|(name, other)| other.link == *link && *name != device);
        let others: Vec<&str> = others.map(|(name, _)| name.as_str()).collect();
        let shared = if others.is_empty() { String::new() } else { format!(", shared with {}", others.join(", ")) };
        Ok(Answer::Frames(format!("link {link} of device {device}{shared}"), connection.trace().watch()))
    }
}

/// What needs the journal and no device.
async fn in_journal(journal: &Journal, request: Request) -> Result<String, JournalError> {
    match request {
        Request::Resend { sink, from, to } => {
            journal.resend(Resend { sink, from, to }).await.map(|deliveries| deliveries.to_string())
        }
        Request::Release(release) => journal.release(release).await.map(|deliveries| deliveries.to_string()),
        Request::Revise { averages, event } => {
            let count = averages.len();
            journal.revise(averages).await?;
            if let Some(event) = event {
                journal.event(event).await?;
                journal.flush().await?;
            }
            Ok(count.to_string())
        }
        Request::Command { .. }
        | Request::Acknowledge { .. }
        | Request::Figures
        | Request::Reload { .. }
        | Request::Trace { .. } => Err(JournalError::NoHub),
    }
}

/// Asks the hub that runs in this state folder; `None`: none runs.
pub fn ask_running(state: &Path, request: &Request) -> Result<Option<String>, ControlError> {
    let Ok(stream) = std::os::unix::net::UnixStream::connect(socket(state)) else { return Ok(None) };
    let exchange = || -> std::io::Result<String> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        (&stream).write_all(line.as_bytes())?;
        let mut answer = String::new();
        BufReader::new(&stream).read_line(&mut answer)?;
        Ok(answer)
    };
    let answer = exchange().map_err(ControlError::Broken)?;
    let result: Result<String, String> =
        serde_json::from_str(&answer).map_err(|error| ControlError::Broken(error.into()))?;
    result.map(Some).map_err(ControlError::Refused)
}

/// Frames of a device's link, from the hub that runs in this state folder.
pub struct Watch {
    /// What is watched, in words.
    pub what: String,
    lines: Lines<tokio::io::BufReader<UnixStream>>,
}

/// Watches the link of a device; `None`: no hub runs.
pub async fn watch(state: &Path, device: &str) -> Result<Option<Watch>, ControlError> {
    let Ok(mut stream) = UnixStream::connect(socket(state)).await else { return Ok(None) };
    let mut request = serde_json::to_string(&Request::Trace { device: device.to_owned() })
        .map_err(|error| ControlError::Broken(error.into()))?;
    request.push('\n');
    stream.write_all(request.as_bytes()).await.map_err(ControlError::Broken)?;
    let mut lines = tokio::io::BufReader::new(stream).lines();
    let answer = lines.next_line().await.map_err(ControlError::Broken)?.unwrap_or_default();
    let result: Result<String, String> =
        serde_json::from_str(&answer).map_err(|error| ControlError::Broken(error.into()))?;
    Ok(Some(Watch { what: result.map_err(ControlError::Refused)?, lines }))
}

impl Watch {
    /// The next frame; `None` when the hub has ended. Cancel safe.
    pub async fn next(&mut self) -> Result<Option<TracedFrame>, ControlError> {
        let Some(line) = self.lines.next_line().await.map_err(ControlError::Broken)? else { return Ok(None) };
        serde_json::from_str(&line).map(Some).map_err(|error| ControlError::Broken(error.into()))
    }
}

/// Asks the running hub; without one, opens the journal for the moment and does it there.
pub async fn ask(journal: &Path, request: Request) -> Result<String, ControlError> {
    let state = journal.parent().unwrap_or(Path::new(""));
    if let Some(answer) = ask_running(state, &request)? {
        return Ok(answer);
    }
    if !journal.exists() {
        return Err(ControlError::Journal(JournalError::Missing { file: journal.to_owned() }));
    }
    let settings = crate::config::model::Journal::default();
    let (open, running) = Journal::open(journal, &settings, crate::journal::Nothing).map_err(ControlError::Journal)?;
    let result = in_journal(&open, request).await.map_err(ControlError::Journal);
    drop(open);
    let ended = tokio::task::spawn_blocking(move || running.join()).await;
    ended.map_err(|_| ControlError::Journal(JournalError::Closed))?;
    result
}
