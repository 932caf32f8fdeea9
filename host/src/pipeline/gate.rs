//! What a sample must be before it counts: a number, within physical bounds, in its time, alive, and not from a test.
//!
//! A sample that fails is never replaced. It does not count as valid, its code is counted in the block, the block is marked
//! `implausible`, and the first one of each kind becomes an event. Whether such a block goes out marked or is held for a person is the
//! rule of the parameter.
//!
//! Invariant: what a sample is judged by is itself and the samples before it in time, never the order in which they came.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::units::Kind;
use crate::method::Gate;
use crate::status::Qualifiers;
use crate::time::Timestamp;

/// A clock may be this much ahead of the hub's.
const AHEAD: Duration = Duration::from_secs(3600);
/// After a silence as long as this the samples before it say nothing any more.
const FORGET: Duration = Duration::from_secs(600);
/// A value nearer to zero than this, but not zero, is what a number looks like whose words are in the wrong order.
const TINY: f64 = 1e-5;
/// Beyond this no instrument measures anything.
const HUGE: f64 = 1e12;
/// So many times its bounds is what no instrument gives that works.
const FAR: f64 = 100.0;
/// From here on a number with its words in another order is one that an instrument would give.
const USUAL: f64 = 0.01;

/// What is wrong with a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// NaN or infinite.
    NotANumber,
    /// Outside what the quantity can be.
    Bounds,
    /// With its words in another order the number would be a usual one.
    WordOrder,
    /// The value has not moved for too long.
    Stuck,
    /// The value moved farther from one sample to the next than it can.
    Jump,
    /// Sampled later than it was received.
    Future,
    /// Sampled before the time that an instrument may give later.
    Ancient,
    /// With day and month the other way round the time would be right.
    DayMonthSwap,
    /// The device says that it is from a test.
    TestData,
}

/// What the gate remembers of the samples before.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    /// The last raw value and since when it has been the same.
    still: Option<(u64, Timestamp)>,
    /// The last value.
    last: Option<f64>,
    /// When it was measured.
    at: Option<Timestamp>,
}

impl Code {
    /// All of them.
    pub const ALL: [Code; 9] = {
        use Code::*;
        [NotANumber, Bounds, WordOrder, Stuck, Jump, Future, Ancient, DayMonthSwap, TestData]
    };

    /// As in averages and events.
    pub fn name(self) -> &'static str {
        match self {
            Code::NotANumber => "not_a_number",
            Code::Bounds => "bounds",
            Code::WordOrder => "word_order",
            Code::Stuck => "stuck",
            Code::Jump => "jump",
            Code::Future => "future",
            Code::Ancient => "ancient",
            Code::DayMonthSwap => "day_month_swap",
            Code::TestData => "test_data",
        }
    }
}

impl Gate {
    /// How far back samples may still decide about one.
    pub fn reach(&self) -> Duration {
        if self.remembers() { self.stuck_after.unwrap_or_default() + 2 * FORGET } else { Duration::ZERO }
    }

    /// Whether a sample is judged by the ones before it.
    pub fn remembers(&self) -> bool {
        self.stuck_after.is_some() || self.jump.is_some()
    }

    /// The bounds, or those that no value of this kind of quantity can leave.
    pub fn bounds(&self, kind: Kind, unit_factor: f64) -> (f64, f64) {
        let (low, high) = match kind {
            // A zero that drifts goes a little below zero.
            Kind::Fraction => (-0.1 / unit_factor, 1.1 / unit_factor),
            Kind::Temperature | Kind::Pressure => (f64::NEG_INFINITY, HUGE),
            Kind::Acidity => (-2.0, 16.0),
            _ => (-HUGE, HUGE),
        };
        (self.low.unwrap_or(low), self.high.unwrap_or(high))
    }

    /// What is wrong with the time of a sample.
    pub fn time(&self, sampled: Timestamp, received: Timestamp) -> Option<Code> {
        let ahead = sampled > received.after(AHEAD);
        let behind = self.oldest.is_some_and(|oldest| sampled < received.before(oldest));
        if received.0.abs_diff(sampled.0) > DAY_NANOSECONDS && is_swapped(sampled, received) {
            return Some(Code::DayMonthSwap);
        }
        match (ahead, behind) {
            (true, _) => Some(Code::Future),
            (_, true) => Some(Code::Ancient),
            _ => None,
        }
    }

