//! The task that owns a line: it connects, listens, gives turns, and answers whoever asked.
//!
//! Invariants: one exchange at a time; nothing is sent while a failed exchange may still be answered by what cannot be told from the next
//! reply; every wait in here ends by itself or when the connection is closed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::audience::{Audience, Seats, show_thrown};
use super::framing::Frame;
use super::transport::{Door, Line, room, transmission};
use super::turn::{Order, Turns};
use crate::capability::wire::{Backoff, Direction, Reporter, Trace, printable};
use crate::config::model::{StreamLink, Wire};
use crate::time::Timestamp;

/// A frame that pauses for so long, or for the link's timeout where that is longer, will not go on.
const STALE: Duration = Duration::from_secs(1);
/// Pieces that are read at once before a request is sent, so that one who never stops does not keep it.
const PIECES: usize = 64;

/// What the task and those who use the line have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: StreamLink,
    pub(super) reporter: Reporter,
    pub(super) trace: Trace,
    pub(super) seats: Seats,
    /// There are acknowledgements to send.
    pub(super) news: Notify,
    pub(super) presence: watch::Sender<Presence>,
}

/// Whether there is a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Presence {
    /// Now.
    pub is_open: bool,
    /// How many there have been.
    pub count: u64,
}

/// The task's own.
pub(super) struct Actor {
    pub(super) shared: Arc<Shared>,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) turns: Turns,
    pub(super) line: Option<Line>,
    pub(super) door: Option<Door>,
    /// The last that was refused: one who comes again and again is news once.
    pub(super) refused: Option<std::net::IpAddr>,
    pub(super) backoff: Backoff,
    pub(super) audience: Audience,
    pub(super) buffer: Box<[u8]>,
    /// When something came last.
    pub(super) heard_at: Instant,
    /// What comes is thrown away until the line is quiet, and at most until then.
    pub(super) drain_until: Option<Instant>,
    /// Each device that asked, and whether it left its last request without an answer.
    pub(super) silent: BTreeMap<Arc<str>, bool>,
}

/// What happened on an open line.
pub(super) enum Event {
    /// Something came: so many bytes in the buffer.
    Read(usize),
    /// There is no line any more, and why.
    Gone(String),
    /// There is another one.
    Replaced,
    /// Nothing: it is time to look.
    Time,
}

impl Actor {
    pub(super) fn new(shared: Arc<Shared>, orders: mpsc::Receiver<Order>) -> Self {
        Actor {
            orders,
            turns: Turns::new(),
            line: None,
            door: None,
            refused: None,
            backoff: Backoff::new(shared.settings.reconnect),
            audience: Audience::default(),
            buffer: room(&shared.settings.wire),
            heard_at: Instant::now(),
            drain_until: None,
            silent: BTreeMap::new(),
            shared,
        }
    }

    /// Serves the line until it is closed. What is durable by then is still acknowledged.
    pub(super) async fn run(mut self, closing: CancellationToken) {
        tokio::select! {
            biased;
            () = closing.cancelled() => {}
            () = self.serve() => {}
        }
        while self.line.is_some() && self.acknowledge().await {}
        self.shared.presence.send_modify(|presence| presence.is_open = false);
        if let Some(line) = self.line.take() {
            line.close().await;
        }
    }

    async fn serve(&mut self) {
        loop {
            if self.line.is_some() { self.step().await } else { self.connect().await }
        }
    }

    /// One look at an open line: a turn, or else waiting for what happens next.
    async fn step(&mut self) {
        while let Ok(order) = self.orders.try_recv() {
            self.turns.push(order);
        }
        let now = Instant::now();
        self.look_at_silence(now);
        if self.drain_until.is_none() && self.turns.free_at() <= now {
            if self.acknowledge().await {
                return;
            }
            if let Some(order) = self.turns.next(now) {
                return self.serve_order(order).await;
            }
        }
        let wake = self.next_moment(now);
        match self.next(wake, Orders::Taken).await {
            Event::Read(read) => self.heard(read),
            Event::Gone(reason) => self.failed(reason),
            Event::Replaced | Event::Time => {}
        }
    }

    /// Waits until something comes, until `wake`, or until somebody else is on the line. Cancel safe.
    pub(super) async fn next(&mut self, wake: Option<Instant>, orders: Orders) -> Event {
        let Some(line) = &mut self.line else {
            return Event::Gone(self.shared.reporter.reason_or("the line is closed"));
        };
        let door = self.door.as_ref();
        let count = self.audience.connection;
        let knock = async {
            match door {
                Some(door) => door.knock().await,
                None => std::future::pending().await,
            }
        };
        let sleep = async {
            match wake {
                Some(moment) => sleep_until(moment).await,
                None => std::future::pending().await,
            }
        };
        let is_idle = matches!(orders, Orders::Taken);
        tokio::select! {
            biased;
            knock = knock => {
                self.answer_door(knock);
                if self.audience.connection == count { Event::Time } else { Event::Replaced }
            }
            read = line.read(&mut self.buffer) => match read {
                Ok(read) => Event::Read(read),
                Err(reason) => Event::Gone(reason),
            },
            Some(order) = self.orders.recv(), if is_idle => {
                self.turns.push(order);
                Event::Time
            }
            () = self.shared.news.notified(), if is_idle => Event::Time,
            () = sleep => Event::Time,
        }
    }

    /// Something came that nobody asked for.
    fn heard(&mut self, read: usize) {
        self.heard_something();
        let bytes = self.buffer.get(..read).unwrap_or_default().to_vec();
        if self.line.as_ref().is_some_and(Line::is_datagrams) {
            let Shared { seats, trace, .. } = &*self.shared;
            self.audience.hear_datagram(seats, trace, &Frame { bytes, at: Timestamp::now() });
        } else {
            self.hear(&bytes);
        }
    }

