//! How one parameter of a source is made under one rule set: everything that its averages depend on, and nothing else.
//!
//! Recorded in the journal as it is, so that a block can be derived again years later.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::chain::Units;
use super::rules::Rules;
use super::units::{Gas, UnitError};
use crate::method::{Chain, Companions, Confidence, Derived, Gate, Plant, Role};
use crate::status::PlantState;
use crate::status_table::StatusTable;

/// One parameter of a source under one rule set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// The source.
    pub source: String,
    /// The parameter.
    pub parameter: String,
    /// The rule set's name.
    pub rule_set: String,
    /// Where its values come from.
    pub input: Input,
    /// Unit of the averages; `None`: the point's.
    pub unit: Option<String>,
    /// Molar mass in g/mol, where it is known.
    pub molar_mass: Option<f64>,
    /// What is done to each sample.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub chain: Chain,
    /// What is known beside it, by role: the same for all parameters of a source.
    #[serde(default, skip_serializing_if = "Companions::is_empty")]
    pub companions: Companions,
    /// What a sample must be.
    #[serde(default)]
    pub gate: Gate,
    /// The rule set.
    pub rules: Rules,
    /// What the plant is doing.
    pub plant: Plant,
    /// Above this the reported value is marked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// The confidence interval that is taken off the reported value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Confidence>,
    /// Decimals of the reported value; `None`: as many as it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimals: Option<u8>,
    /// What the status word of the device means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusTable>,
}

/// Where the values of a parameter come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// A point of a device.
    Point {
        /// The device.
        device: String,
        /// Its point.
        point: String,
        /// Time from one sample to the next.
        interval: Duration,
    },
    /// Other parameters of the source, block by block.
    Derived(Derived),
}

/// What is as it is when nobody says otherwise is not recorded for each of ten thousand streams.
/// What that is therefore belongs to the format of the journal, and a test holds it.
pub fn is_usual<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Assignment {
    /// The device that the samples come from.
    pub fn device(&self) -> Option<&str> {
        match &self.input {
            Input::Point { device, .. } => Some(device),
            Input::Derived(_) => None,
        }
    }

    /// What the parameter is to the others of its source.
    pub fn role(&self) -> Option<Role> {
        let is_this = |parameter: &Option<String>| parameter.as_deref() == Some(self.parameter.as_str());
        self.companions.iter().find(|(_, companion)| is_this(&companion.parameter)).map(|(role, _)| *role)
    }

    /// The conversions for a point with this unit.
    pub fn units(&self, point_unit: &str) -> Result<Units, UnitError> {
        let molar_volume = self.rules.constants.molar_volume;
        let gas = self.molar_mass.map(|molar_mass| Gas { molar_mass, molar_volume });
        let own = match &self.chain.signal {
            Some(signal) => signal.unit.as_str(),
            None => point_unit,
        };
        self.chain.units(point_unit, self.unit.as_deref().unwrap_or(own), gas, self.role())
    }
}

#[cfg(test)]
impl Assignment {
    /// A plain parameter for tests: 20 minutes, two thirds.
    pub fn of_point(device: &str, point: &str, interval: Duration) -> Self {
        Assignment {
            source: "stack-1".into(),
            parameter: "NO2".into(),
            rule_set: "kz-20min".into(),
            input: Input::Point { device: device.into(), point: point.into(), interval },
            unit: None,
            molar_mass: None,
            chain: Chain::default(),
            companions: Companions::new(),
            gate: Gate::default(),
            rules: Rules::simple(Duration::from_secs(1200), 2.0 / 3.0, Duration::from_secs(2)),
            plant: Plant::Always(PlantState::Operating),
            limit: None,
            confidence: None,
            decimals: None,
            status: None,
        }
    }
}

impl Derived {
    /// The parameters that it follows from.
    pub fn inputs(&self) -> Vec<&str> {
        match self {
            Derived::NoxAsNo2 { no, no2 } => vec![no, no2],
            Derived::NoOfNox { nox, .. } | Derived::No2OfNox { nox, .. } => vec![nox],
            Derived::ExcessAir { oxygen } => vec![oxygen],
            Derived::GasDensity { fractions } => fractions.iter().map(|(name, _)| name.as_str()).collect(),
            Derived::GasMass { flow, density } => vec![flow, density],
        }
    }

    /// The unit that it has when nobody asks for another.
    pub fn unit(&self) -> &'static str {
        match self {
            Derived::NoxAsNo2 { .. } | Derived::NoOfNox { .. } | Derived::No2OfNox { .. } => "mg/m3",
            Derived::ExcessAir { .. } => "1",
            Derived::GasDensity { .. } => "kg/m3",
            Derived::GasMass { .. } => "kg/h",
        }
    }
}

impl Plant {
    /// What a value of the point means.
    pub fn read(&self, code: &str) -> PlantState {
        match self {
            Plant::Always(state) => *state,
            Plant::Point { states, .. } => {
                states.iter().find(|(known, _)| known == code).map_or(PlantState::Unknown, |(_, state)| *state)
            }
        }
    }
}
