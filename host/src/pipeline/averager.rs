//! Block averages of one parameter under one rule set.
//!
//! Blocks are aligned to UTC multiples of their length; a sample on the edge belongs to the block that begins there. Coverage
//! is counted against the samples that were *expected*, so that silence lowers it. A block that is not valid carries
//! the state that took most samples as its cause of loss; ties go by the precedence of states.
//!
//! Invariant: blocks leave in order and without a hole, the empty ones too; the result depends on the readings and their
//! times alone, never on when they were processed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::pipeline::units::Conversion;
use crate::reading::{Reading, Value};
use crate::status::{InstrumentState, Qualifiers};
use crate::time::Timestamp;

/// Two thirds written as 0.6667 or computed as 40/60 must not decide about a block.
const ROUNDING: f64 = 1e-4;

/// How far a device's clock may be ahead of the hub's.
const AHEAD: Duration = Duration::from_secs(3600);

/// How blocks are cut and counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// Length of a block.
    pub block: Duration,
    /// Share of the expected samples that must be valid.
    pub coverage: f64,
    /// How long after its end a block takes samples.
    pub lateness: Duration,
    /// Time from sample to sample, for the expected count.
    pub interval: Duration,
    /// From the instrument's unit to the parameter's; set when the instrument's unit is known.
    #[serde(skip)]
    pub conversion: Conversion,
}

/// A closed block, without the names around it.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// First moment.
    pub start: Timestamp,
    /// Mean of the valid samples in the instrument's unit.
    pub mean_raw: Option<f64>,
    /// The same in the parameter's unit.
    pub mean: Option<f64>,
    /// Smallest valid sample in the parameter's unit.
    pub min: Option<f64>,
    /// Largest valid sample in the parameter's unit.
    pub max: Option<f64>,
    /// Samples that should have come.
    pub expected: u32,
    /// Samples that came with a value.
    pub received: u32,
    /// Samples that counted.
    pub valid: u32,
    /// `valid / expected`, at most 1.
    pub coverage: f64,
    /// `valid`, or the cause of loss.
    pub state: InstrumentState,
    /// Remarks that held for any valid sample.
    pub qualifiers: Qualifiers,
    /// False when there was not even a reading that says why it has no value.
    pub seen: bool,
}

/// Collects samples into blocks.
#[derive(Debug, Clone)]
pub struct Averager {
    rules: Rules,
    /// Start of the oldest block that is not closed.
    next: Timestamp,
    open: BTreeMap<Timestamp, Window>,
    late: u64,
}

#[derive(Debug, Clone, Default)]
struct Window {
    sum: f64,
    min: f64,
    max: f64,
    valid: u32,
    received: u32,
    qualifiers: Qualifiers,
    lost: [u32; InstrumentState::ALL.len()],
}

impl Averager {
    /// An averager whose first block is the one that `from` falls into.
    pub fn new(rules: Rules, from: Timestamp) -> Self {
        let next = from.block_start(rules.block);
        Averager { rules, next, open: BTreeMap::new(), late: 0 }
    }

    /// Takes one reading of the parameter's point. A reading that came after its block had to close, or from further in the future than
    /// a clock may be wrong, is counted as late and otherwise left out; it stays in the journal.
    pub fn take(&mut self, reading: &Reading<'_>) {
        let start = reading.sampled_at.block_start(self.rules.block);
        let closes = start.after(self.rules.block).after(self.rules.lateness);
        let is_ahead = reading.sampled_at > reading.received_at.after(AHEAD);
        if start < self.next || reading.received_at >= closes || is_ahead {
            self.late += 1;
            return;
        }
        let window = self.open.entry(start).or_default();
        match (reading.state, reading.value) {
            (InstrumentState::Valid, Value::Number(value)) if value.is_finite() => {
                window.add(value, reading.qualifiers);
            }
            // A number that is none cannot be averaged, whatever the instrument says.
            (InstrumentState::Valid, _) => window.lose(InstrumentState::Suspect, true),
            (state, value) => window.lose(state, value != Value::None),
        }
    }

    /// Closes the blocks whose time, lateness included, is over at `now`, the oldest first, at most so many.
    pub fn close(&mut self, now: Timestamp, most: usize) -> Vec<Block> {
        let mut blocks = Vec::new();
        while blocks.len() < most && self.next.after(self.rules.block).after(self.rules.lateness) <= now {
            let window = self.open.remove(&self.next);
            let seen = window.is_some();
            blocks.push(Block { seen, ..window.unwrap_or_default().block(self.next, &self.rules) });
            self.next = self.next.after(self.rules.block);
        }
        blocks
    }

