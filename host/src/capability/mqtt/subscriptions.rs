//! What the broker was asked to send, and what it must be asked next.
//!
//! A filter that no device wants any more stays for a moment: a device that is set up anew is gone only that long.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::topic;

/// How long a filter stays that nobody wants.
pub(super) const LINGER: Duration = Duration::from_secs(5);

/// Subscriptions of the broker's session.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    /// Each with the quality that was asked for on this connection, if it was.
    asked: BTreeMap<String, Option<u8>>,
    unwanted: BTreeMap<String, Instant>,
}

/// What the broker must be asked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub subscribe: Vec<(String, u8)>,
    pub unsubscribe: Vec<String>,
}

impl Subscriptions {
    /// There is a new connection; the broker has kept the session or begins another. All is asked for again.
    pub(super) fn connected(&mut self, session_present: bool) {
        if session_present {
            self.asked.values_mut().for_each(|qos| *qos = None);
        } else {
            self.asked.clear();
        }
    }

    /// What must be asked now that these are wanted. `fresh` are filters that a device has just asked for: they are asked for again even
    /// when they are there, for the messages that the broker has kept.
    pub(super) fn changes(&mut self, wanted: &[(String, u8)], fresh: &[(String, u8)], now: Instant) -> Changes {
        let wanted = topic::cover(wanted);
        let mut changes = Changes::default();
        for (filter, qos) in &wanted {
            let is_fresh = fresh.iter().any(|(fresh, _)| topic::lies_within(fresh, filter));
            if is_fresh || self.asked.get(filter) != Some(&Some(*qos)) {
                self.asked.insert(filter.clone(), Some(*qos));
                changes.subscribe.push((filter.clone(), *qos));
            }
        }
        self.unwanted.retain(|filter, _| self.asked.contains_key(filter) && !wanted.contains_key(filter));
        for filter in self.asked.keys().filter(|filter| !wanted.contains_key(*filter)) {
            let since = self.unwanted.entry(filter.clone()).or_insert(now);
            if now >= *since + LINGER {
                changes.unsubscribe.push(filter.clone());
            }
        }
        for filter in &changes.unsubscribe {
            self.asked.remove(filter);
            self.unwanted.remove(filter);
        }
        changes
    }

    /// Whether a message that nobody wants may be for a device that is only away for a moment.
    pub(super) fn may_be_wanted_soon(&self, topic: &str) -> bool {
        self.unwanted.keys().any(|filter| topic::matches(filter, topic))
    }

    /// Whether a filter is still there that nobody wants.
    pub(super) fn lingers(&self) -> bool {
        !self.unwanted.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(list: &[(&str, u8)]) -> Vec<(String, u8)> {
        list.iter().map(|(filter, qos)| ((*filter).to_owned(), *qos)).collect()
    }

    #[test]
    fn a_filter_that_nobody_wants_is_given_back_after_a_moment() {
        let (mut subscriptions, now) = (Subscriptions::default(), Instant::now());
        let wanted = filters(&[("a/#", 1), ("b", 0)]);
        assert_eq!(subscriptions.changes(&wanted, &[], now).subscribe, wanted);
        assert_eq!(subscriptions.changes(&wanted, &[], now), Changes::default());

        let fewer = filters(&[("b", 0)]);
        assert_eq!(subscriptions.changes(&fewer, &[], now), Changes::default());
        assert!(subscriptions.may_be_wanted_soon("a/x") && !subscriptions.may_be_wanted_soon("b"));
        assert_eq!(subscriptions.changes(&fewer, &[], now + LINGER).unsubscribe, ["a/#"]);
        assert!(!subscriptions.lingers());
    }

    #[test]
    fn a_filter_that_is_wanted_again_in_time_is_not_given_back() {
        let (mut subscriptions, now) = (Subscriptions::default(), Instant::now());
        let wanted = filters(&[("a", 1)]);
        subscriptions.changes(&wanted, &[], now);
        subscriptions.changes(&[], &[], now);
        assert_eq!(
            subscriptions.changes(&wanted, &wanted, now + LINGER).subscribe,
            wanted,
            "for the retained messages"
        );
        assert_eq!(subscriptions.changes(&wanted, &[], now + LINGER * 3), Changes::default());
    }

    #[test]
    fn a_session_that_the_broker_kept_is_asked_again_and_cleaned() {
        let (mut subscriptions, now) = (Subscriptions::default(), Instant::now());
        subscriptions.changes(&filters(&[("a", 1), ("b", 1)]), &[], now);
        subscriptions.connected(true);
        let changes = subscriptions.changes(&filters(&[("a", 1)]), &[], now);
        assert_eq!(changes.subscribe, filters(&[("a", 1)]));
        assert_eq!(subscriptions.changes(&filters(&[("a", 1)]), &[], now + LINGER).unsubscribe, ["b"]);
    }
}
