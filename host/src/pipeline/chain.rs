//! The way of one sample: raw signal, unit, calibration function, temperature and pressure, moisture, and oxygen where it is asked for
//! on samples.
//!
//! Each step is one function of `formula`; this module knows their order and what each needs. The steps of a block, oxygen and mass,
//! stand in `block`.
//!
//! Source of the order: EN 17255-1 and HJ 212-2017, annex D, as collected with the published vectors.

use super::formula::signal::{self, LoopState};
use super::formula::{flow, oxygen, standard, water};
use super::track::Known;
use super::units::{Conversion, Gas, Kind, UnitError, kind};
use crate::method::{Chain, Companions, Constants, Duct, Mean, Role, Signal};
use crate::status::InstrumentState;

/// Conversions that are known once the unit of the point is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Units {
    /// From the point's unit, or the signal's, to the one that the steps compute with.
    pub inward: Conversion,
    /// From there to the parameter's.
    pub outward: Conversion,
    /// From the parameter's unit to that of the companion's role, when it is one.
    pub role: Conversion,
    kind: Kind,
}

/// The companions of one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Surroundings {
    known: [Option<Known>; Role::ALL.len()],
}

/// What one sample went through. What was not done is not here.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Steps {
    /// As the instrument gave it.
    pub raw: f64,
    /// What the signal means, in its unit.
    pub signal: Option<f64>,
    /// In the unit that is computed with.
    pub converted: f64,
    /// After the calibration function.
    pub calibrated: Option<f64>,
    /// Gas velocity in m/s.
    pub velocity: Option<f64>,
    /// Volume flow of the duct in m³/h, as it is there.
    pub flow: Option<f64>,
    /// At standard temperature and pressure; of conductivity at 25 °C.
    pub standard: Option<f64>,
    /// Dry.
    pub dry: Option<f64>,
    /// What is averaged, in the parameter's unit.
    pub value: f64,
    /// At the reference oxygen, when that is done on samples.
    pub corrected: Option<f64>,
    /// Outside the range that the calibration function is valid for.
    pub outside: bool,
}

/// Why a sample has no value at the end of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// The signal says so.
    Signal(InstrumentState),
    /// A companion is missing, or is something that cannot be.
    Companion(Role),
    /// The result is no number.
    NotANumber,
}

impl Lack {
    /// What a sample counts as that has no value for this reason.
    pub fn state(self) -> InstrumentState {
        match self {
            Lack::Signal(state) => state,
            Lack::Companion(_) => InstrumentState::Missing,
            Lack::NotANumber => InstrumentState::Suspect,
        }
    }
}

impl Surroundings {
    /// Notes a companion.
    pub fn set(&mut self, role: Role, known: Option<Known>) {
        if let Some(place) = self.known.get_mut(role as usize) {
            *place = known;
        }
    }

    /// The companion as it is known.
    pub fn get(&self, role: Role) -> Option<Known> {
        self.known.get(role as usize).copied().flatten()
    }

    fn value(&self, role: Role) -> Result<f64, Lack> {
        self.get(role).map(|known| known.value).ok_or(Lack::Companion(role))
    }

    /// Absolute pressure: what the duct has above the barometer, when there is one.
    fn pressure(&self, companions: &Companions) -> Result<f64, Lack> {
        let pressure = self.value(Role::Pressure)?;
        let barometer = if companions.contains_key(&Role::Barometer) { self.value(Role::Barometer)? } else { 0.0 };
        Ok(pressure + barometer)
    }
}

impl Chain {
    /// Companions that each sample needs, besides those that its block does.
    pub fn needs(&self, companions: &Companions, sample_oxygen: bool) -> Vec<Role> {
        let gas = self.actual || matches!(self.duct, Some(Duct::Pitot { .. }));
        Role::ALL
            .into_iter()
            .filter(|role| match role {
                Role::Temperature => gas || self.per_kelvin.is_some(),
                Role::Barometer => gas && companions.contains_key(role),
                Role::Pressure => gas,
                Role::Moisture => self.wet,
                Role::Oxygen => sample_oxygen && self.reference_oxygen.is_some(),
                Role::Flow => self.mean == Mean::FlowWeighted,
            })
            .collect()
    }