    /// From now on converts with this. Open blocks keep their samples as the instrument gave them.
    pub fn convert_with(&mut self, conversion: Conversion) {
        self.rules.conversion = conversion;
    }

    /// Readings that came too late for their block.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Start of the oldest block that is not closed.
    pub fn next(&self) -> Timestamp {
        self.next
    }
}

impl Window {
    fn add(&mut self, value: f64, qualifiers: Qualifiers) {
        self.sum += value;
        (self.min, self.max) =
            if self.valid == 0 { (value, value) } else { (self.min.min(value), self.max.max(value)) };
        self.valid += 1;
        self.received += 1;
        self.qualifiers = self.qualifiers.with(qualifiers);
    }

    fn lose(&mut self, state: InstrumentState, received: bool) {
        if let Some(count) = self.lost.get_mut(usize::from(state.code())) {
            *count += 1;
        }
        self.received += u32::from(received);
    }

    fn block(&self, start: Timestamp, rules: &Rules) -> Block {
        let expected = expected(rules);
        let coverage = (f64::from(self.valid) / f64::from(expected)).min(1.0);
        let enough = self.valid > 0 && coverage >= rules.coverage - ROUNDING;
        let any = self.valid > 0;
        let mean_raw = any.then(|| self.sum / f64::from(self.valid));
        let convert = |value: f64| rules.conversion.apply(value);
        Block {
            start,
            mean_raw,
            mean: mean_raw.map(convert),
            min: any.then(|| convert(self.min)),
            max: any.then(|| convert(self.max)),
            expected,
            received: self.received,
            valid: self.valid,
            coverage,
            state: if enough { InstrumentState::Valid } else { self.cause(expected) },
            qualifiers: self.qualifiers,
            seen: true,
        }
    }

    /// The state that took most of what was lost. Samples that never came count as missing.
    fn cause(&self, expected: u32) -> InstrumentState {
        let told: u32 = self.lost.iter().sum();
        let silent = expected.saturating_sub(self.valid).saturating_sub(told);
        let count = |state: InstrumentState| {
            let told = self.lost.get(usize::from(state.code())).copied().unwrap_or(0);
            if state == InstrumentState::Missing { told + silent } else { told }
        };
        let causes = InstrumentState::PRECEDENCE.into_iter().filter(|state| *state != InstrumentState::Valid);
        // The last of equal maxima wins, so the order is turned round for the precedence to decide.
        causes.rev().max_by_key(|state| count(*state)).unwrap_or(InstrumentState::Missing)
    }
}

