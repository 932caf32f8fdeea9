//! Errors of a protocol with which an instrument refuses to tell a value.

/// The errors of one protocol.
#[derive(Debug)]
pub struct Refusals {
    /// What the protocol calls one.
    pub name: &'static str,
    /// Their numbers.
    pub codes: &'static [u32],
}

/// Modbus Application Protocol 1.1b3, 7, and one that no list has. Every request is answered so.
pub const EXCEPTIONS: Refusals = Refusals { name: "exception", codes: &[1, 2, 3, 4, 5, 6, 10, 11, 77] };

/// OPC 10000-4, 7.38.2: BadNoCommunication, BadWaitingForInitialData, BadNotReadable, BadConfigurationError, BadNotConnected,
/// BadDeviceFailure, BadSensorFailure, BadOutOfService, and one that no list has. Every variable has it in place of its value.
pub const STATUSES: Refusals = Refusals {
    name: "status",
    codes: &[
        0x8031_0000,
        0x8032_0000,
        0x803A_0000,
        0x8089_0000,
        0x808A_0000,
        0x808B_0000,
        0x808C_0000,
        0x808D_0000,
        0x8FFE_0000,
    ],
};
