//! One subscription at the server: its items, and the messages that came of it in their order.
//!
//! Each message has a number. One that is missing is asked for again; when the server no longer has it, that is a loss and is counted. One that came
//! before is dropped.
//!
//! Source: OPC 10000-4, 5.13 (MonitoredItem services), 5.14 (Subscription services).

use std::sync::{Arc, Weak};
use std::time::Duration;

use opcua::core::ResponseMessage;
use opcua::types::{
    CreateMonitoredItemsRequest, CreateSubscriptionRequest, DataChangeNotification, DeleteSubscriptionsRequest,
    ModifySubscriptionRequest, MonitoredItemCreateRequest, MonitoringMode, MonitoringParameters, NotificationMessage,
    RepublishRequest, StatusChangeNotification, TimestampsToReturn,
};
use tokio::time::Instant;

use super::bindings::tutin::opcua::client::Notification;
use super::fault::{Fault, status_text};
use super::node::{NodeError, show as show_node};
use super::seat::{Seat, Wanted};
use super::seen;
use super::session::{Session, UNKNOWN_NODE, VALUE, answers, attribute_of, unexpected};
use super::value::{data_value, is_overflow, show};

/// Most notifications in one message.
const BATCH: u32 = 10_000;
/// Missing messages that are asked for again, one by one; of a larger gap the rest is a loss.
const REPUBLISHED: u32 = 1000;
/// Notifications of a message that the trace shows.
const SHOWN: usize = 5;

/// What the server does for one device.
pub(super) struct Subscription {
    pub(super) id: u32,
    pub(super) wanted: Arc<Wanted>,
    seat: Weak<Seat>,
    /// Number of the message that must come next.
    expected: u32,
    heard: Instant,
    /// Longest time without any message of it.
    patience: Duration,
    /// The server ended it.
    pub(super) is_over: bool,
}

impl Subscription {
    /// Creates it with its items. What the server refuses is told to the device.
    pub(super) async fn create(
        session: &Session,
        seat: &Arc<Seat>,
        wanted: Arc<Wanted>,
        silence: Duration,
        lifetime: Duration,
    ) -> Result<Self, Fault> {
        let interval = wanted.publishing.as_secs_f64() * 1000.0;
        let request = CreateSubscriptionRequest {
            request_header: session.header(),
            requested_publishing_interval: interval,
            requested_lifetime_count: lifetime_count(lifetime, silence, interval),
            requested_max_keep_alive_count: keep_alive_count(silence, interval),
            max_notifications_per_publish: BATCH,
            publishing_enabled: true,
            priority: 0,
        };
        session.tell_out(|| format!("create subscription every {interval} ms"));
        let response = match session.ask(request).await? {
            ResponseMessage::CreateSubscription(response) => response,
            other => return Err(unexpected(&other)),
        };
        let (id, revised) = (response.subscription_id, response.revised_publishing_interval);
        let mut period = period(revised, response.revised_max_keep_alive_count);
        if period > silence / 2 {
            period = slow_down(session, id, revised, silence, lifetime).await?;
        }
        let subscription = Subscription {
            id,
            seat: Arc::downgrade(seat),
            expected: 1,
            heard: Instant::now(),
            patience: silence.max(period * 2 + Duration::from_secs(1)),
            is_over: false,
            wanted,
        };
        session.tell_in(|| format!("subscription {id} with a sign of life every {} s", period.as_secs_f64()));
        match subscription.monitor(session).await {
            Ok(refused) => seat.refuse(subscription.wanted.list, refused),
            Err(fault) => {
                delete(session, id).await?;
                return Err(fault);
            }
        }
        Ok(subscription)
    }

