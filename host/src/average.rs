//! One closed block of one parameter: what the regimes ask for, and what delivery carries.

use std::time::Duration;

use serde::{Deserialize, Serialize};

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
    /// Mean of the valid samples in the parameter's unit; `None` when no sample was valid.
    pub mean: Option<f64>,
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
    /// Remarks that held for any valid sample.
    pub qualifiers: Qualifiers,
    /// SHA-256 in hex of the configuration that it was computed under.
    pub configuration: String,
    /// Why there is another revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// On whose behalf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
}

impl Average {
    /// The moment after the last one of the block.
    pub fn end(&self) -> Timestamp {
        self.key.start.after(self.length)
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
