//! A message that waits for devices, and the acknowledgement that the broker waits for.
//!
//! A message may be wanted by several devices; each has a share in it. When all of them have kept what they made of it, the
//! acknowledgement is due. When the message is forgotten before that, it is abandoned: the broker must send it again.
//!
//! Invariant: an acknowledgement carries the number of the connection on which it is due, and is never sent on another.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio_util::bytes::Bytes;

use crate::time::Timestamp;

/// A message that waits for devices.
#[derive(Debug)]
pub(super) struct Message {
    pub topic: String,
    pub payload: Bytes,
    /// The broker had kept it: it may be old.
    pub is_retained: bool,
    /// The broker sends it once more.
    pub is_dup: bool,
    /// When it arrived.
    pub at: Timestamp,
    /// What the broker waits for; nothing when the quality of service is 0.
    pub claim: Option<Claim>,
}

/// An acknowledgement that is not due yet.
#[derive(Debug)]
pub(super) struct Claim {
    packet: u16,
    qos: u8,
    state: Mutex<State>,
    returns: Arc<Returns>,
}

#[derive(Debug)]
struct State {
    connection: u64,
    /// Devices that have not kept it.
    shares: usize,
}

/// What devices tell their session: what became of messages, at most one entry for each packet identifier that is under way.
#[derive(Debug, Default)]
pub(super) struct Returns {
    list: Mutex<Vec<Return>>,
    /// What devices want has changed.
    is_changed: AtomicBool,
    wake: Notify,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Return {
    /// All devices kept it.
    Kept { connection: u64, packet: u16, qos: u8 },
    /// It was forgotten, and not by the broker.
    Abandoned { connection: u64, packet: u16, qos: u8 },
}

impl Message {
    /// Whether a device has not kept it yet.
    pub(super) fn is_waiting(&self) -> bool {
        self.claim.as_ref().is_some_and(|claim| claim.lock().shares > 0)
    }
}

impl Claim {
    /// Of a message with this packet identifier on this connection, in which so many devices have a share.
    pub(super) fn new(packet: u16, qos: u8, connection: u64, shares: usize, returns: &Arc<Returns>) -> Self {
        Claim { packet, qos, state: Mutex::new(State { connection, shares }), returns: Arc::clone(returns) }
    }

    /// One device kept it.
    pub(super) fn keep(&self) {
        let due = {
            let mut state = self.lock();
            state.shares = state.shares.saturating_sub(1);
            (state.shares == 0).then_some(state.connection)
        };
        if let Some(connection) = due {
            self.returns.push(Return::Kept { connection, packet: self.packet, qos: self.qos });
        }
    }

    /// The broker sent the message once more, on this connection. False when there is nothing to wait for any more.
    pub(super) fn is_due_on(&self, connection: u64) -> bool {
        let mut state = self.lock();
        state.connection = connection;
        state.shares > 0
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let State { connection, shares } = *self.lock();
        if shares > 0 {
            let (packet, qos) = (self.packet, self.qos);
            self.returns.push(Return::Abandoned { connection, packet, qos });
        }
    }
}

impl Returns {
    /// Wakes the session.
    pub(super) fn ring(&self) {
        self.wake.notify_one();
    }

    /// What a device wants has changed.
    pub(super) fn changed(&self) {
        self.is_changed.store(true, Ordering::Release);
        self.ring();
    }

    /// Whether what devices want has changed since the last time.
    pub(super) fn has_changed(&self) -> bool {
        self.is_changed.swap(false, Ordering::AcqRel)
    }

    /// Waits until there is something to look at.
    pub(super) async fn rung(&self) {
        self.wake.notified().await;
    }

    /// Everything that came back.
    pub(super) fn take(&self) -> Vec<Return> {
        std::mem::take(&mut self.list.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn push(&self, what: Return) {
        self.list.lock().unwrap_or_else(PoisonError::into_inner).push(what);
        self.ring();
    }
}