    /// Creates the items, as many in a request as the server takes. Those that it refuses, by position and status.
    async fn monitor(&self, session: &Session) -> Result<Vec<(u32, u32)>, Fault> {
        let wanted = &self.wanted;
        let mut namespaces = session.namespaces();
        let is_unknown = |node| matches!(namespaces.to_server(node), Err(NodeError::UnknownNamespace(_)));
        if wanted.nodes.iter().any(is_unknown) {
            namespaces = session.read_namespaces().await?;
        }
        let (mut items, mut refused) = (Vec::new(), Vec::new());
        for (item, node) in (0_u32..).zip(&wanted.nodes) {
            match namespaces.to_server(node) {
                Ok(id) => items.push((item, id)),
                Err(_) => refused.push((item, UNKNOWN_NODE.bits())),
            }
        }
        for chunk in items.chunks(session.limits.monitor) {
            let create = |(item, id): &(u32, opcua::types::NodeId)| MonitoredItemCreateRequest {
                item_to_monitor: attribute_of(id.clone(), VALUE),
                monitoring_mode: MonitoringMode::Reporting,
                requested_parameters: MonitoringParameters {
                    client_handle: *item,
                    sampling_interval: wanted.sampling.as_secs_f64() * 1000.0,
                    queue_size: wanted.queue,
                    discard_oldest: true,
                    ..MonitoringParameters::default()
                },
            };
            let request = CreateMonitoredItemsRequest {
                request_header: session.header(),
                subscription_id: self.id,
                timestamps_to_return: TimestampsToReturn::Both,
                items_to_create: Some(chunk.iter().map(create).collect()),
            };
            session.tell_out(|| format!("monitor {} nodes in subscription {}", chunk.len(), self.id));
            let results = match session.ask(request).await {
                Ok(ResponseMessage::CreateMonitoredItems(response)) => answers(response.results, chunk.len())?,
                Ok(other) => return Err(unexpected(&other)),
                // A server that has room for no more refuses these; those that it took stay.
                Err(fault @ Fault::Status(status)) if !fault.is_session_gone() => {
                    refused.extend(chunk.iter().map(|(item, _)| (*item, status)));
                    continue;
                }
                Err(fault) => return Err(fault),
            };
            let bad = chunk.iter().zip(results).filter(|(_, result)| result.status_code.is_bad());
            refused.extend(bad.map(|((item, _), result)| (*item, result.status_code.bits())));
        }
        session.tell_in(|| match refused.first() {
            None => format!("all {} nodes are monitored", wanted.nodes.len()),
            Some((item, status)) => {
                let node = wanted.nodes.get(*item as usize).map(show_node).unwrap_or_default();
                format!("{} nodes are refused, first {node}: {}", refused.len(), status_text(*status))
            }
        });
        Ok(refused)
    }

    /// Whether the device still wants this list.
    pub(super) fn is_wanted(&self) -> bool {
        let seat = self.seat.upgrade();
        !self.is_over && seat.and_then(|seat| seat.wanted()).is_some_and(|wanted| wanted.list == self.wanted.list)
    }

    /// How long it has said nothing, when that is too long.
    pub(super) fn is_silent(&self, now: Instant) -> Option<Duration> {
        Some(now.duration_since(self.heard)).filter(|silence| *silence > self.patience)
    }

    /// The connection was away; the silence begins anew.
    pub(super) fn resume(&mut self) {
        self.heard = Instant::now();
    }

    /// Something may have been lost.
    pub(super) fn lost(&self, count: u64, how: &'static str) {
        if let Some(seat) = self.seat.upgrade() {
            seat.lost(count, how);
        }
    }

    /// Takes in one message, after those that are missing before it. True when the server may forget it.
    pub(super) async fn take(&mut self, session: &Session, message: NotificationMessage) -> Result<bool, Fault> {
        self.heard = Instant::now();
        let number = message.sequence_number;
        let is_sign_of_life = message.notification_data.as_ref().is_none_or(Vec::is_empty);
        let ahead = number.wrapping_sub(self.expected);
        if ahead > u32::MAX / 2 {
            // It came before.
            return Ok(!is_sign_of_life);
        }
        self.fetch(session, ahead).await?;
        if is_sign_of_life {
            return Ok(false);
        }
        self.expected = number.wrapping_add(1);
        self.deliver(session, message);
        Ok(true)
    }

    /// Asks for so many messages that should have come.
    async fn fetch(&mut self, session: &Session, missing: u32) -> Result<(), Fault> {
        let mut lost = u64::from(missing.saturating_sub(REPUBLISHED));
        let first = self.expected.wrapping_add(missing.saturating_sub(REPUBLISHED));
        for number in (0..missing.min(REPUBLISHED)).map(|at| first.wrapping_add(at)) {
            let request = RepublishRequest {
                request_header: session.header(),
                subscription_id: self.id,
                retransmit_sequence_number: number,
            };
            session.tell_out(|| format!("republish message {number} of subscription {}", self.id));
            match session.ask(request).await {
                Ok(ResponseMessage::Republish(response)) => {
                    let message = response.notification_message;
                    // Some servers hand out an empty message when they have none.
                    if message.sequence_number == number && message.notification_data.is_some() {
                        self.deliver(session, message);
                    } else {
                        lost += 1;
                    }
                }
                Ok(other) => return Err(unexpected(&other)),
                Err(Fault::Status(status)) => {
                    session.tell_in(|| format!("message {number} is lost: {}", status_text(status)));
                    lost += 1;
                }
                Err(fault) => return Err(fault),
            }
            // A connection that breaks now goes on from here.
            self.expected = number.wrapping_add(1);
        }
        self.lost(lost, "the server does not have the messages any more");
        Ok(())
    }

