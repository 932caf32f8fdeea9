//! What goes over a link, shown to whoever asks and to nobody else.
//!
//! Invariant: a link that nobody watches costs one comparison a frame; a watcher that is too slow loses frames and is told how many, the
//! link never waits for it.

use std::fmt::Write;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use crate::notation::hex;
use crate::time::Timestamp;

/// Frames that a slow watcher may be behind.
const BEHIND: usize = 4096;
/// The same where each may have a thousand nodes.
const NODES_BEHIND: usize = 256;
/// Most bytes of a frame that are shown.
const LONGEST: usize = 65_536;

/// Which way a frame went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the hub.
    Out,
    /// To the hub.
    In,
    /// Neither: the connection itself changed.
    State,
}

/// One frame, as it is shown and as it is written to a file: one JSON object a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TracedFrame {
    /// When.
    pub at: Timestamp,
    /// On which link.
    pub link: String,
    /// Which way.
    pub direction: Direction,
    /// Its bytes in hexadecimal; empty where the link has none to show.
    pub hex: String,
    /// What it means.
    pub text: String,
    /// What of it its bytes do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
}

impl TracedFrame {
    /// As a line of a file.
    pub fn to_line(&self) -> serde_json::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }
}

/// What a frame carries besides its bytes, where a playback must know it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// A message of MQTT. Its payload is the frame's bytes.
    Message(MessageHead),
    /// What a server of OPC UA said of its nodes.
    Nodes(Vec<SeenNode>),
    /// So many frames before this one were not shown.
    Gap(u64),
}

/// A node of OPC UA: what was said of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeenNode {
    /// `nsu=http://vendor.example/;s=NO`, or `i=85` in the namespace of OPC UA.
    pub id: String,
    /// Where it is, or what it has.
    #[serde(flatten)]
    pub said: Said,
}

/// What a server says of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// Another node refers to it.
    Below {
        /// The other.
        parent: String,
        /// The node of the type of the reference.
        reference: String,
        /// Namespace of its browse name; empty for that of OPC UA.
        namespace: String,
        /// Its browse name.
        name: String,
        /// Its node class, as the standard numbers them.
        class: u32,
        /// The node of its type definition.
        type_definition: Option<String>,
    },
    /// It has this value.
    Value {
        /// As the standard names the type; `EUInformation` by its display name.
        data_type: String,
        /// None where there is none; a text where JSON has no such number.
        value: Option<serde_json::Value>,
        /// Its status code.
        status: u32,
        /// Its source time.
        time: Option<Timestamp>,
    },
}

/// A message of MQTT without its payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageHead {
    /// Its topic.
    pub topic: String,
    /// Quality of service, 0 to 2.
    pub qos: u8,
    /// Whether the broker had kept it from before.
    pub retained: bool,
    /// Whether it was sent before, perhaps.
    pub again: bool,
    /// Its number, by which it is known when it comes again; 0 with quality of service 0.
    pub packet: u16,
    /// Bytes of its payload; of a long one the frame shows the first.
    pub length: usize,
}

/// What is shown of a frame besides its bytes.
#[derive(Debug)]
pub struct Shown {
    text: String,
    content: Option<Content>,
}

impl Shown {
    /// Words, and what the bytes do not say.
    pub fn with(text: String, content: Content) -> Self {
        Shown { text, content: Some(content) }
    }
}

impl From<String> for Shown {
    fn from(text: String) -> Self {
        Shown { text, content: None }
    }
}

/// What may come over a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speech {
    /// Answers to questions of the hub, and nothing else.
    Answers,
    /// Anything at any time.
    Free,
}

/// The frames of one link.
#[derive(Debug)]
pub struct Trace {
    link: String,
    speech: Speech,
    frames: broadcast::Sender<Arc<TracedFrame>>,
}

/// The frames of one link, for one who watches it.
#[derive(Debug)]
pub struct Frames {
    frames: broadcast::Receiver<Arc<TracedFrame>>,
    speech: Speech,
    /// What comes is the end of an answer whose question was not seen.
    is_within_answer: bool,
}

impl Trace {
    /// Of a link over which anything may come at any time.
    pub fn new(link: &str) -> Self {
        Trace { link: link.into(), speech: Speech::Free, frames: broadcast::Sender::new(BEHIND) }
    }

    /// Of a link over which nothing comes that was not asked for.
    pub fn of_answers(link: &str) -> Self {
        Trace { speech: Speech::Answers, ..Trace::new(link) }
    }

    /// Of a link over which nodes are spoken of, by the thousand.
    pub fn of_nodes(link: &str) -> Self {
        Trace { frames: broadcast::Sender::new(NODES_BEHIND), ..Trace::new(link) }
    }

