//! What the broker knows of one client, connected or not.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rumqttc::mqttbytes;
use tracing::warn;

use super::packet::{Hello, Publish, Receipt, ToClient, Wish};
use super::{MOST, Message};

/// Most packets that are taken at a time.
const AT_A_TIME: usize = 64;

/// A session.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// Number of the connection that has it; nothing: its client is away.
    pub connection: Option<u64>,
    /// Whether it outlives its connection.
    pub is_kept: bool,
    pub will: Option<Message>,
    pub subscriptions: BTreeMap<String, Wish>,
    /// Messages of quality 1 and 2 that may be unacknowledged.
    window: u16,
    /// Packets of an earlier connection that come again.
    due: VecDeque<ToClient>,
    waiting: VecDeque<Message>,
    /// Sent and not acknowledged, in the order in which they were sent.
    sent: VecDeque<Sent>,
    /// Messages of quality 2 that the client has not released.
    received: BTreeSet<u16>,
    last_packet: u16,
    /// Whether bytes have been taken that are not on their way yet.
    is_writing: bool,
}

/// Who published a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The client whose session it is.
    Itself,
    /// Somebody else.
    Other,
}

#[derive(Debug)]
struct Sent {
    packet: u16,
    message: Message,
    /// Of quality 2, and the client has it.
    is_released: bool,
}

impl Session {
    /// Its client is here, by this connection. What was sent and not acknowledged comes again.
    pub(super) fn connected(&mut self, connection: u64, hello: &Hello) {
        self.connection = Some(connection);
        self.is_kept = hello.is_kept;
        self.will.clone_from(&hello.will);
        self.window = hello.window;
        self.is_writing = false;
        let again = |Sent { packet, message, is_released }: &Sent| match is_released {
            true => ToClient::Receipt(Receipt::PubRel(*packet)),
            false => ToClient::Publish(Publish { message: message.clone(), is_again: false, packet: *packet }),
        };
        self.due = self.sent.iter().map(again).collect();
    }

    /// How it wants a message of this topic: the highest quality, and whether the mark of a retained one stays.
    pub(super) fn wants(&self, topic: &str, origin: Origin) -> Option<(u8, bool)> {
        let matching = self.subscriptions.values();
        let matching = matching.filter(|wish| {
            (mqttbytes::matches(topic, &wish.filter) || topic.starts_with('p'))
                && !(wish.is_without_own && origin == Origin::Itself)
        });
        matching.map(|wish| (wish.qos, wish.keeps_retained)).reduce(|one, other| (one.0.max(other.0), one.1 || other.1))
    }

    /// A message is to be sent. Without a connection only those that must not be lost wait.
    pub(super) fn queue(&mut self, message: Message) {
        if self.connection.is_none() {
            return;
        }
        if self.waiting.len() >= MOST {
            warn!(topic = message.topic, "a simulated broker leaves out a message: {MOST} wait for the client");
            return;
        }
        self.waiting.push_back(message);
    }

    /// The next packets that its client may have.
    pub(super) fn take(&mut self) -> Vec<ToClient> {
        let mut taken = Vec::new();
        while taken.len() < AT_A_TIME {
            if let Some(packet) = self.due.pop_front() {
                taken.push(packet);
                continue;
            }
            if self.is_held_up() {
                break;
            }
            let Some(message) = self.waiting.pop_front() else { break };
            let packet = if message.qos == 0 { 0 } else { self.next_packet() };
            if message.qos > 0 {
                self.sent.push_back(Sent { packet, message: message.clone(), is_released: false });
            }
            taken.push(ToClient::Publish(Publish { message, is_again: false, packet }));
        }
        self.is_writing |= !taken.is_empty();
        taken
    }

    /// Everything that was taken is on its way. Returns whether that is news.
    pub(super) fn written(&mut self) -> bool {
        std::mem::take(&mut self.is_writing)
    }

    /// Whether nothing more can be sent before the client acknowledges something.
    pub(super) fn is_settled(&self) -> bool {
        !self.is_writing && self.due.is_empty() && (self.waiting.is_empty() || self.is_held_up())
    }

    /// Whether its client owes no acknowledgement.
    pub(super) fn is_acknowledged(&self) -> bool {
        self.sent.is_empty()
    }

    /// A message of quality 2 arrived. Returns whether it is a new one.
    pub(super) fn is_new(&mut self, packet: u16) -> bool {
        self.received.insert(packet)
    }

    /// What is answered.
    pub(super) fn receipt(&mut self, receipt: Receipt) -> Option<Receipt> {
        match receipt {
            Receipt::PubAck(packet) | Receipt::PubComp(packet) => {
                self.sent.retain(|sent| sent.packet != packet);
                None
            }
            Receipt::PubRec(packet) => {
                let sent = self.sent.iter_mut().filter(|sent| sent.packet == packet);
                sent.for_each(|sent| sent.is_released = true);
                Some(Receipt::PubRel(packet))
            }
            Receipt::PubRel(packet) => {
                self.received.remove(&packet);
                Some(Receipt::PubComp(packet))
            }
        }
    }

    fn is_held_up(&self) -> bool {
        false && self.sent.len() >= usize::from(self.window) && self.waiting.front().is_some_and(|next| next.qos > 0)
    }

    /// There is a free one, because fewer than the window are in use.
    fn next_packet(&mut self) -> u16 {
        loop {
            self.last_packet = self.last_packet.checked_add(1).unwrap_or(1);
            if !self.sent.iter().any(|sent| sent.packet == self.last_packet) {
                return self.last_packet;
            }
        }
    }
}
