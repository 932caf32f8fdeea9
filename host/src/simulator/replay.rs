//! A device that answers as it once did: what `tutin trace` wrote, played back.
//!
//! A request is known by its bytes, those of a Modbus TCP transaction number left aside, which the answer takes over. The same request is
//! answered with its answers in turn, from the first again after the last. What the device sent unasked it sends again after a connection is
//! made, with the pauses that it had. A request that is not in the trace is not answered, and one that the end of the trace cuts off is
//! answered as it was before.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::capability::wire::{Content, Direction, TracedFrame};
use crate::notation::{hex, unhex};
use crate::simulator::StartError;
use crate::simulator::scripted::line::{Exchange, Line, Open, is_same};
use crate::time::Timestamp;

/// Longest pause that is played as it was.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How often it is looked whether something was asked that is not in the trace.
const LOOK: Duration = Duration::from_secs(1);

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
    /// Its frames do not follow each other.
    #[error("{}: {count} frames before {at} are not in it, for they were too many to show: nothing true can be made of the rest", path.display())]
    Gap {
        /// Which file.
        path: PathBuf,
        /// Before when.
        at: Timestamp,
        /// How many.
        count: u64,
    },
    /// It is of a broker or a server.
    #[error("{}: this is no instrument on a line; make a case of it with tutin plugin record, which tutin plugin test plays", path.display())]
    NoLine {
        /// Which file.
        path: PathBuf,
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
    begin: Option<Timestamp>,
    exchanges: Vec<Exchange>,
    /// What came unasked, each with the pause before it.
    pushed: Vec<(Duration, Vec<u8>)>,
}

/// A script that waits for somebody to connect.
#[derive(Debug)]
pub struct Replayed {
    line: Line,
    open: Open,
}

impl Script {
    /// Reads a file that `tutin trace` wrote.
    pub fn read(path: &Path) -> Result<Self, ScriptError> {
        let frames = frames(path)?;
        if frames.iter().any(|(frame, _)| frame.content.is_some()) {
            return Err(ScriptError::NoLine { path: path.to_owned() });
        }
        let frames = frames.into_iter().map(|(frame, bytes)| (frame.at, frame.direction, bytes));
        let script = Script::of(frames.filter(|(.., bytes)| !bytes.is_empty()).collect());
        if script.exchanges.is_empty() && script.pushed.is_empty() {
            return Err(ScriptError::NoBytes { path: path.to_owned() });
        }
        Ok(script)
    }

