//! A device that answers as it once did: what `tutin trace` wrote, played back.
//!
//! A request is known by its bytes, those of a Modbus TCP transaction number left aside, which the answer takes over. The same request is
//! answered with its answers in turn, from the first again after the last. What the device sent unasked it sends again after a connection is
//! made, with the pauses that it had. A request that is not in the trace is not answered.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::capability::wire::{Direction, TracedFrame};
use crate::simulator::StartError;
use crate::time::Timestamp;

/// Silence after which the bytes that came are one request.
const END_OF_REQUEST: Duration = Duration::from_millis(20);
/// Longest pause that is played as it was.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Pause before connecting again.
const RECONNECT: Duration = Duration::from_secs(1);

/// Why a trace cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The file is not there.
    #[error("cannot read {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A line is no frame.
    #[error("{}:{line}: not a frame of a trace: {reason}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// It has no bytes to play.
    #[error("{}: nothing in it can be played: its link shows no bytes", path.display())]
    NoBytes {
        /// Which file.
        path: PathBuf,
    },
}

/// What a device said, and to what.
#[derive(Debug, Default)]
pub struct Script {
    /// Answers of each request, in turn.
    answers: HashMap<Vec<u8>, Vec<Vec<u8>>>,
    /// What came unasked, each with the pause before it.
    pushed: Vec<(Duration, Vec<u8>)>,
}

/// A script that waits for somebody to connect.
#[derive(Debug)]
pub struct Replayed {
    script: Arc<Script>,
    listener: TcpListener,
    address: SocketAddr,
}

impl Script {
    /// Reads a file that `tutin trace` wrote.
    pub fn read(path: &Path) -> Result<Self, ScriptError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ScriptError::File { path: path.to_owned(), source })?;
        let mut frames = Vec::new();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = |reason: String| ScriptError::Line { path: path.to_owned(), line: number + 1, reason };
            let frame: TracedFrame = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
            let bytes = bytes(&frame.hex).ok_or_else(|| wrong("hex is no hexadecimal text".into()))?;
            if !bytes.is_empty() {
                frames.push((frame.at, frame.direction, bytes));
            }
        }
        let script = Script::of(frames);
        if script.answers.is_empty() && script.pushed.is_empty() {
            return Err(ScriptError::NoBytes { path: path.to_owned() });
        }
        Ok(script)
    }

    fn of(frames: Vec<(Timestamp, Direction, Vec<u8>)>) -> Self {
        let mut script = Script::default();
        let mut asked: Option<Vec<u8>> = None;
        let mut answer: Vec<u8> = Vec::new();
        let mut before: Option<Timestamp> = None;
        for (at, direction, bytes) in frames {
            match (direction, &asked) {
                (Direction::Out, _) => {
                    script.note(asked.replace(key(&bytes)), std::mem::take(&mut answer));
                }
                (Direction::In, Some(_)) => answer.extend(bytes),
                (Direction::In, None) => {
                    let pause = before.map_or(0, |before| at.0.saturating_sub(before.0));
                    let pause = Duration::from_nanos(u64::try_from(pause).unwrap_or_default()).min(LONGEST_PAUSE);
                    before = Some(at);
                    script.pushed.push((pause, bytes));
                }
                (Direction::State, _) => {}
            }
        }
        script.note(asked, answer);
        script
    }

    fn note(&mut self, asked: Option<Vec<u8>>, answer: Vec<u8>) {
        if let Some(asked) = asked {
            self.answers.entry(asked).or_default().push(answer);
        }
    }

    /// How many exchanges it has, and how many frames that came unasked.
    pub fn size(&self) -> (usize, usize) {
        (self.answers.values().map(Vec::len).sum(), self.pushed.len())
    }

    /// Waits for somebody to connect.
    pub async fn listen(self, address: SocketAddr) -> Result<Replayed, StartError> {
        let failed = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Replayed { script: Arc::new(self), listener, address })
    }

    /// Connects, and connects again, until the token is cancelled.
    pub async fn connect(self, address: SocketAddr, shutdown: CancellationToken) {
        let play = async {
            loop {
                match TcpStream::connect(address).await {
                    Ok(stream) => self.play(stream).await,
                    Err(error) => warn!("{address}: {error}"),
                }
                sleep(RECONNECT).await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = play => {}
        }
    }

    async fn play(&self, mut stream: TcpStream) {
        for (pause, bytes) in &self.pushed {
            sleep(*pause).await;
            if stream.write_all(bytes).await.is_err() {
                return;
            }
        }
        let mut turns: HashMap<Vec<u8>, usize> = HashMap::new();
        while let Some(request) = request(&mut stream).await {
            let Some(answer) = self.answer(&request, &mut turns) else {
                info!("a request that is not in the trace: {}", crate::notation::hex(&request));
                continue;
            };
            if stream.write_all(&answer).await.is_err() {
                return;
            }
        }
    }

    fn answer(&self, request: &[u8], turns: &mut HashMap<Vec<u8>, usize>) -> Option<Vec<u8>> {
        let key = key(request);
        let answers = self.answers.get(&key)?;
        let turn = turns.entry(key).or_default();
        let answer = answers.get(*turn % answers.len())?.clone();
        *turn += 1;
        Some(if is_modbus_tcp(request) && is_modbus_tcp(&answer) {
            request.iter().take(2).chain(answer.iter().skip(2)).copied().collect()
        } else {
            answer
        })
    }
}