    fn deliver(&mut self, session: &Session, message: NotificationMessage) {
        let Some(seat) = self.seat.upgrade() else { return };
        let namespaces = session.namespaces();
        let number = message.sequence_number;
        for data in message.notification_data.into_iter().flatten() {
            if let Some(change) = data.inner_as::<StatusChangeNotification>() {
                session.tell_in(|| format!("subscription {} is over: {}", self.id, status_text(change.status.bits())));
                self.is_over = true;
            } else if let Some(changes) = data.into_inner_as::<DataChangeNotification>() {
                let changes = changes.monitored_items.unwrap_or_default();
                let notifications: Vec<Notification> = changes
                    .iter()
                    .filter(|change| (change.client_handle as usize) < self.wanted.nodes.len())
                    .map(|change| Notification {
                        item: change.client_handle,
                        value: data_value(&change.value, &namespaces),
                    })
                    .collect();
                session.tell_nodes(|| {
                    let node = |handle: u32| self.wanted.nodes.get(handle as usize);
                    let seen = changes
                        .iter()
                        .filter_map(|change| Some(seen::value(node(change.client_handle)?, &change.value)));
                    (self.in_words(number, &notifications), seen.collect())
                });
                let overflows = notifications.iter().filter(|notification| is_overflow(notification.value.status));
                let overflows = overflows.count() as u64;
                seat.deliver(self.wanted.list, notifications);
                seat.lost(overflows, "the server's queue of an item was full");
            }
        }
        if self.is_over {
            seat.lost(1, "the server ended the subscription");
        }
    }

    fn in_words(&self, number: u32, notifications: &[Notification]) -> String {
        let shown = notifications.iter().take(SHOWN).map(|notification| {
            let node = self.wanted.nodes.get(notification.item as usize).map(show_node).unwrap_or_default();
            format!("{node} = {} {}", show(&notification.value.value), status_text(notification.value.status))
        });
        let shown = shown.collect::<Vec<_>>().join(", ");
        let rest = if notifications.len() > SHOWN { ", …" } else { "" };
        format!("subscription {} message {number}, {} values: {shown}{rest}", self.id, notifications.len())
    }
}

/// Ends a subscription at the server.
pub(super) async fn delete(session: &Session, id: u32) -> Result<(), Fault> {
    let request = DeleteSubscriptionsRequest { request_header: session.header(), subscription_ids: Some(vec![id]) };
    session.tell_out(|| format!("delete subscription {id}"));
    match session.ask(request).await {
        // It may be gone already.
        Ok(_) | Err(Fault::Status(_)) => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// Counts anew for a server that publishes less often than it was asked to: the signs of life would be as much rarer.
async fn slow_down(
    session: &Session,
    subscription_id: u32,
    interval: f64,
    silence: Duration,
    lifetime: Duration,
) -> Result<Duration, Fault> {
    let request = ModifySubscriptionRequest {
        request_header: session.header(),
        subscription_id,
        requested_publishing_interval: interval,
        requested_lifetime_count: lifetime_count(lifetime, silence, interval),
        requested_max_keep_alive_count: keep_alive_count(silence, interval),
        max_notifications_per_publish: BATCH,
        priority: 0,
    };
    match session.ask(request).await? {
        ResponseMessage::ModifySubscription(response) => {
            Ok(period(response.revised_publishing_interval, response.revised_max_keep_alive_count))
        }
        other => Err(unexpected(&other)),
    }
}

/// Three signs of life within the silence that is borne.
fn keep_alive_count(silence: Duration, interval_ms: f64) -> u32 {
    count(silence / 3, interval_ms)
}

/// A subscription outlives a broken connection as long as its session does.
fn lifetime_count(lifetime: Duration, silence: Duration, interval_ms: f64) -> u32 {
    count(lifetime, interval_ms).max(keep_alive_count(silence, interval_ms).saturating_mul(3))
}

fn count(span: Duration, interval_ms: f64) -> u32 {
    (span.as_secs_f64() * 1000.0 / interval_ms.max(1.0)).clamp(1.0, 1e6) as u32
}

/// Longest time between two messages.
fn period(interval_ms: f64, keep_alive_count: u32) -> Duration {
    let seconds = interval_ms.max(0.0) / 1000.0 * f64::from(keep_alive_count.max(1));
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(86_400))
}
