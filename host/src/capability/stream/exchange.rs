//! One exchange on an open line: a request and what comes after it, up to its reply or to the end of the wait.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::actor::{Actor, Event, Orders};
use super::audience::show_thrown;
use super::framing::{Cut, Cutter, Frame};
use super::reply::{Beside, Reply};
use super::rule::{Framing, StreamError};
use super::transport::Line;
use super::turn::{Answer, Expected, Order};
use crate::capability::wire::{Direction, printable};
use crate::time::Timestamp;

impl Actor {
    /// Sends what a device wants to send, and waits for the reply if there is to be one.
    pub(super) async fn serve_order(&mut self, order: Order) {
        let sent = match self.catch_up(&order).await {
            // Whoever asked has gone, and nothing was sent yet.
            Ok(()) if order.answer.is_closed() => return,
            Ok(()) => self.write(&order.bytes).await,
            Err(reason) => Err(reason),
        };
        let answer = match (sent, &order.reply) {
            (Err(reason), _) => {
                self.failed(reason.clone());
                Err(StreamError::Closed(reason))
            }
            (Ok(_), None) => Ok(Vec::new()),
            (Ok(sent_at), Some(expected)) => self.exchange(&order, expected, sent_at).await,
        };
        order.answer(answer);
    }

    async fn exchange(&mut self, order: &Order, expected: &Expected, sent_at: Instant) -> Answer {
        let connection = self.audience.connection;
        let mut cutter = self.audience.lend(&expected.rule);
        let answer = self.await_reply(&order.bytes, expected, sent_at, &mut cutter).await;
        if answer.is_err() {
            let mut cuts = Vec::new();
            cutter.break_off(&mut cuts);
            for cut in cuts {
                if let Cut::Thrown(bytes) = cut {
                    show_thrown(&self.shared.trace, &bytes, "broken off");
                }
            }
        }
        if self.line.is_some() && self.audience.connection == connection {
            self.audience.give_back(cutter);
        }
        let now = Instant::now();
        self.turns.pause_until(now + self.shared.settings.pause);
        if let Err(error) = &answer {
            let until = now + expected.timeout + self.shared.settings.quiet;
            self.turns.doubt(&expected.exchange.begins, until);
            self.give_up(&order.device, error, sent_at, expected.timeout);
        } else {
            self.silent.insert(Arc::clone(&order.device), false);
        }
        answer
    }

    fn give_up(&mut self, device: &Arc<str>, error: &StreamError, sent_at: Instant, timeout: Duration) {
        if matches!(error, StreamError::Timeout(_)) && self.heard_at <= sent_at {
            self.silent.insert(Arc::clone(device), true);
            // One silent device of several says nothing about the line.
            if self.silent.values().all(|is_silent| *is_silent) {
                self.shared.reporter.lost(format!("{device}: {error}"));
            }
        }
        if !matches!(error, StreamError::Closed(_)) {
            self.resynchronise(&error.to_string(), timeout);
        }
    }

    async fn await_reply(
        &mut self,
        request: &[u8],
        expected: &Expected,
        sent_at: Instant,
        cutter: &mut Cutter,
    ) -> Answer {
        let Expected { exchange, rule, timeout } = expected;
        let quiet = self.shared.settings.quiet;
        let deadline = sent_at + *timeout;
        let mut reply = Reply::new(request, exchange);
        loop {
            let now = Instant::now();
            let patience = if reply.is_in_echo() { rule.gap } else { cutter.patience(quiet, *timeout) };
            let end_of_frame = patience.map(|span| self.heard_at + span);
            let end_of_reply = exchange.quiet.filter(|_| reply.may_end_in_silence(cutter));
            let end_of_reply = end_of_reply.map(|span| self.heard_at + span);
            if reply.is_complete() || end_of_reply.is_some_and(|end| end <= now) {
                return Ok(reply.into_frames());
            }
            if now >= deadline {
                return Err(StreamError::Timeout(*timeout));
            }
            if end_of_frame.is_some_and(|end| end <= now) {
                let mut beside = Vec::new();
                let outcome = reply.silence(Timestamp::now(), cutter, &mut beside);
                self.set_aside(rule, request, beside, Timestamp::now());
                outcome?;
                continue;
            }
            let wake = [end_of_frame, end_of_reply].into_iter().flatten().fold(deadline, Instant::min);
            match self.next(Some(wake), Orders::Waiting).await {
                Event::Time => {}
                Event::Read(read) => self.take(read, request, &mut reply, cutter)?,
                Event::Replaced => return Err(StreamError::Closed("another connection came instead".into())),
                Event::Gone(reason) => {
                    self.failed(reason.clone());
                    return Err(StreamError::Closed(reason));
                }
            }
        }
    }

    /// Something came: the reply, and what stands beside it.
    fn take(
        &mut self,
        read: usize,
        request: &[u8],
        reply: &mut Reply<'_>,
        cutter: &mut Cutter,
    ) -> Result<(), StreamError> {
        self.heard_something();
        let at = Timestamp::now();
        let rule = Arc::clone(cutter.rule());
        let bytes = self.buffer.get(..read).unwrap_or_default().to_vec();
        let mut beside = Vec::new();
        let outcome = if self.line.as_ref().is_some_and(Line::is_datagrams) {
            reply.take_datagram(Frame { bytes, at }, rule.longest, &mut beside)
        } else {
            bytes.iter().try_for_each(|byte| reply.take(*byte, at, cutter, &mut beside))
        };
        self.set_aside(&rule, request, beside, at);
        outcome
    }

    fn set_aside(&mut self, rule: &Arc<Framing>, request: &[u8], beside: Vec<Beside>, at: Timestamp) {
        let shared = Arc::clone(&self.shared);
        let trace = &shared.trace;
        for beside in beside {
            match beside {
                Beside::Echo => trace.show(Direction::In, request, || format!("echo: {}", printable(request))),
                Beside::Reply(bytes) => trace.show(Direction::In, &bytes, || printable(&bytes)),
                Beside::Unasked(frame) => {
                    trace.show(Direction::In, &frame.bytes, || printable(&frame.bytes));
                    self.audience.overhear(&shared.seats, rule, &frame);
                }
                Beside::Thrown(bytes) => {
                    show_thrown(trace, &bytes, "outside of frames");
                    self.audience.overhear_bytes(&shared.seats, rule, &bytes, at);
                }
                Beside::Broken { bytes, reason } => show_thrown(trace, &bytes, &reason),
            }
        }
    }
}