    fn of(frames: Vec<(Timestamp, Direction, Vec<u8>)>) -> Self {
        let mut script = Script { begin: frames.first().map(|(at, ..)| *at), ..Script::default() };
        let mut asked: Option<Vec<u8>> = None;
        let mut answer: Vec<u8> = Vec::new();
        let mut before: Option<Timestamp> = None;
        for (at, direction, bytes) in frames {
            match (direction, &asked) {
                (Direction::Out, _) => {
                    script.note(asked.replace(bytes), std::mem::take(&mut answer));
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
        let is_cut_off = |request: &Vec<u8>| {
            let mut before = script.exchanges.iter();
            before.any(|exchange| is_same(&exchange.request, request) && exchange.reply.len() > answer.len())
        };
        let asked = asked.filter(|request| !is_cut_off(request));
        script.note(asked, answer);
        script
    }

    fn note(&mut self, asked: Option<Vec<u8>>, reply: Vec<u8>) {
        if let Some(request) = asked {
            self.exchanges.push(Exchange::new(request, reply));
        }
    }

    /// When it was recorded.
    pub fn begin(&self) -> Option<Timestamp> {
        self.begin
    }

    /// How many exchanges it has, and how many frames that came unasked.
    pub fn size(&self) -> (usize, usize) {
        (self.exchanges.len(), self.pushed.len())
    }

    /// An instrument that says the same.
    pub fn line(self) -> Line {
        Line::new(self.exchanges, self.pushed)
    }

    /// Waits for somebody to connect.
    pub async fn listen(self, address: SocketAddr) -> Result<Replayed, StartError> {
        let line = self.line();
        let open = line.listen(address).await?;
        Ok(Replayed { line, open })
    }

    /// Connects, and connects again, until the token is cancelled.
    pub async fn connect(self, address: SocketAddr, shutdown: CancellationToken) {
        let line = self.line();
        let open = line.connect(address);
        Replayed { line, open }.run(shutdown).await;
    }
}

/// A trace without the exchanges whose requests are left out, as text; and how many those are. What came unasked stays.
pub fn without(path: &Path, is_left_out: impl Fn(&[u8]) -> bool) -> Result<(String, usize), ScriptError> {
    let (mut text, mut count, mut is_out) = (String::new(), 0, false);
    for (frame, bytes) in frames(path)? {
        if frame.direction == Direction::Out {
            is_out = is_left_out(&bytes);
            count += usize::from(is_out);
        }
        if !is_out || frame.direction == Direction::State {
            let line = serde_json::to_string(&frame);
            text += &line.map_err(|error| ScriptError::File { path: path.to_owned(), source: error.into() })?;
            text.push('\n');
        }
    }
    Ok((text, count))
}

/// The frames of a file that `tutin trace` wrote, each with its bytes.
pub fn frames(path: &Path) -> Result<Vec<(TracedFrame, Vec<u8>)>, ScriptError> {
    let text = std::fs::read_to_string(path).map_err(|source| ScriptError::File { path: path.to_owned(), source })?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let frame = |(number, line): (usize, &str)| {
        let wrong = |reason: String| ScriptError::Line { path: path.to_owned(), line: number + 1, reason };
        let frame: TracedFrame = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
        if let Some(Content::Gap(count)) = frame.content {
            return Err(ScriptError::Gap { path: path.to_owned(), at: frame.at, count });
        }
        let bytes = unhex(&frame.hex).ok_or_else(|| wrong("hex is no hexadecimal text".into()))?;
        Ok::<_, ScriptError>((frame, bytes))
    };
    lines.map(frame).collect()
}

impl Replayed {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.open.address
    }

    /// Plays until the token is cancelled, and says what it is asked that is not in the trace.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = look.tick() => {
                    for request in self.line.unexpected() {
                        info!("a request that is not in the trace: {}", hex(&request));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp(millis * 1_000_000)
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
        let exchange = script.exchanges.first().map(|exchange| (&exchange.request[..], &exchange.reply[..]));
        assert_eq!(exchange, Some((&b"\x82no\r"[..], &b"no 1.0 ppb\r"[..])));
        assert_eq!(script.size(), (1, 2));
    }

    #[test]
    fn a_question_at_the_very_end_is_not_taken_for_one_without_an_answer() {
        let ask = |transaction, count| vec![0, transaction, 0, 0, 0, 6, 1, 4, 0, 0, 0, count];
        let reply = |transaction| vec![0, transaction, 0, 0, 0, 3, 1, 0x84, 2];
        let replies = |last| {
            let script = Script::of(vec![
                (at(0), Direction::Out, ask(1, 8)),
                (at(1), Direction::In, reply(1)),
                (at(2), Direction::Out, ask(2, 9)),
                (at(3), Direction::Out, last),
            ]);
            script.exchanges.into_iter().map(|exchange| exchange.reply).collect::<Vec<_>>()
        };
        assert_eq!(replies(ask(3, 8)), [reply(1), vec![]], "it was answered before");
        assert_eq!(replies(ask(3, 9)), [reply(1), vec![], vec![]], "it never was");
    }

    #[test]
    fn exchanges_that_are_left_out_go_with_their_answers() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let line = |direction: &str, hex: &str| {
            format!(
                "{{\"at\":\"2026-11-01T00:00:00Z\",\"link\":\"l\",\"direction\":\"{direction}\",\"hex\":\"{hex}\",\"text\":\"\"}}\n"
            )
        };
        let own = line("in", "09") + &line("out", "0103") + &line("in", "0107");
        let other = line("out", "0203") + &line("in", "02") + &line("in", "07");
        std::fs::write(file.path(), format!("{own}{other}{}{own}{other}", line("state", ""))).unwrap();

        let (text, count) = without(file.path(), |request| request == [2, 3]).unwrap();

        // What comes after the other's answer cannot be told from it.
        let rest = line("out", "0103") + &line("in", "0107");
        assert_eq!((text, count), (format!("{own}{}{rest}", line("state", "")), 2));
    }
}
