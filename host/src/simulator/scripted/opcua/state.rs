//! Everything that a server knows.

use std::collections::HashMap;

use opcua::types::{NodeId, StatusCode};
use tokio::time::Instant;

use super::node::Node;
use super::session::{Published, Session};
use super::space::{NodeError, Space};

/// A variable that a client wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// Its id, as the case names it.
    pub node: String,
    /// The new value; what JSON cannot say is text.
    pub value: serde_json::Value,
}

/// A method that a client called.
#[derive(Debug, Clone, PartialEq)]
pub struct Called {
    /// Id of the object, as the case names it.
    pub object: String,
    /// Id of the method, as the case names it.
    pub method: String,
    /// What it was called with; what JSON cannot say is text.
    pub arguments: Vec<serde_json::Value>,
}

#[derive(Debug)]
pub(super) struct State {
    pub space: Space,
    /// By the token that each request shows.
    pub sessions: HashMap<NodeId, Session>,
    pub written: Vec<Written>,
    pub called: Vec<Called>,
    /// Whether nobody is told of changes for the time being.
    pub is_held: bool,
    /// The last number that was given to anything.
    last: u32,
}

impl State {
    pub(super) fn new(space: Space) -> Self {
        State { space, sessions: HashMap::new(), written: Vec::new(), called: Vec::new(), is_held: false, last: 0 }
    }

    /// A number that nothing else has.
    pub(super) fn number(&mut self) -> u32 {
        self.last = self.last.checked_add(1).unwrap_or(1);
        self.last
    }

    /// Sets nodes and tells who monitors them. Before the first that is wrong all are set.
    pub(super) fn set(&mut self, nodes: &[Node]) -> Result<(), NodeError> {
        for node in nodes {
            if let Some(id) = self.space.set(node)? {
                self.tell(&id);
            }
        }
        Ok(())
    }

    /// Tells who monitors the node of its value.
    pub(super) fn tell(&mut self, node: &NodeId) {
        let Some(entry) = self.space.entry(node) else { return };
        self.sessions.values_mut().for_each(|session| session.changed(node, &entry.value));
    }

    /// Forgets sessions whose clients have been away for too long.
    pub(super) fn expire(&mut self, now: Instant) {
        self.sessions
            .retain(|_, session| session.connection.is_some() || now.duration_since(session.heard) <= session.timeout);
    }

    /// A connection has ended.
    pub(super) fn leave(&mut self, connection: u64) {
        for session in self.here(connection) {
            session.connection = None;
            session.heard = Instant::now();
            session.is_writing = false;
        }
    }

    /// The next message of a session that this connection has.
    pub(super) fn publish(
        &mut self,
        connection: u64,
        token: &NodeId,
        now: Instant,
    ) -> Result<Option<Published>, StatusCode> {
        match self.sessions.get_mut(token) {
            None => Err(StatusCode::BadSessionIdInvalid),
            Some(session) if session.connection != Some(connection) => Err(StatusCode::BadSessionNotActivated),
            Some(session) if session.subscriptions.is_empty() => Err(StatusCode::BadNoSubscription),
            Some(session) => Ok(session.publish(now, self.is_held)),
        }
    }

    /// When the next sign of life of a session is due.
    pub(super) fn due(&self, token: &NodeId) -> Option<Instant> {
        self.sessions.get(token)?.due()
    }

    /// Everything that a connection was told is on its way. Returns whether that is news.
    pub(super) fn written_out(&mut self, connection: u64) -> bool {
        self.here(connection).fold(false, |is_news, session| std::mem::take(&mut session.is_writing) || is_news)
    }

    /// What clients that are here monitor, as the case names it.
    pub(super) fn monitored(&self) -> Vec<String> {
        let here = self.sessions.values().filter(|session| session.connection.is_some());
        let nodes = here.flat_map(|session| session.subscriptions.values()).flat_map(|one| one.monitored());
        let mut names: Vec<String> =
            nodes.filter_map(|node| self.space.entry(node)).map(|entry| entry.name.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Whether a client is here.
    pub(super) fn has_client(&self) -> bool {
        self.sessions.values().any(|session| session.connection.is_some())
    }

    /// Whether every client that is here has been told everything.
    pub(super) fn is_settled(&self) -> bool {
        self.sessions.values().filter(|session| session.connection.is_some()).all(Session::is_settled)
    }

    fn here(&mut self, connection: u64) -> impl Iterator<Item = &mut Session> {
        self.sessions.values_mut().filter(move |session| session.connection == Some(connection))
    }
}
