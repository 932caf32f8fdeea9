//! The rules of a regime: how blocks are cut, when they count, and what is computed with.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::grid::Grid;
use super::recipe::is_usual;
use crate::method::{Constants, Label, Negative, OxygenStep, Substitution, Validity};
use crate::rounding::Rounding;
use crate::status::{InstrumentState, PlantState};

/// Two thirds written as 0.6667 or computed as 40/60 must not decide about a block.
const ROUNDING_ERROR: f64 = 1e-4;

/// A named set of rules, without its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// Edges of the blocks.
    pub grid: Grid,
    /// Which end of a block names it.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub label: Label,
    /// Rule set whose blocks these are made from; `None`: from samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// When a block counts.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub validity: Validity,
    /// How long after its end a block takes samples.
    pub lateness: Duration,
    /// Standard conditions and constants.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub constants: Constants,
    /// Where the oxygen step stands.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub oxygen: OxygenStep,
    /// Oxygen in percent above which nothing is converted to the reference.
    pub most_oxygen: f64,
    /// What becomes of a block below zero.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub negative: Negative,
    /// What is reported of a block that does not count.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub substitution: Substitution,
    /// How the reported value is rounded, once, at the sink.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub rounding: Rounding,
}

/// What a block has to show for itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// Samples that should have come.
    pub expected: u32,
    /// Samples that counted.
    pub valid: u32,
    /// A bit for each part that has a valid sample.
    pub parts: u64,
    /// From the first valid sample to the last.
    pub spread: Duration,
    /// Length of the block.
    pub length: Duration,
    /// Whether there was calibration or maintenance.
    pub serviced: bool,
}

impl Default for Validity {
    fn default() -> Self {
        Validity {
            coverage: 2.0 / 3.0,
            least: 1,
            parts: 0,
            two_apart: false,
            states: vec![InstrumentState::Valid],
            plants: PlantState::ALL.to_vec(),
        }
    }
}

impl Rules {
    /// Plain blocks of samples in UTC; the rest as it is when nobody says otherwise.
    pub fn simple(block: Duration, coverage: f64, lateness: Duration) -> Self {
        Rules {
            grid: Grid::utc(block),
            label: Label::Start,
            from: None,
            validity: Validity { coverage, ..Validity::default() },
            lateness,
            constants: Constants::default(),
            oxygen: OxygenStep::Block,
            most_oxygen: 20.0,
            negative: Negative::Keep,
            substitution: Substitution::None,
            rounding: Rounding::HalfUp,
        }
    }
}

impl Validity {
    /// Whether a block with this evidence counts. A block without a valid sample never does.
    pub fn holds(&self, evidence: &Evidence) -> bool {
        let Evidence { expected, valid, parts, spread, length, serviced } = *evidence;
        let enough = valid >= self.least.max(1) && coverage(valid, expected) >= self.coverage - ROUNDING_ERROR;
        if self.parts == 0 {
            return enough;
        }
        let each = parts.count_ones() >= self.parts.min(u64::BITS);
        let apart = self.two_apart && serviced && valid >= 2 && spread >= length / self.parts;
        // Where two points are enough, the share of the rest is not asked for.
        (enough && each) || apart
    }
}

impl Validity {
    /// What the rule of parts misses, in words; `None`: nothing.
    pub fn parts_lack(&self, evidence: &Evidence) -> Option<String> {
        let found = evidence.parts.count_ones();
        let lacks = self.parts > 0 && found < self.parts && !self.holds(evidence);
        lacks.then(|| format!("only {found} of {} parts of the block have a sample that counts", self.parts))
    }
}

/// `valid / expected`, from 0 to 1. More than was expected is no more than all.
pub fn coverage(valid: u32, expected: u32) -> f64 {
    (f64::from(valid) / f64::from(expected.max(1))).min(1.0)
}

/// Samples in a block of this length, at least one.
pub fn expected(length: Duration, interval: Duration) -> u32 {
    let count = length.as_secs_f64() / interval.as_secs_f64();
    if count.is_finite() { (count.round() as u32).max(1) } else { u32::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::Chain;

    const HOUR: Duration = Duration::from_secs(3600);

    fn check(validity: &Validity, valid: u32, parts: u64, spread_minutes: u64, serviced: bool, holds: bool) {
        let spread = Duration::from_secs(60 * spread_minutes);
        let evidence = Evidence { expected: 60, valid, parts, spread, length: HOUR, serviced };
        assert_eq!(validity.holds(&evidence), holds, "{evidence:?}");
    }

    #[test]
    fn what_a_recorded_recipe_leaves_out_stays_what_it_was() {
        let usual = serde_json::json!({
            "label": Label::default(),
            "validity": Validity::default(),
            "constants": Constants::default(),
            "oxygen": OxygenStep::default(),
            "negative": Negative::default(),
            "substitution": Substitution::default(),
            "rounding": Rounding::default(),
            "chain": Chain::default(),
        });
        let recorded = serde_json::json!({
            "label": "start",
            "validity": {
                "coverage": 2.0 / 3.0, "least": 1, "parts": 0, "two_apart": false, "states": ["valid"],
                "plants": ["operating", "startup", "shutdown", "standby", "stopped", "abatement_outage", "unknown"],
            },
            "constants": { "zero_celsius": 273.15, "standard_celsius": 0.0, "pressure": 101_325.0, "molar_volume": 22.414 },
            "oxygen": "block",
            "negative": "keep",
            "substitution": "none",
            "rounding": "half_up",
            "chain": { "actual": false, "wet": false, "mean": "arithmetic" },
        });
        assert_eq!(usual, recorded);
    }

    #[test]
    fn a_count_is_asked_for_beside_the_share() {
        let china = Validity { coverage: 0.75, least: 45, ..Validity::default() };
        check(&china, 45, 0, 0, false, true);
        check(&china, 44, 0, 0, false, false);
    }

    /// One point in each quarter of the hour; in hours with calibration two points a quarter apart. Source: Minn. R. 7017.1160.
    #[test]
    fn each_quarter_needs_a_point_or_two_points_apart_in_an_hour_with_calibration() {
        let quarters = Validity { coverage: 0.0, parts: 4, two_apart: true, ..Validity::default() };
        check(&quarters, 4, 0b1111, 50, false, true);
        check(&quarters, 50, 0b0111, 40, false, false);
        check(&quarters, 2, 0b0011, 15, true, true);
        check(&quarters, 2, 0b0011, 14, true, false);
        check(&quarters, 2, 0b0011, 15, false, false);
        check(&quarters, 0, 0b1111, 60, true, false);
    }

    #[test]
    fn a_block_without_a_valid_sample_never_counts() {
        let careless = Validity { coverage: 0.0, least: 0, ..Validity::default() };
        check(&careless, 0, 0, 0, false, false);
        check(&careless, 1, 0, 0, false, true);
    }
}
