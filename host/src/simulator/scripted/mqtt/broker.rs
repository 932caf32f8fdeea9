//! The broker's handle, and the socket behind it.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

use super::state::State;
use super::{Message, connection};
use crate::simulator::{StartError, door};

/// A broker that listens until it is dropped.
#[derive(Debug)]
pub struct Broker {
    address: SocketAddr,
    pub(super) state: watch::Sender<State>,
    /// The socket and all connections end with it.
    _task: AbortOnDropHandle<()>,
}

impl Broker {
    /// Listens on the address (port 0 lets the system choose). The messages were published before anybody came: only those that are
    /// retained will ever be seen.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on.
    pub async fn start(address: SocketAddr, messages: &[Message]) -> Result<Self, StartError> {
        let (listener, address) = door::bind(address).await?;
        let state = watch::Sender::new(State::default());
        state.send_modify(|state| messages.iter().for_each(|message| state.publish(message)));
        let task = AbortOnDropHandle::new(tokio::spawn(accept(listener, state.clone())));
        Ok(Broker { address, state, _task: task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The instrument publishes: to everybody who subscribed, and for those who will if it is retained.
    pub fn publish(&self, message: &Message) {
        self.state.send_modify(|state| state.publish(message));
    }

    /// Hands nothing on until [`Broker::release`]; requests are answered as ever.
    pub fn hold(&self) {
        self.state.send_modify(|state| state.is_held = true);
    }

    /// Hands on again, and what was held back first.
    pub fn release(&self) {
        self.state.send_modify(|state| state.is_held = false);
    }

    /// What clients published since this was last asked, wills among it, in order. Settings and commands of a driver are found here.
    pub fn published(&self) -> Vec<Message> {
        let mut published = Vec::new();
        self.state.send_if_modified(|state| {
            published = state.take_published();
            false
        });
        published
    }

    /// How many messages clients have published so far.
    pub fn heard(&self) -> u64 {
        self.state.borrow().heard
    }

    /// Filters that clients have subscribed to, of those that are connected at this moment.
    pub fn subscribed(&self) -> Vec<String> {
        self.state.borrow().subscribed()
    }

    /// Waits until everything that was published has been sent to the clients that are connected and subscribed, as far as each lets
    /// itself be sent without an acknowledgement. Returns whether that came about within the limit.
    ///
    /// Sent is not read: a client may be about to take it.
    pub async fn settled(&self, limit: Duration) -> bool {
        let mut changes = self.state.subscribe();
        let settled = changes.wait_for(State::is_settled);
        matches!(timeout(limit, settled).await, Ok(Ok(_)))
    }

    /// Whether anybody has subscribed to anything, here or away.
    pub fn is_known(&self) -> bool {
        self.state.borrow().is_known()
    }

    /// Whether it holds back.
    pub fn is_held(&self) -> bool {
        self.state.borrow().is_held
    }

    /// Whether everything that was published has been sent, as [`Broker::settled`] waits for it.
    pub fn is_settled(&self) -> bool {
        self.state.borrow().is_settled()
    }

    /// Waits until everything that was sent has been acknowledged. Returns whether that came about within the limit.
    pub async fn acknowledged(&self, limit: Duration) -> bool {
        let mut changes = self.state.subscribe();
        let acknowledged = changes.wait_for(State::is_acknowledged);
        matches!(timeout(limit, acknowledged).await, Ok(Ok(_)))
    }

    /// Waits until somebody who is connected has subscribed to something. Returns whether that came about within the limit.
    pub async fn joined(&self, limit: Duration) -> bool {
        let mut changes = self.state.subscribe();
        let joined = changes.wait_for(|state| !state.subscribed().is_empty());
        matches!(timeout(limit, joined).await, Ok(Ok(_)))
    }
}

async fn accept(listener: TcpListener, state: watch::Sender<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(connection::serve(stream, state.clone()))),
                Err(error) => {
                    // Accepting fails for a moment when files run out; the broker goes on.
                    warn!(%error, "a simulated broker cannot accept connections");
                    sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_ended) = connections.join_next() => {}
        }
    }
}
