//! What can go wrong on a line, by who is at fault.

use std::fmt;

use crate::bindings::tutin::stream::client as contract;
use crate::failure::Failure;

/// What can go wrong on a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// No complete reply in time.
    Timeout,
    /// There is no connection now, and the reason.
    Closed(String),
    /// The call breaks the contract or the configuration; nothing was sent.
    BadRequest(String),
    /// What came is no frame, or not the echo.
    BadResponse(String),
    /// Anything else.
    Other(String),
}

impl Error {
    /// The failure of a call that could not do without this: "command no: timeout".
    pub fn during(self, what: impl fmt::Display) -> Failure {
        let message = format!("{what}: {self}");
        match self {
            Error::Timeout | Error::Closed(_) => Failure::communication(message),
            Error::BadResponse(_) | Error::Other(_) => Failure::device(message),
            Error::BadRequest(_) => Failure::settings(message),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Timeout => f.write_str("timeout"),
            Error::Closed(reason) => write!(f, "no connection: {reason}"),
            Error::BadRequest(text) => write!(f, "bad request: {text}"),
            Error::BadResponse(text) => write!(f, "bad response: {text}"),
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
            contract::Error::BadRequest(text) => Error::BadRequest(text),
            contract::Error::BadResponse(text) => Error::BadResponse(text),
            contract::Error::Other(text) => Error::Other(text),
        }
    }
}

impl From<Error> for Failure {
    fn from(err: Error) -> Self {
        err.during("stream link")
    }
}
