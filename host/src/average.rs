//! One closed block of one parameter: what the regimes ask for, and what delivery carries.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::rounding::{Rounding, rounded};
use crate::status::{InstrumentState, PlantState, Qualifiers};
use crate::time::Timestamp;

/// What makes an average unique. Together with the revision it is the key in the journal and at the far end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AverageKey {
    /// The emission source.
    pub source: String,
    /// The parameter of the source: `NO2`, `O2`, `flow` …
    pub parameter: String,
    /// The rule set that defined the block.
    pub rule_set: String,
    /// First moment of the block; the block ends before `start + length`.
    pub start: Timestamp,
    /// 0 when first closed, one more with each correction.
    pub revision: u32,
}

/// One block of one parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Average {
    /// Which block.
    #[serde(flatten)]
    pub key: AverageKey,
    /// Length of the block in seconds.
    #[serde(with = "whole_seconds", rename = "length_s")]
    pub length: Duration,
    /// Mean of the valid samples in the instrument's unit.
    pub mean_raw: Option<f64>,
    /// The instrument's unit (UCUM).
    pub unit_raw: String,
    /// Mean of the valid samples at the end of their chain: calibrated, dry, at standard conditions, in the parameter's unit; `None` when no
    /// sample was valid.
    pub mean: Option<f64>,
    /// The mean at the reference oxygen, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrected: Option<f64>,
    /// What counts: corrected where that is asked for, less the confidence interval, with the rule for values below zero. Only of a valid block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validated: Option<f64>,
    /// How what counts is rounded where it is reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
    /// What was emitted, where there is a flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mass: Option<Mass>,
    /// Smallest valid sample, in the parameter's unit.
    pub min: Option<f64>,
    /// Largest valid sample, in the parameter's unit.
    pub max: Option<f64>,
    /// The parameter's unit (UCUM).
    pub unit: String,
    /// Samples that the block should have had.
    pub expected: u32,
    /// Samples that came with a value, valid or not.
    pub received: u32,
    /// Samples that counted as valid.
    pub valid: u32,
    /// `valid / expected`, 0 to 1.
    pub coverage: f64,
    /// `valid` when the coverage was enough, else the cause of loss: the state that took most samples.
    pub state: InstrumentState,
    /// What the plant was doing for most of the block.
    pub plant: PlantState,
    /// Shares of the samples by what the plant was doing, where a point says so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub plants: BTreeMap<PlantState, f64>,
    /// Remarks that held for any valid sample.
    pub qualifiers: Qualifiers,
    /// Samples that the plausibility gate did not let count, by its code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub implausible: BTreeMap<String, u32>,
    /// What the steps were computed with.
    #[serde(default, skip_serializing_if = "Used::is_nothing")]
    pub used: Used,
    /// What else a reader must know: a step that could not be done, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Local time of the block's start or end with its offset, as the rule set labels it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// Of a revision with late samples: those received before this moment are in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_until: Option<Timestamp>,
    /// SHA-256 in hex of the configuration that it was computed under.
    pub configuration: String,
    /// Why there is another revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// On whose behalf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
}

/// How a value is rounded, once, where it is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Digits after the point.
    pub decimals: u8,
    /// What becomes of a half.
    pub rounding: Rounding,
}

/// What was emitted in a block.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Mass {
    /// Rate in g/s.
    pub g_s: f64,
    /// In the block, kg.
    pub kg: f64,
}

/// What the steps of a block were computed with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Used {
    /// Numbers of the configuration: `calibration_a`, `calibration_b`, `molar_mass` …
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub numbers: BTreeMap<String, f64>,
    /// What was measured beside it, by role.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub companions: BTreeMap<String, Companionship>,
}

/// What stood for a companion in a block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Companionship {
    /// Mean of what was used, in the role's unit.
    pub mean: Option<f64>,
    /// Samples, or blocks, with a value measured at the time.
    pub measured: u32,
    /// With the last valid one.
    pub held: u32,
    /// With the substitute.
    pub substituted: u32,
    /// With none, so that they could not be computed.
    pub missing: u32,
}

impl Average {
    /// A block without anything in it.
    pub fn empty(key: AverageKey, length: Duration, unit: &str, configuration: &str) -> Self {
        Average {
            key,
            length,
            mean_raw: None,
            unit_raw: String::new(),
            mean: None,
            corrected: None,
            validated: None,
            report: None,
            mass: None,
            min: None,
            max: None,
            unit: unit.to_owned(),
            expected: 0,
            received: 0,
            valid: 0,
            coverage: 0.0,
            state: InstrumentState::Missing,
            plant: PlantState::Unknown,
            plants: BTreeMap::new(),
            qualifiers: Qualifiers::NONE,
            implausible: BTreeMap::new(),
            used: Used::default(),
            notes: Vec::new(),
            label: String::new(),
            received_until: None,
            configuration: configuration.to_owned(),
            reason: None,
            author: None,
        }
    }

    /// The moment after the last one of the block.
    pub fn end(&self) -> Timestamp {
        self.key.start.after(self.length)
    }

    /// What counts, rounded as the rule set says; the only place where anything is rounded.
    pub fn reported(&self) -> Option<String> {
        let value = self.validated?;
        match self.report {
            Some(Report { decimals, rounding }) => Some(rounded(value, decimals, rounding)),
            None => Some(value.to_string()),
        }
    }
}

impl Used {
    fn is_nothing(&self) -> bool {
        self.numbers.is_empty() && self.companions.is_empty()
    }
}

mod whole_seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(length: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(length.as_secs())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        Ok(Duration::from_secs(u64::deserialize(deserializer)?))
    }
}
