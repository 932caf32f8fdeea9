//! Bytes over a line: TCP, a serial port, UDP, or a socket where the instrument connects.
//!
//! [`Stream`] is what a driver asks of its link. [`Link`] is the real one; [`fake::Line`] is an instrument in memory for a
//! driver's own tests. The host cuts what arrives into frames by the driver's [`Framing`]; the driver sees whole frames.
//!
//! A driver never retries within a poll: it reports the error, and the next poll is the retry.

mod error;
#[cfg(not(target_arch = "wasm32"))]
pub mod fake;
mod link;

use crate::driver::Timestamp;

pub use error::Error;
pub use link::Link;

/// What a driver asks of its line.
pub trait Stream: Sized {
    /// The link that the description asked for by this name.
    fn open(name: &str) -> Result<Self, Error>;
    /// How frames are recognised from now on, and whether one that nobody asked for wakes the poll.
    fn frames(&self, rule: &Framing, unasked: Unasked) -> Result<(), Error>;
    /// Sends the bytes and waits for the frames that answer them.
    fn request(&self, bytes: &[u8], reply: &Exchange) -> Result<Vec<Vec<u8>>, Error>;
    /// Sends bytes that are not answered.
    fn send(&self, bytes: &[u8]) -> Result<(), Error>;
    /// Sends bytes once what this poll returns is durable: an acknowledgement after which the instrument forgets.
    fn send_when_kept(&self, bytes: &[u8]) -> Result<(), Error>;
    /// Takes at most so many frames that came unasked. Never waits.
    fn receive(&self, most: u32) -> Result<Incoming, Error>;

    /// A request that one frame answers.
    fn ask(&self, bytes: &[u8], reply: &Exchange) -> Result<Vec<u8>, Error> {
        let mut frames = self.request(bytes, reply)?.into_iter();
        match (frames.next(), frames.next()) {
            (Some(frame), None) => Ok(frame),
            (frame, _) => Err(Error::BadResponse(match frame {
                None => "no frame".into(),
                Some(_) => "several frames instead of one".into(),
            })),
        }
    }
}

/// What happens when a frame arrives that nobody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unasked {
    /// The device is polled at once.
    Wakes,
    /// It waits for the next poll.
    Waits,
}

/// How a frame is recognised. At least one of `ends`, `length` and `gap_ms` must be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Framing {
    /// A frame begins with one of these; empty: with any byte.
    pub starts: Vec<Vec<u8>>,
    /// A frame ends with one of these, which belong to it.
    pub ends: Vec<Vec<u8>>,
    /// So many bytes follow the end: a block check.
    pub trailer: u8,
    /// The length is in the frame.
    pub length: Option<Length>,
    /// So much silence ends a frame, milliseconds; 0: none does.
    pub gap_ms: u32,
    /// Longest frame, bytes, 1 to 65,536.
    pub longest: u32,
}

/// A length that stands in the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    /// Bytes from the beginning of the frame.
    pub offset: u16,
    /// Bytes that it takes, 1 to 8.
    pub width: u8,
    /// How it is written.
    pub notation: Notation,
    /// What is added to get the length of the whole frame.
    pub extra: u16,
}

/// How a length is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notation {
    /// Binary, most significant byte first.
    BigEndian,
    /// Binary, least significant byte first.
    LittleEndian,
    /// Decimal digits.
    Decimal,
    /// Hexadecimal digits.
    Hexadecimal,
}

/// Whether the instrument repeats a request in front of its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo {
    /// It does not.
    No,
    /// Exactly the bytes that were sent.
    Exact,
    /// Perhaps; taken off when it is there.
    Perhaps,
}

/// How a request is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Whether the request comes back first.
    pub echo: Echo,
    /// How a reply begins; empty: the next frame is the reply.
    pub begins: Vec<Vec<u8>>,
    /// Frames in the reply, 1 to 1,000.
    pub frames: u32,
    /// Silence that ends a reply of fewer frames, milliseconds; 0: all must come.
    pub quiet_ms: u32,
    /// Longest wait, milliseconds; 0: that of the link.
    pub timeout_ms: u32,
}

/// A frame and when its last byte arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// All its bytes.
    pub bytes: Vec<u8>,
    /// When it was complete.
    pub at: Timestamp,
}

/// What came unasked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Incoming {
    /// Oldest first.
    pub frames: Vec<Frame>,
    /// Frames dropped since the last call because the queue was full.
    pub dropped: u64,
    /// There are more.
    pub more: bool,
    /// Whether there is a connection now.
    pub is_connected: bool,
    /// Counts connections.
    pub connection: u64,
}

impl Framing {
    /// Frames that end with any of these.
    pub fn ended_by(ends: &[&[u8]]) -> Self {
        Framing {
            starts: Vec::new(),
            ends: ends.iter().map(|end| end.to_vec()).collect(),
            trailer: 0,
            length: None,
            gap_ms: 0,
            longest: 4096,
        }
    }

    /// Frames whose length stands in them.
    pub fn measured(length: Length) -> Self {
        Framing { length: Some(length), ..Framing::ended_by(&[]) }
    }

    /// That begin with any of these.
    pub fn begun_by(mut self, starts: &[&[u8]]) -> Self {
        self.starts = starts.iter().map(|start| start.to_vec()).collect();
        self
    }

    /// With so many bytes of block check after the end.
    pub fn trailed_by(mut self, bytes: u8) -> Self {
        self.trailer = bytes;
        self
    }

    /// Also ended by so much silence.
    pub fn or_gap_ms(mut self, gap_ms: u32) -> Self {
        self.gap_ms = gap_ms;
        self
    }

    /// At most so many bytes.
    pub fn at_most(mut self, bytes: u32) -> Self {
        self.longest = bytes;
        self
    }
}

impl Default for Exchange {
    /// The next frame is the reply; the link's own timeout.
    fn default() -> Self {
        Exchange { echo: Echo::No, begins: Vec::new(), frames: 1, quiet_ms: 0, timeout_ms: 0 }
    }
}

impl Exchange {
    /// The reply begins with one of these.
    pub fn begins_with(begins: &[&[u8]]) -> Self {
        Exchange { begins: begins.iter().map(|begin| begin.to_vec()).collect(), ..Exchange::default() }
    }

    /// The request comes back in front of the reply.
    pub fn echoed(mut self, echo: Echo) -> Self {
        self.echo = echo;
        self
    }

    /// At most so many frames; silence ends a shorter reply.
    pub fn up_to(mut self, frames: u32, quiet_ms: u32) -> Self {
        (self.frames, self.quiet_ms) = (frames, quiet_ms);
        self
    }

    /// Its own timeout.
    pub fn within_ms(mut self, timeout_ms: u32) -> Self {
        self.timeout_ms = timeout_ms;
        self
    }
}
