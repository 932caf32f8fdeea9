//! How a device's frames look and how its requests are answered, checked.
//!
//! Both come from a plugin, so that everything in them is bounded here; what is inside is valid by type.

use std::time::Duration;

use thiserror::Error;

/// Longest frame, bytes.
pub const LONGEST_FRAME: usize = 65_536;
/// Longest request, bytes.
pub const LONGEST_REQUEST: usize = 65_536;
/// Longest wait for a reply.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Most frames in a reply.
const MOST_FRAMES: u32 = 1_000;
/// Most starts, ends or beginnings, and most bytes of one.
const MOST_MARKS: usize = 32;

/// Why an exchange brought nothing that can be used, by who is at fault.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StreamError {
    /// No complete reply in time.
    #[error("timeout after {} ms", .0.as_millis())]
    Timeout(Duration),
    /// There is no connection now.
    #[error("not connected: {0}")]
    Closed(String),
    /// Nothing was sent: the call breaks the contract.
    #[error("{0}")]
    BadRequest(String),
    /// What came is no frame, or not the echo.
    #[error("bad reply: {0}")]
    BadResponse(String),
}

/// How frames are recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Framing {
    /// A frame begins with one of these; none: with any byte.
    pub starts: Vec<Vec<u8>>,
    /// A frame ends with one of these.
    pub ends: Vec<Vec<u8>>,
    /// Bytes that follow an end and belong to the frame.
    pub trailer: usize,
    /// A length in the frame.
    pub length: Option<Length>,
    /// Silence that ends a frame.
    pub gap: Option<Duration>,
    /// Longest frame, bytes.
    pub longest: usize,
}

/// A length that stands in the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    /// Bytes from the beginning of the frame.
    pub offset: usize,
    /// Bytes that it takes.
    pub width: usize,
    /// How it is written.
    pub notation: Notation,
    /// What is added to get the length of the whole frame.
    pub extra: usize,
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

/// Whether the instrument repeats the request in front of its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo {
    /// It does not.
    No,
    /// Exactly the bytes sent.
    Exact,
    /// Perhaps.
    Perhaps,
}

/// How a request is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Whether the request comes back first.
    pub echo: Echo,
    /// A reply begins with one of these; none: the next frame is the reply.
    pub begins: Vec<Vec<u8>>,
    /// Frames that make the reply.
    pub frames: usize,
    /// Silence that ends a reply of fewer frames.
    pub quiet: Option<Duration>,
    /// Longest wait, when it is not the link's.
    pub timeout: Option<Duration>,
}

impl Framing {
    /// The rule, if it keeps its bounds.
    pub fn checked(self) -> Result<Self, StreamError> {
        marks("starts", &self.starts)?;
        marks("ends", &self.ends)?;
        if self.ends.is_empty() && self.length.is_none() && self.gap.is_none() {
            return bad("framing: one of ends, length and gap-ms must be given".into());
        }
        if self.longest == 0 || self.longest > LONGEST_FRAME {
            return bad(format!("framing: longest is {}, and 1 to {LONGEST_FRAME} are allowed", self.longest));
        }
        if let Some(Length { offset, width, .. }) = self.length {
            if !(1..=8).contains(&width) {
                return bad(format!("framing: length.width is {width}, and 1 to 8 are allowed"));
            }
            if offset + width > self.longest {
                return bad(format!("framing: the length ends at byte {} of at most {}", offset + width, self.longest));
            }
        }
        Ok(self)
    }
}

impl Notation {
    /// The notation with this code.
    pub fn of(code: u8) -> Result<Self, StreamError> {
        match code {
            0 => Ok(Notation::BigEndian),
            1 => Ok(Notation::LittleEndian),
            2 => Ok(Notation::Decimal),
            3 => Ok(Notation::Hexadecimal),
            _ => bad(format!("framing: length.notation is {code}, and 0 to 3 are known")),
        }
    }

    /// The number that is written so; `None`: these are not its digits.
    pub(super) fn read(self, bytes: &[u8]) -> Option<u64> {
        let binary = |sum: u64, byte: &u8| (sum << 8) | u64::from(*byte);
        let digits = |radix: u32| {
            bytes.iter().try_fold(0u64, |sum, byte| {
                let digit = char::from(*byte).to_digit(radix)?;
                Some(sum * u64::from(radix) + u64::from(digit))
            })
        };
        match self {
            Notation::BigEndian => Some(bytes.iter().fold(0, binary)),
            Notation::LittleEndian => Some(bytes.iter().rev().fold(0, binary)),
            Notation::Decimal => digits(10),
            Notation::Hexadecimal => digits(16),
        }
    }
}

impl Echo {
    /// The echo with this code.
    pub fn of(code: u8) -> Result<Self, StreamError> {
        match code {
            0 => Ok(Echo::No),
            1 => Ok(Echo::Exact),
            2 => Ok(Echo::Perhaps),
            _ => bad(format!("exchange: echo is {code}, and 0 to 2 are known")),
        }
    }
}

impl Exchange {
    /// The exchange, if it keeps its bounds.
    pub fn checked(self) -> Result<Self, StreamError> {
        marks("begins", &self.begins)?;
        if self.frames == 0 || self.frames > MOST_FRAMES as usize {
            return bad(format!("exchange: frames is {}, and 1 to {MOST_FRAMES} are allowed", self.frames));
        }
        for (what, span) in [("quiet-ms", self.quiet), ("timeout-ms", self.timeout)] {
            if let Some(span) = span.filter(|span| *span > LONGEST_WAIT) {
                let (is, limit) = (span.as_millis(), LONGEST_WAIT.as_millis());
                return bad(format!("exchange: {what} is {is}, and at most {limit} are allowed"));
            }
        }
        Ok(self)
    }

    /// Whether a frame can belong to the reply.
    pub(super) fn is_reply(&self, frame: &[u8]) -> bool {
        self.begins.is_empty() || self.begins.iter().any(|begin| frame.starts_with(begin))
    }

    /// Whether a frame that answers the one could be taken for an answer to the other.
    pub(super) fn is_confusable(&self, other: &[Vec<u8>]) -> bool {
        let overlap = |a: &Vec<u8>, b: &Vec<u8>| a.starts_with(b) || b.starts_with(a);
        self.begins.is_empty() || other.is_empty() || self.begins.iter().any(|a| other.iter().any(|b| overlap(a, b)))
    }
}

/// Bytes that can be sent.
pub fn sendable(bytes: &[u8]) -> Result<(), StreamError> {
    match bytes.len() {
        0 => bad("there are no bytes to send".into()),
        length if length > LONGEST_REQUEST => {
            bad(format!("{length} bytes to send, and at most {LONGEST_REQUEST} are allowed"))
        }
        _ => Ok(()),
    }
}

fn marks(what: &str, marks: &[Vec<u8>]) -> Result<(), StreamError> {
    if marks.len() > MOST_MARKS {
        return bad(format!("{what}: {} given, and at most {MOST_MARKS} are allowed", marks.len()));
    }
    match marks.iter().find(|mark| mark.is_empty() || mark.len() > MOST_MARKS) {
        Some(mark) => bad(format!("{what}: one of {} bytes, and 1 to {MOST_MARKS} are allowed", mark.len())),
        None => Ok(()),
    }
}

fn bad<T>(text: String) -> Result<T, StreamError> {
    Err(StreamError::BadRequest(text))
}
