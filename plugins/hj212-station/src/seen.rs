//! Which messages have come, so that one that comes again is not counted twice.
//!
//! A station sends a message again until it is acknowledged. The host hands a message out again when what was made of it could
//! not be kept; it then has the same time of arrival, and must be counted once more.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use tutin_sdk::Timestamp;

/// So many are remembered: an hour of a message per second.
const MOST: usize = 3600;

/// Messages by name, with their times of arrival.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Seen {
    /// Oldest first. No time: nobody knows whether it was kept.
    messages: VecDeque<(String, Option<i64>)>,
    #[serde(skip)]
    index: BTreeMap<String, Option<i64>>,
}

impl Seen {
    /// True when the message came before at another time, and what was made of it is with the host.
    pub fn is_repeated(&self, key: &str, at: Timestamp) -> bool {
        matches!(self.index.get(key), Some(Some(first)) if *first != at.0)
    }

    /// Remembers a message. Without a time it may be counted once more when it comes again.
    pub fn remember(&mut self, key: String, at: Option<Timestamp>) {
        let at = at.map(|at| at.0);
        if self.index.insert(key.clone(), at).is_some() {
            self.messages.retain(|(known, _)| *known != key);
        }
        self.messages.push_back((key, at));
        if self.messages.len() > MOST
            && let Some((oldest, _)) = self.messages.pop_front()
        {
            self.index.remove(&oldest);
        }
    }

    /// Forgets everything: a message may have been lost on the way to its record.
    pub fn forget(&mut self) {
        self.messages.clear();
        self.index.clear();
    }

    /// After it was read from a snapshot.
    pub fn indexed(mut self) -> Self {
        self.index = self.messages.iter().cloned().collect();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_handed_out_again_is_no_repetition() {
        let mut seen = Seen::default();
        seen.remember("1".into(), Some(Timestamp(5)));
        seen.remember("2".into(), None);

        assert!(!seen.is_repeated("1", Timestamp(5)) && seen.is_repeated("1", Timestamp(6)));
        assert!(!seen.is_repeated("2", Timestamp(6)) && !seen.is_repeated("3", Timestamp(6)));
    }

    #[test]
    fn memory_is_bounded_and_forgets_the_oldest() {
        let mut seen = Seen::default();
        for number in 0..=MOST {
            seen.remember(number.to_string(), Some(Timestamp(0)));
        }

        assert!(!seen.is_repeated("0", Timestamp(1)) && seen.is_repeated("1", Timestamp(1)));
        assert_eq!((seen.messages.len(), seen.index.len()), (MOST, MOST));
    }
}
