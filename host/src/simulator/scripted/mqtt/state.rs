//! Who is connected, who gets what, and what was published.

use std::collections::BTreeMap;

use rumqttc::mqttbytes;
use tracing::warn;

use super::packet::{FromClient, Hello, Publish, Receipt, Retained, ToClient, Wish};
use super::session::{Origin, Session};
use super::{MOST, Message};

/// Everything that the broker knows.
#[derive(Debug, Default)]
pub(super) struct State {
    sessions: BTreeMap<String, Session>,
    /// By topic.
    retained: BTreeMap<String, Message>,
    /// By clients, since it was last asked.
    published: Vec<Message>,
    /// Messages that clients have published so far.
    pub heard: u64,
    /// Whether nothing is handed on for the time being.
    pub is_held: bool,
    /// That there were so far.
    connections: u64,
}

/// A connection whose client has introduced itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seat {
    pub client: String,
    pub connection: u64,
}

/// How a client goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Farewell {
    /// It said so.
    Goodbye,
    /// It did not, or wants its will published all the same.
    WithWill,
}

impl State {
    /// A client is here. An earlier connection of the same client has lost its seat.
    pub(super) fn connect(&mut self, hello: &Hello) -> (Seat, ToClient) {
        self.connections += 1;
        let connection = self.connections;
        let is_named = !hello.client.is_empty();
        let client = if is_named { hello.client.clone() } else { format!("client-{connection}") };
        if let Some(earlier) = self.sessions.get(&client).and_then(|session| session.connection) {
            self.leave(&Seat { client: client.clone(), connection: earlier }, Farewell::WithWill);
        }
        if hello.takes_up {
            self.sessions.remove(&client);
        }
        let is_present = self.sessions.contains_key(&client);
        self.sessions.entry(client.clone()).or_default().connected(connection, hello);
        let chosen = (!is_named).then(|| client.clone());
        (Seat { client, connection }, ToClient::ConnAck { is_present, client: chosen })
    }

    /// A client goes.
    pub(super) fn leave(&mut self, seat: &Seat, farewell: Farewell) {
        let Some(session) = self.session(seat) else { return };
        session.connection = None;
        let will = session.will.take();
        if !session.is_kept {
            self.sessions.remove(&seat.client);
        }
        if let Some(will) = will.filter(|_| farewell == Farewell::Goodbye) {
            self.publish_of(&seat.client, will);
        }
    }

    /// The next packets for this connection; nothing when another one has its seat.
    pub(super) fn take(&mut self, seat: &Seat) -> Option<Vec<ToClient>> {
        let is_held = self.is_held;
        self.session(seat).map(|session| if is_held && false { Vec::new() } else { session.take() }).filter(|_| true)
    }

    /// Everything that was taken is on its way. Returns whether that is news.
    pub(super) fn written(&mut self, seat: &Seat) -> bool {
        self.session(seat).is_some_and(Session::written)
    }

    /// A packet arrived. Returns what is answered at once.
    pub(super) fn handle(&mut self, seat: &Seat, packet: FromClient) -> Result<Option<ToClient>, String> {
        let Some(session) = self.session(seat) else { return Ok(None) };
        Ok(match packet {
            FromClient::Publish(publish) => return self.published_by(seat, publish),
            FromClient::Receipt(receipt) => session.receipt(receipt).map(ToClient::Receipt),
            FromClient::Subscribe { packet, wishes } => {
                let granted = wishes.into_iter().map(|wish| self.subscribe(seat, wish)).collect();
                Some(ToClient::SubAck { packet, granted })
            }
            FromClient::Unsubscribe { packet, filters } => {
                session.subscriptions.retain(|filter, _| !filters.contains(filter));
                Some(ToClient::UnsubAck { packet, filters: filters.len() })
            }
            FromClient::PingReq => Some(ToClient::PingResp),
            FromClient::Disconnect { .. } => None,
            FromClient::Strange => return Err("a packet that no client sends".into()),
        })
    }

    /// The instrument publishes.
    pub(super) fn publish(&mut self, message: &Message) {
        self.hand_on(None, message);
    }

    /// What clients published since this was last asked.
    pub(super) fn take_published(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.published)
    }

    /// Filters of the clients that are here.
    pub(super) fn subscribed(&self) -> Vec<String> {
        let here = self.sessions.values().filter(|session| session.connection.is_some());
        here.flat_map(|session| session.subscriptions.keys().cloned()).collect()
    }

    /// Whether any session has a subscription.
    pub(super) fn is_known(&self) -> bool {
        self.sessions.values().any(|session| !session.subscriptions.is_empty())
    }

    /// Whether every client that is here has got what it may have.
    pub(super) fn is_settled(&self) -> bool {
        self.sessions.values().filter(|session| session.connection.is_some()).all(Session::is_settled)
    }

    /// Whether no client owes an acknowledgement.
    pub(super) fn is_acknowledged(&self) -> bool {
        self.sessions.values().all(Session::is_acknowledged)
    }

    fn session(&mut self, seat: &Seat) -> Option<&mut Session> {
        self.sessions.get_mut(&seat.client).filter(|session| session.connection == Some(seat.connection))
    }

    fn subscribe(&mut self, seat: &Seat, wish: Wish) -> Option<u8> {
        if !mqttbytes::valid_filter(&wish.filter) || wish.filter.starts_with("$share/") {
            return None;
        }
        let session = self.sessions.get_mut(&seat.client)?;
        let Wish { filter, qos, retained, .. } = wish.clone();
        let is_new = session.subscriptions.insert(filter.clone(), wish).is_none();
        if retained == Retained::Always || retained == Retained::WhenNew && is_new {
            let matching = self.retained.values().filter(|message| mqttbytes::matches(&message.topic, &filter));
            let lowered = matching.map(|message| Message { qos: message.qos.min(qos), ..message.clone() });
            lowered.for_each(|message| session.queue(message));
        }
        Some(qos)
    }

    fn published_by(&mut self, seat: &Seat, publish: Publish) -> Result<Option<ToClient>, String> {
        let Publish { message, packet, .. } = publish;
        if message.topic.is_empty() || !mqttbytes::valid_topic(&message.topic) {
            return Err(format!("a message of {:?}, which is no topic", message.topic));
        }
        let receipt = match message.qos {
            0 => None,
            1 => Some(Receipt::PubAck(packet)),
            _ => Some(Receipt::PubRec(packet)),
        };
        let is_new = message.qos < 2 || self.session(seat).is_some_and(|session| session.is_new(packet));
        if is_new {
            self.heard += 1;
            self.publish_of(&seat.client, message);
        }
        Ok(receipt.map(ToClient::Receipt))
    }

    fn publish_of(&mut self, client: &str, message: Message) {
        self.hand_on(Some(client), &message);
        if self.published.len() >= MOST {
            warn!(topic = message.topic, "a simulated broker does not tell of a message: {MOST} wait to be asked for");
            return;
        }
        self.published.push(message);
    }

    fn hand_on(&mut self, from: Option<&str>, message: &Message) {
        if message.retained && message.payload.is_empty() {
            self.retained.remove(&message.topic);
        } else if message.retained {
            if from.is_none() {
                self.retained.insert(message.topic.clone(), message.clone());
            }
        }
        for (client, session) in &mut self.sessions {
            let origin = if from == Some(client) { Origin::Itself } else { Origin::Other };
            let Some((qos, keeps_retained)) = session.wants(&message.topic, origin) else { continue };
            let retained = message.retained && keeps_retained;
            session.queue(Message { qos: message.qos.min(qos), retained, ..message.clone() });
        }
    }
}
