//! What is known of the gas beside a value: temperature, pressure, moisture, oxygen, flow, each as it was at a moment.
//!
//! A companion's value holds from its own sample until the next one, for as long as it is fresh. After that the rule decides: the last
//! valid one for so long, a substitute, or none. What it was is counted, so that an average can say which.
//!
//! Invariant: what is known at a moment depends on the samples and their times, not on the order in which they came.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::method::{Companion, Role};
use crate::time::Timestamp;

/// What stood for a companion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// It was measured then.
    Measured,
    /// The last valid one was.
    Held,
    /// The substitute.
    Substituted,
}

/// A companion's value at a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Known {
    /// In the role's unit.
    pub value: f64,
    /// What it was.
    pub origin: Origin,
}

/// Valid samples of one companion, as far back as they are needed.
#[derive(Debug, Clone, Default)]
pub struct Track {
    samples: Vec<(Timestamp, f64)>,
}

impl Role {
    /// All roles, in the order in which they are worked out: each needs at most the ones before it.
    pub const ALL: [Role; 6] =
        [Role::Temperature, Role::Barometer, Role::Pressure, Role::Moisture, Role::Oxygen, Role::Flow];

    /// As in configurations and records.
    pub fn name(self) -> &'static str {
        match self {
            Role::Temperature => "temperature",
            Role::Barometer => "barometer",
            Role::Pressure => "pressure",
            Role::Moisture => "moisture",
            Role::Oxygen => "oxygen",
            Role::Flow => "flow",
        }
    }

    /// UCUM code of the unit that the chain computes with.
    pub fn unit(self) -> &'static str {
        match self {
            Role::Temperature => "Cel",
            Role::Barometer | Role::Pressure => "Pa",
            Role::Moisture | Role::Oxygen => "%",
            Role::Flow => "m3/h",
        }
    }
}

impl Origin {
    /// All of them.
    pub const ALL: [Origin; 3] = [Origin::Measured, Origin::Held, Origin::Substituted];
}

impl Companion {
    /// How far back a sample may still matter.
    pub fn reach(&self) -> Duration {
        self.fresh + self.hold
    }

    /// What the rule makes of the last valid value and its age.
    pub fn judge(&self, last: Option<(f64, Duration)>) -> Option<Known> {
        match last {
            Some((value, age)) if age <= self.fresh => Some(Known { value, origin: Origin::Measured }),
            Some((value, age)) if age <= self.reach() => Some(Known { value, origin: Origin::Held }),
            _ => self.substitute.map(|value| Known { value, origin: Origin::Substituted }),
        }
    }
}

impl Track {
    /// Adds a valid sample.
    pub fn add(&mut self, at: Timestamp, value: f64) {
        let is_newest = self.samples.last().is_none_or(|(last, _)| *last < at);
        if is_newest {
            self.samples.push((at, value));
            return;
        }
        // Of two samples of one moment the larger one stands last, whichever came first.
        let place = self.samples.partition_point(|(time, known)| (*time, *known) <= (at, value));
        self.samples.insert(place, (at, value));
    }

    /// What the companion was at this moment.
    pub fn at(&self, at: Timestamp, rule: &Companion) -> Option<Known> {
        // Nearly always the moment is near the end.
        let behind = self.samples.iter().rev().take_while(|(time, _)| *time > at).count();
        let place = if behind < 8 {
            self.samples.len() - behind
        } else {
            self.samples.partition_point(|(time, _)| *time <= at)
        };
        let last = place.checked_sub(1).and_then(|place| self.samples.get(place));
        rule.judge(last.map(|(time, value)| (*value, at.since(*time))))
    }

    /// Forgets samples before this moment, but for the last of them.
    pub fn forget(&mut self, before: Timestamp) {
        let place = self.samples.partition_point(|(time, _)| *time < before);
        self.samples.drain(..place.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn rule(substitute: Option<f64>) -> Companion {
        Companion {
            parameter: Some("O2".into()),
            fresh: Duration::from_secs(5),
            hold: Duration::from_secs(60),
            substitute,
        }
    }

    #[test]
    fn a_value_holds_until_it_is_stale_then_the_rule_decides() {
        let mut track = Track::default();
        track.add(seconds(100), 7.5);
        let check = |at: i64, substitute: Option<f64>, expected: Option<(f64, Origin)>| {
            let known = track.at(seconds(at), &rule(substitute)).map(|known| (known.value, known.origin));
            assert_eq!(known, expected, "{at}");
        };
        check(99, None, None);
        check(100, None, Some((7.5, Origin::Measured)));
        check(105, None, Some((7.5, Origin::Measured)));
        check(106, None, Some((7.5, Origin::Held)));
        check(165, None, Some((7.5, Origin::Held)));
        check(166, None, None);
        check(166, Some(11.0), Some((11.0, Origin::Substituted)));
        check(99, Some(11.0), Some((11.0, Origin::Substituted)));
    }

    #[test]
    fn the_order_of_arrival_does_not_matter() {
        let samples = [(1, 1.0), (2, 2.0), (2, 2.5), (3, 3.0), (9, 9.0)];
        let mut forwards = Track::default();
        let mut backwards = Track::default();
        samples.iter().for_each(|(at, value)| forwards.add(seconds(*at), *value));
        samples.iter().rev().for_each(|(at, value)| backwards.add(seconds(*at), *value));
        for at in 0..20 {
            assert_eq!(forwards.at(seconds(at), &rule(None)), backwards.at(seconds(at), &rule(None)), "{at}");
        }
    }

    #[test]
    fn what_is_forgotten_leaves_the_last_value_behind() {
        let mut track = Track::default();
        (0..100).for_each(|at| track.add(seconds(at), at as f64));
        track.forget(seconds(50));
        assert_eq!(track.samples.len(), 51);
        assert_eq!(track.at(seconds(49), &rule(None)).map(|known| known.value), Some(49.0));
    }
}