    /// What is wrong with a value. `wire`: the 32 bits that it was on the wire, 0 when there were none. `through`: takes a raw value
    /// through the chain, to see what another order of words would have given.
    pub fn value(
        &self,
        memory: &mut Memory,
        sample: &Judged,
        bounds: (f64, f64),
        through: impl Fn(f64) -> Option<f64>,
    ) -> Option<Code> {
        let moved = self.movement(memory, sample);
        let inside = |value: f64| bounds.0 <= value && value <= bounds.1;
        if sample.qualifiers.contains(Qualifiers::TEST) {
            return Some(Code::TestData);
        }
        if !sample.value.is_finite() {
            return Some(Code::NotANumber);
        }
        let size = sample.raw.abs();
        // A value a little beyond its bounds is one that is too large. By chance another order of its bytes is often a usual number.
        let far = |value: f64| value.abs() > FAR * bounds.0.abs().max(bounds.1.abs());
        let is_odd = far(sample.value) || (size > 0.0 && size < TINY) || size > HUGE;
        if is_odd && sample.wire != 0 {
            let usual = |raw: f64| raw.abs() >= USUAL && through(raw).is_some_and(inside);
            if other_orders(sample.wire).into_iter().any(|raw| raw.is_finite() && usual(raw)) {
                return Some(Code::WordOrder);
            }
        }
        if !inside(sample.value) { Some(Code::Bounds) } else { moved }
    }

    fn movement(&self, memory: &mut Memory, sample: &Judged) -> Option<Code> {
        if memory.at.is_some_and(|last| sample.at.since(last) > FORGET) {
            *memory = Memory::default();
        }
        memory.at = Some(sample.at);
        let bits = sample.raw.to_bits();
        let since = match memory.still {
            Some((still, since)) if still == bits => since,
            _ => sample.at,
        };
        memory.still = Some((bits, since));
        let jumped = memory.last.zip(self.jump).is_some_and(|(last, most)| (sample.value - last).abs() > most);
        memory.last = Some(sample.value);
        if self.stuck_after.is_some_and(|longest| sample.at.since(since) > longest) {
            return Some(Code::Stuck);
        }
        jumped.then_some(Code::Jump)
    }
}

/// A sample as the gate sees it.
#[derive(Debug, Clone, Copy)]
pub struct Judged {
    /// When it was measured.
    pub at: Timestamp,
    /// As the instrument gave it.
    pub raw: f64,
    /// At the end of the chain.
    pub value: f64,
    /// Its 32 bits on the wire, or 0.
    pub wire: u32,
    /// What the device remarks.
    pub qualifiers: Qualifiers,
}

const DAY_NANOSECONDS: u64 = 86_400_000_000_000;

/// Whether the time would be right if day and month were the other way round.
fn is_swapped(sampled: Timestamp, received: Timestamp) -> bool {
    let swapped = || {
        let moment = jiff::Timestamp::from_nanosecond(i128::from(sampled.0)).ok()?;
        let time = moment.to_zoned(jiff::tz::TimeZone::UTC).datetime();
        if time.day() == time.month() {
            return None;
        }
        let date = jiff::civil::Date::new(time.year(), time.day(), time.month()).ok()?;
        let moment = date.to_datetime(time.time()).to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
        i64::try_from(moment.as_nanosecond()).ok()
    };
    // The swap is one of local dates, so that the result may be off by the offset of the zone.
    swapped().is_some_and(|swapped| swapped.abs_diff(received.0) <= DAY_NANOSECONDS)
}