    /// Whether anybody watches.
    pub fn is_watched(&self) -> bool {
        self.frames.receiver_count() > 0
    }

    /// From now on; where only answers come, from the next question on.
    pub fn watch(&self) -> Frames {
        let (frames, speech) = (self.frames.subscribe(), self.speech);
        Frames { frames, speech, is_within_answer: speech == Speech::Answers }
    }

    /// Shows a frame to whoever watches; what it means is only worked out then.
    pub fn show<S: Into<Shown>>(&self, direction: Direction, bytes: &[u8], meaning: impl FnOnce() -> S) {
        if !self.is_watched() {
            return;
        }
        let (at, link, hex) = (Timestamp::now(), self.link.clone(), hex(bytes.get(..LONGEST).unwrap_or(bytes)));
        let Shown { text, content } = meaning().into();
        // Whoever watched may have gone.
        let _ = self.frames.send(Arc::new(TracedFrame { at, link, direction, hex, text, content }));
    }
}

impl Frames {
    /// The next frame. Cancel safe.
    pub async fn recv(&mut self) -> Result<Arc<TracedFrame>, RecvError> {
        loop {
            let frame = self.frames.recv().await.inspect_err(|_| self.skipped())?;
            if self.is_shown(&frame) {
                return Ok(frame);
            }
        }
    }

    /// The next frame that is there already.
    pub fn try_recv(&mut self) -> Result<Arc<TracedFrame>, TryRecvError> {
        loop {
            let frame = self.frames.try_recv().inspect_err(|error| {
                if matches!(error, TryRecvError::Lagged(_)) {
                    self.skipped();
                }
            })?;
            if self.is_shown(&frame) {
                return Ok(frame);
            }
        }
    }

    /// What was skipped may have ended within an answer.
    fn skipped(&mut self) {
        self.is_within_answer = self.speech == Speech::Answers;
    }

    fn is_shown(&mut self, frame: &TracedFrame) -> bool {
        self.is_within_answer &= frame.direction == Direction::In;
        !self.is_within_answer
    }
}

/// Names of the characters that cannot be printed, by their codes. The form feed has none: FF is a byte.
pub const CONTROL: [&str; 32] = [
    "NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "HT", "LF", "VT", "0C", "CR", "SO", "SI", "DLE",
    "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS", "RS", "US",
];

/// Bytes as text, with names for what cannot be printed: `<STX>DA<ETX>3A`.
pub fn printable(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len()), |mut text, byte| {
        match (CONTROL.get(usize::from(*byte)), byte) {
            (Some(name), _) => drop(write!(text, "<{name}>")),
            (None, 0x20..=0x7e) => text.push(char::from(*byte)),
            (None, _) => drop(write!(text, "<{byte:02X}>")),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_printed_has_a_name() {
        assert_eq!(printable(b"\x02DA097\x033A\r\xff"), "<STX>DA097<ETX>3A<CR><FF>");
        assert_eq!(hex(&[0, 0xa5]), "00a5");
    }

    #[test]
    fn a_link_that_nobody_watches_explains_nothing() {
        let trace = Trace::new("line-a");
        trace.show(Direction::Out, b"x", || -> String { unreachable!("nobody asked") });
        let mut frames = trace.watch();
        trace.show(Direction::In, b"\x01", || String::from("one"));
        let frame = frames.try_recv().unwrap();
        assert_eq!((frame.direction, frame.hex.as_str(), frame.text.as_str()), (Direction::In, "01", "one"));
    }

    #[test]
    fn an_answer_whose_question_was_not_seen_is_not_shown() {
        let seen = |trace: Trace| {
            let mut frames = trace.watch();
            for (direction, byte) in [(Direction::In, 1), (Direction::In, 2), (Direction::Out, 3), (Direction::In, 4)] {
                trace.show(direction, &[byte], String::new);
            }
            std::iter::from_fn(|| frames.try_recv().ok()).map(|frame| frame.hex.clone()).collect::<Vec<_>>()
        };
        assert_eq!(seen(Trace::of_answers("line-a")), ["03", "04"]);
        assert_eq!(seen(Trace::new("line-a")), ["01", "02", "03", "04"]);
    }

    #[test]
    fn nor_one_whose_question_was_skipped() {
        let trace = Trace::of_answers("line-a");
        let mut frames = trace.watch();
        let show = |direction, byte| trace.show(direction, &[byte], String::new);
        show(Direction::Out, 1);
        (0..BEHIND).for_each(|_| show(Direction::In, 2));
        show(Direction::In, 3);
        show(Direction::Out, 4);
        assert!(matches!(frames.try_recv(), Err(TryRecvError::Lagged(3))));
        assert_eq!(frames.try_recv().unwrap().hex, "04");
    }
}
