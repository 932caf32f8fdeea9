//! What a register map consists of, and where the two maps differ.
//!
//! All numbers are IEEE 754 binary32 in two registers, high word first, at even zero-based addresses.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::calibration::{Phase, Range};
use super::{t200, t300};

/// Which instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Model {
    /// Chemiluminescence, NO, NO2 and NOx in ppb.
    T200,
    /// Gas filter correlation, CO in ppm.
    T300,
}

/// What an instrument may be fitted with. Registers of what is not fitted do not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fitting {
    /// Every instrument of the model has it.
    Standard,
    /// A third range (T200).
    Range3,
    /// An oxygen sensor.
    O2,
    /// A carbon dioxide sensor.
    Co2,
    /// An ozone bench (T200).
    O3,
    /// It is a T300M, with purge, flow and oven registers.
    MSeries,
}

/// A gas that the instrument measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gas {
    Nox,
    No,
    No2,
    Co,
}

/// Where the number of an input register pair comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Quantity {
    /// The gas in the cell.
    Concentration(Gas),
    /// What the gas read when the last zero or span ended; before the first, its span target.
    AtCalibration(Gas),
    /// The recording's ambient pressure less the drop over the inlet, inHg.
    SamplePressure,
    /// The recording's ambient temperature and the instrument's own heat, °C.
    BoxTemperature,
    /// A nominal value with a slow swing around it.
    Around(f64, f64),
    /// A constant.
    Steady(f64),
}

/// What a discrete input shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bit {
    /// Off until a fault turns it on; then the system is not ok.
    Warning,
    /// A mode that the simulator does not enter by itself; a fault turns it on.
    Idle,
    InZero,
    InSpan,
    SystemOk,
}

/// Two input registers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Input {
    pub(super) address: u16,
    pub(super) id: &'static str,
    pub(super) quantity: Quantity,
    pub(super) fitting: Fitting,
}

/// Two holding registers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Holding {
    pub(super) address: u16,
    pub(super) id: &'static str,
    /// What stands there after power on.
    pub(super) initial: f32,
    pub(super) fitting: Fitting,
}

/// One discrete input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Discrete {
    pub(super) address: u16,
    pub(super) id: &'static str,
    pub(super) bit: Bit,
    pub(super) fitting: Fitting,
}

/// All tables of a model, each by rising address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Map {
    pub(super) inputs: &'static [Input],
    pub(super) holdings: &'static [Holding],
    pub(super) discretes: &'static [Discrete],
}

pub(super) const fn input(address: u16, id: &'static str, quantity: Quantity, fitting: Fitting) -> Input {
    Input { address, id, quantity, fitting }
}

pub(super) const fn holding(address: u16, id: &'static str, initial: f32, fitting: Fitting) -> Holding {
    Holding { address, id, initial, fitting }
}

pub(super) const fn discrete(address: u16, id: &'static str, bit: Bit, fitting: Fitting) -> Discrete {
    Discrete { address, id, bit, fitting }
}

/// What a coil switches; the same in both models.
pub(super) fn coil(address: u16) -> Option<Phase> {
    match address {
        20 => Some(Phase::Zero(Range::R1)),
        21 => Some(Phase::Span(Range::R1)),
        22 => Some(Phase::Zero(Range::R2)),
        23 => Some(Phase::Span(Range::R2)),
        _ => None,
    }
}

impl Model {
    pub(super) fn map(self) -> Map {
        match self {
            Model::T200 => t200::MAP,
            Model::T300 => t300::MAP,
        }
    }

    /// The holding register with the span target of a gas; NO2 has none, it is the rest of NOx.
    pub(super) fn span_target(self, gas: Gas, range: Range) -> Option<u16> {
        match (self, gas, range) {
            (Model::T200, Gas::Nox, Range::R1) | (Model::T300, Gas::Co, Range::R1) => Some(0),
            (Model::T200, Gas::No, Range::R1) | (Model::T300, Gas::Co, Range::R2) => Some(2),
            (Model::T200, Gas::Nox, Range::R2) => Some(4),
            (Model::T200, Gas::No, Range::R2) => Some(6),
            _ => None,
        }
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Model::T200 => "Teledyne T200",
            Model::T300 => "Teledyne T300",
        })
    }
}

impl FromStr for Fitting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "range3" => Ok(Fitting::Range3),
            "o2" => Ok(Fitting::O2),
            "co2" => Ok(Fitting::Co2),
            "o3" => Ok(Fitting::O3),
            "m_series" => Ok(Fitting::MSeries),
            _ => Err(format!("no fitting is called {text}; there are range3, o2, co2, o3, m_series")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tables against the collected facts: every address and name, nothing more.
    fn check(facts: &str, model: Model) {
        let facts: toml::Table = facts.parse().unwrap();
        let listed = |table: &str| {
            let rows = facts[table].as_array().unwrap().iter();
            let mut rows: Vec<(i64, String)> =
                rows.map(|row| (row["addr"].as_integer().unwrap(), row["id"].as_str().unwrap().to_owned())).collect();
            rows.sort();
            rows
        };
        let served = |rows: Vec<(u16, &str)>| -> Vec<(i64, String)> {
            rows.into_iter().map(|(address, id)| (i64::from(address), id.to_owned())).collect()
        };
        let map = model.map();

        assert_eq!(served(map.inputs.iter().map(|row| (row.address, row.id)).collect()), listed("input"));
        assert_eq!(served(map.holdings.iter().map(|row| (row.address, row.id)).collect()), listed("holding"));
        assert_eq!(served(map.discretes.iter().map(|row| (row.address, row.id)).collect()), listed("discrete"));
        let coils: Vec<i64> = listed("coil").into_iter().map(|(address, _)| address).collect();
        let switching: Vec<i64> = (0..=u16::MAX).filter(|address| coil(*address).is_some()).map(i64::from).collect();
        assert_eq!(switching, coils);
    }

    #[test]
    fn the_t200_map_is_complete() {
        check(include_str!("../data/teledyne-t200.toml"), Model::T200);
    }

    #[test]
    fn the_t300_map_is_complete() {
        check(include_str!("../data/teledyne-t300.toml"), Model::T300);
    }

    /// Lookups halve the tables and take the even address below.
    #[test]
    fn tables_rise_and_pairs_begin_at_even_addresses() {
        for map in [Model::T200.map(), Model::T300.map()] {
            assert!(map.inputs.windows(2).all(|rows| rows[0].address < rows[1].address));
            assert!(map.holdings.windows(2).all(|rows| rows[0].address < rows[1].address));
            assert!(map.discretes.windows(2).all(|rows| rows[0].address < rows[1].address));
            assert!(map.inputs.iter().all(|row| row.address % 2 == 0));
            assert!(map.holdings.iter().all(|row| row.address % 2 == 0));
        }
    }
}