/// The numbers that the other three orders of four bytes give.
fn other_orders(wire: u32) -> [f64; 3] {
    let [a, b, c, d] = wire.to_be_bytes();
    [[c, d, a, b], [b, a, d, c], [d, c, b, a]].map(|bytes| f64::from(f32::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: (f64, f64) = (-10.0, 1000.0);

    fn judged(at: i64, value: f64, wire: u32) -> Judged {
        Judged { at: Timestamp::from_seconds(at), raw: value, value, wire, qualifiers: Qualifiers::NONE }
    }

    fn judge(gate: &Gate, sample: &Judged) -> Option<Code> {
        gate.value(&mut Memory::default(), sample, BOUNDS, Some)
    }

    /// Every row of the published vectors, `float_word_order.json`.
    #[test]
    fn a_number_read_in_the_wrong_word_order_is_caught() {
        let vectors: serde_json::Value = serde_json::from_str(include_str!("vectors/float_word_order.json")).unwrap();
        let (mut caught, mut right) = (0, 0);
        for row in vectors["vectors"].as_array().unwrap() {
            for (order, hex) in row["wire_hex"].as_object().unwrap() {
                let wire = u32::from_str_radix(hex.as_str().unwrap(), 16).unwrap();
                let value = f64::from(f32::from_bits(wire));
                assert_eq!(value, row["misread_as_ABCD"][order].as_f64().unwrap());
                let code = judge(&Gate::default(), &judged(0, value, wire));
                if order == "ABCD" || wire == 0 {
                    assert_eq!(code, None, "{row}");
                    right += 1;
                } else {
                    // One of them is only a number that is too large: 12.34 read as 3098.27.
                    let expected = if value == 3098.27734375 { Code::Bounds } else { Code::WordOrder };
                    assert_eq!(code, Some(expected), "{order} of {row}");
                    caught += 1;
                }
            }
        }
        assert_eq!((caught, right), (21, 11));
    }

    #[test]
    fn a_value_that_cannot_be_is_told_from_one_that_is_none() {
        let gate = Gate::default();
        assert_eq!(judge(&gate, &judged(0, 1000.5, 0)), Some(Code::Bounds));
        assert_eq!(judge(&gate, &judged(0, -1e11, 0)), Some(Code::Bounds));
        assert_eq!(judge(&gate, &judged(0, f64::NAN, 0)), Some(Code::NotANumber));
        assert_eq!(judge(&gate, &judged(0, 1000.0, 0)), None);
        let test = Judged { qualifiers: Qualifiers::TEST, ..judged(0, 5.0, 0) };
        assert_eq!(judge(&gate, &test), Some(Code::TestData));
    }

    #[test]
    fn a_value_that_does_not_move_is_stuck_after_its_time_and_not_before() {
        let gate = Gate { stuck_after: Some(Duration::from_secs(60)), ..Gate::default() };
        let mut memory = Memory::default();
        let mut at = |seconds: i64, value: f64| gate.value(&mut memory, &judged(seconds, value, 0), BOUNDS, Some);
        assert_eq!(at(0, 34.0), None);
        assert_eq!(at(60, 34.0), None);
        assert_eq!(at(61, 34.0), Some(Code::Stuck));
        assert_eq!(at(62, 34.1), None);
        assert_eq!(at(120, 34.1), None);
    }

    #[test]
    fn a_jump_is_told_once_and_the_new_level_is_taken() {
        let gate = Gate { jump: Some(50.0), ..Gate::default() };
        let mut memory = Memory::default();
        let mut at = |seconds: i64, value: f64| gate.value(&mut memory, &judged(seconds, value, 0), BOUNDS, Some);
        assert_eq!(at(0, 10.0), None);
        assert_eq!(at(1, 60.0), None);
        assert_eq!(at(2, 111.0), Some(Code::Jump));
        assert_eq!(at(3, 112.0), None);
    }

    #[test]
    fn times_that_cannot_be_are_told_by_how_they_came_about() {
        let gate = Gate { oldest: Some(Duration::from_secs(31 * 86_400)), ..Gate::default() };
        let check = |sampled: &str, received: &str, expected: Option<Code>| {
            assert_eq!(gate.time(sampled.parse().unwrap(), received.parse().unwrap()), expected, "{sampled}");
        };
        check("2026-11-26T08:00:00Z", "2026-11-26T08:00:01Z", None);
        check("2026-11-26T08:59:00Z", "2026-11-26T08:00:00Z", None);
        check("2026-11-26T09:00:01Z", "2026-11-26T08:00:00Z", Some(Code::Future));
        check("2127-01-01T00:00:00Z", "2026-11-26T08:00:00Z", Some(Code::Future));
        check("1970-01-01T00:00:00Z", "2026-11-26T08:00:00Z", Some(Code::Ancient));
        check("2026-11-01T00:00:00Z", "2026-11-26T08:00:00Z", None);
        // The fifth of June and the sixth of May: the published ambiguous date.
        check("2026-06-05T08:00:00Z", "2026-05-06T08:00:02Z", Some(Code::DayMonthSwap));
        check("2026-05-06T08:00:00Z", "2026-06-05T08:00:02Z", Some(Code::DayMonthSwap));
        check("2026-06-06T08:00:00Z", "2026-06-05T08:00:00Z", Some(Code::Future));
    }
}
