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
use crate::capability::wire::{Direction, Trace, printable};
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
        let mut reply = Reply::new(&order.bytes, &expected.exchange, self.audience.lend(&expected.rule));
        let outcome = self.await_reply(&mut reply, expected, sent_at).await;
        let (frames, mut cutter) = reply.into_parts();
        let is_same_line = self.line.is_some() && self.audience.connection == connection;
        if outcome.is_err() {
            show_broken_off(&mut cutter, &self.shared.trace);
        }
        if is_same_line {
            self.audience.give_back(cutter);
        }
        let now = Instant::now();
        self.turns.pause_until(now + self.shared.settings.pause);
        match outcome {
            Ok(rest) => {
                self.silent.insert(Arc::clone(&order.device), false);
                self.hear(&rest);
                Ok(frames)
            }
            Err(error) => {
                let until = now + expected.timeout + self.shared.settings.quiet;
                self.turns.doubt(&expected.exchange.begins, until);
                self.give_up(&order.device, &error, sent_at, expected.timeout);
                Err(error)
            }
        }
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

    /// Waits for the reply. What came after its last byte is left over.
    async fn await_reply(
        &mut self,
        reply: &mut Reply<'_>,
        expected: &Expected,
        sent_at: Instant,
    ) -> Result<Vec<u8>, StreamError> {
        let quiet = self.shared.settings.quiet;
        let deadline = sent_at + expected.timeout;
        loop {
            let now = Instant::now();
            let (end_of_frame, end_of_reply) = reply.ends_in_silence(self.heard_at, quiet, expected.timeout);
            if end_of_reply.is_some_and(|end| end <= now) {
                return Ok(Vec::new());
            }
            if now >= deadline {
                return Err(StreamError::Timeout(expected.timeout));
            }
            let wake = [end_of_frame, end_of_reply].into_iter().flatten().fold(deadline, Instant::min);
            let mut beside = Vec::new();
            let (outcome, rest) = if end_of_frame.is_some_and(|end| end <= now) {
                (reply.silence(Timestamp::now(), &mut beside), Vec::new())
            } else {
                match self.next(Some(wake), Orders::Waiting).await {
                    Event::Time => continue,
                    Event::Read(read) => self.take(read, reply, &mut beside),
                    Event::Replaced => return Err(StreamError::Closed("another connection came instead".into())),
                    Event::Gone(reason) => {
                        self.failed(reason.clone());
                        return Err(StreamError::Closed(reason));
                    }
                }
            };
            self.set_aside(&expected.rule, reply.request(), beside);
            outcome?;
            if reply.is_complete() {
                return Ok(rest);
            }
        }
    }

    /// Something came: the reply, what stands beside it, and what comes after it.
    fn take(
        &mut self,
        read: usize,
        reply: &mut Reply<'_>,
        beside: &mut Vec<Beside>,
    ) -> (Result<(), StreamError>, Vec<u8>) {
        self.heard_something();
        let at = Timestamp::now();
        let bytes = self.buffer.get(..read).unwrap_or_default();
        if self.line.as_ref().is_some_and(Line::is_datagrams) {
            return (reply.take_datagram(Frame { bytes: bytes.to_vec(), at }, beside), Vec::new());
        }
        let mut bytes = bytes.iter().copied();
        let mut outcome = Ok(());
        while let (Ok(()), false) = (&outcome, reply.is_complete())
            && let Some(byte) = bytes.next()
        {
            outcome = reply.take(byte, at, beside);
        }
        (outcome, bytes.collect())
    }

    fn set_aside(&mut self, rule: &Arc<Framing>, request: &[u8], beside: Vec<Beside>) {
        let at = Timestamp::now();
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

fn show_broken_off(cutter: &mut Cutter, trace: &Trace) {
    let mut cuts = Vec::new();
    cutter.break_off(&mut cuts);
    for cut in cuts {
        if let Cut::Thrown(bytes) = cut {
            show_thrown(trace, &bytes, "broken off");
        }
    }
}
