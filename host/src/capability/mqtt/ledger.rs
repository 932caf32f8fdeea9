//! What lies between the broker and the hub: messages that the broker has not been told to forget, and packet identifiers in use.
//!
//! It outlives connections, because the broker's session does: after a new connection the broker sends every message again that was
//! not acknowledged, with the identifier that it had (MQTT 5.0, 4.4).
//!
//! Invariant: an identifier whose acknowledgement was never sent still means the same message, as long as the session lives. Only then is a
//! message that comes again not handed out again.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};

use super::message::{Message, Return};
use super::packet::{Outgoing, Publish};

/// What to do with a message that arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Hand it out.
    New,
    /// A device still has it.
    Held,
    /// It was kept, and the broker does not know it.
    Kept,
}

/// Messages and identifiers that are under way.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Messages that wait to be kept.
    held: HashMap<u16, Weak<Message>>,
    /// Messages that were kept, and whose acknowledgement was not sent.
    kept: BTreeSet<u16>,
    /// Messages of quality 2 whose PUBREC was sent and whose PUBREL was not seen.
    received: BTreeSet<u16>,
    /// Identifiers of own messages of quality 2 that a lost connection left half way: the broker may take the next for the same.
    spent: BTreeSet<u16>,
    /// First connection of the broker's present session.
    since: u64,
    last: u16,
}

impl Ledger {
    /// Nothing is under way. Identifiers of own messages begin after this one, so that those of an earlier run are not met.
    pub(super) fn new(last: u16) -> Self {
        Ledger { last, ..Ledger::default() }
    }

    /// There is a new connection; the broker has kept the session or begins another.
    pub(super) fn connected(&mut self, connection: u64, session_present: bool) {
        if !session_present {
            *self = Ledger { last: self.last, since: connection, ..Ledger::default() };
        }
    }

    /// What to do with this message of quality 1 or 2.
    pub(super) fn arrival(&mut self, publish: &Publish, connection: u64) -> Arrival {
        let held = self.held.remove(&publish.packet).and_then(|held| held.upgrade());
        let was_kept = self.kept.remove(&publish.packet);
        if publish.qos == 2 && self.received.contains(&publish.packet) {
            return Arrival::Kept;
        }
        if !publish.dup {
            return Arrival::New;
        }
        if was_kept {
            return Arrival::Kept;
        }
        let is_same = |held: &Arc<Message>| held.topic == publish.topic && held.payload == publish.payload;
        match held.filter(is_same) {
            Some(held) if held.claim.as_ref().is_some_and(|claim| claim.is_due_on(connection)) => {
                self.hold(publish.packet, &held);
                Arrival::Held
            }
            _ => Arrival::New,
        }
    }

    /// This message waits to be kept.
    pub(super) fn hold(&mut self, packet: u16, message: &Arc<Message>) {
        self.held.insert(packet, Arc::downgrade(message));
    }

    /// A message came back: what to tell the broker on this connection.
    pub(super) fn returned(&mut self, what: Return, connection: u64) -> Option<Outgoing> {
        let Return::Kept { connection: due, packet, qos } = what else { return None };
        if due == connection {
            self.held.remove(&packet);
            return Some(self.acknowledge(packet, qos));
        }
        let is_another = self.held.get(&packet).and_then(Weak::upgrade).is_some_and(|held| held.is_waiting());
        if due >= self.since && !is_another {
            self.kept.insert(packet);
        }
        None
    }

    /// The acknowledgement of a message.
    pub(super) fn acknowledge(&mut self, packet: u16, qos: u8) -> Outgoing {
        if qos == 2 {
            self.received.insert(packet);
            Outgoing::PubRec { packet }
        } else {
            Outgoing::PubAck { packet }
        }
    }

    /// The broker has forgotten a message of quality 2.
    pub(super) fn released(&mut self, packet: u16) -> Outgoing {
        self.received.remove(&packet);
        Outgoing::PubComp { packet }
    }

    /// An identifier for an own packet.
    pub(super) fn identifier(&mut self, is_used: impl Fn(u16) -> bool) -> Option<u16> {
        for _ in 0..u16::MAX {
            self.last = self.last.checked_add(1).unwrap_or(1);
            if !is_used(self.last) && !self.spent.contains(&self.last) {
                return Some(self.last);
            }
        }
        None
    }

    /// A connection ended and left an own message of quality 2 half way.
    pub(super) fn spend(&mut self, packet: u16) {
        self.spent.insert(packet);
    }
}
