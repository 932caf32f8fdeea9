//! A driver that breaks every limit on request, for tests of the plugin host. It needs no link.
//!
//! Its one point, `polls`, counts the polls since the instance was opened, so that a test sees a restart as a
//! count that begins again at 1, and goes on with the count of a snapshot, so that it sees a reading that is lost or doubled.

use std::hint::black_box;

use schemars::JsonSchema;
use serde::Deserialize;
use tutin_sdk::{Description, Driver, Failure, Point, Sample, Samples, State, Timestamp, log};

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
    /// It says that the instrument does not answer.
    Unanswered,
    /// It returns samples, and all of them say that the instrument does not answer.
    Silent,
    /// It says that its settings do not fit, which it should have said when it was opened.
    Misfit,
    /// It falls over the snapshot of the driver before it; in a poll nothing is wrong.
    FallsOverSnapshot,
    /// It tells a second point, `no2`, as valid, whether there is an instrument or not.
    Lie,
    /// Nothing wrong either: a second point, `late`, becomes known, as with an instrument that names its components.
    NewPoint,
}

/// The driver.
#[derive(Debug)]
pub struct Misbehaving {
    settings: Settings,
    polls: u32,
    /// Polls of this instance.
    opened_for: u32,
}

impl Driver for Misbehaving {
    type Settings = Settings;

    fn description() -> Description {
        Description::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")).snapshots()
    }

    fn open(settings: Settings) -> Result<Self, Failure> {
        Ok(Misbehaving { settings, polls: 0, opened_for: 0 })
    }

    fn points(&self) -> Vec<Point> {
        let mut points = vec![Point::number("polls", "Polls since the instance was opened", "1")];
        if self.knows_more() {
            points.push(Point::number("late", "Polls since this point is known", "1"));
        }
        if self.settings.behaviour == Behaviour::Lie {
            points.push(Point::number("no2", "NO2, invented", "[ppb]"));
        }
        points
    }

    fn poll(&mut self, _now: Timestamp) -> Result<Samples, Failure> {
        self.polls += 1;
        self.opened_for += 1;
        if self.opened_for > self.settings.after_polls {
            match self.settings.behaviour {
                Behaviour::Unanswered => return Err(Failure::communication("asked to fail")),
                Behaviour::Misfit => return Err(Failure::settings("asked to want others")),
                Behaviour::Silent => {
                    let mut samples = Samples::with_capacity(1);
                    samples.push(Sample::new(0, f64::NAN).state(State::CommError));
                    return Ok(samples);
                }
                behaviour => behaviour.act(),
            }
        }
        let mut samples = Samples::with_capacity(2);
        samples.push(Sample::new(0, f64::from(self.polls)));
        if self.knows_more() {
            let known_for = self.opened_for - self.settings.after_polls;
            samples.push(Sample::new(1, f64::from(known_for)));
            if known_for == 1 {
                samples.points_changed();
            }
        }
        if self.settings.behaviour == Behaviour::Lie {
            samples.push(Sample::new(1, 12.5));
        }
        Ok(samples)
    }

    fn command(&mut self, _name: &str, _arguments: &str) -> Result<String, Failure> {
        std::process::abort()
    }

    fn snapshot(&self) -> Vec<u8> {
        self.polls.to_le_bytes().to_vec()
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Failure> {
        if self.settings.behaviour == Behaviour::FallsOverSnapshot {
            std::process::abort();
        }
        let state = state.try_into().map_err(|_| Failure::internal("a snapshot of four bytes is wanted"))?;
        self.polls = u32::from_le_bytes(state);
        Ok(())
    }
}

impl Misbehaving {
    fn knows_more(&self) -> bool {
        self.settings.behaviour == Behaviour::NewPoint && self.opened_for > self.settings.after_polls
    }
}

impl Behaviour {
    #[expect(clippy::panic, reason = "the purpose of this driver")]
    fn act(self) {
        match self {
            Behaviour::Good | Behaviour::Lie | Behaviour::NewPoint | Behaviour::FallsOverSnapshot => {}
            // Said in the poll's own words.
            Behaviour::Unanswered | Behaviour::Silent | Behaviour::Misfit => {}
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
