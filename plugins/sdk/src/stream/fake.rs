//! An instrument on a line in memory, for the native tests of drivers.
//!
//! It answers whole frames, since cutting bytes into frames is the host's work. Everything that a driver sent is remembered.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;

use crate::driver::Timestamp;
use crate::stream::{Error, Exchange, Frame, Framing, Incoming, Stream, Unasked};

/// Beginnings of a reply that the host takes at most.
const MOST_BEGINNINGS: usize = 32;

/// How an instrument answers what it was sent.
type Answer = dyn FnMut(&[u8]) -> Result<Vec<Vec<u8>>, Error>;

/// A line with an instrument at its end. Clones share it.
#[derive(Clone)]
pub struct Line {
    shared: Rc<RefCell<Shared>>,
}

struct Shared {
    answer: Box<Answer>,
    framing: Option<(Framing, Unasked)>,
    sent: Vec<Vec<u8>>,
    acknowledged: Vec<Vec<u8>>,
    unasked: VecDeque<Frame>,
    dropped: u64,
    connection: u64,
    is_connected: bool,
}

impl Line {
    /// An instrument that answers so: frames, or why none came.
    pub fn new(answer: impl FnMut(&[u8]) -> Result<Vec<Vec<u8>>, Error> + 'static) -> Self {
        let shared = Shared {
            answer: Box::new(answer),
            framing: None,
            sent: Vec::new(),
            acknowledged: Vec::new(),
            unasked: VecDeque::new(),
            dropped: 0,
            connection: 1,
            is_connected: true,
        };
        Line { shared: Rc::new(RefCell::new(shared)) }
    }

    /// An instrument that is never asked: it only pushes.
    pub fn pushing() -> Self {
        Line::new(|_| Err(Error::Timeout))
    }

    /// From now on it answers so.
    pub fn answers(&self, answer: impl FnMut(&[u8]) -> Result<Vec<Vec<u8>>, Error> + 'static) {
        self.shared.borrow_mut().answer = Box::new(answer);
    }

    /// It sends a frame that nobody asked for.
    pub fn push(&self, bytes: impl Into<Vec<u8>>, at: Timestamp) {
        self.shared.borrow_mut().unasked.push_back(Frame { bytes: bytes.into(), at });
    }

    /// The host's queue was full so often.
    pub fn drop_frames(&self, count: u64) {
        self.shared.borrow_mut().dropped += count;
    }

    /// The connection is gone.
    pub fn disconnect(&self) {
        self.shared.borrow_mut().is_connected = false;
    }

    /// There is a new connection.
    pub fn connect(&self) {
        let mut shared = self.shared.borrow_mut();
        shared.is_connected = true;
        shared.connection += 1;
    }

    /// The framing that the driver set.
    pub fn framing(&self) -> Option<(Framing, Unasked)> {
        self.shared.borrow().framing.clone()
    }

    /// What was sent since the last call, in order.
    pub fn sent(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.shared.borrow_mut().sent)
    }

    /// What waits to be sent once the samples are durable, since the last call.
    pub fn acknowledged(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.shared.borrow_mut().acknowledged)
    }
}

impl Stream for Line {
    /// A line at whose end is nobody.
    fn open(_name: &str) -> Result<Self, Error> {
        Ok(Line::pushing())
    }

    fn frames(&self, rule: &Framing, unasked: Unasked) -> Result<(), Error> {
        self.shared.borrow_mut().framing = Some((rule.clone(), unasked));
        Ok(())
    }

    fn request(&self, bytes: &[u8], reply: &Exchange) -> Result<Vec<Vec<u8>>, Error> {
        let mut shared = self.shared.borrow_mut();
        if reply.begins.len() > MOST_BEGINNINGS {
            let (is, limit) = (reply.begins.len(), MOST_BEGINNINGS);
            return Err(Error::BadRequest(format!("begins: {is} given, and at most {limit} are allowed")));
        }
        shared.sent.push(bytes.to_vec());
        if !shared.is_connected {
            return Err(Error::Closed("unplugged".into()));
        }
        let frames = (shared.answer)(bytes)?;
        if shared.framing.is_none() {
            return Err(Error::BadRequest("no framing was set".into()));
        }
        let is_reply =
            |frame: &Vec<u8>| reply.begins.is_empty() || reply.begins.iter().any(|begin| frame.starts_with(begin));
        let (replies, unasked): (Vec<_>, Vec<_>) = frames.into_iter().partition(is_reply);
        shared.unasked.extend(unasked.into_iter().map(|bytes| Frame { bytes, at: Timestamp(0) }));
        let wanted = usize::try_from(reply.frames).unwrap_or(usize::MAX);
        let is_short = replies.len() < wanted && reply.quiet_ms == 0;
        if replies.is_empty() || is_short {
            return Err(Error::Timeout);
        }
        Ok(replies.into_iter().take(wanted).collect())
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Error> {
        self.shared.borrow_mut().sent.push(bytes.to_vec());
        Ok(())
    }

    fn send_when_kept(&self, bytes: &[u8]) -> Result<(), Error> {
        self.shared.borrow_mut().acknowledged.push(bytes.to_vec());
        Ok(())
    }

    fn receive(&self, most: u32) -> Result<Incoming, Error> {
        let mut shared = self.shared.borrow_mut();
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(shared.unasked.len());
        let frames = shared.unasked.drain(..most).collect();
        Ok(Incoming {
            frames,
            dropped: std::mem::take(&mut shared.dropped),
            more: !shared.unasked.is_empty(),
            is_connected: shared.is_connected,
            connection: shared.connection,
        })
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}
