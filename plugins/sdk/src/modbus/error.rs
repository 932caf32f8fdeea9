//! What can go wrong with a request, by who is at fault.

use std::fmt;

use crate::bindings::tutin::modbus::client as contract;
use crate::failure::Failure;

/// What can go wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// No complete answer within the link's request timeout.
    Timeout,
    /// There is no connection now, and the reason.
    Closed(String),
    /// The device answered with this exception code.
    Exception(u8),
    /// The request breaks the standard or the configuration; nothing was sent.
    BadRequest(String),
    /// The answer does not fit the request.
    BadResponse(String),
    /// Anything else.
    Other(String),
}

impl Error {
    /// True when the device itself said no, so that other requests of the same poll may still succeed. False for the
    /// exceptions by which a gateway says that the device behind it is silent.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Error::Exception(code) if !is_gateway(*code))
    }

    /// The failure of a call that could not do without this request: "input registers 30 to 41: illegal data address".
    pub fn during(self, what: impl fmt::Display) -> Failure {
        let message = format!("{what}: {self}");
        match self {
            Error::Timeout | Error::Closed(_) => Failure::communication(message),
            Error::Exception(code) if is_gateway(code) => Failure::communication(message),
            Error::Exception(5 | 6) => Failure::busy(message),
            Error::Exception(_) | Error::BadResponse(_) | Error::Other(_) => Failure::device(message),
            Error::BadRequest(_) => Failure::settings(message),
        }
    }
}

fn is_gateway(code: u8) -> bool {
    matches!(code, 10 | 11)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Timeout => f.write_str("timeout"),
            Error::Closed(reason) => write!(f, "no connection: {reason}"),
            Error::Exception(code) => match exception_name(*code) {
                Some(name) => write!(f, "{name} (exception {code})"),
                None => write!(f, "exception {code} of the vendor's own"),
            },
            Error::BadRequest(text) => write!(f, "bad request: {text}"),
            Error::BadResponse(text) => write!(f, "bad response: {text}"),
            Error::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

/// Source: Modbus Application Protocol Specification V1.1b3, 7.
fn exception_name(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "illegal function",
        2 => "illegal data address",
        3 => "illegal data value",
        4 => "server device failure",
        5 => "acknowledge",
        6 => "server device busy",
        8 => "memory parity error",
        10 => "gateway path unavailable",
        11 => "gateway target device failed to respond",
        _ => return None,
    })
}

impl From<contract::Error> for Error {
    fn from(err: contract::Error) -> Self {
        match err {
            contract::Error::Timeout => Error::Timeout,
            contract::Error::Closed(reason) => Error::Closed(reason),
            contract::Error::Exception(code) => Error::Exception(code),
            contract::Error::BadRequest(text) => Error::BadRequest(text),
            contract::Error::BadResponse(text) => Error::BadResponse(text),
            contract::Error::Other(text) => Error::Other(text),
        }
    }
}

impl From<Error> for Failure {
    fn from(err: Error) -> Self {
        err.during("modbus link")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modbus::{Block, Table};

    #[test]
    fn a_failure_says_what_was_asked_what_came_and_who_is_at_fault() {
        let block = Block { table: Table::Input, address: 30, count: 12 };
        let check = |err: Error, expected: Failure| assert_eq!(err.during(block), expected);
        check(Error::Exception(2), Failure::device("input registers 30 to 41: illegal data address (exception 2)"));
        check(Error::Timeout, Failure::communication("input registers 30 to 41: timeout"));
        check(
            Error::Exception(11),
            Failure::communication("input registers 30 to 41: gateway target device failed to respond (exception 11)"),
        );
        check(Error::Exception(6), Failure::busy("input registers 30 to 41: server device busy (exception 6)"));
        check(
            Error::BadRequest("unit 7 is not granted".into()),
            Failure::settings("input registers 30 to 41: bad request: unit 7 is not granted"),
        );
    }
}
