//! A line as one device sees it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::actor::{Actor, Presence, Shared};
use super::audience::Seats;
use super::rule::{Exchange, Framing, LONGEST_WAIT, StreamError, sendable};
use super::seat::{Incoming, Seat, Unasked};
use super::transport::place;
use super::turn::{Expected, Order};
use crate::capability::wire::{Memory, NOT_YET, Reporter, Role, Trace};
use crate::capability::{Addressing, Plug, Surroundings, UNPLUGGED};
use crate::config::model::{StreamLink, Wire};

/// Orders that may wait to be looked at; whoever has another one waits with it.
const ORDERS: usize = 64;
/// Longest wait for the goodbye.
const GOODBYE: Duration = Duration::from_secs(5);
/// Longest datagram that UDP over IPv4 carries, bytes.
const LONGEST_DATAGRAM: usize = 65_507;
/// Most frames that are handed out at once.
const MOST_FRAMES: usize = 1_000;

/// One connection of the configuration.
pub struct Connection {
    shared: Arc<Shared>,
    orders: mpsc::Sender<Order>,
    task: Mutex<Task>,
    plug: Plug,
    closing: CancellationToken,
}

/// The task that owns the line. It begins when a device first uses it.
enum Task {
    Waiting(Box<Actor>),
    Running(JoinHandle<()>),
    Over,
}

/// A connection as one device sees it.
#[derive(Clone)]
pub struct Link {
    connection: Arc<Connection>,
    seat: Arc<Seat>,
    role: Role<(Framing, Unasked)>,
    timeout: Option<Duration>,
}

impl Connection {
    /// A connection that is made when a device first uses it.
    pub fn new(name: &str, settings: StreamLink, surroundings: &Surroundings) -> Self {
        let shared = Arc::new(Shared {
            reporter: Reporter::new(name, place(&settings.wire)),
            trace: Trace::new(name),
            seats: Seats::default(),
            news: Notify::new(),
            presence: watch::Sender::default(),
            settings,
        });
        let (orders, receiver) = mpsc::channel(ORDERS);
        let task = Mutex::new(Task::Waiting(Box::new(Actor::new(Arc::clone(&shared), receiver))));
        Connection { shared, orders, task, plug: surroundings.plug, closing: CancellationToken::new() }
    }

    /// How it is.
    pub fn reporter(&self) -> &Reporter {
        &self.shared.reporter
    }

    /// What goes over it.
    pub fn trace(&self) -> &Trace {
        &self.shared.trace
    }

    /// Says goodbye to the other end. Whoever still uses it is told that it is closed.
    pub async fn close(&self) {
        self.closing.cancel();
        let task = std::mem::replace(&mut *self.task.lock().unwrap_or_else(PoisonError::into_inner), Task::Over);
        if let Task::Running(mut task) = task
            && tokio::time::timeout(GOODBYE, &mut task).await.is_err()
        {
            debug!(link = &**self.reporter().link(), "closed without a goodbye");
            task.abort();
        }
    }

