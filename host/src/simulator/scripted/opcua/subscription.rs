//! What a client monitors, and what it was told of it.
//!
//! Source: OPC 10000-4, 5.13.1 (monitored items and their queues), 5.14.1 (subscriptions, signs of life, retransmission).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use opcua::types::{
    CreateSubscriptionRequest, DataChangeNotification, DataValue, DateTime, ExtensionObject,
    MonitoredItemCreateRequest, MonitoredItemCreateResult, MonitoredItemNotification, NodeId, NotificationMessage,
    StatusCode,
};
use tokio::time::Instant;

/// The publishing interval that is granted: a change is told at once.
pub(super) const INTERVAL: Duration = Duration::from_millis(10);
/// Messages that may be asked for again.
const KEPT: usize = 100;
/// Most values that wait for an item.
const LONGEST_QUEUE: u32 = 1000;
/// The status is one of a value, and values beside it are missing (OPC 10000-4, 7.38.1).
const OVERFLOW: u32 = 0x80;
/// Most notifications in one message.
const BATCH: usize = 1000;

/// A subscription.
#[derive(Debug)]
pub(super) struct Subscription {
    items: BTreeMap<u32, Item>,
    /// Number of the next message with notifications.
    next: u32,
    /// Messages without an acknowledgement.
    sent: BTreeMap<u32, NotificationMessage>,
    /// Longest time without a message.
    pub keep_alive: Duration,
    /// When there was a message; nothing: there was none yet.
    pub said: Option<Instant>,
}

#[derive(Debug)]
struct Item {
    node: NodeId,
    handle: u32,
    most: usize,
    discards_oldest: bool,
    waiting: VecDeque<DataValue>,
}

impl Subscription {
    pub(super) fn new(request: &CreateSubscriptionRequest) -> Self {
        let interval = Duration::try_from_secs_f64(request.requested_publishing_interval / 1000.0).unwrap_or(INTERVAL);
        let keep_alive = interval.max(INTERVAL).saturating_mul(request.requested_max_keep_alive_count.max(1));
        Subscription { items: BTreeMap::new(), next: 1, sent: BTreeMap::new(), keep_alive, said: None }
    }

    /// How many granted intervals make the time without a message that was asked for.
    pub(super) fn keep_alive_count(&self) -> u32 {
        u32::try_from(self.keep_alive.as_millis() / INTERVAL.as_millis()).unwrap_or(u32::MAX)
    }

    /// Monitors a node from now on; its present value is the first that is told.
    pub(super) fn monitor(
        &mut self,
        id: u32,
        request: &MonitoredItemCreateRequest,
        value: DataValue,
    ) -> MonitoredItemCreateResult {
        let wanted = &request.requested_parameters;
        let queue_size = wanted.queue_size.clamp(1, LONGEST_QUEUE);
        let mut item = Item {
            node: request.item_to_monitor.node_id.clone(),
            handle: wanted.client_handle,
            most: queue_size as usize,
            discards_oldest: wanted.discard_oldest,
            waiting: VecDeque::new(),
        };
        item.queue(value);
        self.items.insert(id, item);
        MonitoredItemCreateResult {
            status_code: StatusCode::Good,
            monitored_item_id: id,
            revised_sampling_interval: 0.0,
            revised_queue_size: queue_size,
            filter_result: ExtensionObject::null(),
        }
    }

    pub(super) fn forget(&mut self, id: u32) -> StatusCode {
        match self.items.remove(&id) {
            Some(_) => StatusCode::Good,
            None => StatusCode::BadMonitoredItemIdInvalid,
        }
    }

    /// The value of a node changed.
    pub(super) fn changed(&mut self, node: &NodeId, value: &DataValue) {
        self.items
            .values_mut()
            .filter(|item| item.node == *node && value.status.is_none_or(|s| s.is_good()))
            .for_each(|item| item.queue(value.clone()));
    }

    pub(super) fn monitored(&self) -> impl Iterator<Item = &NodeId> {
        self.items.values().map(|item| &item.node)
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.items.values().any(|item| !item.waiting.is_empty())
    }

    /// When a sign of life is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.said.map(|said| said + self.keep_alive)
    }

    /// The next message: notifications, else a sign of life if one is due.
    pub(super) fn message(&mut self, now: Instant) -> Option<NotificationMessage> {
        let notifications = self.take();
        if notifications.is_empty() {
            return self.sign_of_life(now);
        }
        self.said = Some(now);
        let change = DataChangeNotification { monitored_items: Some(notifications), diagnostic_infos: None };
        let message = self.numbered(Some(vec![ExtensionObject::from_message(change)]));
        self.next = self.next.checked_add(1).unwrap_or(1);
        self.sent.insert(message.sequence_number, message.clone());
        while self.sent.len() > KEPT {
            self.sent.pop_first();
        }
        Some(message)
    }

    /// A message without notifications, if one is due. It has the number of the next message, and does not use it up.
    pub(super) fn sign_of_life(&mut self, now: Instant) -> Option<NotificationMessage> {
        let is_due = self.due().is_none_or(|due| due <= now);
        is_due.then(|| {
            self.said = Some(now);
            self.numbered(None)
        })
    }

    fn numbered(&self, notification_data: Option<Vec<ExtensionObject>>) -> NotificationMessage {
        NotificationMessage { sequence_number: self.next, publish_time: DateTime::now(), notification_data }
    }

    pub(super) fn acknowledged(&mut self, number: u32) -> StatusCode {
        match self.sent.remove(&number) {
            Some(_) => StatusCode::Good,
            None => StatusCode::BadSequenceNumberUnknown,
        }
    }

    pub(super) fn sent(&self) -> &BTreeMap<u32, NotificationMessage> {
        &self.sent
    }

    fn take(&mut self) -> Vec<MonitoredItemNotification> {
        let mut taken = Vec::new();
        for item in self.items.values_mut() {
            let values = item.waiting.drain(..item.waiting.len().min(BATCH - taken.len()));
            taken.extend(values.map(|value| MonitoredItemNotification { client_handle: item.handle, value }));
        }
        taken
    }
}

impl Item {
    fn queue(&mut self, value: DataValue) {
        self.waiting.push_back(DataValue { server_timestamp: Some(DateTime::now()), ..value });
        if self.waiting.len() <= self.most {
            return;
        }
        // The value beside the gap says that there is one; in a queue of one there is none.
        let marked = if self.discards_oldest {
            self.waiting.pop_front();
            self.waiting.front_mut()
        } else {
            let newest = self.waiting.pop_back();
            self.waiting.pop_back();
            self.waiting.extend(newest);
            self.waiting.back_mut()
        };
        if let Some(marked) = marked.filter(|_| self.most > 1) {
            marked.status = Some(StatusCode::from(marked.status().bits() | OVERFLOW));
        }
    }
}
