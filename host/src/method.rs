//! How a value is made: what a configuration says, what a rule set asks for, and what the journal records of it.
//!
//! Plain data, in the units that the names say. The steps themselves stand in `pipeline`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::status::{InstrumentState, PlantState};

/// What is done to the samples of one parameter.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Chain {
    /// The point is a 4…20 mA signal with this range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<Signal>,
    /// The calibration function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// How the value becomes a volume flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duct: Option<Duct>,
    /// The value is one of the duct's own temperature and pressure.
    #[serde(default)]
    pub actual: bool,
    /// The value is one of wet gas.
    #[serde(default)]
    pub wet: bool,
    /// A conductivity is brought to 25 °C with this coefficient, per K.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_kelvin: Option<f64>,
    /// How samples become a mean.
    #[serde(default)]
    pub mean: Mean,
    /// Oxygen in percent that the mean is converted to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_oxygen: Option<f64>,
}

/// Range of a 4…20 mA signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// At 4 mA.
    pub low: f64,
    /// At 20 mA.
    pub high: f64,
    /// UCUM code of both.
    pub unit: String,
}

/// How a value becomes a volume flow.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Duct {
    /// Velocity times cross-section.
    Velocity {
        /// m².
        area: f64,
    },
    /// Velocity from differential pressure.
    Pitot {
        /// m².
        area: f64,
        /// Of the probe.
        factor: f64,
        /// Density of the gas at standard conditions, kg/m³.
        density: f64,
    },
}

/// How samples become a mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mean {
    /// Sum by number.
    #[default]
    Arithmetic,
    /// Of pH: through the activity of hydrogen ions.
    HydrogenActivity,
    /// Weighted with the flow at the time.
    FlowWeighted,
}

/// What a companion is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Of the gas, or of the water, in °C.
    Temperature,
    /// Barometric, in Pa; where it is given, `pressure` is what the duct has above it.
    Barometer,
    /// In the duct, in Pa; absolute unless there is a barometer.
    Pressure,
    /// Water in the gas, in percent by volume.
    Moisture,
    /// Dry, in percent by volume.
    Oxygen,
    /// In m³/h, dry and at standard conditions for gas.
    Flow,
}

/// Where a companion comes from, and what happens when it does not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Companion {
    /// Parameter of the same source; `None`: there is only the substitute.
    pub parameter: Option<String>,
    /// How long a sample stands for what is now.
    pub fresh: Duration,
    /// How long the last valid one is used after that.
    pub hold: Duration,
    /// Used when there is nothing else, in the role's unit.
    pub substitute: Option<f64>,
}

/// The companions of a source.
pub type Companions = BTreeMap<Role, Companion>;

/// The bounds of one parameter, in its unit.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Gate {
    /// Smallest value that can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Largest value that can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// A value that is the same for longer than this is stuck.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck_after: Option<Duration>,
    /// Largest difference from one sample to the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jump: Option<f64>,
    /// What happens to the block.
    #[serde(default)]
    pub action: Action,
    /// How much older than now a sample may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Duration>,
}

/// What happens to a block with implausible samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It goes out, marked.
    #[default]
    Mark,
    /// It is held until a person lets it go.
    Hold,
}

/// When a block counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Validity {
    /// Share of the expected samples that must be valid.
    pub coverage: f64,
    /// Number of samples that must be valid.
    pub least: u32,
    /// Equal parts of the block, each of which must have a valid sample; 0: no such rule.
    pub parts: u32,
    /// In a block with calibration or maintenance it is enough that two valid samples are one part apart.
    pub two_apart: bool,
    /// Instrument states that count.
    pub states: Vec<InstrumentState>,
    /// Plant states that count.
    pub plants: Vec<PlantState>,
}

/// Where the oxygen step stands in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OxygenStep {
    /// On block averages.
    #[default]
    Block,
    /// On each sample.
    Sample,
}

/// What becomes of a value below zero in what is reported. The means stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Negative {
    /// It is reported.
    #[default]
    Keep,
    /// Zero is reported.
    Zero,
    /// The block does not count.
    Invalid,
}

/// What is reported of a block that does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Substitution {
    /// Nothing.
    #[default]
    None,
    /// Mean and twice the standard deviation of the blocks that counted among the last so many.
    Spread {
        /// How many blocks.
        of: u32,
    },
}

/// Which end of a block names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// Its first moment.
    #[default]
    Start,
    /// The moment after its last.
    End,
}

/// How a parameter follows from others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Derived {
    /// NO and NO2 as NO2, mass concentrations.
    NoxAsNo2 {
        /// Parameter of NO.
        no: String,
        /// Parameter of NO2.
        no2: String,
    },
    /// NO of NOx as NO2, for an analyzer that measures the sum.
    NoOfNox {
        /// Parameter of NOx.
        nox: String,
        /// Share of NO2 in it, 0 to 1.
        no2_share: f64,
    },
    /// NO2 of NOx as NO2.
    No2OfNox {
        /// Parameter of NOx.
        nox: String,
        /// Share of NO2 in it, 0 to 1.
        no2_share: f64,
    },
    /// Excess-air coefficient of oxygen.
    ExcessAir {
        /// Parameter of oxygen.
        oxygen: String,
    },
    /// Density of a gas at standard conditions by its composition.
    GasDensity {
        /// Parameters of mole fractions and their molar masses in g/mol.
        fractions: Vec<(String, f64)>,
    },
    /// Mass flow of a gas by its volume flow and its density.
    GasMass {
        /// Parameter of the volume flow.
        flow: String,
        /// Parameter of the density.
        density: String,
    },
}

/// Who says what the plant is doing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plant {
    /// The configuration.
    Always(PlantState),
    /// A point.
    Point {
        /// Of this device,
        device: String,
        /// this one.
        point: String,
        /// What its values mean.
        states: Vec<(String, PlantState)>,
        /// How long a value holds.
        fresh: Duration,
    },
}

/// A share of a limit that is taken off a value before it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Confidence {
    /// 0 to 1.
    pub share: f64,
    /// In the parameter's unit.
    pub limit: f64,
}

/// `y = a + b x`, with the range in which it is valid.
///
/// Source: EN 14181 QAL2 (from memory, to be checked).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// a, in the parameter's unit.
    pub offset: f64,
    /// b, in the parameter's unit per unit of the instrument.
    pub slope: f64,
    /// Smallest calibrated value y for which the function is valid, in the parameter's unit; `None`: no lower end.
    #[serde(default)]
    pub from: Option<f64>,
    /// Largest calibrated value y for which the function is valid, in the parameter's unit; `None`: no upper end.
    #[serde(default)]
    pub to: Option<f64>,
}

/// Standard conditions, and the constants that a rule set computes with.
///
/// Regimes differ here: HJ 212-2017 D.2.1 writes 273 and 22.4 where others write 273.15 and 22.414. It is a setting of the
/// rule set, never a constant of the code.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Constants {
    /// Zero degrees Celsius in K, and with it the standard temperature: 273.15, or 273 in some regimes.
    pub zero_celsius: f64,
    /// Standard temperature, °C: 0, or 20 in the US.
    pub standard_celsius: f64,
    /// Standard pressure in Pa.
    pub pressure: f64,
    /// Volume of a mole of gas at standard conditions in L/mol: 22.414, or 22.4 in some regimes.
    pub molar_volume: f64,
}
