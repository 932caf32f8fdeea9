//! The devices on a line, and what each of them hears of what came unasked.
//!
//! Devices whose frames look alike share a cutter; what one device's exchange leaves over is cut for the others by their own rules.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::framing::{Cut, Cutter, Frame};
use super::rule::Framing;
use super::seat::{Acknowledgement, Seat};
use crate::capability::wire::{Direction, Trace, printable};
use crate::time::Timestamp;

/// Devices that use a line. They come and go with the configuration.
#[derive(Debug, Default)]
pub(super) struct Seats(Mutex<Vec<Weak<Seat>>>);

/// The cutters of a line, one for each rule that its devices have.
#[derive(Debug, Default)]
pub(super) struct Audience {
    cutters: Vec<Cutter>,
    /// Bytes in the cutter that is lent that the others have heard too.
    heard_by_all: usize,
    /// Of the connection that is open.
    pub(super) connection: u64,
}

impl Seats {
    pub(super) fn add(&self, seat: &Arc<Seat>) {
        let mut seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seats.retain(|seat| seat.strong_count() > 0);
        seats.push(Arc::downgrade(seat));
    }

    fn all(&self) -> Vec<Arc<Seat>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade).collect()
    }

    /// Those that have said how their frames look.
    fn listening(&self) -> Vec<(Arc<Seat>, Arc<Framing>)> {
        self.all().into_iter().filter_map(|seat| seat.rule().map(|rule| (seat, rule))).collect()
    }

    /// The next acknowledgement of any device, and whose.
    pub(super) fn next_acknowledgement(&self) -> Option<(Arc<Seat>, Acknowledgement)> {
        self.all().into_iter().find_map(|seat| seat.next_acknowledgement().map(|bytes| (seat, bytes)))
    }

    pub(super) fn have_acknowledgement(&self) -> bool {
        self.all().iter().any(|seat| seat.has_acknowledgement())
    }
}

impl Audience {
    /// A new connection: nothing of the last one goes on.
    pub(super) fn begin(&mut self, connection: u64) {
        self.connection = connection;
        self.cutters.clear();
    }

    /// Bytes came that nobody asked for.
    pub(super) fn hear(&mut self, seats: &Seats, trace: &Trace, bytes: &[u8], at: Timestamp) {
        let listening = seats.listening();
        self.refresh(&listening, None);
        if self.cutters.is_empty() {
            show_thrown(trace, bytes, "no device has said how frames look");
        }
        for (number, cutter) in self.cutters.iter_mut().enumerate() {
            let mut cuts = Vec::new();
            bytes.iter().for_each(|byte| cutter.push(*byte, at, &mut cuts));
            // The same bytes are shown once, whatever the others make of them.
            let trace = (number == 0).then_some(trace);
            give(&listening, cutter.rule(), cuts, trace, self.connection);
        }
    }

    /// A datagram came that nobody asked for: a frame for everybody.
    pub(super) fn hear_datagram(&self, seats: &Seats, trace: &Trace, frame: &Frame) {
        trace.show(Direction::In, &frame.bytes, || printable(&frame.bytes));
        for (seat, rule) in seats.listening() {
            if frame.bytes.len() <= rule.longest {
                seat.push(frame.clone(), self.connection);
            } else {
                show_thrown(trace, &frame.bytes, &format!("longer than {} bytes", rule.longest));
            }
        }
    }

    /// What a device's exchange left over: a frame by its own rule, which is whole for all that cut so, and bytes for the others.
    pub(super) fn overhear(&mut self, seats: &Seats, rule: &Arc<Framing>, frame: &Frame) {
        let listening = seats.listening();
        for (seat, _) in listening.iter().filter(|(_, other)| other == rule) {
            seat.push(frame.clone(), self.connection);
        }
        self.overhear_bytes(seats, rule, &frame.bytes, frame.at);
    }

    /// Bytes outside of a device's frames, which may be frames for others.
    pub(super) fn overhear_bytes(&mut self, seats: &Seats, rule: &Arc<Framing>, bytes: &[u8], at: Timestamp) {
        let listening = seats.listening();
        self.refresh(&listening, Some(rule));
        let heard = self.heard_by_all.min(bytes.len());
        self.heard_by_all -= heard;
        let bytes = bytes.get(heard..).unwrap_or_default();
        for cutter in &mut self.cutters {
            let mut cuts = Vec::new();
            bytes.iter().for_each(|byte| cutter.push(*byte, at, &mut cuts));
            give(&listening, cutter.rule(), cuts, None, self.connection);
        }
    }

