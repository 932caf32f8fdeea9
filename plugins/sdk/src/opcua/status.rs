//! Status codes: what the server says of a value.
//!
//! Source of codes and names: "OPC 10000-6: Mappings", annex A (StatusCode.csv), and "OPC 10000-8: Data Access", 6.3 for the
//! ones that speak of a sensor.

use crate::state::State;

/// Codes that say more than their severity: upper 16 bits, name, state.
const KNOWN: &[(u16, &str, State)] = &[
    (0x0000, "Good", State::Valid),
    (0x0096, "GoodLocalOverride", State::Manual),
    (0x8005, "BadCommunicationError", State::CommError),
    (0x800A, "BadTimeout", State::CommError),
    (0x8031, "BadNoCommunication", State::CommError),
    (0x8032, "BadWaitingForInitialData", State::Missing),
    (0x808A, "BadNotConnected", State::CommError),
    (0x808B, "BadDeviceFailure", State::Fault),
    (0x808C, "BadSensorFailure", State::Fault),
    (0x808D, "BadOutOfService", State::Maintenance),
    (0x803C, "BadOutOfRange", State::Fault),
    (0x8089, "BadConfigurationError", State::Fault),
    (0x8034, "BadNodeIdUnknown", State::Fault),
    (0x809B, "BadNoData", State::Missing),
    (0x408F, "UncertainNoCommunicationLastUsableValue", State::CommError),
    (0x4090, "UncertainLastUsableValue", State::Suspect),
    (0x4091, "UncertainSubstituteValue", State::Manual),
    (0x4092, "UncertainInitialValue", State::Suspect),
    (0x4093, "UncertainSensorNotAccurate", State::Suspect),
    (0x4094, "UncertainEngineeringUnitsExceeded", State::OverRange),
    (0x4095, "UncertainSubNormal", State::Suspect),
];

/// The state of a value with this status: by name where the code is known, else by its severity (good valid, uncertain
/// suspect, bad fault).
pub fn status_state(status: u32) -> State {
    let code = (status >> 16) as u16;
    if let Some((_, _, state)) = KNOWN.iter().find(|(known, ..)| *known == code) {
        return *state;
    }
    match status >> 30 {
        0 => State::Valid,
        1 => State::Suspect,
        _ => State::Fault,
    }
}

/// The name of a status code, or its number.
pub fn status_name(status: u32) -> String {
    let code = (status >> 16) as u16;
    match KNOWN.iter().find(|(known, ..)| *known == code) {
        Some((_, name, _)) => (*name).to_owned(),
        None => format!("status 0x{status:08X}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_code_decides_the_state_and_its_low_bits_do_not() {
        let check = |status: u32, expected: State| assert_eq!(status_state(status), expected, "0x{status:08X}");
        check(0, State::Valid);
        check(0x0000_0480, State::Valid);
        check(0x0096_0000, State::Manual);
        check(0x4090_0000, State::Suspect);
        check(0x4000_0000, State::Suspect);
        check(0x8032_0000, State::Missing);
        check(0x8005_0000, State::CommError);
        check(0x8099_0000, State::Fault);
        check(0xC000_0000, State::Fault);
    }
}