    /// The task runs, if anything may be connected at all.
    fn start(&self) {
        if self.plug == Plug::Out {
            return;
        }
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *task, Task::Over) {
            Task::Waiting(actor) => *task = Task::Running(tokio::spawn(actor.run(self.closing.clone()))),
            other => *task = other,
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

impl Link {
    /// A link for this device.
    pub fn new(connection: Arc<Connection>, device: &Addressing) -> Self {
        let seat = Arc::new(Seat::new(&device.device, connection.shared.settings.queue));
        connection.shared.seats.add(&seat);
        Link { connection, seat, role: Role::first(), timeout: device.timeout }
    }

    /// The same place for a driver that waits to take over.
    pub fn understudy(&self) -> Self {
        Link { role: self.role.understudy(), ..self.clone() }
    }

    /// The driver of this link has the place from now on.
    pub fn step_in(&self, memory: Memory) {
        if let Some((rule, unasked)) = self.role.step_in(memory) {
            self.seat.set_rule(rule, unasked);
        }
    }

    /// How frames are recognised from now on, and whether one that nobody asked for wakes the device. Connects.
    pub fn frames(&self, rule: Framing, unasked: Unasked) -> Result<(), StreamError> {
        let rule = rule.checked()?;
        if self.role.says((rule.clone(), unasked)) {
            self.seat.set_rule(rule, unasked);
        }
        self.connection.start();
        Ok(())
    }

    /// Sends the bytes when it is this device's turn, and waits for the reply.
    pub async fn request(&self, bytes: Vec<u8>, exchange: Exchange) -> Result<Vec<Vec<u8>>, StreamError> {
        let exchange = exchange.checked()?;
        let rule = self.seat.rule();
        let rule = rule.ok_or_else(|| StreamError::BadRequest("a request before frames was called".into()))?;
        let timeout = exchange.timeout.or(self.timeout).unwrap_or(self.connection.shared.settings.timeout);
        self.order(bytes, Some(Expected { exchange, rule, timeout: timeout.min(LONGEST_WAIT) })).await
    }

    /// Sends bytes that are not answered.
    pub async fn send(&self, bytes: Vec<u8>) -> Result<(), StreamError> {
        self.order(bytes, None).await.map(drop)
    }

    /// Sends bytes as soon as what is in hand is durable, and not at all when it cannot be kept. Where the connection has gone that they
    /// are for they are dropped then: what came over it is kept all the same.
    pub fn send_when_kept(&self, bytes: Vec<u8>) -> Result<(), StreamError> {
        self.check(&bytes)?;
        self.seat.hold(bytes, self.presence().count)
    }

    /// Takes at most so many frames that came unasked.
    pub fn receive(&self, most: usize) -> Incoming {
        if self.role.has_place() { self.seat.receive(most.min(MOST_FRAMES)) } else { Incoming::default() }
    }

    /// Whether there is a connection now, and how many there have been.
    pub fn presence(&self) -> Presence {
        *self.connection.shared.presence.borrow()
    }

    /// What wakes the device's poll.
    pub fn bell(&self) -> Arc<Notify> {
        self.seat.bell()
    }

    /// Whether something was handed out that must be kept before the other end may forget it.
    pub fn is_in_hand(&self) -> bool {
        self.seat.is_in_hand()
    }

    /// What was made of everything that was handed out is durable.
    pub fn kept(&self) {
        let excess = self.seat.kept();
        if excess > 0 {
            debug!(device = &*self.seat.device, "{excess} acknowledgements gave way to later ones");
        }
        self.connection.shared.news.notify_one();
    }

    /// Nothing could be kept of what was handed out.
    pub fn not_kept(&self) {
        let given_up = self.seat.not_kept();
        if given_up > 0 {
            warn!(device = &*self.seat.device, "{given_up} frames were given up: nothing could be kept of them");
        }
    }

    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    async fn order(&self, bytes: Vec<u8>, reply: Option<Expected>) -> Result<Vec<Vec<u8>>, StreamError> {
        self.check(&bytes)?;
        self.connection.start();
        let (answer, answered) = oneshot::channel();
        let order = Order { device: Arc::clone(&self.seat.device), bytes, reply, answer };
        let closed = || StreamError::Closed("the hub has closed this link".into());
        self.connection.orders.send(order).await.map_err(|_| closed())?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Whether these bytes can be sent at all.
    fn check(&self, bytes: &[u8]) -> Result<(), StreamError> {
        sendable(bytes)?;
        if matches!(self.connection.shared.settings.wire, Wire::Udp { .. }) && bytes.len() > LONGEST_DATAGRAM {
            let text = format!("{} bytes to send, and a datagram holds {LONGEST_DATAGRAM}", bytes.len());
            return Err(StreamError::BadRequest(text));
        }
        match self.connection.plug {
            Plug::Out => Err(StreamError::Closed(UNPLUGGED.into())),
            Plug::In if !self.role.has_place() => Err(StreamError::Closed(NOT_YET.into())),
            Plug::In => Ok(()),
        }
    }
}
