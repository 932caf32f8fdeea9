//! The server's handle, and the socket behind it.

use std::net::SocketAddr;
use std::time::Duration;

use opcua::types::StatusCode;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

use super::connection;
use super::node::Node;
use super::space::{NodeError, Space};
use super::state::{Called, State, Written};
use crate::simulator::{self, door};

/// Why a server did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A node is none.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] simulator::StartError),
}

/// A server that listens until it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    pub(super) state: watch::Sender<State>,
    /// The socket and all connections end with it.
    _task: AbortOnDropHandle<()>,
}

impl Server {
    /// Listens on the address (port 0 lets the system choose) with these nodes; parents stand before what is below them.
    /// `namespaces` have the indexes from 2 on.
    ///
    /// # Errors
    ///
    /// When a node is none, or the address cannot be listened on.
    pub async fn start(address: SocketAddr, namespaces: &[String], nodes: &[Node]) -> Result<Self, StartError> {
        let mut state = State::new(Space::new(namespaces));
        state.set(nodes)?;
        let (listener, address) = door::bind(address).await?;
        let state = watch::Sender::new(state);
        let task = AbortOnDropHandle::new(tokio::spawn(accept(listener, state.clone())));
        Ok(Server { address, state, _task: task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets nodes at once: their value, status and time. Who monitors them is told. A node that is not there yet is added.
    ///
    /// # Errors
    ///
    /// When a node is none; those before it are set.
    pub fn set(&self, nodes: &[Node]) -> Result<(), NodeError> {
        let mut set = Ok(());
        self.state.send_modify(|state| set = state.set(nodes));
        set
    }

    /// Every variable has this bad status and no value from now on, or has its own again. Who monitors them is told.
    pub fn refuse(&self, status: Option<u32>) {
        self.state.send_modify(|state| state.refuse(status.map(StatusCode::from)));
    }

    /// Tells nobody of a change until [`Server::release`], and subscribes nobody; other requests are answered as ever.
    pub fn hold(&self) {
        self.state.send_modify(|state| state.is_held = true);
    }

    /// Tells of changes again, and of those that were held back.
    pub fn release(&self) {
        self.state.send_modify(|state| state.is_held = false);
    }

    /// Variables that clients wrote since this was last asked, in order.
    pub fn written(&self) -> Vec<Written> {
        self.take(|state| std::mem::take(&mut state.written))
    }

    /// Methods that clients called since this was last asked, in order.
    pub fn called(&self) -> Vec<Called> {
        self.take(|state| std::mem::take(&mut state.called))
    }

    /// Ids of the nodes that clients monitor, of those that are connected at this moment.
    pub fn monitored(&self) -> Vec<String> {
        self.state.borrow().monitored()
    }

    /// Waits until everything that changed has been sent to the clients that are connected and monitor it. Returns whether that came about
    /// within the limit.
    ///
    /// Sent is not read: a client may be about to take it.
    pub async fn settled(&self, limit: Duration) -> bool {
        let mut changes = self.state.subscribe();
        let settled = changes.wait_for(State::is_settled);
        matches!(timeout(limit, settled).await, Ok(Ok(_)))
    }

    /// Whether it holds back.
    pub fn is_held(&self) -> bool {
        self.state.borrow().is_held
    }

    /// Whether everything that changed has been sent, as [`Server::settled`] waits for it.
    pub fn is_settled(&self) -> bool {
        self.state.borrow().is_settled()
    }

    /// How many times nodes were monitored anew.
    pub fn monitorings(&self) -> u64 {
        self.state.borrow().monitorings
    }

    /// Waits until nodes were monitored anew more often than this. Returns whether that came about within the limit.
    pub async fn monitored_after(&self, monitorings: u64, limit: Duration) -> bool {
        let mut changes = self.state.subscribe();
        let monitored = changes.wait_for(|state| state.monitorings > monitorings);
        matches!(timeout(limit, monitored).await, Ok(Ok(_)))
    }

    /// Waits until nodes were monitored anew more often than this, or somebody waits to be subscribed. Returns whether that came about within
    /// the limit.
    pub async fn subscribing_after(&self, monitorings: u64, limit: Duration) -> bool {
        let mut changes = self.state.subscribe();
        let asked = changes.wait_for(|state| state.monitorings > monitorings || state.has_parked());
        matches!(timeout(limit, asked).await, Ok(Ok(_)))
    }

    /// Whether somebody waits to be subscribed, because nobody is for the time being.
    pub fn has_parked(&self) -> bool {
        self.state.borrow().has_parked()
    }

    /// Whether a client has a session, here or away.
    pub fn is_known(&self) -> bool {
        self.state.borrow().is_known()
    }

    /// Whether a client monitors something, here or away.
    pub fn is_monitored(&self) -> bool {
        self.state.borrow().is_monitored()
    }

    /// Waits until somebody who is connected monitors something. Returns whether that came about within the limit.
    pub async fn joined(&self, limit: Duration) -> bool {
        let mut changes = self.state.subscribe();
        let joined = changes.wait_for(|state| !state.monitored().is_empty());
        matches!(timeout(limit, joined).await, Ok(Ok(_)))
    }

    fn take<T: Default>(&self, take: impl FnOnce(&mut State) -> T) -> T {
        let mut taken = T::default();
        self.state.send_if_modified(|state| {
            taken = take(state);
            false
        });
        taken
    }
}

async fn accept(listener: TcpListener, state: watch::Sender<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(connection::serve(stream, state.clone()))),
                Err(error) => {
                    // Accepting fails for a moment when files run out; the server goes on.
                    warn!(%error, "a simulated OPC UA server cannot accept connections");
                    sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_ended) = connections.join_next() => {}
        }
    }
}
