//! Units by UCUM code, and conversions that make sense.
//!
//! A unit is a dimension, a factor and an offset to the base units. Codes, factors and powers come from the crate
//! `octofhir-ucum`, which computes them as decimals; what UCUM calls a mere number, and emission monitoring does not, is told
//! apart here. Between volume fractions and mass concentrations there is a bridge for gases, which needs the molar mass.
//! Actual and normal cubic metres are one unit: the state of a gas is not in its unit, and the chain keeps it.
//!
//! Invariant: what two units do not share is refused when the configuration is checked, never guessed.
//!
//! Source of codes and factors: The Unified Code for Units of Measure, version 2.2.

use octofhir_ucum::{Number, SpecialKind, UnitAnalysis};
use thiserror::Error;

/// A gas, as far as a conversion needs to know it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gas {
    /// g/mol.
    pub molar_mass: f64,
    /// L/mol at the standard conditions of the rule set.
    pub molar_volume: f64,
}

/// `to = from * factor + offset`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conversion {
    /// Multiplied first.
    pub factor: f64,
    /// Added then.
    pub offset: f64,
}

impl Default for Conversion {
    fn default() -> Self {
        Conversion::NONE
    }
}

/// Why two units do not convert.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UnitError {
    /// No such code here.
    #[error("unit {code:?} is not known{advice}", code = .0, advice = advice(.0))]
    Unknown(String),
    /// They measure different things.
    #[error("{from} ({from_kind}) does not convert to {to} ({to_kind})")]
    Dimension {
        /// Code of the one.
        from: String,
        /// What it measures.
        from_kind: &'static str,
        /// Code of the other.
        to: String,
        /// What it measures.
        to_kind: &'static str,
    },
    /// The unit is none of those that depend on it.
    #[error("{option} has no meaning for {unit}: {why}")]
    Basis {
        /// The option.
        option: &'static str,
        /// Code of the unit.
        unit: String,
        /// What it is for.
        why: &'static str,
    },
    /// They would convert if the gas were known.
    #[error("{from} converts to {to} only with a molar mass: set molar_mass in g/mol")]
    MolarMass {
        /// Code of the one.
        from: String,
        /// Code of the other.
        to: String,
    },
}

/// Spellings of plants and manuals that are no UCUM codes, and the codes that are meant. That a volume is one at standard conditions
/// is said by `conditions`, and not by the unit.
const USUAL: [(&str, &str); 14] = [
    ("ppm", "[ppm]"),
    ("ppb", "[ppb]"),
    ("mg/Nm3", "mg/m3"),
    ("mg/nm3", "mg/m3"),
    ("mg/m³", "mg/m3"),
    ("Nm3/h", "m3/h"),
    ("m³/h", "m3/h"),
    ("°C", "Cel"),
    ("degC", "Cel"),
    ("NTU", "[NTU]"),
    ("FNU", "[FNU]"),
    ("pH", "[pH]"),
    ("mmHg", "mm[Hg]"),
    ("vol%", "%"),
];

fn advice(code: &str) -> String {
    let meant = USUAL.iter().find(|(spelling, _)| *spelling == code);
    meant.map_or_else(String::new, |(_, code)| format!("; did you mean {code:?}?"))
}

/// What a unit measures, as far as a chain of computations treats it in its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A share of the volume, or of the moles: %, ppm.
    Fraction,
    /// Mass in a volume, of gas or of water.
    MassConcentration,
    /// Temperature on a scale with an absolute zero.
    Temperature,
    /// Pressure, absolute or a difference.
    Pressure,
    /// Volume in a time, in whatever state the gas has.
    VolumeFlow,
    /// Mass in a time.
    MassFlow,
    /// Length in a time.
    Velocity,
    /// Electric current: a signal as yet.
    Current,
    /// Electric conductivity of water.
    Conductivity,
    /// Turbidity, by whatever method.
    Turbidity,
    /// pH.
    Acidity,
    /// Something that no formula asks for.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dimension {
    Fraction,
    MassFraction,
    MassConcentration,
    Temperature,
    Pressure,
    VolumeFlow,
    MassFlow,
    Velocity,
    Voltage,
    Current,
    Conductivity,
    /// By white light. No factor leads to the other one: they agree for the calibration liquid alone.
    Turbidity,
    /// By infrared light, ISO 7027 (from memory, to be checked).
    InfraredTurbidity,
    Acidity,
    Length,
    Area,
    Volume,
    Mass,
    Time,
    Frequency,
    Angle,
    Energy,
    Power,
    /// Whatever else UCUM can express, by its powers of m, s, g, rad, K, C and cd.
    Powers([i8; 7]),
}

