//! Why a call could not do its work.

use std::fmt;

use crate::bindings::exports::tutin::driver::driver as contract;

/// Why a call could not do its work. The constructor says what the host will do about it; the message is one sentence
/// that says what and which: "input registers 30 to 41: illegal data address".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    code: u16,
    message: String,
}

impl Failure {
    /// The instrument did not answer. Its points become `comm_error`.
    pub fn communication(message: impl Into<String>) -> Self {
        Failure { code: 1, message: message.into() }
    }

    /// It answered, but not as this driver can use. Its points become `fault`.
    pub fn device(message: impl Into<String>) -> Self {
        Failure { code: 2, message: message.into() }
    }

    /// The settings do not fit. The device is parked until they change.
    pub fn settings(message: impl Into<String>) -> Self {
        Failure { code: 3, message: message.into() }
    }

    /// This driver has no such function or command.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Failure { code: 4, message: message.into() }
    }

    /// The instrument refuses now and may accept later.
    pub fn busy(message: impl Into<String>) -> Self {
        Failure { code: 5, message: message.into() }
    }

    /// The driver is at fault. The host restarts the instance.
    pub fn internal(message: impl Into<String>) -> Self {
        Failure { code: 6, message: message.into() }
    }

    /// The code in the contract.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// What happened.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for contract::Failure {
    fn from(failure: Failure) -> Self {
        contract::Failure { code: failure.code, message: failure.message }
    }
}
