//! What the instrument measures: the gas in its cell and the state of its own parts, in the units of the map.

use std::f64::consts::TAU;
use std::time::Duration;

use super::calibration::{Mixture, Range};
use super::instrument::Analyzer;
use super::map::{Gas, Quantity};

/// Standard pressure units: 1 mbar in inches of mercury.
pub(super) const INHG_PER_MBAR: f64 = 0.029_529_98;
/// What the pump takes off the ambient pressure in the sample line, inHg.
const INLET_DROP_INHG: f64 = 1.0;
/// What the instrument's own heat adds to the temperature in its box, °C.
const OWN_HEAT_C: f64 = 8.0;
/// Period of the swing of nominal values.
const SWING: Duration = Duration::from_secs(97);

impl Analyzer {
    /// What stands behind an input register pair. `offset` shifts the swing of nominal values.
    pub(super) fn quantity(&self, quantity: Quantity, offset: f64, at: Duration) -> f64 {
        match quantity {
            Quantity::Concentration(gas) => self.concentration(gas, at, self.calibration.mixture(at)),
            Quantity::AtCalibration(gas) => match self.calibration.ended() {
                Some((ended, mixture)) => self.concentration(gas, ended, mixture),
                None => self.span_gas(gas, Range::R1),
            },
            Quantity::SamplePressure => self.replay.row(at).ambient_pressure_mbar * INHG_PER_MBAR - INLET_DROP_INHG,
            Quantity::BoxTemperature => self.replay.row(at).ambient_temperature_c + OWN_HEAT_C,
            // The address shifts the swing, so that not all values turn at the same moment.
            Quantity::Around(nominal, swing) => {
                nominal + swing * (TAU * at.as_secs_f64() / SWING.as_secs_f64() + offset).sin()
            }
            Quantity::Steady(value) => value,
        }
    }

    fn concentration(&self, gas: Gas, at: Duration, cell: Mixture) -> f64 {
        let row = self.replay.row(at);
        let (sample, zero) = match gas {
            Gas::Nox => (row.nox_ppb(), 0.4),
            Gas::No => (row.nox_ppb() * (1.0 - self.no2_share), 0.3),
            Gas::No2 => (row.nox_ppb() * self.no2_share, 0.1),
            Gas::Co => (row.co_ppm(), 0.02),
        };
        let span = cell.span_r1 * self.span_gas(gas, Range::R1) + cell.span_r2 * self.span_gas(gas, Range::R2);
        cell.sample * sample + cell.zero * zero + span
    }

    fn span_gas(&self, gas: Gas, range: Range) -> f64 {
        if gas == Gas::No2 {
            return (self.span_gas(Gas::Nox, range) - self.span_gas(Gas::No, range)).max(0.0);
        }
        let target = self.model.span_target(gas, range).and_then(|address| self.holdings.get(&address));
        target.copied().map_or(0.0, f64::from)
    }
}
