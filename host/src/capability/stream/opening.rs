//! How a line is opened and given up.

use std::sync::Arc;

use tokio::time::Instant;
use tracing::{debug, warn};

use super::actor::Actor;
use super::rule::StreamError;
use super::transport::{Door, Knock, Line, dial, place};
use super::turn::Order;
use crate::capability::wire::Direction;
use crate::config::model::Wire;

impl Actor {
    /// Opens the line, or waits until it may be tried again; whoever asks meanwhile is told at once.
    pub(super) async fn connect(&mut self) {
        if self.backoff.not_before().is_some() {
            tokio::select! {
                () = self.backoff.ready() => {}
                Some(order) = self.orders.recv() => self.refuse(order),
            }
            return;
        }
        let shared = Arc::clone(&self.shared);
        match &shared.settings.wire {
            Wire::Listen { listen, from } => self.wait_for_instrument(listen, from).await,
            wire => match dial(wire).await {
                Ok(line) => self.opened(line, &place(wire)),
                Err(reason) => self.failed(reason),
            },
        }
    }

    async fn wait_for_instrument(&mut self, listen: &str, from: &[String]) {
        let Some(door) = &self.door else {
            match Door::open(listen, from).await {
                Ok(door) => {
                    self.shared.reporter.lost(format!("no instrument has connected to {listen} yet"));
                    self.door = Some(door);
                }
                Err(reason) => self.failed(reason),
            }
            return;
        };
        tokio::select! {
            knock = door.knock() => self.answer_door(knock),
            Some(order) = self.orders.recv() => self.refuse(order),
        }
    }

    /// Lets in who may come; the newest connection counts.
    pub(super) fn answer_door(&mut self, knock: Knock) {
        let name = &**self.shared.reporter.link();
        match knock {
            Knock::Welcome(line, peer) => {
                if self.line.is_some() {
                    self.hung_up(&format!("{peer} has connected instead"));
                }
                self.opened(line, &peer.to_string());
            }
            Knock::Refused(peer) => {
                if self.refused.replace(peer.ip()) == Some(peer.ip()) {
                    debug!(link = name, "refused {peer}");
                } else {
                    warn!(link = name, "refused {peer}: its address is not in `from`");
                }
                self.shared.trace.show(Direction::State, &[], || format!("refused {peer}"));
            }
            Knock::Failed(reason) => debug!(link = name, "nobody came in: {reason}"),
        }
    }

    fn opened(&mut self, line: Line, peer: &str) {
        self.shared.presence.send_modify(|presence| {
            presence.count += 1;
            presence.is_open = true;
        });
        self.audience.begin(self.shared.presence.borrow().count);
        self.backoff.connected();
        self.heard_at = Instant::now();
        self.drain_until = None;
        self.line = Some(line);
        self.shared.trace.show(Direction::State, &[], || format!("open: {peer}"));
    }

    /// There is no line and the next attempt waits, longer each time until something comes.
    pub(super) fn failed(&mut self, reason: String) {
        self.hung_up(&reason);
        if self.door.is_none() {
            self.backoff.failed();
        }
        self.shared.reporter.lost(reason);
        while let Ok(order) = self.orders.try_recv() {
            self.turns.push(order);
        }
        let waiting: Vec<Order> = self.turns.drain().collect();
        waiting.into_iter().for_each(|order| self.refuse(order));
    }

    /// The line is given up; another one may be opened at once.
    pub(super) fn hung_up(&mut self, why: &str) {
        self.audience.break_off(&self.shared.trace);
        self.line = None;
        self.drain_until = None;
        self.shared.presence.send_modify(|presence| presence.is_open = false);
        self.shared.trace.show(Direction::State, &[], || format!("closed: {why}"));
    }

    fn refuse(&self, order: Order) {
        let reason = self.shared.reporter.reason_or("waiting to connect");
        order.answer(Err(StreamError::Closed(reason)));
    }
}
