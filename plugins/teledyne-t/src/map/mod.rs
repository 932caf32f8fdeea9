//! The register maps as data: one table per model, each with its source.
//!
//! What all models share (Teledyne API manuals, appendix A-7): addresses from 0; a value is an IEEE 754 binary32 in two input
//! registers, high word first; status is one discrete input per cause; checks are started and ended through coils that are
//! held on.
//!
//! ## Which input means which state
//!
//! The manuals do not say what a warning does to a value. The assignment is a proposal after NAMUR NE 107, which the settings
//! can change (`status_rules`):
//!
//! | letter | inputs | state |
//! | --- | --- | --- |
//! | F failure | invalid concentration, detector, source or lamp, high voltage, ozone generator, board communication | fault |
//! | C function check | zero, span, multi-point and gas calibration | calibration |
//! | C function check | Hessen manual mode: the instrument is operated by hand, what it measures is not told | maintenance |
//! | M maintenance | dark, auto-zero, analog, dynamic zero and dynamic span: the last adjustment went out of its limits | maintenance |
//! | M maintenance | system reset | none |
//! | S out of specification | temperatures, flows, pressures, and every warning that is not listed above | suspect |
//!
//! System reset changes no state, because it stays on after every power failure until a person acknowledges it, and says
//! nothing about the present value. It is kept in the raw status like every other input.

mod t100;
mod t200;
mod t300;
mod t400;

use schemars::JsonSchema;
use serde::Deserialize;
use tutin_sdk::State;

use crate::settings::Model;

/// What a model has.
#[derive(Debug)]
pub(crate) struct Map {
    pub registers: &'static [Register],
    pub inputs: &'static [Input],
    pub coils: &'static [Coil],
}

impl Map {
    pub fn of(model: Model) -> &'static Map {
        match model {
            Model::T100 | Model::E100 | Model::E100U => &t100::MAP,
            Model::T200 | Model::E200 => &t200::MAP,
            Model::T300 | Model::T300M | Model::E300 | Model::E300M => &t300::MAP,
            Model::T400 | Model::E400 => &t400::MAP,
        }
    }
}

/// A part of the map that not every instrument has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    /// The third range of a T200.
    Range3,
    /// The O2 sensor.
    O2,
    /// The CO2 sensor.
    Co2,
    /// The O3 bench of a T200.
    O3,
    /// What only T300M and M300EM have; follows from the model.
    #[serde(skip)]
    HighRange,
}

/// A binary32 in two input registers.
#[derive(Debug)]
pub(crate) struct Register {
    pub address: u16,
    pub id: &'static str,
    pub label: &'static str,
    pub unit: &'static str,
    pub role: Role,
    /// `None`: every instrument of the model has it.
    pub block: Option<Block>,
}

/// What a value is to the measurement, and so which status applies to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A concentration of this gas. Range 0: the gas has only one.
    Gas { gas: &'static str, range: u8 },
    /// Computed from concentrations.
    Measured,
    /// A constant of the last calibration.
    Calibration,
    /// A temperature, a flow, a voltage.
    Diagnostic,
}

impl Register {
    const fn new(address: u16, id: &'static str, label: &'static str, unit: &'static str, role: Role) -> Self {
        Register { address, id, label, unit, role, block: None }
    }

    const fn gas(
        address: u16,
        id: &'static str,
        label: &'static str,
        unit: &'static str,
        gas: &'static str,
        range: u8,
    ) -> Self {
        Self::new(address, id, label, unit, Role::Gas { gas, range })
    }

    const fn single(
        address: u16,
        id: &'static str,
        label: &'static str,
        unit: &'static str,
        gas: &'static str,
    ) -> Self {
        Self::new(address, id, label, unit, Role::Gas { gas, range: 0 })
    }

    const fn measured(address: u16, id: &'static str, label: &'static str, unit: &'static str) -> Self {
        Self::new(address, id, label, unit, Role::Measured)
    }

    const fn calibration(address: u16, id: &'static str, label: &'static str, unit: &'static str) -> Self {
        Self::new(address, id, label, unit, Role::Calibration)
    }

    const fn diagnostic(address: u16, id: &'static str, label: &'static str, unit: &'static str) -> Self {
        Self::new(address, id, label, unit, Role::Diagnostic)
    }

    const fn of(mut self, block: Block) -> Self {
        self.block = Some(block);
        self
    }
}

/// A discrete input.
#[derive(Debug)]
pub(crate) struct Input {
    pub number: u16,
    pub id: &'static str,
    pub meaning: Meaning,
    /// `None`: the block from 0 on, which speaks of the whole instrument.
    pub block: Option<Block>,
}

/// What it means that an input is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Concentrations, and what is computed from them, have this state.
    State(State),
    /// Everything that the instrument reports has this state: the board that digitises it is gone.
    Everything(State),
    /// The gas is above a limit.
    Alarm(&'static str),
    /// All is well. Off is for `system_not_ok` to judge.
    SystemOk,
}

impl Input {
    const fn new(number: u16, id: &'static str, meaning: Meaning) -> Self {
        Input { number, id, meaning, block: None }
    }

    const fn fault(number: u16, id: &'static str) -> Self {
        Self::new(number, id, Meaning::State(State::Fault))
    }

    const fn board_fault(number: u16, id: &'static str) -> Self {
        Self::new(number, id, Meaning::Everything(State::Fault))
    }

    const fn calibration(number: u16, id: &'static str) -> Self {
        Self::new(number, id, Meaning::State(State::Calibration))
    }

    const fn maintenance(number: u16, id: &'static str) -> Self {
        Self::new(number, id, Meaning::State(State::Maintenance))
    }

    const fn suspect(number: u16, id: &'static str) -> Self {
        Self::new(number, id, Meaning::State(State::Suspect))
    }

    /// Kept in the raw status, without effect on the state.
    const fn noted(number: u16, id: &'static str) -> Self {
        Self::new(number, id, Meaning::State(State::Valid))
    }

    const fn alarm(number: u16, id: &'static str, gas: &'static str) -> Self {
        Self::new(number, id, Meaning::Alarm(gas))
    }

    const fn system_ok(number: u16, id: &'static str) -> Self {
        Self::new(number, id, Meaning::SystemOk)
    }

    const fn of(mut self, block: Block) -> Self {
        self.block = Some(block);
        self
    }
}

/// A coil that starts a check when it is set, and ends it when it is cleared.
#[derive(Debug)]
pub(crate) struct Coil {
    pub address: u16,
    pub check: Check,
    pub range: u8,
}

/// A gas that the instrument draws in place of the sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    Zero,
    LowSpan,
    Span,
}
