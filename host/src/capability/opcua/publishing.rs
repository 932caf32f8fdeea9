//! What goes on over a session while it lives: subscriptions follow what devices want, publish requests wait at the server, silence is noticed.
//!
//! Invariant: a session over which nothing comes for the configured silence ends, and so does one of whose subscriptions nothing comes, whatever else
//! works over it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use opcua::core::ResponseMessage;
use opcua::types::{PublishRequest, PublishResponse, StatusCode, SubscriptionAcknowledgement, VariableId};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tracing::warn;

use super::establish::Plan;
use super::fault::{Fault, status_text};
use super::seat::{Seat, Wanted};
use super::session::{Session, VALUE, attribute_of, unexpected};
use super::subscription::{Subscription, delete};

/// Publish requests that wait at the server for each subscription, and in all.
const WAITING: usize = 2;
const MOST_WAITING: usize = 20;
/// A publish request waits at the server as long as the session lives.
const FOREVER: Duration = Duration::from_secs(86_400);
/// Pause after a publish request failed, and before a subscription is tried again that the server refused.
const PAUSE: Duration = Duration::from_millis(250);
const REFUSED_PAUSE: Duration = Duration::from_secs(10);
/// Longest time without a request, so that the secure channel's token is renewed in time.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// The devices at a connection.
#[derive(Default)]
pub(super) struct Seats {
    seats: Mutex<Vec<Weak<Seat>>>,
    /// Rung when one of them wants something else.
    pub(super) changed: Notify,
}

/// When something came last.
pub(super) struct Pulse {
    begin: Instant,
    millis: AtomicU64,
}

/// Why a session ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The connection broke; the session may still be there.
    Broken(String),
    /// The session is of no use any more.
    Useless(String),
}

/// Subscriptions, which may outlive the connection.
#[derive(Default)]
pub(super) struct Subscriptions {
    live: Vec<Subscription>,
    /// Messages that the server may forget.
    acknowledged: Vec<SubscriptionAcknowledgement>,
    /// Lists that the server did not take, and when they are tried again.
    refused: Vec<(u64, Instant)>,
}

/// The tending of one session.
pub(super) struct Tending<'a> {
    pub(super) session: &'a Session,
    pub(super) seats: &'a Seats,
    pub(super) pulse: &'a Pulse,
    pub(super) plan: &'a Plan,
}

impl Seats {
    /// A device wants something from now on.
    pub(super) fn join(&self, seat: &Arc<Seat>) {
        self.with(|seats| {
            if !seats.iter().any(|one| one.as_ptr() == Arc::as_ptr(seat)) {
                seats.push(Arc::downgrade(seat));
            }
        });
        self.changed.notify_one();
    }

    /// Those that are still there.
    pub(super) fn all(&self) -> Vec<Arc<Seat>> {
        self.with(|seats| {
            seats.retain(|seat| seat.strong_count() > 0);
            seats.iter().filter_map(Weak::upgrade).collect()
        })
    }