/// Samples in a block: at least one.
fn expected(rules: &Rules) -> u32 {
    let count = rules.block.as_secs_f64() / rules.interval.as_secs_f64();
    (count.round() as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::{Point, PointKind};

    const MINUTE: Duration = Duration::from_secs(60);

    fn rules(coverage: f64) -> Rules {
        Rules {
            block: 20 * MINUTE,
            coverage,
            lateness: Duration::from_secs(2),
            interval: MINUTE,
            conversion: Conversion::NONE,
        }
    }

    fn point() -> Point {
        Point { id: "no2".into(), label: String::new(), unit: "[ppb]".into(), kind: PointKind::Number }
    }

    fn reading(point: &Point, seconds: i64, value: f64, state: InstrumentState) -> Reading<'_> {
        let at = Timestamp::from_seconds(seconds);
        Reading {
            device: "no2-north",
            index: 0,
            point,
            sampled_at: at,
            received_at: at,
            value: if state.has_value() { Value::Number(value) } else { Value::None },
            state,
            qualifiers: Qualifiers::NONE,
            status: None,
            raw: None,
        }
    }

    fn block_of(minutes: u32, coverage: f64, samples: &[(f64, InstrumentState)]) -> Block {
        let point = point();
        let mut averager = Averager::new(Rules { block: minutes * MINUTE, ..rules(coverage) }, Timestamp(0));
        for (minute, (value, state)) in samples.iter().enumerate() {
            averager.take(&reading(&point, 60 * minute as i64, *value, *state));
        }
        let mut blocks = averager.close(Timestamp::from_seconds(60 * i64::from(minutes) + 2), 100);
        assert_eq!(blocks.len(), 1);
        blocks.remove(0)
    }

    /// Every case of the published vectors, `averaging.json`.
    #[test]
    fn published_cases_of_coverage_and_mean_hold() {
        let vectors: serde_json::Value = serde_json::from_str(include_str!("vectors/averaging.json")).unwrap();
        let cases = vectors["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 6);
        for case in cases {
            let name = case["name"].as_str().unwrap();
            let samples: Vec<(f64, InstrumentState)> = case["samples"]
                .as_array()
                .unwrap()
                .iter()
                .map(|sample| {
                    let name = sample["status"].as_str().unwrap();
                    let state = InstrumentState::ALL.into_iter().find(|state| state.name() == name).unwrap();
                    (sample["v"].as_f64().unwrap_or(f64::NAN), state)
                })
                .collect();
            for (rule, share) in [("two_thirds", 2.0 / 3.0), ("three_quarters", 0.75), ("ninety_percent", 0.9)] {
                let minutes = case["expected_count"].as_u64().unwrap() as u32;
                let block = block_of(minutes, share, &samples);
                assert_eq!(block.expected, minutes, "{name}");
                assert_eq!(u64::from(block.valid), case["valid_count"].as_u64().unwrap(), "{name}");
                assert!((block.coverage - case["coverage"].as_f64().unwrap()).abs() < 1e-12, "{name}");
                match case["mean_of_valid"].as_f64() {
                    Some(mean) => assert!((block.mean.unwrap() - mean).abs() < 1e-9, "{name}"),
                    None => assert_eq!(block.mean, None, "{name}"),
                }
                let valid = block.state == InstrumentState::Valid;
                assert_eq!(valid, case["block_valid"][rule].as_bool().unwrap(), "{name}: {rule}");
            }
        }
    }

    #[test]
    fn a_lost_block_names_the_cause_that_took_most() {
        use InstrumentState::*;
        let check = |samples: &[(InstrumentState, usize)], expected: InstrumentState| {
            let samples: Vec<_> =
                samples.iter().flat_map(|(state, n)| std::iter::repeat_n((1.0, *state), *n)).collect();
            assert_eq!(block_of(20, 0.75, &samples).state, expected);
        };
        check(&[(Calibration, 7), (Fault, 3), (Valid, 10)], Calibration);
        check(&[(Calibration, 4), (Fault, 4), (Valid, 12)], Fault);
        check(&[(Valid, 5)], Missing);
        check(&[(CommError, 10), (Valid, 5)], CommError);
        check(&[], Missing);
    }

    #[test]
    fn empty_blocks_leave_too_and_in_order() {
        let mut averager = Averager::new(rules(0.75), Timestamp::from_seconds(30));
        let blocks = averager.close(Timestamp::from_seconds(3 * 1200 + 2), 100);
        let starts: Vec<_> = blocks.iter().map(|block| block.start).collect();
        assert_eq!(starts, [0, 1200, 2400].map(Timestamp::from_seconds));
        assert!(blocks.iter().all(|block| block.state == InstrumentState::Missing && block.mean.is_none()));
    }

    #[test]
    fn a_sample_on_the_edge_belongs_to_the_next_block() {
        let point = point();
        let mut averager = Averager::new(rules(0.0), Timestamp(0));
        averager.take(&reading(&point, 1200, 5.0, InstrumentState::Valid));
        let blocks = averager.close(Timestamp::from_seconds(2402), 100);
        assert_eq!(blocks.iter().map(|block| block.valid).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn a_late_sample_is_counted_and_changes_nothing() {
        let point = point();
        let mut averager = Averager::new(rules(0.0), Timestamp(0));
        let mut late = reading(&point, 10, 5.0, InstrumentState::Valid);
        late.received_at = Timestamp::from_seconds(1202);
        averager.take(&late);
        assert_eq!(averager.late(), 1);
        assert_eq!(averager.close(Timestamp::from_seconds(1202), 100)[0].received, 0);
    }

    #[test]
    fn a_number_that_is_none_is_suspect_and_not_averaged() {
        let block = block_of(20, 0.75, &[(f64::NAN, InstrumentState::Valid); 20]);
        assert_eq!((block.received, block.valid, block.state), (20, 0, InstrumentState::Suspect));
    }
}
