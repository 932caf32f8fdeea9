//! Messages that the hub has sent to a broker, counted as they leave: which of them the broker has read is only known by comparing.

use std::sync::{Mutex, PoisonError};

use tokio::sync::broadcast::error::TryRecvError;

use crate::capability::wire::{Direction, Frames, Trace};

/// What a message is shown as.
const PUBLISH: &str = "PUBLISH ";

/// The count of one connection, from its first frame on.
pub struct Outgoing(Mutex<(Frames, u64)>);

impl Outgoing {
    /// Counts from now on.
    pub fn new(trace: &Trace) -> Self {
        Outgoing(Mutex::new((trace.watch(), 0)))
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (frames, count) = &mut *watched;
        loop {
            match frames.try_recv() {
                Ok(frame) => *count += u64::from(frame.direction == Direction::Out && frame.text.starts_with(PUBLISH)),
                // Whoever is behind does not know; the wait for the rest has an end.
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => return *count,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_messages_that_leave_count() {
        let trace = Trace::new("broker");
        trace.show(Direction::Out, b"", || String::from("PUBLISH 1 before anybody counted"));
        let outgoing = Outgoing::new(&trace);
        for (direction, text) in
            [(Direction::Out, "PUBLISH 1"), (Direction::In, "PUBLISH 2"), (Direction::Out, "PUBACK 2")]
        {
            trace.show(direction, b"", || text.to_owned());
        }
        assert_eq!((outgoing.count(), outgoing.count()), (1, 1));
        trace.show(Direction::Out, b"", || String::from("PUBLISH 3"));
        assert_eq!(outgoing.count(), 2);
    }
}
