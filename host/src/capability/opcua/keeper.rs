//! The task that owns a session: it makes it, moves its bytes, and makes it again.
//!
//! Invariant: there is at most one session at a time, and whoever asks while there is none is told why at once.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use opcua::client::transport::{SecureChannelEventLoop, TransportPollResult};
use opcua::types::CloseSessionRequest;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::establish::{Open, Plan, closed, drive};
use super::publishing::{End, Pulse, Seats, Subscriptions, Tending};
use super::session::{Pass, Session};
use super::transport::Line;
use crate::capability::wire::{Backoff, Direction, Reporter};

/// A session that lived so long is made again at once when it ends; one that did not waits, so that a server that takes
/// everybody in and throws them out again is not hammered.
const LIVED: Duration = Duration::from_secs(5);
/// Longest time for saying goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// What a link says of itself when the hub has ended it.
pub(super) const CLOSED: &str = "the hub has closed the link";

/// How it stands with the session.
#[derive(Clone)]
pub(super) enum Standing {
    /// Nobody has asked for it yet.
    Idle,
    /// It is being made, and nothing is known against it.
    Beginning,
    /// It is there.
    Open(Arc<Session>),
    /// It is not, and why.
    Away(String),
}

/// What the task and the devices share.
pub(super) struct Shared {
    pub(super) plan: Plan,
    pub(super) reporter: Reporter,
    pub(super) seats: Seats,
    pub(super) standing: watch::Sender<Standing>,
    /// Sessions since the hub started.
    pub(super) sessions: AtomicU64,
}

/// What of a session outlives its connection.
#[derive(Default)]
struct Left {
    pass: Option<Pass>,
    subscriptions: Subscriptions,
}

impl Shared {
    /// Keeps a session until the end comes.
    pub(super) async fn keep(self: Arc<Self>, end: CancellationToken) {
        let mut backoff = Backoff::new(self.plan.settings.reconnect);
        let mut left = Left::default();
        loop {
            let attempt = async {
                backoff.ready().await;
                // A panic of the library is a lost session, not a lost link.
                AssertUnwindSafe(self.establish(left.pass.clone())).catch_unwind().await
            };
            let made = tokio::select! {
                () = end.cancelled() => break,
                made = attempt => made.unwrap_or_else(|_| Err(String::from("the protocol library fell while connecting"))),
            };
            let open = match made {
                Ok(open) => open,
                Err(reason) => {
                    self.away(&reason);
                    backoff.failed();
                    continue;
                }
            };
            backoff.connected();
            backoff.answered();
            let begun = Instant::now();
            left.pass = None;
            let ended = AssertUnwindSafe(self.live(open, &mut left, &end)).catch_unwind().await;
            let reason = match ended {
                Ok(None) => break,
                Ok(Some(reason)) => reason,
                Err(_) => {
                    left.subscriptions.forget();
                    left.pass = None;
                    String::from("the protocol library fell")
                }
            };
            let reason = format!("{}: {reason}", self.plan.settings.url);
            if begun.elapsed() < LIVED {
                backoff.failed();
                self.away(&reason);
            } else {
                self.lost(&reason);
            }
        }
        self.standing.send_replace(Standing::Away(CLOSED.into()));
    }

    async fn establish(&self, previous: Option<Pass>) -> Result<Open, String> {
        let number = self.sessions.load(Ordering::Relaxed);
        let number = if previous.is_some() { number } else { number + 1 };
        let mut open = self.plan.establish(previous, number).await?;
        if !open.is_resumed {
            open.session.number = self.sessions.fetch_add(1, Ordering::Relaxed) + 1;
        }
        Ok(open)
    }

    /// Lets a session live. Why it ended; none when the hub ends it.
    async fn live(&self, open: Open, left: &mut Left, end: &CancellationToken) -> Option<String> {
        let Open { session, mut line, is_resumed } = open;
        let session = Arc::new(session);
        if is_resumed {
            left.subscriptions.resume();
        } else {
            left.subscriptions.forget();
        }
        self.plan.trace.show(Direction::State, &[], || {
            let what = if is_resumed { "taken up again" } else { "begun" };
            format!("session {} {what} with {}", session.number, self.plan.settings.url)
        });
        self.reporter.connected();
        self.standing.send_replace(Standing::Open(Arc::clone(&session)));
        // Drivers are told of a new session.
        self.seats.all().iter().for_each(|seat| seat.ring());

        let pulse = Pulse::new();
        let tending = Tending { session: &session, seats: &self.seats, pulse: &pulse, plan: &self.plan };
        let ended = tokio::select! {
            () = end.cancelled() => None,
            ended = tending.run(&mut left.subscriptions) => Some(ended),
            status = pump(&mut line, &pulse) => Some(End::Broken(closed(status))),
        };
        match ended {
            Some(End::Broken(reason)) => {
                left.pass = Some(session.pass.clone());
                Some(reason)
            }
            Some(End::Useless(reason)) => {
                say_goodbye(&session, &mut line).await;
                Some(reason)
            }
            None => {
                say_goodbye(&session, &mut line).await;
                None
            }
        }
    }

    /// The session ended, and another one is made at once.
    fn lost(&self, reason: &str) {
        self.tell(reason, Standing::Beginning);
    }

    /// There is no session, and whoever asks for it is told why.
    fn away(&self, reason: &str) {
        self.tell(reason, Standing::Away(reason.to_owned()));
    }

    fn tell(&self, reason: &str, standing: Standing) {
        self.plan.trace.show(Direction::State, &[], || reason.to_owned());
        self.reporter.lost(reason);
        self.standing.send_replace(standing);
        self.seats.all().iter().for_each(|seat| seat.ring());
    }
}

/// Moves the session's bytes until the connection ends.
async fn pump(line: &mut SecureChannelEventLoop<Line>, pulse: &Pulse) -> u32 {
    loop {
        match line.poll().await {
            TransportPollResult::Closed(status) => return status.bits(),
            TransportPollResult::IncomingMessage => pulse.beat(),
            _ => {}
        }
    }
}

/// Lets the server forget the session and its subscriptions at once, not after their time.
async fn say_goodbye(session: &Session, line: &mut SecureChannelEventLoop<Line>) {
    let goodbye = async {
        let request = CloseSessionRequest { request_header: session.header(), delete_subscriptions: true };
        // A server that does not answer has its own way of forgetting.
        let _ = drive(line, session.ask(request)).await;
        session.channel.close_channel().await;
        while !matches!(line.poll().await, TransportPollResult::Closed(_)) {}
    };
    let _ = timeout(GOODBYE, goodbye).await;
}
