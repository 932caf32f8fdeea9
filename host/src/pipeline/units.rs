//! Units by UCUM code, and conversions that make sense.
//!
//! A unit is a dimension, a factor and an offset to the dimension's base unit. Between volume fractions and
//! mass concentrations there is a bridge for gases, which needs the molar mass.
//!
//! Source of codes and factors: The Unified Code for Units of Measure, version 2.1, tables 1 to 10.

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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dimension {
    Fraction,
    MassConcentration,
    Temperature,
    Pressure,
    VolumeFlow,
    MassFlow,
    Velocity,
    Voltage,
    Current,
    Conductivity,
    Turbidity,
    Acidity,
    Length,
    Time,
    Energy,
}

impl Dimension {
    fn name(self) -> &'static str {
        match self {
            Dimension::Fraction => "a fraction",
            Dimension::MassConcentration => "a mass concentration",
            Dimension::Temperature => "a temperature",
            Dimension::Pressure => "a pressure",
            Dimension::VolumeFlow => "a volume flow",
            Dimension::MassFlow => "a mass flow",
            Dimension::Velocity => "a velocity",
            Dimension::Voltage => "a voltage",
            Dimension::Current => "a current",
            Dimension::Conductivity => "a conductivity",
            Dimension::Turbidity => "a turbidity",
            Dimension::Acidity => "an acidity",
            Dimension::Length => "a length",
            Dimension::Time => "a time",
            Dimension::Energy => "an energy",
        }
    }
}

struct Unit {
    code: &'static str,
    dimension: Dimension,
    factor: f64,
    offset: f64,
}

const fn unit(code: &'static str, dimension: Dimension, factor: f64) -> Unit {
    Unit { code, dimension, factor, offset: 0.0 }
}

/// Base units: 1, mg/m3, K, Pa, m3/s, kg/s, m/s, V, A, S/m, NTU, pH, m, s, J.
const UNITS: &[Unit] = &[
    unit("1", Dimension::Fraction, 1.0),
    unit("%", Dimension::Fraction, 1e-2),
    unit("[ppth]", Dimension::Fraction, 1e-3),
    unit("[ppm]", Dimension::Fraction, 1e-6),
    unit("[ppb]", Dimension::Fraction, 1e-9),
    unit("[pptr]", Dimension::Fraction, 1e-12),
    unit("g/m3", Dimension::MassConcentration, 1e3),
    unit("mg/m3", Dimension::MassConcentration, 1.0),
    unit("ug/m3", Dimension::MassConcentration, 1e-3),
    unit("ng/m3", Dimension::MassConcentration, 1e-6),
    unit("mg/L", Dimension::MassConcentration, 1e3),
    unit("ug/L", Dimension::MassConcentration, 1.0),
    unit("kg/m3", Dimension::MassConcentration, 1e6),
    unit("K", Dimension::Temperature, 1.0),
    Unit { code: "Cel", dimension: Dimension::Temperature, factor: 1.0, offset: 273.15 },
    Unit { code: "[degF]", dimension: Dimension::Temperature, factor: 5.0 / 9.0, offset: 459.67 * 5.0 / 9.0 },
    unit("Pa", Dimension::Pressure, 1.0),
    unit("hPa", Dimension::Pressure, 1e2),
    unit("kPa", Dimension::Pressure, 1e3),
    unit("MPa", Dimension::Pressure, 1e6),
    unit("mbar", Dimension::Pressure, 1e2),
    unit("bar", Dimension::Pressure, 1e5),
    unit("atm", Dimension::Pressure, 101_325.0),
    unit("mm[Hg]", Dimension::Pressure, 133.322),
    unit("[in_i'Hg]", Dimension::Pressure, 3_386.378_8),
    unit("[psi]", Dimension::Pressure, 6_894.757_293_168_361),
    unit("m3/s", Dimension::VolumeFlow, 1.0),
    unit("m3/h", Dimension::VolumeFlow, 1.0 / 3600.0),
    unit("L/min", Dimension::VolumeFlow, 1e-3 / 60.0),
    unit("L/h", Dimension::VolumeFlow, 1e-3 / 3600.0),
    unit("cm3/min", Dimension::VolumeFlow, 1e-6 / 60.0),
    unit("mL/min", Dimension::VolumeFlow, 1e-6 / 60.0),
    unit("kg/s", Dimension::MassFlow, 1.0),
    unit("kg/h", Dimension::MassFlow, 1.0 / 3600.0),
    unit("g/s", Dimension::MassFlow, 1e-3),
    unit("t/h", Dimension::MassFlow, 1e3 / 3600.0),
    unit("m/s", Dimension::Velocity, 1.0),
    unit("km/h", Dimension::Velocity, 1.0 / 3.6),
    unit("V", Dimension::Voltage, 1.0),
    unit("mV", Dimension::Voltage, 1e-3),
    unit("A", Dimension::Current, 1.0),
    unit("mA", Dimension::Current, 1e-3),
    unit("S/m", Dimension::Conductivity, 1.0),
    unit("mS/cm", Dimension::Conductivity, 0.1),
    unit("uS/cm", Dimension::Conductivity, 1e-4),
    unit("[NTU]", Dimension::Turbidity, 1.0),
    unit("[pH]", Dimension::Acidity, 1.0),
    unit("m", Dimension::Length, 1.0),
    unit("mm", Dimension::Length, 1e-3),
    unit("s", Dimension::Time, 1.0),
    unit("min", Dimension::Time, 60.0),
    unit("h", Dimension::Time, 3600.0),
    unit("J", Dimension::Energy, 1.0),
    unit("MW.h", Dimension::Energy, 3.6e9),
];

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
        let straight = |factor: f64| Conversion {
            factor: a.factor * factor / b.factor,
            offset: (a.offset * factor - b.offset) / b.factor,
        };
        // One mg/m3 is this fraction of the volume, times 1e6: the table's factors are to 1 and to mg/m3.
        let per_fraction = |gas: Gas| 1e6 * gas.molar_mass / gas.molar_volume;
        match (a.dimension, b.dimension, gas) {
            (x, y, _) if x == y => Ok(straight(1.0)),
            (Dimension::Fraction, Dimension::MassConcentration, Some(gas)) => Ok(straight(per_fraction(gas))),
            (Dimension::MassConcentration, Dimension::Fraction, Some(gas)) => Ok(straight(1.0 / per_fraction(gas))),
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

fn find(code: &str) -> Result<&'static Unit, UnitError> {
    UNITS.iter().find(|unit| unit.code == code).ok_or_else(|| UnitError::Unknown(code.to_owned()))
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
}
