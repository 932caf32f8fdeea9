//! A device's place on a line: how its frames look, what came for it unasked, what waits to be sent for it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::framing::Frame;
use super::rule::{Framing, StreamError};
use crate::capability::wire::Inbox;

/// Acknowledgements that wait at most.
const MOST_ACKNOWLEDGEMENTS: usize = 1_000;

/// What a frame that nobody asked for does besides waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unasked {
    /// It wakes the device's poll.
    Wakes,
    /// Nothing.
    Waits,
}

/// A device's place on a line.
#[derive(Debug)]
pub(super) struct Seat {
    /// Name of the device.
    pub(super) device: Arc<str>,
    rule: Mutex<Option<Arc<Framing>>>,
    wakes: AtomicBool,
    inbox: Inbox<Arrived>,
    acknowledgements: Mutex<Acknowledgements>,
}

/// A frame that nobody asked for, and over which connection it came.
#[derive(Debug, Clone)]
pub(super) struct Arrived {
    pub(super) frame: Frame,
    pub(super) connection: u64,
}

/// Bytes after which the instrument forgets. Another connection may have another instrument, or one that begins anew, at its end:
/// they are only good on the one over which came what they acknowledge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Acknowledgement {
    pub(super) bytes: Vec<u8>,
    pub(super) connection: u64,
}

#[derive(Debug, Default)]
struct Acknowledgements {
    /// Connection of the oldest frame in hand.
    connection: Option<u64>,
    /// For what is in hand.
    held: Vec<Acknowledgement>,
    /// For what is durable.
    ready: VecDeque<Acknowledgement>,
}

/// What a device takes out of its queue.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Incoming {
    /// Oldest first.
    pub frames: Vec<Frame>,
    /// Frames dropped since the last call.
    pub dropped: u64,
    /// There are more.
    pub more: bool,
}

impl Seat {
    pub(super) fn new(device: &Arc<str>, queue: usize) -> Self {
        Seat {
            device: Arc::clone(device),
            rule: Mutex::default(),
            wakes: AtomicBool::new(false),
            inbox: Inbox::new(queue),
            acknowledgements: Mutex::default(),
        }
    }

    /// How its frames look, when it has said so.
    pub(super) fn rule(&self) -> Option<Arc<Framing>> {
        self.rule.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_rule(&self, rule: Framing, unasked: Unasked) {
        self.wakes.store(unasked == Unasked::Wakes, Ordering::Relaxed);
        *self.rule.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(rule));
    }

    pub(super) fn bell(&self) -> Arc<Notify> {
        self.inbox.bell()
    }

    /// A frame came that nobody asked for.
    pub(super) fn push(&self, frame: Frame, connection: u64) {
        self.inbox.push(Arrived { frame, connection });
        if self.wakes.load(Ordering::Relaxed) {
            self.inbox.ring();
        }
    }

    pub(super) fn receive(&self, most: usize) -> Incoming {
        let taken = self.inbox.take(most);
        let oldest = taken.items.iter().map(|(arrived, _)| arrived.connection).min();
        if let Some(oldest) = oldest {
            self.with(|inside| inside.connection = Some(inside.connection.map_or(oldest, |known| known.min(oldest))));
        }
        let frames = taken.items.into_iter().map(|(arrived, _)| arrived.frame).collect();
        Incoming { frames, dropped: taken.dropped, more: taken.more }
    }

    /// Keeps bytes until what is in hand is durable; `connection` is the one of now.
    pub(super) fn hold(&self, bytes: Vec<u8>, connection: u64) -> Result<(), StreamError> {
        self.with(|inside| {
            if inside.held.len() >= MOST_ACKNOWLEDGEMENTS {
                return Err(StreamError::BadRequest(format!(
                    "more than {MOST_ACKNOWLEDGEMENTS} acknowledgements in one poll"
                )));
            }
            let connection = inside.connection.unwrap_or(connection);
            inside.held.push(Acknowledgement { bytes, connection });
            Ok(())
        })
    }

    pub(super) fn is_in_hand(&self) -> bool {
        self.inbox.is_in_hand() || self.with(|inside| !inside.held.is_empty())
    }

    /// What was in hand is durable: its acknowledgements may go. Says how many gave way because too many wait.
    pub(super) fn kept(&self) -> usize {
        self.inbox.kept();
        self.with(|inside| {
            inside.connection = None;
            inside.ready.extend(inside.held.drain(..));
            // An instrument that misses one sends its data again.
            let excess = inside.ready.len().saturating_sub(MOST_ACKNOWLEDGEMENTS);
            inside.ready.drain(..excess).count()
        })
    }

    /// What was in hand is not: it is handed out again, and nothing of it is acknowledged. Says how many frames were given up.
    pub(super) fn not_kept(&self) -> usize {
        self.with(|inside| {
            inside.connection = None;
            inside.held.clear();
        });
        self.inbox.not_kept().len()
    }

    /// The next acknowledgement that may go.
    pub(super) fn next_acknowledgement(&self) -> Option<Acknowledgement> {
        self.with(|inside| inside.ready.pop_front())
    }

    pub(super) fn has_acknowledgement(&self) -> bool {
        self.with(|inside| !inside.ready.is_empty())
    }

    fn with<R>(&self, work: impl FnOnce(&mut Acknowledgements) -> R) -> R {
        work(&mut self.acknowledgements.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
