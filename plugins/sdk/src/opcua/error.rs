//! What can go wrong with a call.

use std::fmt;

use crate::bindings::tutin::opcua::client as contract;
use crate::failure::Failure;
use crate::opcua::status_name;

/// What can go wrong with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// No answer in time.
    Timeout,
    /// There is no session now, and the reason.
    Closed(String),
    /// The server answered with this status code.
    Status(u32),
    /// The call breaks the contract or the configuration.
    BadRequest(String),
    /// Anything else.
    Other(String),
}

impl Error {
    /// The failure of a call that could not do without this.
    pub fn during(self, what: impl fmt::Display) -> Failure {
        let message = format!("{what}: {self}");
        match self {
            Error::Timeout | Error::Closed(_) => Failure::communication(message),
            Error::Status(_) | Error::Other(_) => Failure::device(message),
            Error::BadRequest(_) => Failure::settings(message),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Timeout => f.write_str("timeout"),
            Error::Closed(reason) => write!(f, "no session: {reason}"),
            Error::Status(status) => f.write_str(&status_name(*status)),
            Error::BadRequest(text) => write!(f, "bad request: {text}"),
            Error::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

impl From<contract::Error> for Error {
    fn from(err: contract::Error) -> Self {
        match err {
            contract::Error::Timeout => Error::Timeout,
            contract::Error::Closed(reason) => Error::Closed(reason),
            contract::Error::Status(status) => Error::Status(status),
            contract::Error::BadRequest(text) => Error::BadRequest(text),
            contract::Error::Other(text) => Error::Other(text),
        }
    }
}

impl From<Error> for Failure {
    fn from(err: Error) -> Self {
        err.during("opcua link")
    }
}
