//! A driver that breaks every limit on request, for tests of the plugin host. It needs no link.
//!
//! Its one point, `polls`, counts the polls since the instance was opened, so that a test sees a restart as a
//! count that begins again at 1.

use std::hint::black_box;

use schemars::JsonSchema;
use serde::Deserialize;
use tutin_sdk::{Description, Driver, Failure, Point, Sample, Samples, Timestamp, log};

/// What the driver does wrong, and when.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What happens in a poll. Default good.
    #[serde(default)]
    pub behaviour: Behaviour,
    /// Polls that go well first. Default 0.
    #[serde(default)]
    pub after_polls: u32,
}

/// What happens in a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    /// Nothing wrong.
    #[default]
    Good,
    /// An instruction that traps.
    Trap,
    /// It never returns.
    Loop,
    /// It takes memory until there is none.
    Grow,
    /// It panics, with a message.
    Panic,
    /// It writes 10,000 lines to the log, then does its work.
    FloodLog,
    /// Nothing wrong either: a second point, `late`, becomes known, as with an instrument that names its components.
    NewPoint,
}

/// The driver.
#[derive(Debug)]
pub struct Misbehaving {
    settings: Settings,
    polls: u32,
}

impl Driver for Misbehaving {
    type Settings = Settings;

    fn description() -> Description {
        Description::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
    }

    fn open(settings: Settings) -> Result<Self, Failure> {
        Ok(Misbehaving { settings, polls: 0 })
    }

    fn points(&self) -> Vec<Point> {
        let mut points = vec![Point::number("polls", "Polls since the instance was opened", "1")];
        if self.knows_more() {
            points.push(Point::number("late", "Polls since this point is known", "1"));
        }
        points
    }

    fn poll(&mut self, _now: Timestamp) -> Result<Samples, Failure> {
        self.polls += 1;
        if self.polls > self.settings.after_polls {
            self.settings.behaviour.act();
        }
        let mut samples = Samples::with_capacity(2);
        samples.push(Sample::new(0, f64::from(self.polls)));
        if self.knows_more() {
            let known_for = self.polls - self.settings.after_polls;
            samples.push(Sample::new(1, f64::from(known_for)));
            if known_for == 1 {
                samples.points_changed();
            }
        }
        Ok(samples)
    }
}

impl Misbehaving {
    fn knows_more(&self) -> bool {
        self.settings.behaviour == Behaviour::NewPoint && self.polls > self.settings.after_polls
    }
}

impl Behaviour {
    #[expect(clippy::panic, reason = "the purpose of this driver")]
    fn act(self) {
        match self {
            Behaviour::Good | Behaviour::NewPoint => {}
            Behaviour::Trap => std::process::abort(),
            Behaviour::Loop => spin(),
            Behaviour::Grow => hoard(),
            Behaviour::Panic => panic!("asked to panic"),
            Behaviour::FloodLog => (0..10_000).for_each(|line| log::info(&format!("line {line} of a flood"))),
        }
    }
}

fn spin() {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

fn hoard() {
    let mut taken = Vec::new();
    loop {
        taken.push(black_box(vec![1_u8; 1 << 20]));
    }
}

tutin_sdk::export!(Misbehaving);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_behaves_until_its_time_has_come() {
        let mut driver = Misbehaving::open(Settings { behaviour: Behaviour::Panic, after_polls: 2 }).unwrap();

        let values: Vec<f64> = (0..2).map(|_| driver.poll(Timestamp(0)).unwrap().columns().values[0]).collect();
        let third = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| driver.poll(Timestamp(0))));

        assert_eq!(values, [1.0, 2.0]);
        assert!(third.is_err());
    }
}
