//! How a command of a person reaches a running hub: a Unix socket in the state folder, which only the hub's own user can open.
//!
//! One line of JSON is asked, one line is answered. Nobody is served over the network here.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use super::Hub;
use super::error::ControlError;
use crate::average::Average;
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
}

/// A request on its way to the hub.
pub struct Asked {
    request: Request,
    answer: oneshot::Sender<Result<String, String>>,
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
    while let Ok((stream, _)) = listener.accept().await {
        if let Err(error) = serve(stream, &ask).await {
            warn!("a command was broken off: {error}");
        }
    }
}

async fn serve(stream: UnixStream, ask: &mpsc::Sender<Asked>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    tokio::time::timeout(Duration::from_secs(2), tokio::io::BufReader::new(read.take(LONGEST)).read_line(&mut line))
        .await??;
    let result = match serde_json::from_str(&line) {
        Err(error) => Err(format!("not a request: {error}")),
        Ok(request) => {
            let (answer, answered) = oneshot::channel();
            match ask.send(Asked { request, answer }).await {
                Ok(()) => answered.await.unwrap_or_else(|_| Err("the hub is ending".to_owned())),
                Err(_) => Err("the hub is ending".to_owned()),
            }
        }
    };
    let text = serde_json::to_string(&result).unwrap_or_default();
    write.write_all(text.as_bytes()).await?;
    write.write_all(b"\n").await
}

impl Hub {
    /// Carries out a request, and answers it.
    pub async fn serve(&self, asked: Asked) {
        let Asked { request, answer } = asked;
        let result = match request {
            Request::Command { device, command, arguments } => {
                self.command(&device, &command, &arguments).await.map_err(|error| super::describe(&error))
            }
            Request::Resend { ref sink, .. } if !self.config.sinks.contains_key(sink) => {
                let known: Vec<&str> = self.config.sinks.keys().map(String::as_str).collect();
                Err(format!("no sink {sink} in the running configuration; there is: {}", known.join(", ")))
            }
            Request::Acknowledge { name, by } => self.acknowledge(&name, &by).await,
            request => in_journal(&self.journal, request).await.map_err(|error| super::describe(&error)),
        };
        // Who asked may have gone.
        let _ = answer.send(result);
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
        Request::Command { .. } | Request::Acknowledge { .. } => Err(JournalError::NoHub),
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
