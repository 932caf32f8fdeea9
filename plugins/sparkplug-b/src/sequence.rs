//! The order of an edge node's messages: 0 to 255, one more in each message of the node and its devices, 0 after 255.
//!
//! A message that comes too early waits for those before it. When they do not come in time they are lost: the waiting ones are taken in order, and the
//! caller asks for a birth. Invariant: messages leave in the order of their numbers, none twice.

/// Most messages that wait.
const MOST_WAITING: usize = 64;

/// Where the sequence stands.
#[derive(Debug)]
pub struct Sequence<M> {
    next: u8,
    /// By distance from `next`, at the time of the call.
    waiting: Vec<(u8, M)>,
    polls: u32,
}

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Came<M> {
    /// These may be taken now, in order.
    InOrder(Vec<M>),
    /// It waits for those before it.
    Early,
    /// It was there before.
    Again,
    /// Too many wait.
    Full,
}

impl<M> Sequence<M> {
    /// After a birth with this number.
    pub fn after(seq: u8) -> Self {
        Sequence { next: seq.wrapping_add(1), waiting: Vec::new(), polls: 0 }
    }

    /// A message with this number came.
    pub fn take(&mut self, seq: u8, message: M) -> Came<M> {
        match seq.wrapping_sub(self.next) {
            0 => {
                let mut ready = vec![message];
                self.next = seq.wrapping_add(1);
                self.drain_next(&mut ready);
                Came::InOrder(ready)
            }
            128.. => Came::Again,
            _ if self.waiting.iter().any(|(waiting, _)| *waiting == seq) => Came::Again,
            _ if self.waiting.len() >= MOST_WAITING => Came::Full,
            _ => {
                self.waiting.push((seq, message));
                Came::Early
            }
        }
    }

    /// A poll ends. When messages have waited for more than `most` polls, what they waited for is lost, and they are handed out.
    pub fn end_poll(&mut self, most: u32) -> Option<Vec<M>> {
        if self.waiting.is_empty() {
            self.polls = 0;
            return None;
        }
        self.polls += 1;
        (self.polls > most).then(|| self.give_up())
    }

    /// Hands out what waits, as if what it waited for had come.
    pub fn give_up(&mut self) -> Vec<M> {
        self.polls = 0;
        let next = self.next;
        self.waiting.sort_by_key(|(seq, _)| seq.wrapping_sub(next));
        if let Some((last, _)) = self.waiting.last() {
            self.next = last.wrapping_add(1);
        }
        self.waiting.drain(..).map(|(_, message)| message).collect()
    }

    fn drain_next(&mut self, ready: &mut Vec<M>) {
        while let Some(at) = self.waiting.iter().position(|(seq, _)| *seq == self.next) {
            ready.push(self.waiting.swap_remove(at).1);
            self.next = self.next.wrapping_add(1);
        }
        if self.waiting.is_empty() {
            self.polls = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_leave_in_order_and_none_twice() {
        let mut sequence = Sequence::after(254);
        assert_eq!(sequence.take(255, 'a'), Came::InOrder(vec!['a']));
        assert_eq!(sequence.take(255, 'a'), Came::Again);
        assert_eq!(sequence.take(2, 'd'), Came::Early);
        assert_eq!(sequence.take(2, 'd'), Came::Again);
        assert_eq!(sequence.take(1, 'c'), Came::Early);
        assert_eq!(sequence.take(0, 'b'), Came::InOrder(vec!['b', 'c', 'd']));
        assert_eq!(sequence.take(3, 'e'), Came::InOrder(vec!['e']));
    }

    #[test]
    fn what_does_not_come_within_the_polls_is_lost_and_the_waiting_leave() {
        let mut sequence = Sequence::after(250);
        sequence.take(2, 'c');
        sequence.take(253, 'b');
        assert_eq!(sequence.end_poll(1), None);
        assert_eq!(sequence.end_poll(1), Some(vec!['b', 'c']));
        assert_eq!(sequence.take(252, 'x'), Came::Again);
        assert_eq!(sequence.take(3, 'd'), Came::InOrder(vec!['d']));
        assert_eq!(sequence.end_poll(1), None);
        // The polls of an old gap do not count for a new one.
        sequence.take(5, 'f');
        assert_eq!(sequence.end_poll(1), None);
        sequence.take(4, 'e');
        sequence.take(7, 'h');
        assert_eq!(sequence.end_poll(1), None);
    }

    #[test]
    fn those_that_wait_are_bounded() {
        let mut sequence = Sequence::after(0);
        for seq in 2..66 {
            assert_eq!(sequence.take(seq, ()), Came::Early);
        }
        assert_eq!(sequence.take(66, ()), Came::Full);
    }
}
