//! One device's side of a session: what it may take, what it takes, and what waits for it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tracing::warn;

use super::error::MqttError;
use super::message::{Message, Returns};
use super::topic;
use crate::capability::Addressing;
use crate::capability::wire::{Inbox, Memory};

/// Most filters of one device.
const FILTERS: usize = 1_000;
/// Most bytes of payload that wait for one device, whatever its queue has room for.
const WAITING_BYTES: usize = 64 << 20;
/// Most bytes of payload that are handed out at a time, so that a guest's memory need not hold the whole queue.
const HANDED_BYTES: usize = 4 << 20;

/// Topic filters, each with the quality of service that is asked for.
pub(super) type Filters = Vec<(String, u8)>;

/// A device that uses a session.
pub(super) struct Device {
    name: Arc<str>,
    topics: Vec<String>,
    publish_topics: Vec<String>,
    inbox: Inbox<Arc<Message>>,
    capacity: usize,
    state: Mutex<State>,
    returns: Arc<Returns>,
}

#[derive(Default)]
struct State {
    /// What it subscribed to. Before it has, messages of quality 1 and 2 that it may want are taken for it: the broker may have kept
    /// them while the hub was away.
    filters: Option<Filters>,
    /// It subscribed since the session looked.
    is_fresh: bool,
    /// Messages that wait, or are in its hand, and their payload.
    held: usize,
    bytes: usize,
    /// The connection on which it had no room. What follows must not overtake what it then refused.
    behind_on: u64,
}

/// What a device takes at a time.
#[derive(Debug, Default)]
pub struct Handed {
    /// In order, each with whether it was handed out before.
    pub(super) messages: Vec<(Arc<Message>, bool)>,
    /// Refused since the last time.
    pub(super) dropped: u64,
    /// There are more.
    pub(super) more: bool,
}

impl Device {
    pub(super) fn new(device: &Addressing, capacity: usize, returns: &Arc<Returns>) -> Self {
        Device {
            name: Arc::clone(&device.device),
            topics: device.topics.clone(),
            publish_topics: device.publish_topics.clone(),
            inbox: Inbox::new(capacity),
            capacity,
            state: Mutex::default(),
            returns: Arc::clone(returns),
        }
    }

    pub(super) fn granted(&self) -> &[String] {
        &self.topics
    }

    pub(super) fn bell(&self) -> Arc<Notify> {
        self.inbox.bell()
    }

    /// Whether it may subscribe to these filters; as they are then subscribed to.
    pub(super) fn check_filters(&self, filters: &[String], qos: u8) -> Result<Filters, MqttError> {
        if qos > 2 {
            return Err(MqttError::BadRequest(format!("quality of service {qos}; there are 0, 1 and 2")));
        }
        if filters.len() > FILTERS {
            return Err(MqttError::BadRequest(format!("{} filters, at most {FILTERS}", filters.len())));
        }
        for filter in filters {
            topic::check_filter(filter)
                .map_err(|fault| MqttError::BadRequest(format!("topic filter {filter:?}: {fault}")))?;
            if !self.topics.iter().any(|granted| topic::lies_within(filter, granted)) {
                let granted = self.topics.join(", ");
                let text = format!("topic filter {filter:?} is not granted to this device (topics): {granted}");
                return Err(MqttError::BadRequest(text));
            }
        }
        Ok(filters.iter().map(|filter| (filter.clone(), qos)).collect())
    }

    /// Takes messages of these filters from now on. A driver that knows what the one before it knew needs no retained message once more.
    pub(super) fn subscribe(&self, filters: Filters, memory: Memory) {
        let is_known = self.with(|state| {
            let is_known = memory == Memory::Kept && state.filters.as_ref() == Some(&filters);
            state.is_fresh |= !is_known;
            state.filters = Some(filters);
            is_known
        });
        if !is_known {
            self.returns.changed();
        }
    }

    /// Whether it may publish there.
    pub(super) fn may_publish(&self, topic: &str) -> Result<(), MqttError> {
        topic::check_topic(topic).map_err(|fault| MqttError::BadRequest(format!("topic {topic:?}: {fault}")))?;
        if self.publish_topics.iter().any(|granted| topic::matches(granted, topic)) {
            return Ok(());
        }
        let granted = self.publish_topics.join(", ");
        Err(MqttError::BadRequest(format!("topic {topic:?} is not granted to this device (publish_topics): {granted}")))
    }

