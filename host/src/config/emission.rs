//! Rule sets and sources as the rest of the hub sees them: what is measured where, how a value is made of it, and when it counts.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::Date;

use crate::config::model::Name;
use crate::method::{
    Calibration, Chain, Companions, Confidence, Constants, Derived, Gate, Label, Negative, OxygenStep, Substitution,
    Validity,
};
use crate::rounding::Rounding;
use crate::status::PlantState;

/// How blocks are cut and when they count.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleSet {
    /// Length of a block; divides 24 h. A block of 24 h is a local day of `zone`. 1 s to 24 h.
    pub block: Duration,
    /// Rule set whose blocks these are made from; default none, that is from samples.
    pub from: Option<Name>,
    /// Time zone of labels and days, an IANA name. Default UTC.
    pub zone: String,
    /// Which end of a block names it. Default its start.
    pub label: Label,
    /// When a block counts.
    pub validity: Validity,
    /// How long after its end a block waits for samples that are under way. Default 2 s, 0 to 1 h.
    pub lateness: Duration,
    /// Standard conditions and constants.
    pub constants: Constants,
    /// Whether oxygen is corrected on block averages or on samples. Default block.
    pub oxygen: OxygenStep,
    /// Oxygen above which nothing is corrected, %. Default 20, 1 to 20.9.
    pub most_oxygen: f64,
    /// What is reported of a block below zero. Default as it is.
    pub negative: Negative,
    /// What is reported of a block that does not count. Default nothing.
    pub substitution: Substitution,
    /// What becomes of a half when the reported value is rounded. Default half_up.
    pub rounding: Rounding,
}

/// An emission source: a stack, an outfall, a flare.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// What people call it. Default: its name.
    pub label: String,
    /// Members of `[rule_sets]`, at least one. Default `kz-20min`.
    pub rule_sets: Vec<Name>,
    /// What the plant is doing, unless a point says so. Default `unknown`.
    pub plant: PlantState,
    /// The point that says what the plant is doing. Default none.
    pub plant_point: Option<PlantPoint>,
    /// What is known beside the values, by role.
    pub companions: Companions,
    /// `[sources.NAME.parameters.*]`
    pub parameters: BTreeMap<Name, Parameter>,
}

/// The point that says what the plant is doing.
#[derive(Debug, Clone, PartialEq)]
pub struct PlantPoint {
    /// Member of `[devices]`.
    pub device: Name,
    /// Point of that device.
    pub point: Name,
    /// Values of the point and what they mean; any other is `unknown`.
    pub states: Vec<(String, PlantState)>,
    /// How long a value holds. Default 1 min, 1 s to 24 h.
    pub fresh: Duration,
}

/// Where the values of a parameter come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    /// A point of a device.
    Point {
        /// Member of `[devices]`.
        device: Name,
        /// Point of that device.
        point: Name,
    },
    /// Other parameters of the source.
    Derived(Derived),
}

/// One quantity of a source and how it is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// The point that it is taken from, or the parameters that it follows from.
    pub origin: Origin,
    /// UCUM code of the unit that averages have. Default: the point's own.
    pub unit: Option<String>,
    /// Molar mass of the gas, g/mol, for ppb and ppm to mg/m3. Known for the usual gases by the parameter's name.
    pub molar_mass: Option<f64>,
    /// What is done to each sample.
    pub chain: Chain,
    /// What a sample must be to count.
    pub gate: Gate,
    /// The confidence interval that is taken off what is reported. Default none.
    pub confidence: Option<Confidence>,
    /// Decimals of the reported value. Default: as many as it has.
    pub decimals: Option<u8>,
    /// Limits by rule set. Default none.
    pub limits: BTreeMap<Name, f64>,
    /// Member of `[status_tables]` that says what the device's status word means. Default none.
    pub status: Option<Name>,
    /// An alarm is raised when no sample has counted for so long. Default 10 min, 1 s to 7 d.
    pub stale_after: Duration,
    /// The day by which the calibration must be done again. Default none.
    pub calibration_due: Option<Date>,
    /// The zero and span cycles that control charts watch. Default none.
    pub zero_span: Option<ZeroSpan>,
}

/// What zero and span gas should read, and how much the readings may scatter, in the instrument's unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ZeroSpan {
    /// Of zero gas.
    pub zero: f64,
    /// Of span gas.
    pub span: f64,
    /// Standard deviation of zero readings.
    pub zero_deviation: f64,
    /// Standard deviation of span readings.
    pub span_deviation: f64,
}

impl Source {
    /// Devices that its parameters and its plant state are taken from.
    pub fn devices(&self) -> impl Iterator<Item = &Name> {
        let of_parameters = self.parameters.values().filter_map(Parameter::device);
        of_parameters.chain(self.plant_point.as_ref().map(|point| &point.device))
    }
}

impl Parameter {
    /// The device that it is taken from, if it is.
    pub fn device(&self) -> Option<&Name> {
        match &self.origin {
            Origin::Point { device, .. } => Some(device),
            Origin::Derived(_) => None,
        }
    }

    /// The calibration function.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.chain.calibration.as_ref()
    }
}
