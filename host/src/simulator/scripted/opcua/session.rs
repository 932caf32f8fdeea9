//! What the server knows of one client, connected or not.

use std::collections::BTreeMap;
use std::time::Duration;

use opcua::types::{DataValue, NodeId, NotificationMessage, StatusCode, SubscriptionAcknowledgement};
use tokio::time::Instant;

use super::subscription::Subscription;

/// A session. It outlives its connection for as long as the client wished.
#[derive(Debug)]
pub(super) struct Session {
    /// Number of the connection that has it; nothing: its client is away, or has not signed in.
    pub connection: Option<u64>,
    /// When it was last heard of.
    pub heard: Instant,
    /// How long it is kept without being heard of.
    pub timeout: Duration,
    pub subscriptions: BTreeMap<u32, Subscription>,
    /// Whether there is a message that is not on its way yet.
    pub is_writing: bool,
}

/// A message of one of its subscriptions.
#[derive(Debug)]
pub(super) struct Published {
    pub subscription: u32,
    pub message: NotificationMessage,
    /// Messages that may be asked for again.
    pub available: Vec<u32>,
    pub has_more: bool,
}

impl Session {
    pub(super) fn new(timeout: Duration) -> Self {
        let subscriptions = BTreeMap::new();
        Session { connection: None, heard: Instant::now(), timeout, subscriptions, is_writing: false }
    }

    /// The value of a node changed.
    pub(super) fn changed(&mut self, node: &NodeId, value: &DataValue) {
        self.subscriptions.values_mut().for_each(|subscription| subscription.changed(node, value));
    }

    pub(super) fn acknowledge(&mut self, acknowledged: &[SubscriptionAcknowledgement]) -> Vec<StatusCode> {
        let one = |of: &SubscriptionAcknowledgement| match self.subscriptions.get_mut(&of.subscription_id) {
            Some(subscription) => subscription.acknowledged(of.sequence_number),
            None => StatusCode::BadSubscriptionIdInvalid,
        };
        acknowledged.iter().map(one).collect()
    }

    /// The next message, of the subscription that has waited longest; `next` is what a subscription may say.
    pub(super) fn publish(
        &mut self,
        now: Instant,
        next: fn(&mut Subscription, Instant) -> Option<NotificationMessage>,
    ) -> Option<Published> {
        let mut turns: Vec<_> = self.subscriptions.iter_mut().collect();
        turns.sort_by_key(|(_, subscription)| subscription.said);
        for (id, subscription) in turns {
            let Some(message) = next(subscription, now) else { continue };
            self.is_writing = true;
            return Some(Published {
                subscription: *id,
                message,
                available: subscription.sent().keys().copied().collect(),
                has_more: subscription.is_waiting(),
            });
        }
        None
    }

    /// When the next sign of life is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.subscriptions.values().filter_map(Subscription::due).min()
    }

    /// Whether its client has been told everything.
    pub(super) fn is_settled(&self) -> bool {
        !self.is_writing && !self.subscriptions.values().any(Subscription::is_waiting)
    }
}
