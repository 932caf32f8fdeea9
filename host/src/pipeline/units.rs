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
    #[error("unit {0:?} is not known")]
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
    /// They would convert if the gas were known.
    #[error("{from} converts to {to} only with a molar mass: set molar_mass in g/mol")]
    MolarMass {
        /// Code of the one.
        from: String,
        /// Code of the other.
        to: String,
    },
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
mod tests {
    use super::*;

    fn check(value: f64, from: &str, to: &str, gas: Option<Gas>, expected: f64) {
        let converted = Conversion::between(from, to, gas).unwrap().apply(value);
        let error = (converted - expected).abs() / expected.abs();
        assert!(error < 1e-9, "{value} {from} = {converted} {to}, expected {expected}");
    }

    /// Rows of the published vectors, `formulas.json`, `ppm_to_mgm3_*`.
    #[test]
    fn a_volume_fraction_becomes_a_mass_concentration() {
        let gas = |molar_mass, molar_volume| Some(Gas { molar_mass, molar_volume });
        check(100.0, "[ppm]", "mg/m3", gas(64.066, 22.414), 285.830_284_643_526_34);
        check(100.0, "[ppm]", "mg/m3", gas(30.006, 22.414), 133.871_687_338_270_7);
        check(100.0, "[ppm]", "mg/m3", gas(46.0055, 22.414), 205.253_413_045_418_03);
        check(100.0, "[ppm]", "mg/m3", gas(28.01, 22.414), 124.966_538_770_411_35);
        check(5.0, "[ppm]", "mg/m3", gas(34.081, 22.414), 7.602_614_437_405_194);
        check(50.0, "[ppm]", "mg/m3", gas(16.043, 22.414), 35.787_900_419_380_74);
        check(100.0, "[ppm]", "mg/m3", gas(64.0, 22.4), 285.714_285_714_285_7);
        check(100_000.0, "[ppb]", "mg/m3", gas(64.066, 22.414), 285.830_284_643_526_34);
        check(285.830_284_643_526_34, "mg/m3", "[ppm]", gas(64.066, 22.414), 100.0);
    }

