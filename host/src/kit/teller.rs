//! An instrument that tells its driver without being asked: a broker that it publishes to, or a server that its driver subscribes to.
//!
//! Invariant: once a driver is there, what it is told comes between two polls and never within one. A case is played to be compared, and what
//! comes within a poll would be the next poll's the other time.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::capability::wire::printable;
use crate::kit::case::{Instrument, Step};
use crate::kit::outgoing::Outgoing;
use crate::kit::refusal::{Refusals, STATUSES};
use crate::kit::stage::StageError;
use crate::simulator::scripted::mqtt::{Broker, Message};
use crate::simulator::scripted::opcua::{Called, Server};

/// Time in which a driver that is told unasked is there to be told.
const JOINING: Duration = Duration::from_millis(500);
/// Longest time until everything is on its way.
const TELLING: Duration = Duration::from_secs(3);
/// Longest time until what a driver has taken is acknowledged.
const ACKNOWLEDGING: Duration = Duration::from_millis(300);

/// The instrument.
pub(super) enum Teller {
    Mqtt {
        broker: Broker,
        /// Messages that wait for the first who subscribes.
        early: Mutex<Vec<Message>>,
    },
    OpcUa {
        server: Server,
        /// A driver is new and may be about to subscribe; how many times somebody had, before.
        awaited: Mutex<Option<u64>>,
    },
}

/// Whether something may be on its way to the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    Some,
    None,
}

impl Teller {
    /// What a link of this kind is connected to; nothing for kinds that are asked.
    pub(super) async fn of(
        kind: &str,
        address: SocketAddr,
        instrument: &Instrument,
    ) -> Result<Option<Self>, StageError> {
        Ok(match kind {
            "mqtt" => {
                let broker = Broker::start(address, &instrument.messages).await?;
                broker.hold();
                Some(Teller::Mqtt { broker, early: Mutex::default() })
            }
            "opcua" => {
                let server = Server::start(address, &instrument.namespaces, &instrument.nodes).await?;
                server.hold();
                Some(Teller::OpcUa { server, awaited: Mutex::default() })
            }
            _ => None,
        })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Teller::Mqtt { broker, .. } => broker.address(),
            Teller::OpcUa { server, .. } => server.address(),
        }
    }

    /// A driver has been opened that was not there before.
    pub(super) fn met(&self) {
        if let Teller::OpcUa { server, awaited } = self {
            *lock(awaited) = Some(server.monitorings());
        }
    }

    /// Does what a step says. Returns what cannot be done.
    pub(super) fn change(&self, step: &Step) -> Option<String> {
        match self {
            Teller::Mqtt { broker, .. } if broker.is_known() => {
                step.messages.iter().for_each(|message| broker.publish(message));
            }
            Teller::Mqtt { early, .. } => lock(early).extend(step.messages.iter().cloned()),
            Teller::OpcUa { server, .. } => return server.set(&step.nodes).err().map(|error| error.to_string()),
        }
        None
    }

    /// Errors of its protocol that it can answer with.
    pub(super) fn refusals(&self) -> Option<&'static Refusals> {
        match self {
            Teller::Mqtt { .. } => None,
            Teller::OpcUa { .. } => Some(&STATUSES),
        }
    }

    /// Answers with this one from now on, or with none.
    pub(super) fn refuse(&self, code: Option<u32>) {
        match self {
            Teller::Mqtt { .. } => {}
            Teller::OpcUa { server, .. } => server.refuse(code),
        }
    }

    /// Whether a driver has ever come.
    pub(super) fn is_known(&self) -> bool {
        match self {
            Teller::Mqtt { broker, .. } => broker.is_known(),
            Teller::OpcUa { server, .. } => server.is_known(),
        }
    }

    /// Tells what there is to tell, to a driver that is there or comes in time, and holds its tongue from then on.
    pub(super) async fn tell(&self) -> News {
        let news = match self {
            Teller::Mqtt { broker, early } => {
                if broker.joined(JOINING).await {
                    lock(early).drain(..).for_each(|message| broker.publish(&message));
                }
                if broker.is_held() && broker.is_settled() {
                    return News::None;
                }
                broker.release();
                broker.settled(TELLING).await
            }
            Teller::OpcUa { server, awaited } => {
                if server.is_monitored() {
                    server.joined(JOINING).await;
                }
                let before = if server.is_known() { lock(awaited).take() } else { None };
                if let Some(before) = before {
                    server.subscribing_after(before, JOINING).await;
                }
                if server.is_held() && server.is_settled() {
                    return News::None;
                }
                let parked = server.has_parked().then(|| server.monitorings());
                server.release();
                if let Some(before) = parked {
                    server.monitored_after(before, JOINING).await;
                }
                server.settled(TELLING).await
            }
        };
        if news { News::Some } else { News::None }
    }

    /// Says nothing until it is to tell again.
    pub(super) fn hold(&self) {
        match self {
            Teller::Mqtt { broker, .. } => broker.hold(),
            Teller::OpcUa { server, .. } => server.hold(),
        }
    }

    /// Waits until what the driver has taken and kept is acknowledged.
    pub(super) async fn acknowledged(&self) {
        if let Teller::Mqtt { broker, .. } = self {
            broker.acknowledged(ACKNOWLEDGING).await;
        }
    }

    /// Whether something is on its way from the driver.
    pub(super) fn is_owed(&self, outgoing: &Outgoing) -> bool {
        match self {
            Teller::Mqtt { broker, .. } => broker.heard() < outgoing.count(),
            // Whoever writes or calls waits for the answer.
            Teller::OpcUa { .. } => false,
        }
    }

    /// What the driver changed since the last call.
    pub(super) fn written(&self) -> Vec<String> {
        match self {
            Teller::Mqtt { broker, .. } => broker.published().iter().map(published).collect(),
            Teller::OpcUa { server, .. } => {
                let written = server.written();
                let written = written.iter().map(|written| format!("{} = {}", written.node, written.value));
                written.chain(server.called().iter().map(called)).collect()
            }
        }
    }
}

/// A message that a driver published; of one that is no text only the length, for its content may have a time in it.
fn published(message: &Message) -> String {
    let payload = match std::str::from_utf8(&message.payload) {
        Ok(_) => printable(&message.payload),
        Err(_) => format!("{} bytes", message.payload.len()),
    };
    format!("{} = {payload}", message.topic)
}

fn called(called: &Called) -> String {
    let arguments: Vec<String> = called.arguments.iter().map(ToString::to_string).collect();
    format!("{} of {} called with ({})", called.method, called.object, arguments.join(", "))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in there is left half done by a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
