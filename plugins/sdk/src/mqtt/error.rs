//! What can go wrong with a broker.

use std::fmt;

use crate::bindings::tutin::mqtt::client as contract;
use crate::failure::Failure;

/// What can go wrong with a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// There is no connection now, and the reason.
    Closed(String),
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
            Error::Closed(_) => Failure::communication(message),
            Error::BadRequest(_) => Failure::settings(message),
            Error::Other(_) => Failure::device(message),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Closed(reason) => write!(f, "no connection: {reason}"),
            Error::BadRequest(text) => write!(f, "bad request: {text}"),
            Error::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

impl From<contract::Error> for Error {
    fn from(err: contract::Error) -> Self {
        match err {
            contract::Error::Closed(reason) => Error::Closed(reason),
            contract::Error::BadRequest(text) => Error::BadRequest(text),
            contract::Error::Other(text) => Error::Other(text),
        }
    }
}

impl From<Error> for Failure {
    fn from(err: Error) -> Self {
        err.during("mqtt link")
    }
}
