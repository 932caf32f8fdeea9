//! Cuts what arrives into frames.
//!
//! ```text
//! noise  02 4D 44 … 03 33 41  02 4D
//!        └ start    └ end └ trailer: a frame of bytes 02 to 41, and the first two of the next
//! ```
//!
//! A frame ends where the first of these is met: an end and its trailer, the length that stands in it, silence. Bytes
//! before a start are thrown away. A frame that grows too long, or whose length is no number or cannot be, is broken: it is
//! thrown away, and so is what follows up to the next place where a frame can begin: a start, or where no start is
//! given the byte after an end, or else silence.
//!
//! Invariants: each byte goes into exactly one frame or is thrown away once, in order; where the input was split does not
//! matter. There is no clock in here: who reads the line says when it was silent.

use std::sync::Arc;
use std::time::Duration;

use super::rule::{Framing, Length};
use crate::time::Timestamp;

/// A frame and when its last byte arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// All its bytes.
    pub bytes: Vec<u8>,
    /// When it was complete.
    pub at: Timestamp,
}

/// What became of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// They are a frame.
    Frame(Frame),
    /// They belong to none.
    Thrown(Vec<u8>),
    /// They were to be one and cannot.
    Broken {
        /// The bytes.
        bytes: Vec<u8>,
        /// Why they cannot.
        reason: String,
    },
}

/// Where frames begin and end in what arrives.
#[derive(Debug)]
pub struct Cutter {
    rule: Arc<Framing>,
    /// Of the frame that is being read, or the last bytes of what is skipped.
    bytes: Vec<u8>,
    /// When the last of them came.
    at: Timestamp,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Between two frames, or in a start.
    Seeking,
    /// In a frame whose start takes so many bytes; it is complete with `target` bytes, as far as that is known.
    Inside { start: usize, target: Option<usize>, end: Mark, length: Mark },
    /// After a broken frame; `left` bytes after an end are thrown away too.
    Skipping { left: Option<usize> },
}

/// Whether something in a frame was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Expected,
    Met,
}

impl Cutter {
    /// Between two frames.
    pub fn new(rule: Arc<Framing>) -> Self {
        Cutter { rule, bytes: Vec::new(), at: Timestamp(0), state: State::Seeking }
    }

    /// The rule that it cuts by.
    pub fn rule(&self) -> &Arc<Framing> {
        &self.rule
    }

    /// Nothing of a frame has come yet.
    pub fn is_between(&self) -> bool {
        self.bytes.is_empty() && matches!(self.state, State::Seeking)
    }

    /// How many bytes of a frame it has.
    pub fn held(&self) -> usize {
        if matches!(self.state, State::Skipping { .. }) { 0 } else { self.bytes.len() }
    }

    /// How long a silence means something now: the rule's gap in a frame, `quiet` after a broken one, else `stale`.
    pub fn patience(&self, quiet: Duration, stale: Duration) -> Option<Duration> {
        match &self.state {
            State::Skipping { .. } => Some(self.rule.gap.unwrap_or(quiet)),
            _ if self.is_between() => None,
            _ => Some(self.rule.gap.unwrap_or(stale)),
        }
    }

    /// Takes one byte.
    pub fn push(&mut self, byte: u8, at: Timestamp, cuts: &mut Vec<Cut>) {
        if matches!(self.state, State::Inside { .. }) && self.bytes.len() >= self.rule.longest {
            self.too_long(cuts);
        }
        self.at = at;
        match self.state {
            State::Seeking => self.seek(byte, cuts),
            State::Inside { .. } => {
                self.bytes.push(byte);
                self.judge(cuts);
            }
            State::Skipping { left } => self.skip(byte, left, cuts),
        }
    }

    /// The line was silent for as long as [`Cutter::patience`] said.
    pub fn silence(&mut self, cuts: &mut Vec<Cut>) {
        match std::mem::replace(&mut self.state, State::Seeking) {
            State::Inside { .. } if self.rule.gap.is_some() => self.complete(cuts),
            State::Skipping { .. } => self.bytes.clear(),
            State::Inside { .. } | State::Seeking => throw_all(&mut self.bytes, cuts),
        }
    }

    /// What is there of a frame is thrown away: it will not go on.
    pub fn break_off(&mut self, cuts: &mut Vec<Cut>) {
        if matches!(self.state, State::Skipping { .. }) {
            self.bytes.clear();
        }
        self.state = State::Seeking;
        throw_all(&mut self.bytes, cuts);
    }

    /// Bytes were missed: a frame may be under way whose beginning nobody saw.
    pub fn missed(&mut self, cuts: &mut Vec<Cut>) {
        self.break_off(cuts);
        if self.rule.starts.is_empty() {
            self.state = State::Skipping { left: None };
        }
    }