    /// A driver that begins without having subscribed will not.
    pub(super) fn begins(&self) {
        self.with(|state| _ = state.filters.get_or_insert_default());
    }

    /// What it subscribed to, and whether it did since the last time.
    pub(super) fn wanted(&self) -> (Filters, bool) {
        self.with(|state| (state.filters.clone().unwrap_or_default(), std::mem::take(&mut state.is_fresh)))
    }

    /// The first of its filters among these.
    pub(super) fn first_within(&self, outer: impl Fn(&str) -> bool) -> Option<String> {
        self.with(|state| {
            state.filters.iter().flatten().map(|(filter, _)| filter).find(|filter| outer(filter)).cloned()
        })
    }

    /// Whether a message is for it.
    pub(super) fn wants(&self, topic: &str, qos: u8) -> bool {
        self.with(|state| match &state.filters {
            Some(filters) => filters.iter().any(|(filter, _)| topic::matches(filter, topic)),
            None => qos > 0 && self.topics.iter().any(|granted| topic::matches(granted, topic)),
        })
    }

    /// Takes a message in. False when there is no room; it is counted.
    pub(super) fn offer(&self, message: &Arc<Message>, connection: u64) -> bool {
        let is_taken = self.with(|state| {
            let size = message.payload.len();
            let is_behind = message.claim.is_some() && state.behind_on == connection;
            let is_full = state.held > 0 && state.bytes + size > WAITING_BYTES;
            if is_behind || is_full {
                self.inbox.lost_before(1);
            }
            if is_behind || is_full || self.inbox.offer(Arc::clone(message)).is_err() {
                if message.claim.is_some() {
                    state.behind_on = connection;
                }
                return false;
            }
            state.held += 1;
            state.bytes += size;
            true
        });
        self.inbox.ring();
        is_taken
    }

    /// So many messages were refused before they came here.
    pub(super) fn lost_before(&self, count: u64) {
        self.inbox.lost_before(count);
        self.inbox.ring();
    }

    /// Whether it has worked off half of its queue.
    pub(super) fn has_room(&self) -> bool {
        self.with(|state| state.held <= self.capacity / 2 && state.bytes <= WAITING_BYTES / 2)
    }

    /// Hands out at most so many messages.
    pub(super) fn take(&self, most: u32) -> Handed {
        let mut handed = Handed { messages: Vec::new(), dropped: 0, more: false };
        let mut bytes = 0;
        for _ in 0..most.max(1) {
            let taken = self.inbox.take(if most == 0 { 0 } else { 1 });
            handed.dropped += taken.dropped;
            handed.more = taken.more;
            bytes += taken.items.iter().map(|(message, _)| message.payload.len()).sum::<usize>();
            // What came before it subscribed need not be what it subscribed to.
            handed.messages.extend(taken.items.into_iter().filter(|(message, _)| self.wants(&message.topic, 0)));
            if !handed.more || bytes >= HANDED_BYTES {
                break;
            }
        }
        handed
    }

    pub(super) fn is_in_hand(&self) -> bool {
        self.inbox.is_in_hand()
    }

    pub(super) fn kept(&self) {
        self.release(self.inbox.kept());
    }

    /// What was handed out too often is not waited for any more: it would keep the broker from sending anything else.
    pub(super) fn not_kept(&self) {
        let given_up = self.inbox.not_kept();
        if let Some(message) = given_up.first() {
            let (device, count, topic) = (&*self.name, given_up.len(), message.topic.as_str());
            warn!(device, "{count} messages given up that no poll could keep, the first on topic {topic}");
        }
        self.release(given_up);
    }

    fn release(&self, messages: Vec<Arc<Message>>) {
        let bytes: usize = messages.iter().map(|message| message.payload.len()).sum();
        self.with(|state| {
            state.held = state.held.saturating_sub(messages.len());
            state.bytes = state.bytes.saturating_sub(bytes);
        });
        messages.iter().filter_map(|message| message.claim.as_ref()).for_each(super::message::Claim::keep);
        // The session may have waited for room.
        self.returns.ring();
    }

    fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // Somebody must unsubscribe.
        self.returns.changed();
    }
}