    /// Takes a rule's cutter out for an exchange.
    pub(super) fn lend(&mut self, rule: &Arc<Framing>) -> Cutter {
        let cutter = match self.position(rule) {
            Some(position) => self.cutters.swap_remove(position),
            None => Cutter::new(Arc::clone(rule)),
        };
        self.heard_by_all = cutter.held();
        cutter
    }

    /// Brings it back.
    pub(super) fn give_back(&mut self, cutter: Cutter) {
        self.cutters.push(cutter);
    }

    /// The line has been silent for so long. `stale`: how long a frame may pause that no silence ends.
    pub(super) fn silence(&mut self, seats: &Seats, trace: &Trace, silent: Duration, quiet: Duration, stale: Duration) {
        let listening = seats.listening();
        for (number, cutter) in self.cutters.iter_mut().enumerate() {
            if cutter.patience(quiet, stale).is_some_and(|patience| silent >= patience) {
                let mut cuts = Vec::new();
                cutter.silence(&mut cuts);
                give(&listening, cutter.rule(), cuts, (number == 0).then_some(trace), self.connection);
            }
        }
    }

    /// The shortest silence that means something now.
    pub(super) fn patience(&self, quiet: Duration, stale: Duration) -> Option<Duration> {
        self.cutters.iter().filter_map(|cutter| cutter.patience(quiet, stale)).min()
    }

    /// Whether a frame by this rule is under way.
    pub(super) fn is_hearing(&self, rule: &Arc<Framing>) -> bool {
        self.position(rule).and_then(|position| self.cutters.get(position)).is_some_and(|cutter| !cutter.is_between())
    }

    /// What is there of a frame will not go on.
    pub(super) fn break_off(&mut self, trace: &Trace) {
        self.with_each(trace, "broken off", Cutter::break_off);
    }

    /// Bytes were thrown away without a look at them, and the line did not fall silent.
    pub(super) fn missed(&mut self, trace: &Trace) {
        self.with_each(trace, "broken off", Cutter::missed);
    }

    fn with_each(&mut self, trace: &Trace, why: &str, work: impl Fn(&mut Cutter, &mut Vec<Cut>)) {
        for (number, cutter) in self.cutters.iter_mut().enumerate() {
            let mut cuts = Vec::new();
            work(cutter, &mut cuts);
            for cut in cuts {
                if let (0, Cut::Thrown(bytes)) = (number, cut) {
                    show_thrown(trace, &bytes, why);
                }
            }
        }
    }

    /// A cutter for each rule that is used, but for the one that is lent.
    fn refresh(&mut self, listening: &[(Arc<Seat>, Arc<Framing>)], lent: Option<&Arc<Framing>>) {
        self.cutters.retain(|cutter| listening.iter().any(|(_, rule)| rule == cutter.rule()));
        for (_, rule) in listening {
            if self.position(rule).is_none() && lent != Some(rule) {
                self.cutters.push(Cutter::new(Arc::clone(rule)));
            }
        }
    }

    fn position(&self, rule: &Arc<Framing>) -> Option<usize> {
        self.cutters.iter().position(|cutter| cutter.rule() == rule)
    }
}

/// Shows bytes that are no frame, and why.
pub(super) fn show_thrown(trace: &Trace, bytes: &[u8], why: &str) {
    trace.show(Direction::In, bytes, || format!("thrown away, {why}: {}", printable(bytes)));
}

fn give(
    listening: &[(Arc<Seat>, Arc<Framing>)],
    rule: &Arc<Framing>,
    cuts: Vec<Cut>,
    trace: Option<&Trace>,
    connection: u64,
) {
    for cut in cuts {
        match cut {
            Cut::Frame(frame) => {
                if let Some(trace) = trace {
                    trace.show(Direction::In, &frame.bytes, || printable(&frame.bytes));
                }
                for (seat, _) in listening.iter().filter(|(_, other)| other == rule) {
                    seat.push(frame.clone(), connection);
                }
            }
            Cut::Thrown(bytes) => {
                if let Some(trace) = trace {
                    show_thrown(trace, &bytes, "outside of frames");
                }
            }
            Cut::Broken { bytes, reason } => {
                if let Some(trace) = trace {
                    show_thrown(trace, &bytes, &reason);
                }
            }
        }
    }
}