    /// The conversions between the point's unit and the parameter's. `role`: what the parameter is to others.
    pub fn units(&self, point: &str, unit: &str, gas: Option<Gas>, role: Option<Role>) -> Result<Units, UnitError> {
        let from = match &self.signal {
            None => point,
            Some(signal) => {
                Conversion::between(point, "mA", None)?;
                signal.unit.as_str()
            }
        };
        let working = match self.duct {
            None => unit,
            Some(Duct::Velocity { .. }) => "m/s",
            Some(Duct::Pitot { .. }) => "Pa",
        };
        let outward = if self.duct.is_some() { Conversion::between("m3/h", unit, None)? } else { Conversion::NONE };
        let (of_point, of_value) = (kind(from), kind(unit));
        let is_flow = of_value == Some(Kind::VolumeFlow);
        let is_concentration = of_value == Some(Kind::MassConcentration);
        if self.actual && !is_flow && !(is_concentration && of_point != Some(Kind::Fraction)) {
            let why = "it is for flows and for mass concentrations that were measured as such";
            return Err(UnitError::Basis { option: "conditions = \"actual\"", unit: from.to_owned(), why });
        }
        if self.wet && !is_flow && !is_concentration && of_value != Some(Kind::Fraction) {
            let why = "it is for flows, concentrations and fractions";
            return Err(UnitError::Basis { option: "moisture = \"wet\"", unit: unit.to_owned(), why });
        }
        let role = role.map_or(Ok(Conversion::NONE), |role| Conversion::between(unit, role.unit(), None))?;
        Ok(Units {
            inward: Conversion::between(from, working, gas)?,
            outward,
            role,
            kind: kind(unit).unwrap_or(Kind::Other),
        })
    }

    /// Takes a raw value through the steps.
    pub fn run(
        &self,
        raw: f64,
        units: &Units,
        around: &Surroundings,
        companions: &Companions,
        constants: &Constants,
    ) -> Result<Steps, Lack> {
        let mut steps = Steps { raw, ..Steps::default() };
        let mut value = raw;
        if let Some(Signal { low, high, .. }) = &self.signal {
            match signal::loop_state(raw) {
                LoopState::Good => {}
                LoopState::Suspect => return Err(Lack::Signal(InstrumentState::Suspect)),
                LoopState::Failure => return Err(Lack::Signal(InstrumentState::Fault)),
            }
            value = signal::scaled(raw, *low, *high);
            steps.signal = Some(value);
        }
        value = units.inward.apply(value);
        steps.converted = value;
        if let Some(calibration) = &self.calibration {
            value = calibration.apply(value);
            steps.calibrated = Some(value);
            steps.outside = !calibration.covers(value);
        }
        value = self.through_duct(value, &mut steps, around, companions, constants)?;
        value = self.to_standard(value, units.kind, &mut steps, around, companions, constants)?;
        if self.wet {
            let moisture = around.value(Role::Moisture)?;
            let dry = match units.kind {
                Kind::VolumeFlow => standard::flow_to_dry(value, moisture),
                _ => standard::concentration_to_dry(value, moisture),
            };
            value = dry.ok_or(Lack::Companion(Role::Moisture))?;
            steps.dry = Some(value);
        }
        value = units.outward.apply(value);
        if !value.is_finite() {
            return Err(Lack::NotANumber);
        }
        steps.value = value;
        Ok(steps)
    }

    /// The oxygen step of one sample. `None`: it cannot be done.
    pub fn correct(&self, value: f64, around: &Surroundings, most: f64) -> Option<f64> {
        let measured = around.get(Role::Oxygen)?.value;
        oxygen::to_reference(value, self.reference_oxygen?, measured, most)
    }

    fn through_duct(
        &self,
        value: f64,
        steps: &mut Steps,
        around: &Surroundings,
        companions: &Companions,
        constants: &Constants,
    ) -> Result<f64, Lack> {
        let (velocity, area) = match self.duct {
            None => return Ok(value),
            Some(Duct::Velocity { area }) => (value, area),
            Some(Duct::Pitot { area, factor, density }) => {
                let (temperature, pressure) = (around.value(Role::Temperature)?, around.pressure(companions)?);
                let density = standard::gas_density(density, temperature, pressure, constants)
                    .ok_or(Lack::Companion(Role::Temperature))?;
                (flow::pitot_velocity(factor, value, density).ok_or(Lack::NotANumber)?, area)
            }
        };
        let volume = flow::volume_flow(velocity, area);
        (steps.velocity, steps.flow) = (Some(velocity), Some(volume));
        Ok(volume)
    }

    fn to_standard(
        &self,
        value: f64,
        kind: Kind,
        steps: &mut Steps,
        around: &Surroundings,
        companions: &Companions,
        constants: &Constants,
    ) -> Result<f64, Lack> {
        if let Some(per_kelvin) = self.per_kelvin {
            let temperature = around.value(Role::Temperature)?;
            let value =
                water::conductivity_at_25(value, temperature, per_kelvin).ok_or(Lack::Companion(Role::Temperature))?;
            steps.standard = Some(value);
            return Ok(value);
        }
        if !self.actual {
            return Ok(value);
        }
        let (temperature, pressure) = (around.value(Role::Temperature)?, around.pressure(companions)?);
        let standard = match kind {
            Kind::VolumeFlow => standard::flow_to_standard(value, temperature, pressure, constants),
            _ => standard::concentration_to_standard(value, temperature, pressure, constants),
        };
        let value = standard.ok_or(Lack::Companion(Role::Temperature))?;
        steps.standard = Some(value);
        Ok(value)
    }
}