impl Dimension {
    fn name(self) -> &'static str {
        match self {
            Dimension::Fraction => "a fraction",
            Dimension::MassFraction => "a mass fraction",
            Dimension::MassConcentration => "a mass concentration",
            Dimension::Temperature => "a temperature",
            Dimension::Pressure => "a pressure",
            Dimension::VolumeFlow => "a volume flow",
            Dimension::MassFlow => "a mass flow",
            Dimension::Velocity => "a velocity",
            Dimension::Voltage => "a voltage",
            Dimension::Current => "a current",
            Dimension::Conductivity => "a conductivity",
            Dimension::Turbidity => "a turbidity by white light",
            Dimension::InfraredTurbidity => "a turbidity by infrared light",
            Dimension::Acidity => "an acidity",
            Dimension::Length => "a length",
            Dimension::Area => "an area",
            Dimension::Volume => "a volume",
            Dimension::Mass => "a mass",
            Dimension::Time => "a time",
            Dimension::Frequency => "a frequency",
            Dimension::Angle => "an angle",
            Dimension::Energy => "an energy",
            Dimension::Power => "a power",
            Dimension::Powers(_) => "another quantity",
        }
    }

    fn kind(self) -> Kind {
        match self {
            Dimension::Fraction => Kind::Fraction,
            Dimension::MassConcentration => Kind::MassConcentration,
            Dimension::Temperature => Kind::Temperature,
            Dimension::Pressure => Kind::Pressure,
            Dimension::VolumeFlow => Kind::VolumeFlow,
            Dimension::MassFlow => Kind::MassFlow,
            Dimension::Velocity => Kind::Velocity,
            Dimension::Current => Kind::Current,
            Dimension::Conductivity => Kind::Conductivity,
            Dimension::Turbidity | Dimension::InfraredTurbidity => Kind::Turbidity,
            Dimension::Acidity => Kind::Acidity,
            Dimension::MassFraction
            | Dimension::Voltage
            | Dimension::Length
            | Dimension::Area
            | Dimension::Volume
            | Dimension::Mass
            | Dimension::Time
            | Dimension::Frequency
            | Dimension::Angle
            | Dimension::Energy
            | Dimension::Power
            | Dimension::Powers(_) => Kind::Other,
        }
    }
}

struct Unit {
    dimension: Dimension,
    /// To the base units of UCUM: m, s, g, rad, K, C, cd.
    factor: Number,
    offset: Number,
}

/// Codes for which UCUM says "a number", or pH, and emission monitoring says more. None of them converts to another's meaning.
const MEANINGS: &[(&str, Dimension)] = &[
    ("1", Dimension::Fraction),
    ("%", Dimension::Fraction),
    ("[ppth]", Dimension::Fraction),
    ("[ppm]", Dimension::Fraction),
    ("[ppb]", Dimension::Fraction),
    ("[pptr]", Dimension::Fraction),
    ("[NTU]", Dimension::Turbidity),
    ("[FNU]", Dimension::InfraredTurbidity),
    ("[pH]", Dimension::Acidity),
];

