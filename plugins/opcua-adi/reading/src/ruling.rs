//! What a device says of itself, and what that makes of its values.
//!
//! DeviceHealth follows NAMUR NE 107 (OPC 10000-100 1.02, 5.5.4): 0 normal, 1 failure, 2 check function, 3 off specification, 4 maintenance
//! required. ExecutionCycle, AcquisitionResultStatus and the state machines are ADI's (OPC 10020 1.01).

use tutin_sdk::State;
use tutin_sdk::opcua::{DataValue, status_state};

use crate::settings::Settings;

/// A variable that rules over the values of its element and of those below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// DeviceHealth of DI.
    Health,
    /// ExecutionCycle of an ADI stream.
    Cycle,
    /// AcquisitionResultStatus of an ADI stream.
    Result,
    /// CurrentState of an ADI state machine.
    Machine,
}

/// Bit of ExecutionCycle that says that a grab sample is taken.
const GRAB_SAMPLE: u64 = 32_768;

impl Ruling {
    /// The ruling that a variable of this browse name is.
    pub fn of(browse_name: &str) -> Option<Self> {
        Some(match browse_name {
            "DeviceHealth" => Ruling::Health,
            "ExecutionCycle" => Ruling::Cycle,
            "AcquisitionResultStatus" => Ruling::Result,
            _ => return None,
        })
    }

    /// State of the values that it rules over. A ruling that is not known, or not good, makes them suspect.
    pub fn state(self, value: Option<&DataValue>, settings: &Settings) -> State {
        let Some(value) = value.filter(|value| status_state(value.status) == State::Valid) else {
            return State::Suspect;
        };
        if self == Ruling::Machine {
            return value.value.text().map_or(State::Suspect, |word| machine(word, settings));
        }
        let Some(code) = code(value) else { return State::Suspect };
        match (self, code) {
            (Ruling::Health, 0) => State::Valid,
            (Ruling::Health, 1) => State::Fault,
            (Ruling::Health, 2) => settings.check_function,
            (Ruling::Health, 4) => settings.maintenance_required,
            // 3 is off specification.
            (Ruling::Health, _) => State::Suspect,
            (Ruling::Cycle, code) => match code & !GRAB_SAMPLE {
                // Idle and sampling.
                0 | 16 => State::Valid,
                // Calibration and validation.
                4 | 8 => State::Calibration,
                // Diagnostic and cleaning.
                1 | 2 => State::Maintenance,
                _ => State::Suspect,
            },
            // Not used and good.
            (Ruling::Result, 0 | 1) => State::Valid,
            (Ruling::Result, 2) => State::Fault,
            // Unknown and partial.
            (Ruling::Result, _) => State::Suspect,
            (Ruling::Machine, _) => State::Suspect,
        }
    }
}

/// The whole number of a ruling.
pub fn code(value: &DataValue) -> Option<u64> {
    let number = value.value.number()?;
    (number >= 0.0 && number <= f64::from(u32::MAX) && number.fract() == 0.0).then_some(number as u64)
}

/// Our proposal for the words of ADI's machines; the words of a server in another language go into the settings.
fn machine(word: &str, settings: &Settings) -> State {
    if let Some(state) = settings.machine_states.get(word) {
        return *state;
    }
    match word {
        "Operating" | "SlaveMode" => State::Valid,
        "Powerup" => State::WarmUp,
        "Local" | "Maintenance" | "Shutdown" => State::Maintenance,
        _ => State::Suspect,
    }
}
