//! Everything that a server knows.

use std::collections::HashMap;

use opcua::core::RequestMessage;
use opcua::types::{DataValue, NodeId, StatusCode};
use tokio::time::Instant;

use super::node::Node;
use super::services::VALUE;
use super::session::{Published, Session};
use super::space::{Entry, NodeError, Space};
use super::subscription::Subscription;

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
    /// Status that every variable of the case has for the time being, in place of its value.
    refusal: Option<StatusCode>,
    /// How many times nodes were monitored anew.
    pub monitorings: u64,
    /// Requests for subscriptions that came meanwhile: by which connection, under which number.
    parked: Vec<(u64, u32, RequestMessage)>,
    /// The last number that was given to anything.
    last: u32,
}

impl State {
    pub(super) fn new(space: Space) -> Self {
        State {
            space,
            sessions: HashMap::new(),
            written: Vec::new(),
            called: Vec::new(),
            is_held: false,
            refusal: None,
            monitorings: 0,
            parked: Vec::new(),
            last: 0,
        }
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
        let value = self.read(node, VALUE);
        self.sessions.values_mut().for_each(|session| session.changed(node, &value));
    }

    /// Every variable of the case has this status and no value from now on, or has its own again. Who monitors them is told.
    pub(super) fn refuse(&mut self, refusal: Option<StatusCode>) {
        self.refusal = refusal;
        for node in self.space.variables() {
            self.tell(&node);
        }
    }

    /// An attribute as a client gets it at present.
    pub(super) fn read(&self, node: &NodeId, attribute: u32) -> DataValue {
        let is_refused = attribute == VALUE && self.space.entry(node).is_some_and(Entry::is_of_the_case);
        match self.refusal {
            Some(status) if is_refused => DataValue { status: Some(status), ..DataValue::default() },
            _ => self.space.read(node, attribute),
        }
    }

    /// Forgets sessions whose clients have been away for too long.
    pub(super) fn expire(&mut self, now: Instant) {
        self.sessions
            .retain(|_, session| session.connection.is_some() || now.duration_since(session.heard) <= session.timeout);
    }

    /// Keeps a request until changes are told of again.
    pub(super) fn park(&mut self, connection: u64, request: u32, message: RequestMessage) {
        self.parked.push((connection, request, message));
    }

    /// Requests of this connection that were kept and may be answered now.
    pub(super) fn unpark(&mut self, connection: u64) -> Vec<(u32, RequestMessage)> {
        if self.is_held {
            return Vec::new();
        }
        let due = self.parked.extract_if(.., |(of, _, _)| *of == connection);
        due.map(|(_, request, message)| (request, message)).collect()
    }

    /// A connection has ended.
    pub(super) fn leave(&mut self, connection: u64) {
        self.parked.retain(|(of, _, _)| *of != connection);
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
        let next = if self.is_held { Subscription::sign_of_life } else { Subscription::message };
        match self.sessions.get_mut(token) {
            None => Err(StatusCode::BadSessionIdInvalid),
            Some(session) if session.connection != Some(connection) => Err(StatusCode::BadSessionNotActivated),
            Some(session) if session.subscriptions.is_empty() => Err(StatusCode::BadNoSubscription),
            Some(session) => Ok(session.publish(now, next)),
        }
    }

    /// When the next sign of life of a session is due.
    pub(super) fn due(&self, token: &NodeId) -> Option<Instant> {
        self.sessions.get(token)?.due()
    }

    /// Everything that a connection was told is on its way. Returns whether that is news.
    pub(super) fn written_out(&mut self, connection: u64) -> bool {
        self.here(connection).filter_map(|session| std::mem::take(&mut session.is_writing).then_some(())).count() > 0
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

    /// Whether any client has a session.
    pub(super) fn is_known(&self) -> bool {
        !self.sessions.is_empty()
    }

    /// Whether any client monitors something.
    pub(super) fn is_monitored(&self) -> bool {
        self.sessions
            .values()
            .flat_map(|session| session.subscriptions.values())
            .any(|one| one.monitored().next().is_some())
    }

    /// Whether a request was kept.
    pub(super) fn has_parked(&self) -> bool {
        !self.parked.is_empty()
    }

    /// Whether every client that is here has been told everything.
    pub(super) fn is_settled(&self) -> bool {
        let mut here = self.sessions.values().filter(|session| session.connection.is_some());
        self.parked.is_empty() && here.all(Session::is_settled)
    }

    fn here(&mut self, connection: u64) -> impl Iterator<Item = &mut Session> {
        self.sessions.values_mut().filter(move |session| session.connection == Some(connection))
    }
}