/// Powers of m, s, g, rad, K, C, cd.
const POWERS: &[([i8; 7], Dimension)] = &[
    ([-3, 0, 1, 0, 0, 0, 0], Dimension::MassConcentration),
    ([0, 0, 0, 0, 1, 0, 0], Dimension::Temperature),
    ([-1, -2, 1, 0, 0, 0, 0], Dimension::Pressure),
    ([3, -1, 0, 0, 0, 0, 0], Dimension::VolumeFlow),
    ([0, -1, 1, 0, 0, 0, 0], Dimension::MassFlow),
    ([1, -1, 0, 0, 0, 0, 0], Dimension::Velocity),
    ([2, -2, 1, 0, 0, -1, 0], Dimension::Voltage),
    ([0, -1, 0, 0, 0, 1, 0], Dimension::Current),
    ([-3, 1, -1, 0, 0, 2, 0], Dimension::Conductivity),
    ([1, 0, 0, 0, 0, 0, 0], Dimension::Length),
    ([2, 0, 0, 0, 0, 0, 0], Dimension::Area),
    (VOLUME, Dimension::Volume),
    (MASS, Dimension::Mass),
    ([0, 1, 0, 0, 0, 0, 0], Dimension::Time),
    ([0, -1, 0, 0, 0, 0, 0], Dimension::Frequency),
    ([0, 0, 0, 1, 0, 0, 0], Dimension::Angle),
    ([2, -2, 1, 0, 0, 0, 0], Dimension::Energy),
    ([2, -3, 1, 0, 0, 0, 0], Dimension::Power),
];

const NUMBER: [i8; 7] = [0; 7];
const VOLUME: [i8; 7] = [3, 0, 0, 0, 0, 0, 0];
const MASS: [i8; 7] = [0, 0, 1, 0, 0, 0, 0];

/// No unit has a longer code; what is longer comes from someone who means no unit.
const LONGEST: usize = 64;

/// Molar masses in g/mol of the gases that emission monitors usually measure, by the parameter's usual name. NOx counts as
/// NO2.
///
/// Source: standard atomic weights, IUPAC 2021, abridged; SO2, NO, NO2, CO, H2S and CH4 as in the published vectors.
const MOLAR_MASSES: &[(&str, f64)] = &[
    ("SO2", 64.066),
    ("NO", 30.006),
    ("NO2", 46.0055),
    ("NOx", 46.0055),
    ("CO", 28.01),
    ("CO2", 44.009),
    ("H2S", 34.081),
    ("CH4", 16.043),
    ("NH3", 17.031),
    ("HCl", 36.458),
    ("HF", 20.006),
    ("O3", 47.997),
    ("N2O", 44.013),
];

/// Molar mass of a gas by its usual name, in any case.
pub fn molar_mass(name: &str) -> Option<f64> {
    MOLAR_MASSES.iter().find(|(gas, _)| gas.eq_ignore_ascii_case(name)).map(|(_, mass)| *mass)
}

/// Whether a unit is known here, and if not, why not.
pub fn check(code: &str) -> Result<(), UnitError> {
    find(code).map(drop)
}

/// What a unit measures; `None` when its code is not known here.
pub fn kind(code: &str) -> Option<Kind> {
    find(code).ok().map(|unit| unit.dimension.kind())
}

impl Conversion {
    /// Changes nothing.
    pub const NONE: Conversion = Conversion { factor: 1.0, offset: 0.0 };