    fn with<R>(&self, work: impl FnOnce(&mut Vec<Weak<Seat>>) -> R) -> R {
        work(&mut self.seats.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Pulse {
    /// Something came just now.
    pub(super) fn new() -> Self {
        Pulse { begin: Instant::now(), millis: AtomicU64::new(0) }
    }

    pub(super) fn beat(&self) {
        let millis = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.millis.store(millis, Ordering::Relaxed);
    }

    fn silence(&self) -> Duration {
        self.begin.elapsed().saturating_sub(Duration::from_millis(self.millis.load(Ordering::Relaxed)))
    }
}

impl Subscriptions {
    /// There is a new session, and they are not in it: what the server still had for them is lost, and nobody knows how much.
    pub(super) fn forget(&mut self) {
        for subscription in self.live.drain(..) {
            subscription.lost(1, "there is a new session, and the old one's last messages cannot be asked for");
        }
        self.acknowledged.clear();
        self.refused.clear();
    }

    /// The session of before goes on.
    pub(super) fn resume(&mut self) {
        self.live.iter_mut().for_each(Subscription::resume);
    }
}

impl Tending<'_> {
    /// Tends it until it ends.
    pub(super) async fn run(&self, subscriptions: &mut Subscriptions) -> End {
        let mut waiting: FuturesUnordered<BoxFuture<'_, Result<Box<PublishResponse>, Fault>>> = FuturesUnordered::new();
        let mut most = MOST_WAITING;
        let mut tick =
            interval((self.plan.settings.silence / 8).clamp(Duration::from_millis(100), Duration::from_secs(1)));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut alive: Option<BoxFuture<'_, Result<(), Fault>>> = None;
        loop {
            let wanted = (subscriptions.live.len() * WAITING).min(most);
            while waiting.len() < wanted {
                waiting.push(Box::pin(self.publish(std::mem::take(&mut subscriptions.acknowledged))));
            }
            let result = tokio::select! {
                Some(answer) = waiting.next(), if !waiting.is_empty() => match answer {
                    Ok(response) => self.take(subscriptions, *response).await,
                    Err(fault) => {
                        if fault == Fault::Status(StatusCode::BadTooManyPublishRequests.bits()) {
                            most = waiting.len().max(1);
                        }
                        self.publish_failed(&fault).await
                    }
                },
                () = self.seats.changed.notified() => self.follow(subscriptions).await,
                () = self.session.gone.notified() => {
                    return End::Useless(String::from("the server does not know the session any more"));
                }
                answer = poll_option(&mut alive) => {
                    alive = None;
                    answer
                }
                _ = tick.tick() => {
                    if let Some(end) = self.silence(subscriptions) {
                        return end;
                    }
                    if alive.is_none() && self.pulse.silence() > self.rest() {
                        alive = Some(Box::pin(self.ask_for_life()));
                    }
                    self.follow(subscriptions).await
                }
            };
            if let Err(fault) = result {
                match fault {
                    // Whoever moves the bytes knows better why.
                    Fault::Closed(_) => sleep(PAUSE).await,
                    // Slow is not gone: the silence decides.
                    Fault::Timeout => {}
                    fault if fault.is_session_gone() => return End::Useless(fault.to_string()),
                    fault => warn!(link = self.plan.link, "{fault}"),
                }
            }
        }
    }

    /// Makes the server's subscriptions what devices want.
    async fn follow(&self, subscriptions: &mut Subscriptions) -> Result<(), Fault> {
        let seats = self.seats.all();
        for at in (0..subscriptions.live.len()).rev() {
            if subscriptions.live.get(at).is_some_and(|subscription| !subscription.is_wanted()) {
                let subscription = subscriptions.live.swap_remove(at);
                if !subscription.is_over {
                    delete(self.session, subscription.id).await?;
                }
            }
        }
        let now = Instant::now();
        subscriptions.refused.retain(|(_, again)| *again > now);
        for seat in seats {
            let Some(wanted) = seat.wanted() else { continue };
            let is_there = subscriptions.live.iter().any(|subscription| subscription.wanted.list == wanted.list);
            let is_refused = subscriptions.refused.iter().any(|(list, _)| *list == wanted.list);
            if is_there || is_refused || wanted.nodes.is_empty() {
                continue;
            }
            match self.subscribe(&seat, &wanted).await {
                Ok(subscription) => subscriptions.live.push(subscription),
                Err(fault @ Fault::Closed(_)) => return Err(fault),
                Err(fault) => {
                    subscriptions.refused.push((wanted.list, now + REFUSED_PAUSE));
                    if let Fault::Status(status) = fault {
                        seat.refuse(wanted.list, (0..).zip(&wanted.nodes).map(|(item, _)| (item, status)).collect());
                    }
                    return Err(fault);
                }
            }
        }
        Ok(())
    }

    async fn subscribe(&self, seat: &Arc<Seat>, wanted: &Arc<Wanted>) -> Result<Subscription, Fault> {
        let (silence, lifetime) = (self.plan.settings.silence, self.plan.settings.session_timeout);
        Subscription::create(self.session, seat, Arc::clone(wanted), silence, lifetime).await
    }

    async fn publish(&self, acknowledged: Vec<SubscriptionAcknowledgement>) -> Result<Box<PublishResponse>, Fault> {
        let mut request_header = self.session.header();
        // No hint: the server answers when it has something.
        request_header.timeout_hint = 0;
        let subscription_acknowledgements = Some(acknowledged).filter(|list| !list.is_empty());
        let request = PublishRequest { request_header, subscription_acknowledgements };
        match self.session.ask_within(request, FOREVER).await? {
            ResponseMessage::Publish(response) => Ok(response),
            other => Err(unexpected(&other)),
        }
    }

    async fn take(&self, subscriptions: &mut Subscriptions, response: PublishResponse) -> Result<(), Fault> {
        let (id, number) = (response.subscription_id, response.notification_message.sequence_number);
        let Some(subscription) = subscriptions.live.iter_mut().find(|subscription| subscription.id == id) else {
            // Made by a request whose answer came too late, or deleted just now.
            return delete(self.session, id).await;
        };
        if subscription.take(self.session, response.notification_message).await? {
            subscriptions
                .acknowledged
                .push(SubscriptionAcknowledgement { subscription_id: id, sequence_number: number });
        }
        Ok(())
    }

    async fn publish_failed(&self, fault: &Fault) -> Result<(), Fault> {
        self.session.tell_in(|| format!("publish: {fault}"));
        // Whatever it is, asking again at once would be asked for ever.
        sleep(PAUSE).await;
        match fault {
            // Its subscription was deleted, or there are too many requests: both settle themselves.
            Fault::Status(_) if !fault.is_session_gone() => Ok(()),
            fault => Err(fault.clone()),
        }
    }

    /// Time without anything after which the server is asked whether it lives.
    fn rest(&self) -> Duration {
        (self.plan.settings.silence / 3).min(self.plan.settings.session_timeout / 3).min(LONGEST_REST)
    }

    async fn ask_for_life(&self) -> Result<(), Fault> {
        let state = attribute_of(VariableId::Server_ServerStatus_State.into(), VALUE);
        self.session.tell_out(|| String::from("read the server's state"));
        let values = self.session.read_values(vec![state]).await?;
        self.session.tell_in(|| {
            let status = values.first().and_then(|value| value.status).map_or(0, |status| status.bits());
            format!("the server's state is known: {}", status_text(status))
        });
        Ok(())
    }

    fn silence(&self, subscriptions: &Subscriptions) -> Option<End> {
        let silence = self.pulse.silence();
        if silence > self.plan.settings.silence {
            return Some(End::Broken(format!("nothing came for {:.1} s", silence.as_secs_f64())));
        }
        let now = Instant::now();
        subscriptions.live.iter().find_map(|subscription| {
            let silence = subscription.is_silent(now)?;
            Some(End::Useless(format!("nothing came of a subscription for {:.1} s", silence.as_secs_f64())))
        })
    }
}

async fn poll_option<T>(future: &mut Option<BoxFuture<'_, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