    /// Bytes that nobody asked for.
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        let Shared { seats, trace, .. } = &*self.shared;
        if self.drain_until.is_some() {
            show_thrown(trace, bytes, "the line is not quiet yet");
        } else {
            self.audience.hear(seats, trace, bytes, Timestamp::now());
        }
    }

    /// Only what comes shows that somebody is there: who is silent accepts connections too.
    pub(super) fn heard_something(&mut self) {
        self.heard_at = Instant::now();
        self.backoff.answered();
        self.shared.reporter.connected();
    }

    /// What the silence up to now means.
    fn look_at_silence(&mut self, now: Instant) {
        let quiet = self.shared.settings.quiet;
        let silent = now.saturating_duration_since(self.heard_at);
        match self.drain_until {
            Some(_) if silent >= quiet => self.drain_until = None,
            Some(until) if now >= until => {
                self.drain_until = None;
                self.audience.missed(&self.shared.trace);
            }
            Some(_) => {}
            None => {
                let Shared { seats, trace, .. } = &*self.shared;
                self.audience.silence(seats, trace, silent, quiet, stale(&self.shared.settings));
            }
        }
    }

    /// When to look again, if nothing happens.
    fn next_moment(&self, now: Instant) -> Option<Instant> {
        let quiet = self.shared.settings.quiet;
        if let Some(until) = self.drain_until {
            return Some(until.min(self.heard_at + quiet));
        }
        let silence = self.audience.patience(quiet, stale(&self.shared.settings)).map(|span| self.heard_at + span);
        let acknowledgement = self.shared.seats.have_acknowledgement().then(|| self.turns.free_at());
        // What is due by now was just looked at.
        let turn = self.turns.next_at().into_iter().chain(acknowledgement).map(|moment| moment.max(now));
        turn.chain(silence).min()
    }

    /// Sends an acknowledgement that may go; says whether there was one.
    async fn acknowledge(&mut self) -> bool {
        let Some((seat, acknowledgement)) = self.shared.seats.next_acknowledgement() else {
            return false;
        };
        let bytes = acknowledgement.bytes;
        if acknowledgement.connection != self.audience.connection {
            let text = || format!("not sent, it was for a connection before: {}", printable(&bytes));
            self.shared.trace.show(Direction::State, &bytes, text);
            debug!(link = &**self.shared.reporter.link(), "acknowledgement of {} for another connection", seat.device);
        } else if let Err(reason) = self.write(&bytes).await {
            self.failed(reason);
        }
        true
    }

    /// Sends; the pause begins when the last byte is out. Says when that is.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<Instant, String> {
        let Some(line) = &mut self.line else {
            return Err(self.shared.reporter.reason_or("the line is closed"));
        };
        let settings = &self.shared.settings;
        self.shared.trace.show(Direction::Out, bytes, || printable(bytes));
        let transmission = transmission(&settings.wire, bytes.len());
        match timeout(settings.timeout + transmission, line.write(bytes)).await {
            Ok(Ok(())) => {
                let sent_at = Instant::now() + transmission;
                self.turns.pause_until(sent_at + settings.pause);
                Ok(sent_at)
            }
            Ok(Err(error)) => Err(format!("cannot send: {error}")),
            Err(_) => Err(format!("the other end took nothing for {} ms", settings.timeout.as_millis())),
        }
    }

    /// Takes in what came before a request is sent: it cannot be the reply. Also waits for a frame that is under way, as long as the line
    /// needs to count as quiet.
    pub(super) async fn catch_up(&mut self, order: &Order) -> Result<(), String> {
        let quiet = self.shared.settings.quiet;
        tokio::task::yield_now().await;
        for _ in 0..PIECES {
            match self.next(None, Orders::Waiting).now_or_never() {
                None => break,
                Some(Event::Read(read)) => self.heard(read),
                Some(Event::Gone(reason)) => return Err(reason),
                Some(Event::Replaced | Event::Time) => {}
            }
        }
        let Some(expected) = &order.reply else {
            return Ok(());
        };
        let give_up = Instant::now() + quiet;
        while self.audience.is_hearing(&expected.rule) {
            let now = Instant::now();
            if now >= self.heard_at + quiet {
                self.look_at_silence(now);
                self.audience.break_off(&self.shared.trace);
            } else if now >= give_up {
                break;
            }
            match self.next(Some(give_up.min(self.heard_at + quiet)), Orders::Waiting).await {
                Event::Read(read) => self.heard(read),
                Event::Gone(reason) => return Err(reason),
                Event::Replaced | Event::Time => self.look_at_silence(Instant::now()),
            }
        }
        Ok(())
    }

    /// An exchange failed: nothing that still comes may be taken for another reply.
    pub(super) fn resynchronise(&mut self, why: &str, timeout: Duration) {
        let quiet = self.shared.settings.quiet;
        match self.shared.settings.wire {
            // What comes late dies with the connection.
            Wire::Tcp(_) | Wire::Udp { .. } => self.hung_up(why),
            Wire::Serial(_) | Wire::Listen { .. } => {
                self.audience.break_off(&self.shared.trace);
                self.drain_until = Some(Instant::now() + timeout.max(quiet));
                // Silence counts from now on.
                self.heard_at = Instant::now();
            }
        }
    }
}

/// Whether new orders are taken in while waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Orders {
    Taken,
    Waiting,
}

fn stale(settings: &StreamLink) -> Duration {
    settings.timeout.max(settings.quiet).max(STALE)
}