    fn seek(&mut self, byte: u8, cuts: &mut Vec<Cut>) {
        self.bytes.push(byte);
        if self.rule.starts.is_empty() {
            return self.enter(0, cuts);
        }
        while !self.bytes.is_empty() {
            if self.rule.starts.contains(&self.bytes) {
                return self.enter(self.bytes.len(), cuts);
            }
            if self.rule.starts.iter().any(|start| start.starts_with(&self.bytes)) {
                return;
            }
            throw(self.bytes.remove(0), cuts);
        }
    }

    fn enter(&mut self, start: usize, cuts: &mut Vec<Cut>) {
        self.state = State::Inside { start, target: None, end: Mark::Expected, length: Mark::Expected };
        self.judge(cuts);
    }

    /// Looks whether the frame is complete, or cannot be.
    fn judge(&mut self, cuts: &mut Vec<Cut>) {
        let State::Inside { start, target, end, length } = &mut self.state else {
            return;
        };
        let read = self.bytes.len();
        let earliest =
            |target: &mut Option<usize>, found: usize| *target = Some(target.map_or(found, |t| t.min(found)));
        if let (Some(rule), Mark::Expected) = (self.rule.length, *length)
            && let Some(digits) = self.bytes.get(rule.offset..rule.offset + rule.width)
        {
            *length = Mark::Met;
            match whole(rule, digits, read, self.rule.longest) {
                Ok(whole) => earliest(target, whole),
                Err(reason) => return self.broken(reason, cuts),
            }
        }
        let body = self.bytes.get(*start..).unwrap_or_default();
        if *end == Mark::Expected && self.rule.ends.iter().any(|end| body.ends_with(end)) {
            *end = Mark::Met;
            earliest(target, read + self.rule.trailer);
        }
        if *target == Some(read) {
            self.state = State::Seeking;
            self.complete(cuts);
        }
    }

    fn complete(&mut self, cuts: &mut Vec<Cut>) {
        cuts.push(Cut::Frame(Frame { bytes: std::mem::take(&mut self.bytes), at: self.at }));
    }

    fn too_long(&mut self, cuts: &mut Vec<Cut>) {
        self.broken(format!("longer than {} bytes", self.rule.longest), cuts);
    }

    fn broken(&mut self, reason: String, cuts: &mut Vec<Cut>) {
        let bytes = std::mem::take(&mut self.bytes);
        if self.rule.starts.is_empty() {
            // An end may stand across the place where the frame broke.
            let tail = bytes.len().saturating_sub(self.longest_end().saturating_sub(1));
            self.bytes = bytes.get(tail..).unwrap_or_default().to_vec();
            self.state = State::Skipping { left: None };
        } else {
            self.state = State::Seeking;
        }
        cuts.push(Cut::Broken { bytes, reason });
    }

    fn skip(&mut self, byte: u8, left: Option<usize>, cuts: &mut Vec<Cut>) {
        throw(byte, cuts);
        let left = match left {
            Some(left) => left.saturating_sub(1),
            None => {
                self.bytes.push(byte);
                if !self.rule.ends.iter().any(|end| self.bytes.ends_with(end)) {
                    let tail = self.bytes.len().saturating_sub(self.longest_end());
                    self.bytes.drain(..tail);
                    return;
                }
                self.rule.trailer
            }
        };
        if left == 0 {
            self.bytes.clear();
            self.state = State::Seeking;
        } else {
            self.state = State::Skipping { left: Some(left) };
        }
    }

    fn longest_end(&self) -> usize {
        self.rule.ends.iter().map(Vec::len).max().unwrap_or_default()
    }
}

/// Length of the whole frame, or why it cannot be that.
fn whole(rule: Length, digits: &[u8], read: usize, longest: usize) -> Result<usize, String> {
    let Some(number) = rule.notation.read(digits) else {
        return Err(format!("{:?} where its length should stand", String::from_utf8_lossy(digits)));
    };
    let whole = usize::try_from(number).unwrap_or(usize::MAX).saturating_add(rule.extra);
    if whole > longest {
        Err(format!("says that it has {whole} bytes, and {longest} are allowed"))
    } else if whole < read {
        Err(format!("says that it has {whole} bytes, and {read} are there already"))
    } else {
        Ok(whole)
    }
}

fn throw(byte: u8, cuts: &mut Vec<Cut>) {
    match cuts.last_mut() {
        Some(Cut::Thrown(bytes)) => bytes.push(byte),
        _ => cuts.push(Cut::Thrown(vec![byte])),
    }
}

fn throw_all(bytes: &mut Vec<u8>, cuts: &mut Vec<Cut>) {
    bytes.drain(..).for_each(|byte| throw(byte, cuts));
}
