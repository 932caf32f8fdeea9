//! What waits for a driver: bounded, kept until what the driver made of it is durable.
//!
//! Items go from `waiting` to `in_hand` when the driver takes them, and leave for good when the samples of that poll are in the journal. When
//! the poll brought nothing that could be kept they go back, in front of the others, and are handed out once more.
//!
//! Invariant: an item is in exactly one of the two, or was counted as dropped.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Times that an item is handed out before it is given up: one on which the driver falls each time must not keep it from the next.
const TURNS: u32 = 3;

/// A queue for one device.
#[derive(Debug)]
pub struct Inbox<T> {
    inside: Mutex<Inside<T>>,
    wake: Arc<Notify>,
    capacity: usize,
}

#[derive(Debug)]
struct Inside<T> {
    waiting: VecDeque<(T, u32)>,
    in_hand: Vec<(T, u32)>,
    dropped: u64,
}

/// What a driver takes.
#[derive(Debug)]
pub struct Taken<T> {
    /// In order, each with whether it was handed out before.
    pub items: Vec<(T, bool)>,
    /// Dropped since the last time.
    pub dropped: u64,
    /// There are more.
    pub more: bool,
}

impl<T: Clone> Inbox<T> {
    /// An empty queue with so much room.
    pub fn new(capacity: usize) -> Self {
        let inside = Inside { waiting: VecDeque::new(), in_hand: Vec::new(), dropped: 0 };
        Inbox { inside: Mutex::new(inside), wake: Arc::default(), capacity }
    }

    /// What wakes the device's poll.
    pub fn bell(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// Wakes the device's poll.
    pub fn ring(&self) {
        self.wake.notify_one();
    }

    /// Takes one in; the oldest gives way when there is no room, and is counted.
    pub fn push(&self, item: T) {
        self.with(|inside| {
            inside.waiting.push_back((item, 0));
            if inside.waiting.len() > self.capacity {
                inside.waiting.pop_front();
                inside.dropped += 1;
            }
        });
    }

    /// Takes one in unless there is no room, which is counted; then it comes back.
    pub fn offer(&self, item: T) -> Result<(), T> {
        self.with(|inside| {
            if inside.waiting.len() + inside.in_hand.len() >= self.capacity {
                inside.dropped += 1;
                return Err(item);
            }
            inside.waiting.push_back((item, 0));
            Ok(())
        })
    }

    /// So many were lost before they came here.
    pub fn lost_before(&self, count: u64) {
        self.with(|inside| inside.dropped = inside.dropped.saturating_add(count));
    }

    /// Hands out at most so many.
    pub fn take(&self, most: usize) -> Taken<T> {
        self.with(|inside| {
            let most = most.min(inside.waiting.len());
            let taken: Vec<(T, u32)> = inside.waiting.drain(..most).collect();
            let items = taken.iter().map(|(item, turns)| (item.clone(), *turns > 0)).collect();
            inside.in_hand.extend(taken.into_iter().map(|(item, turns)| (item, turns + 1)));
            let more = !inside.waiting.is_empty();
            Taken { items, dropped: std::mem::take(&mut inside.dropped), more }
        })
    }

    /// Whether something is in the driver's hand.
    pub fn is_in_hand(&self) -> bool {
        self.with(|inside| !inside.in_hand.is_empty())
    }

    /// What was made of everything in hand is durable.
    pub fn kept(&self) -> Vec<T> {
        self.with(|inside| inside.in_hand.drain(..).map(|(item, _)| item).collect())
    }

    /// Nothing could be kept of what is in hand: it goes back. What was handed out too often is given up, and counted.
    pub fn not_kept(&self) -> Vec<T> {
        self.with(|inside| {
            let mut given_up = Vec::new();
            for (item, turns) in std::mem::take(&mut inside.in_hand).into_iter().rev() {
                if turns >= TURNS {
                    inside.dropped += 1;
                    given_up.push(item);
                } else {
                    inside.waiting.push_front((item, turns));
                }
            }
            given_up.reverse();
            given_up
        })
    }

    fn with<R>(&self, work: impl FnOnce(&mut Inside<T>) -> R) -> R {
        work(&mut self.inside.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(taken: &Taken<u8>) -> Vec<(u8, bool)> {
        taken.items.clone()
    }

    #[test]
    fn what_was_not_kept_is_handed_out_again_before_the_rest() {
        let inbox = Inbox::new(10);
        (1..=3).for_each(|item| inbox.push(item));
        assert_eq!(items(&inbox.take(2)), [(1, false), (2, false)]);
        assert!(inbox.not_kept().is_empty());
        assert_eq!(items(&inbox.take(9)), [(1, true), (2, true), (3, false)]);
        assert_eq!(inbox.kept(), [1, 2, 3]);
        assert!(!inbox.is_in_hand() && items(&inbox.take(9)).is_empty());
    }

    #[test]
    fn an_item_that_is_never_kept_is_given_up_and_counted() {
        let inbox = Inbox::new(10);
        inbox.push(7);
        for _ in 0..2 {
            inbox.take(1);
            assert!(inbox.not_kept().is_empty());
        }
        inbox.take(1);
        assert_eq!(inbox.not_kept(), [7]);
        let taken = inbox.take(1);
        assert_eq!((taken.items.len(), taken.dropped), (0, 1));
    }

    #[test]
    fn a_full_queue_says_what_it_lost() {
        let inbox = Inbox::new(2);
        (1..=3).for_each(|item| inbox.push(item));
        assert_eq!(inbox.offer(4), Err(4));
        let taken = inbox.take(1);
        assert_eq!((items(&taken), taken.dropped, taken.more), (vec![(2, false)], 2, true));
        assert_eq!(inbox.offer(5), Err(5), "what is in hand takes room until it is kept");
    }
}
