//! Whose turn it is: requests in the order in which they were asked for, and what must pass before the next may be sent.
//!
//! After an exchange that failed the reply may still come. It is thrown away until the line has been quiet, but it may come
//! even later: for as long as the exchange itself could have waited once more, no request is sent whose reply could be mixed up with
//! that one. Two replies cannot be mixed up when both exchanges say how theirs begin and these differ; the other devices on a line whose replies
//! carry an address therefore do not wait for a silent one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::rule::{Exchange, Framing, StreamError};

/// What came back: frames, none where no reply was asked for.
pub(super) type Answer = Result<Vec<Vec<u8>>, StreamError>;

/// Bytes that a device wants to send.
#[derive(Debug)]
pub(super) struct Order {
    /// Name of the device.
    pub(super) device: Arc<str>,
    pub(super) bytes: Vec<u8>,
    /// How they are answered, if they are.
    pub(super) reply: Option<Expected>,
    /// Takes what came back.
    pub(super) answer: oneshot::Sender<Answer>,
}

/// A reply that is to come.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) exchange: Exchange,
    pub(super) rule: Arc<Framing>,
    pub(super) timeout: Duration,
}

/// A reply that may still come.
#[derive(Debug)]
struct Doubt {
    begins: Vec<Vec<u8>>,
    until: Instant,
}

/// The orders that wait, and what they wait for.
#[derive(Debug)]
pub(super) struct Turns {
    waiting: VecDeque<Order>,
    doubts: Vec<Doubt>,
    /// The pause after the last exchange ends.
    free_at: Instant,
}

impl Order {
    /// Whoever asked may have gone.
    pub(super) fn answer(self, answer: Answer) {
        let _ = self.answer.send(answer);
    }
}

impl Turns {
    pub(super) fn new() -> Self {
        Turns { waiting: VecDeque::new(), doubts: Vec::new(), free_at: Instant::now() }
    }

    pub(super) fn push(&mut self, order: Order) {
        self.waiting.push_back(order);
    }

    /// All that wait, because there is no line.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Order> {
        self.waiting.drain(..)
    }

    /// An exchange is over; the next may begin then.
    pub(super) fn pause_until(&mut self, moment: Instant) {
        self.free_at = moment;
    }

    /// When anything may be sent.
    pub(super) fn free_at(&self) -> Instant {
        self.free_at
    }

    /// The reply to this may come until then.
    pub(super) fn doubt(&mut self, begins: &[Vec<u8>], until: Instant) {
        let now = Instant::now();
        self.doubts.retain(|doubt| doubt.until > now);
        self.doubts.push(Doubt { begins: begins.to_vec(), until });
    }

    /// The first order that may be sent now.
    pub(super) fn next(&mut self, now: Instant) -> Option<Order> {
        self.waiting.retain(|order| !order.answer.is_closed());
        let position = self.waiting.iter().position(|order| self.ready_at(order) <= now)?;
        self.waiting.remove(position)
    }

    /// When the next order may be sent, if one waits.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.waiting.iter().map(|order| self.ready_at(order)).min()
    }

    fn ready_at(&self, order: &Order) -> Instant {
        let doubted = self.doubts.iter().filter(|doubt| {
            order.reply.as_ref().is_some_and(|expected| expected.exchange.is_confusable(&doubt.begins))
        });
        doubted.map(|doubt| doubt.until).fold(self.free_at, Instant::max)
    }
}