    /// From one unit to another. An equal code always converts, known or not.
    ///
    /// Volume fraction to mass concentration: `C[mg/m3] = C[ppm] * M / Vm`, M in g/mol, Vm in L/mol, same basis (wet or dry)
    /// before and after. Source: HJ 212-2017 D.2.1 (20).
    pub fn between(from: &str, to: &str, gas: Option<Gas>) -> Result<Conversion, UnitError> {
        if from == to {
            return Ok(Conversion::NONE);
        }
        let (a, b) = (find(from)?, find(to)?);
        let straight = || a.to(&b).ok_or_else(|| UnitError::Unknown(from.to_owned()));
        // The base unit of a mass concentration is g/m3.
        let per_fraction = |gas: Gas| 1e3 * gas.molar_mass / gas.molar_volume;
        match (a.dimension, b.dimension, gas) {
            (x, y, _) if x == y => straight(),
            (Dimension::Fraction, Dimension::MassConcentration, Some(gas)) => Ok(straight()?.times(per_fraction(gas))),
            (Dimension::MassConcentration, Dimension::Fraction, Some(gas)) => {
                Ok(straight()?.times(1.0 / per_fraction(gas)))
            }
            (Dimension::Fraction, Dimension::MassConcentration, None)
            | (Dimension::MassConcentration, Dimension::Fraction, None) => {
                Err(UnitError::MolarMass { from: from.into(), to: to.into() })
            }
            (x, y, _) => {
                Err(UnitError::Dimension { from: from.into(), from_kind: x.name(), to: to.into(), to_kind: y.name() })
            }
        }
    }

    /// The converted value.
    pub fn apply(&self, value: f64) -> f64 {
        value.mul_add(self.factor, self.offset)
    }
}

impl Conversion {
    fn times(self, factor: f64) -> Conversion {
        Conversion { factor: self.factor * factor, offset: self.offset * factor }
    }
}

impl Unit {
    /// Divided as decimals and rounded to f64 once; `None` beyond the range of the decimals.
    fn to(&self, other: &Unit) -> Option<Conversion> {
        let factor = self.factor.checked_div(other.factor)?.to_f64();
        let offset = self.offset.checked_sub(other.offset)?.checked_div(other.factor)?.to_f64();
        (factor.is_normal() && offset.is_finite()).then_some(Conversion { factor, offset })
    }
}

/// Known is what UCUM knows and what converts by a factor and an offset. Annotations are not: they may hide a basis.
fn find(code: &str) -> Result<Unit, UnitError> {
    let unknown = || UnitError::Unknown(code.to_owned());
    if code.len() > LONGEST || code.contains('{') {
        return Err(unknown());
    }
    let analysis = octofhir_ucum::analyse(code).map_err(|_| unknown())?;
    let dimension = match MEANINGS.iter().find(|(meaning, _)| *meaning == code) {
        Some((_, dimension)) => *dimension,
        None if converts_linearly(&analysis) => dimension(code, analysis.dimension.0),
        None => return Err(unknown()),
    };
    Ok(Unit { dimension, factor: analysis.factor, offset: analysis.offset })
}

/// Neither arbitrary, like international units, nor logarithmic, like decibels.
fn converts_linearly(analysis: &UnitAnalysis) -> bool {
    let linear = match analysis.special {
        None => true,
        Some(SpecialKind::Celsius | SpecialKind::Fahrenheit) => analysis.scale == Number::from_i64(1),
        Some(_) => false,
    };
    linear && analysis.arbitrary.is_empty()
}

/// What is measured. A number that is no ratio of volumes, moles or masses has only its powers.
fn dimension(code: &str, powers: [i8; 7]) -> Dimension {
    if powers == NUMBER {
        return ratio(code).unwrap_or(Dimension::Powers(powers));
    }
    POWERS.iter().find(|(known, _)| *known == powers).map_or(Dimension::Powers(powers), |(_, dimension)| *dimension)
}

/// UCUM counts moles as a number and forgets what a ratio was made of; its two halves still tell.
fn ratio(code: &str) -> Option<Dimension> {
    let (above, below) = code.split_once('/')?;
    let (above_powers, below_powers) = (powers(above)?, powers(below)?);
    match above_powers {
        VOLUME if below_powers == VOLUME => Some(Dimension::Fraction),
        MASS if below_powers == MASS => Some(Dimension::MassFraction),
        NUMBER if above.ends_with("mol") && below.ends_with("mol") => Some(Dimension::Fraction),
        _ => None,
    }
}

fn powers(code: &str) -> Option<[i8; 7]> {
    octofhir_ucum::analyse(code).ok().map(|analysis| analysis.dimension.0)
}

#[cfg(test)]
#[path = "units_tests.rs"]
mod tests;
