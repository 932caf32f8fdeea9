//! A session with an OPC UA server, and how one device sees it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::bindings::tutin::opcua::client::{Incoming, Node};
use super::establish::Plan;
use super::fault::Fault;
use super::keeper::{CLOSED, Shared, Standing};
use super::node;
use super::publishing::Seats;
use super::seat::{Seat, Wanted};
use super::session::Session;
use crate::capability::wire::{Memory, NOT_YET, Reporter, Role, Trace};
use crate::capability::{Addressing, Plug, Surroundings, UNPLUGGED};
use crate::config::model::OpcUaLink;

/// Most nodes that one device may monitor.
const MOST_NODES: usize = 100_000;
/// Most notifications that are handed out at once.
const MOST_NOTIFICATIONS: u32 = 100_000;
/// Shortest publishing interval: none at all means something else to each server.
const SHORTEST_INTERVAL_MS: u32 = 10;
/// Longest intervals that can be asked for.
const LONGEST_INTERVAL_MS: u32 = 86_400_000;
/// Longest time that closing may take.
const CLOSING: Duration = Duration::from_secs(3);

/// One connection of the configuration.
pub struct Connection {
    shared: Arc<Shared>,
    plug: Plug,
    keeper: Mutex<Option<JoinHandle<()>>>,
    end: CancellationToken,
}

/// A connection as one device sees it.
#[derive(Clone)]
pub struct Link {
    connection: Arc<Connection>,
    seat: Arc<Seat>,
    role: Role<Wanted>,
}

impl Connection {
    /// A connection that is made when a device first uses it.
    pub fn new(name: &str, settings: OpcUaLink, surroundings: &Surroundings) -> Self {
        let reporter = Reporter::new(name, settings.url.clone());
        let plan = Plan {
            link: name.to_owned(),
            settings,
            pki: surroundings.pki.clone(),
            hub: surroundings.hub.clone(),
            trace: Arc::new(Trace::of_nodes(name)),
        };
        let (standing, seats) = (watch::Sender::new(Standing::Idle), Seats::default());
        let shared = Arc::new(Shared { plan, reporter, seats, standing, sessions: 0.into() });
        Connection { shared, plug: surroundings.plug, keeper: Mutex::default(), end: CancellationToken::new() }
    }

    /// How it is.
    pub fn reporter(&self) -> &Reporter {
        &self.shared.reporter
    }

    /// What goes over it.
    pub fn trace(&self) -> &Trace {
        &self.shared.plan.trace
    }

    /// Says goodbye to the other end. Whoever still uses it is told that it is closed.
    pub async fn close(&self) {
        self.end.cancel();
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(keeper) = keeper {
            // It ends by itself; nobody waits for a server that does not.
            let _ = timeout(CLOSING, keeper).await;
        }
    }

    /// The session. Waits while the first one is being made; while the hub waits to connect again the reason comes back at once.
    pub(super) async fn session(&self) -> Result<Arc<Session>, Fault> {
        self.start()?;
        let mut standing = self.shared.standing.subscribe();
        let settled = standing.wait_for(|standing| !matches!(standing, Standing::Idle | Standing::Beginning));
        match timeout(self.shared.plan.patience(), settled).await {
            Err(_) => Err(Fault::Timeout),
            Ok(Err(_)) => Err(Fault::Closed(CLOSED.into())),
            Ok(Ok(standing)) => match &*standing {
                Standing::Open(session) => Ok(Arc::clone(session)),
                Standing::Away(reason) => Err(Fault::Closed(reason.clone())),
                Standing::Idle | Standing::Beginning => Err(Fault::Timeout),
            },
        }
    }

    /// Begins to keep a session, unless it has begun.
    fn start(&self) -> Result<(), Fault> {
        if self.plug == Plug::Out {
            return Err(Fault::Closed(UNPLUGGED.into()));
        }
        if self.end.is_cancelled() {
            return Err(Fault::Closed(CLOSED.into()));
        }
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        if keeper.is_none() {
            self.shared.standing.send_replace(Standing::Beginning);
            *keeper = Some(tokio::spawn(Arc::clone(&self.shared).keep(self.end.clone())));
        }
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

impl Link {
    /// A link for this device.
    pub fn new(connection: Arc<Connection>, device: &Addressing) -> Self {
        let room = connection.shared.plan.settings.queue;
        let seat = Arc::new(Seat::new(Arc::clone(&device.device), room));
        Link { connection, seat, role: Role::first() }
    }

    /// The same place for a driver that waits to take over.
    pub fn understudy(&self) -> Self {
        Link { role: self.role.understudy(), ..self.clone() }
    }

    /// The driver of this link has the place from now on.
    pub fn step_in(&self, memory: Memory) {
        if let Some(wanted) = self.role.step_in(memory) {
            self.want(wanted, Some(memory));
        }
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
        self.seat.kept();
    }

    /// Nothing could be kept of what was handed out: it is handed out once more.
    pub fn not_kept(&self) {
        self.seat.not_kept();
    }

    /// The session, when there is one.
    pub(super) async fn session(&self) -> Result<Arc<Session>, Fault> {
        if !self.role.has_place() {
            return Err(Fault::Closed(NOT_YET.into()));
        }
        self.connection.session().await
    }

    /// Monitors these nodes from now on, instead of those before.
    pub(super) fn subscribe(
        &self,
        nodes: Vec<Node>,
        sampling_ms: u32,
        publishing_ms: u32,
        queue: u32,
    ) -> Result<(), Fault> {
        if nodes.len() > MOST_NODES {
            return Err(Fault::BadRequest(format!("{} nodes where {MOST_NODES} can be monitored", nodes.len())));
        }
        for (name, interval) in [("sampling-ms", sampling_ms), ("publishing-ms", publishing_ms)] {
            if interval > LONGEST_INTERVAL_MS {
                return Err(Fault::BadRequest(format!("{name} is {interval} where {LONGEST_INTERVAL_MS} is the most")));
            }
        }
        nodes.iter().try_for_each(node::check).map_err(|error| Fault::BadRequest(error.to_string()))?;
        let millis = |millis: u32| Duration::from_millis(millis.into());
        let publishing = millis(publishing_ms.max(SHORTEST_INTERVAL_MS));
        let wanted = Wanted::new(nodes, millis(sampling_ms), publishing, queue.max(1));
        if self.role.says(wanted.clone()) {
            self.want(wanted, self.role.memory());
        }
        // Without a plug nothing comes, which is no fault of the list.
        let _ = self.connection.start();
        Ok(())
    }

    fn want(&self, wanted: Wanted, memory: Option<Memory>) {
        self.seat.want(wanted, memory);
        self.connection.shared.seats.join(&self.seat);
    }

    /// Takes what came, at most so many notifications.
    pub(super) fn receive(&self, most: u32) -> Incoming {
        // What waits is for the driver that has the place.
        let most = if self.role.has_place() { most.min(MOST_NOTIFICATIONS) } else { 0 };
        let taken = self.seat.take(usize::try_from(most).unwrap_or(usize::MAX));
        let shared = &self.connection.shared;
        Incoming {
            notifications: taken.notifications,
            lost: taken.lost,
            more: taken.more,
            connected: matches!(&*shared.standing.borrow(), Standing::Open(_)),
            session: shared.sessions.load(Ordering::Relaxed),
            refused: taken.refused,
        }
    }
}