impl Replayed {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Plays to everybody who connects, until the token is cancelled.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut played = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            while played.try_join_next().is_some() {}
            if let Ok((stream, _)) = accepted {
                let script = Arc::clone(&self.script);
                played.spawn(async move { script.play(stream).await });
            }
        }
    }
}

/// The bytes that come until there is a silence; `None`: the other end has closed.
async fn request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut buffer = [0; 4096];
    let mut came = Vec::new();
    loop {
        let read = stream.read(&mut buffer);
        let count = match came.is_empty() {
            true => read.await.ok()?,
            false => match timeout(END_OF_REQUEST, read).await {
                Ok(count) => count.ok()?,
                Err(_) => return Some(came),
            },
        };
        if count == 0 {
            return None;
        }
        came.extend(buffer.get(..count)?);
    }
}

/// A request without the number of its transaction.
fn key(request: &[u8]) -> Vec<u8> {
    request.get(if is_modbus_tcp(request) { 2 } else { 0 }..).unwrap_or_default().to_vec()
}

/// Protocol number zero, and the length of what follows it.
fn is_modbus_tcp(frame: &[u8]) -> bool {
    match frame {
        [_, _, 0, 0, high, low, rest @ ..] => usize::from(u16::from_be_bytes([*high, *low])) == rest.len(),
        _ => false,
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp(millis * 1_000_000)
    }

    #[test]
    fn a_request_gets_its_answers_in_turn_under_its_own_transaction() {
        let ask = |transaction: u8| vec![0, transaction, 0, 0, 0, 2, 1, 4];
        let reply = |transaction: u8, value: u8| vec![0, transaction, 0, 0, 0, 2, 1, value];
        let script = Script::of(vec![
            (at(0), Direction::Out, ask(1)),
            (at(1), Direction::In, reply(1, 10)),
            (at(2), Direction::Out, ask(2)),
            (at(3), Direction::In, reply(2, 20)),
        ]);
        let mut turns = HashMap::new();
        for (transaction, value) in [(7, 10), (8, 20), (9, 10)] {
            assert_eq!(script.answer(&ask(transaction), &mut turns), Some(reply(transaction, value)));
        }
        assert_eq!(script.answer(b"unknown", &mut turns), None);
    }

    #[test]
    fn what_came_in_pieces_is_one_answer_and_what_came_unasked_keeps_its_pauses() {
        let script = Script::of(vec![
            (at(0), Direction::In, b"hello".to_vec()),
            (at(250), Direction::In, b"again".to_vec()),
            (at(300), Direction::Out, b"\x82no\r".to_vec()),
            (at(301), Direction::In, b"no 1.0".to_vec()),
            (at(302), Direction::In, b" ppb\r".to_vec()),
        ]);
        assert_eq!(
            script.pushed,
            [(Duration::ZERO, b"hello".to_vec()), (Duration::from_millis(250), b"again".to_vec())]
        );
        assert_eq!(script.answer(b"\x82no\r", &mut HashMap::new()), Some(b"no 1.0 ppb\r".to_vec()));
        assert_eq!(script.size(), (1, 2));
    }
}
