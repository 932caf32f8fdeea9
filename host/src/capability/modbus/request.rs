//! Requests that the standard allows, and what can go wrong with one.
//!
//! Limits are those of "Modbus Application Protocol Specification V1.1b3", sections 6.1 to 6.12.

use std::borrow::Cow;
use std::time::Duration;

use thiserror::Error;
use tokio_modbus::prelude::{Request, Response};

/// Why a request brought no answer that can be used, by who is at fault.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RequestError {
    /// Nothing was sent: the request breaks the standard or the configuration.
    #[error("{0}")]
    BadRequest(String),
    /// The answer does not fit the request; the connection was closed.
    #[error("bad answer: {0}")]
    BadResponse(String),
    /// There is no connection now.
    #[error("not connected: {0}")]
    Closed(String),
    /// No complete answer in time; the connection was closed.
    #[error("timeout after {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The device answered with an exception.
    #[error("exception {0} ({name})", name = exception_name(*.0))]
    Exception(u8),
}

/// Name of an exception code, section 7 of the specification.
pub fn exception_name(code: u8) -> &'static str {
    match code {
        1 => "illegal function",
        2 => "illegal data address",
        3 => "illegal data value",
        4 => "server device failure",
        5 => "acknowledge",
        6 => "server device busy",
        8 => "memory parity error",
        10 => "gateway path unavailable",
        11 => "gateway target device failed to respond",
        _ => "not in the standard",
    }
}

/// Checks a block of `count` items from `address` against the most that one request may hold.
pub fn check_block(address: u16, count: usize, most: usize) -> Result<u16, RequestError> {
    let bad = |text: String| Err(RequestError::BadRequest(text));
    if count == 0 {
        return bad(format!("a request at address {address} for nothing"));
    }
    if count > most {
        return bad(format!("{count} items at address {address} where the standard allows {most} in one request"));
    }
    match u16::try_from(count) {
        Ok(count) if u32::from(address) + u32::from(count) <= 65_536 => Ok(count),
        _ => bad(format!("{count} items from address {address} reach beyond address 65535")),
    }
}

/// The bits of an answer: exactly `count`, since the wire pads them to whole bytes.
pub fn bits(response: Response, count: u16) -> Result<Vec<bool>, RequestError> {
    match response {
        Response::ReadCoils(mut bits) | Response::ReadDiscreteInputs(mut bits) if bits.len() >= usize::from(count) => {
            bits.truncate(usize::from(count));
            Ok(bits)
        }
        other => Err(unexpected(&other, count)),
    }
}

/// The registers of an answer: exactly `count`.
pub fn registers(response: Response, count: u16) -> Result<Vec<u16>, RequestError> {
    match response {
        Response::ReadInputRegisters(words) | Response::ReadHoldingRegisters(words)
            if words.len() == usize::from(count) =>
        {
            Ok(words)
        }
        other => Err(unexpected(&other, count)),
    }
}

/// The echo of a write, which must repeat what was written.
pub fn echo(request: &Request<'_>, response: &Response) -> Result<(), RequestError> {
    let fits = match (request, response) {
        (Request::WriteSingleCoil(address, value), Response::WriteSingleCoil(a, v)) => address == a && value == v,
        (Request::WriteSingleRegister(address, value), Response::WriteSingleRegister(a, v)) => {
            address == a && value == v
        }
        (Request::WriteMultipleCoils(address, values), Response::WriteMultipleCoils(a, n)) => {
            address == a && values.len() == usize::from(*n)
        }
        (Request::WriteMultipleRegisters(address, values), Response::WriteMultipleRegisters(a, n)) => {
            address == a && values.len() == usize::from(*n)
        }
        _ => false,
    };
    if fits {
        Ok(())
    } else {
        Err(RequestError::BadResponse(format!("{response:?} does not repeat the write {request:?}")))
    }
}

/// A function without a place in the standard's list, or one that this contract does not name.
pub fn custom(function: u8, data: Vec<u8>) -> Result<Request<'static>, RequestError> {
    if function == 0 || function > 127 {
        return Err(RequestError::BadRequest(format!("function {function} where 1 to 127 are allowed")));
    }
    if data.len() > 252 {
        return Err(RequestError::BadRequest(format!("{} bytes where a request holds 252", data.len())));
    }
    Ok(Request::Custom(function, Cow::Owned(data)))
}

fn unexpected(response: &Response, count: u16) -> RequestError {
    let text = match response {
        Response::ReadCoils(bits) | Response::ReadDiscreteInputs(bits) => format!("{} bits", bits.len()),
        Response::ReadInputRegisters(words) | Response::ReadHoldingRegisters(words) => {
            format!("{} registers", words.len())
        }
        other => format!("{other:?}"),
    };
    RequestError::BadResponse(format!("{text} where {count} items were asked for"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_beyond_the_standard_are_not_sent() {
        let check =
            |address, count, most, ok| assert_eq!(check_block(address, count, most).is_ok(), ok, "{address} {count}");
        check(0, 125, 125, true);
        check(0, 126, 125, false);
        check(0, 0, 125, false);
        check(65_535, 1, 125, true);
        check(65_535, 2, 125, false);
        check(0, 2000, 2000, true);
        check(0, 70_000, 2000, false);
    }

    #[test]
    fn an_answer_of_another_length_is_refused() {
        assert!(registers(Response::ReadInputRegisters(vec![1, 2]), 3).is_err());
        assert_eq!(registers(Response::ReadInputRegisters(vec![1, 2]), 2).unwrap(), [1, 2]);
        assert_eq!(bits(Response::ReadCoils(vec![true; 8]), 3).unwrap(), [true; 3]);
        assert!(bits(Response::ReadCoils(vec![true; 8]), 9).is_err());
    }
}
