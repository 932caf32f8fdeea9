//! What goes over a link, shown to whoever asks and to nobody else.
//!
//! Invariant: a link that nobody watches costs one comparison a frame; a watcher that is too slow loses frames and is told how many, the
//! link never waits for it.

use std::fmt::Write;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::notation::hex;
use crate::time::Timestamp;

/// Frames that a slow watcher may be behind.
const BEHIND: usize = 4096;
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// The frames of one link.
#[derive(Debug)]
pub struct Trace {
    link: String,
    frames: broadcast::Sender<Arc<TracedFrame>>,
}

impl Trace {
    /// Of a link that nobody watches yet.
    pub fn new(link: &str) -> Self {
        Trace { link: link.into(), frames: broadcast::Sender::new(BEHIND) }
    }

    /// From now on.
    pub fn watch(&self) -> broadcast::Receiver<Arc<TracedFrame>> {
        self.frames.subscribe()
    }

    /// Shows a frame to whoever watches; what it means is only worked out then.
    pub fn show(&self, direction: Direction, bytes: &[u8], meaning: impl FnOnce() -> String) {
        if self.frames.receiver_count() == 0 {
            return;
        }
        let (at, link, hex) = (Timestamp::now(), self.link.clone(), hex(bytes.get(..LONGEST).unwrap_or(bytes)));
        // Whoever watched may have gone.
        let _ = self.frames.send(Arc::new(TracedFrame { at, link, direction, hex, text: meaning() }));
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
        trace.show(Direction::Out, b"x", || unreachable!("nobody asked"));
        let mut frames = trace.watch();
        trace.show(Direction::In, b"\x01", || "one".into());
        let frame = frames.try_recv().unwrap();
        assert_eq!((frame.direction, frame.hex.as_str(), frame.text.as_str()), (Direction::In, "01", "one"));
    }
}
