//! How a connection is, for people and for the journal.

use std::sync::Arc;

use tokio::sync::watch;
use tracing::{debug, info, warn};

/// How a connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionState {
    /// Nobody has asked for anything yet.
    Idle,
    /// Open, and something came over it.
    Connected,
    /// Closed, and why.
    Waiting(String),
}

/// Says how a connection is: in the log, and to whoever watches.
#[derive(Debug)]
pub struct Reporter {
    link: Arc<str>,
    /// Where it leads, for people.
    place: String,
    state: watch::Sender<ConnectionState>,
}

impl Reporter {
    /// A connection of this link, to this place, that nobody has used.
    pub fn new(link: &str, place: impl Into<String>) -> Self {
        Reporter { link: link.into(), place: place.into(), state: watch::Sender::new(ConnectionState::Idle) }
    }

    /// Name of the link.
    pub fn link(&self) -> &Arc<str> {
        &self.link
    }

    /// Whoever wants to know.
    pub fn watch(&self) -> watch::Receiver<ConnectionState> {
        self.state.subscribe()
    }

    /// Why there is no connection, or `other` when nobody said.
    pub fn reason_or(&self, other: &str) -> String {
        match &*self.state.borrow() {
            ConnectionState::Waiting(reason) => reason.clone(),
            ConnectionState::Idle | ConnectionState::Connected => other.to_owned(),
        }
    }

    /// It is open, and something came.
    pub fn connected(&self) {
        self.report(ConnectionState::Connected);
    }

    /// It is not, and why.
    pub fn lost(&self, reason: impl Into<String>) {
        self.report(ConnectionState::Waiting(reason.into()));
    }

    /// Says what changed, once: a state that repeats itself is not news.
    fn report(&self, next: ConnectionState) {
        let (name, place) = (&*self.link, self.place.as_str());
        self.state.send_if_modified(|state| {
            if *state == next {
                return false;
            }
            match (&*state, &next) {
                (_, ConnectionState::Connected) => info!(link = name, "connected to {place}"),
                (ConnectionState::Waiting(_), ConnectionState::Waiting(reason)) => debug!(link = name, "{reason}"),
                (_, ConnectionState::Waiting(reason)) => warn!(link = name, "connection lost: {reason}"),
                (_, ConnectionState::Idle) => {}
            }
            *state = next;
            true
        });
    }
}