    #[test]
    fn units_of_one_dimension_convert() {
        check(1.0, "bar", "kPa", None, 100.0);
        check(29.92, "[in_i'Hg]", "kPa", None, 101.320_453_696);
        check(212.0, "[degF]", "Cel", None, 100.0);
        check(25.0, "Cel", "K", None, 298.15);
        check(3600.0, "m3/h", "m3/s", None, 1.0);
        check(7.5, "%", "[ppm]", None, 75_000.0);
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_words() {
        let refused = |from, to| Conversion::between(from, to, None).unwrap_err().to_string();
        assert_eq!(refused("kPa", "Cel"), "kPa (a pressure) does not convert to Cel (a temperature)");
        assert_eq!(
            refused("[ppm]", "mg/m3"),
            "[ppm] converts to mg/m3 only with a molar mass: set molar_mass in g/mol"
        );
        assert_eq!(refused("furlong", "m"), "unit \"furlong\" is not known");
        assert_eq!(Conversion::between("furlong", "furlong", None), Ok(Conversion::NONE));
    }

    #[test]
    fn units_of_water_draught_and_boilers_convert() {
        check(797.072_222_2, "L/s", "m3/h", None, 2_869.459_999_92);
        check(24.0, "m3/d", "m3/h", None, 1.0);
        check(1.0, "m3/min", "L/s", None, 1000.0 / 60.0);
        check(1.0, "kg/d", "g/h", None, 1000.0 / 24.0);
        check(1.0, "t/a", "g/s", None, 1e6 / 31_557_600.0);
        check(60.0, "mg/min", "ug/s", None, 1000.0);
        check(10.0, "mm[H2O]", "Pa", None, 98.066_5);
        check(1.0, "kgf/cm2", "kPa", None, 98.066_5);
        check(1.0, "mg/dm3", "mg/L", None, 1.0);
        check(5.0, "mg/L", "g/m3", None, 5.0);
        check(1.0, "GJ", "kW.h", None, 1e6 / 3600.0);
        check(350.0, "umol/mol", "[ppm]", None, 350.0);
        check(50.0, "[degF]", "K", None, 283.15);
        check(1_013.25, "mbar", "kPa", None, 101.325);
        check(1.0, "mS/cm", "uS/cm", None, 1000.0);
    }

    #[test]
    fn what_looks_alike_does_not_convert() {
        let refused = |from, to| Conversion::between(from, to, None).unwrap_err().to_string();
        assert_eq!(Conversion::between("[NTU]", "[NTU]", None), Ok(Conversion::NONE));
        assert_eq!(
            refused("[NTU]", "mg/L"),
            "[NTU] (a turbidity by white light) does not convert to mg/L (a mass concentration)"
        );
        for (from, to) in [
            ("[NTU]", "[FNU]"),
            ("[NTU]", "%"),
            ("[pH]", "1"),
            ("mg/kg", "[ppm]"),
            ("m3/h", "kg/h"),
            ("uS/cm", "mA"),
            ("W", "J"),
        ] {
            assert!(matches!(Conversion::between(from, to, None), Err(UnitError::Dimension { .. })), "{from} to {to}");
        }
    }

    #[test]
    fn a_mass_fraction_is_no_volume_fraction_even_of_a_known_gas() {
        let gas = Some(Gas { molar_mass: 64.066, molar_volume: 22.414 });
        assert!(Conversion::between("mg/kg", "mg/m3", gas).is_err());
    }

    #[test]
    fn an_annotation_could_hide_a_basis_and_is_not_known() {
        assert_eq!(Conversion::between("m3{norm}/h", "m3/h", None), Err(UnitError::Unknown("m3{norm}/h".into())));
        assert_eq!(kind("m3{norm}/h"), None);
    }

    #[test]
    fn the_kind_says_what_a_parameter_is() {
        for (code, expected) in [
            ("[ppm]", Kind::Fraction),
            ("mmol/mol", Kind::Fraction),
            ("mg/m3", Kind::MassConcentration),
            ("Cel", Kind::Temperature),
            ("mm[Hg]", Kind::Pressure),
            ("L/s", Kind::VolumeFlow),
            ("t/a", Kind::MassFlow),
            ("m/s", Kind::Velocity),
            ("mA", Kind::Current),
            ("uS/cm", Kind::Conductivity),
            ("[NTU]", Kind::Turbidity),
            ("[FNU]", Kind::Turbidity),
            ("[pH]", Kind::Acidity),
            ("mg/kg", Kind::Other),
            ("MW", Kind::Other),
        ] {
            assert_eq!(kind(code), Some(expected), "{code}");
        }
        assert_eq!(kind("furlong"), None);
    }

    #[test]
    fn any_code_of_the_standard_is_known() {
        check(1.0, "[cft_i]/min", "L/s", None, 0.471_947_443_2);
        check(1.0, "[lb_av]/h", "g/s", None, 0.125_997_880_555_555_55);
        check(1.0, "[in_i'H2O]", "Pa", None, 249.088_91);
        check(1.0, "mg.m-3", "mg/m3", None, 1.0);
        check(1.0, "mg/l", "mg/L", None, 1.0);
        check(1.0, "uL/L", "[ppm]", None, 1.0);
    }

    #[test]
    fn what_converts_by_no_factor_is_not_known() {
        for code in ["dB", "[iU]", "mCel", "", "10*400.m", "Ym99", "m/", "мг/м3"] {
            assert!(Conversion::between(code, "m", None).is_err(), "{code}");
        }
    }

    #[test]
    fn a_code_without_end_costs_nothing() {
        for part in ["m.", "(", "/", "m/", "[", "9"] {
            let code = part.repeat(1_000_000);
            assert_eq!(kind(&code), None, "{part}");
        }
    }
}
