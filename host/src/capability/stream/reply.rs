//! Finds the reply in what arrives after a request: the echo taken off, the frames that it consists of, and what came beside it.
//!
//! Invariant: each byte is echo, part of the reply, or given on as [`Beside`].

use std::time::Duration;

use tokio::time::Instant;

use super::framing::{Cut, Cutter, Frame};
use super::rule::{Echo, Exchange, StreamError};
use crate::capability::wire::printable;
use crate::time::Timestamp;

/// Most bytes of a whole reply.
const LARGEST: usize = 4 << 20;

/// What is not the reply, or was found on the way to it.
#[derive(Debug, PartialEq, Eq)]
pub enum Beside {
    /// The request came back.
    Echo,
    /// A frame of the reply, for whoever watches.
    Reply(Vec<u8>),
    /// A frame that nobody asked for.
    Unasked(Frame),
    /// Bytes outside of frames.
    Thrown(Vec<u8>),
    /// A frame that is none.
    Broken {
        /// The bytes.
        bytes: Vec<u8>,
        /// Why.
        reason: String,
    },
}

/// A reply that is being read.
#[derive(Debug)]
pub struct Reply<'a> {
    request: &'a [u8],
    exchange: &'a Exchange,
    cutter: Cutter,
    /// Bytes of the echo that have come; `None`: it came, or none is looked for any more.
    echo: Option<usize>,
    frames: Vec<Vec<u8>>,
    size: usize,
}

impl<'a> Reply<'a> {
    /// Nothing has come yet.
    pub fn new(request: &'a [u8], exchange: &'a Exchange, cutter: Cutter) -> Self {
        let echo = (exchange.echo != Echo::No).then_some(0);
        Reply { request, exchange, cutter, echo, frames: Vec::new(), size: 0 }
    }

    /// What it answers.
    pub fn request(&self) -> &'a [u8] {
        self.request
    }

    /// All frames are there.
    pub fn is_complete(&self) -> bool {
        self.frames.len() >= self.exchange.frames
    }

    /// Moments that mean something if nothing comes after `heard_at`: when the silence ends a frame, and when it ends the reply.
    pub fn ends_in_silence(
        &self,
        heard_at: Instant,
        quiet: Duration,
        stale: Duration,
    ) -> (Option<Instant>, Option<Instant>) {
        let is_in_echo = self.echo.is_some_and(|held| held > 0);
        let patience = if is_in_echo { self.cutter.rule().gap } else { self.cutter.patience(quiet, stale) };
        let is_whole = !self.frames.is_empty() && self.cutter.is_between() && !is_in_echo;
        let of_reply = self.exchange.quiet.filter(|_| is_whole);
        (patience.map(|span| heard_at + span), of_reply.map(|span| heard_at + span))
    }

    /// Its frames, and the cutter for whoever comes next.
    pub fn into_parts(self) -> (Vec<Vec<u8>>, Cutter) {
        (self.frames, self.cutter)
    }

    /// Takes one byte. An echo stands where a frame could begin.
    pub fn take(&mut self, byte: u8, at: Timestamp, beside: &mut Vec<Beside>) -> Result<(), StreamError> {
        let mut cuts = Vec::new();
        match self.echo {
            Some(held) if held > 0 || self.cutter.is_between() => {
                if self.request.get(held) == Some(&byte) {
                    self.echo = Some(held + 1);
                    if held + 1 == self.request.len() {
                        self.echo = None;
                        beside.push(Beside::Echo);
                    }
                    return Ok(());
                }
                self.no_echo(held, at, &mut cuts)?;
                self.cutter.push(byte, at, &mut cuts);
            }
            _ => self.cutter.push(byte, at, &mut cuts),
        }
        self.sort(cuts, beside)
    }

    /// Takes a datagram, which is a frame or an echo with or without one.
    pub fn take_datagram(&mut self, frame: Frame, beside: &mut Vec<Beside>) -> Result<(), StreamError> {
        let longest = self.cutter.rule().longest;
        let Frame { bytes, at } = frame;
        let rest = match self.echo.and_then(|_| bytes.strip_prefix(self.request)) {
            None => bytes,
            Some(rest) => {
                self.echo = None;
                beside.push(Beside::Echo);
                rest.to_vec()
            }
        };
        let cut = match rest.len() {
            0 => return Ok(()),
            length if length > longest => Cut::Broken { bytes: rest, reason: format!("longer than {longest} bytes") },
            _ => Cut::Frame(Frame { bytes: rest, at }),
        };
        self.sort(vec![cut], beside)
    }

    /// The line was silent for the cutter's patience.
    pub fn silence(&mut self, at: Timestamp, beside: &mut Vec<Beside>) -> Result<(), StreamError> {
        let mut cuts = Vec::new();
        match self.echo {
            // What looked like the beginning of an echo was a short reply.
            Some(held) if held > 0 => self.no_echo(held, at, &mut cuts)?,
            _ => {}
        }
        self.cutter.silence(&mut cuts);
        self.sort(cuts, beside)
    }

    /// So many bytes looked like the echo and are not. They belong to a frame.
    fn no_echo(&mut self, held: usize, at: Timestamp, cuts: &mut Vec<Cut>) -> Result<(), StreamError> {
        if self.exchange.echo == Echo::Exact && self.exchange.begins.is_empty() {
            return Err(StreamError::BadResponse(format!(
                "{held} bytes of the echo {} came, and then others",
                printable(self.request)
            )));
        }
        self.echo = Some(0);
        self.request.iter().take(held).for_each(|byte| self.cutter.push(*byte, at, cuts));
        Ok(())
    }

    fn sort(&mut self, cuts: Vec<Cut>, beside: &mut Vec<Beside>) -> Result<(), StreamError> {
        let mut outcome = Ok(());
        for cut in cuts {
            match cut {
                Cut::Thrown(bytes) => beside.push(Beside::Thrown(bytes)),
                Cut::Broken { bytes, reason } => {
                    outcome = Err(StreamError::BadResponse(format!("a frame of {} bytes: {reason}", bytes.len())));
                    beside.push(Beside::Broken { bytes, reason });
                }
                Cut::Frame(frame) if self.is_complete() || !self.exchange.is_reply(&frame.bytes) => {
                    beside.push(Beside::Unasked(frame));
                }
                Cut::Frame(Frame { bytes, .. }) => {
                    beside.push(Beside::Reply(bytes.clone()));
                    self.size += bytes.len();
                    if self.echo.is_some() && self.exchange.echo == Echo::Exact {
                        outcome = Err(StreamError::BadResponse("a reply without the echo in front of it".into()));
                    } else if self.size > LARGEST {
                        outcome = Err(StreamError::BadResponse(format!("a reply of more than {LARGEST} bytes")));
                    }
                    self.echo = None;
                    self.frames.push(bytes);
                }
            }
        }
        outcome
    }
}
