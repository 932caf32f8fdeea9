//! Protocol data units: the part of a frame that is the same on every line.
//!
//! ```text
//! request  1..4: function, address 2, count 2          answer: function, bytes 1, data
//! request  5, 6: function, address 2, value 2          answer: the same
//! request    15: function, address 2, count 2, bytes 1, bits     answer: function, address 2, count 2
//! request    16: function, address 2, count 2, bytes 1, words    answer: function, address 2, count 2
//! exception    : function + 0x80, code
//! ```
//!
//! Source: "Modbus Application Protocol Specification V1.1b3", sections 6 and 7.

use tokio_modbus::prelude::{Request, Response};

use super::request::RequestError;

/// What an answer must look like to be the answer of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expected {
    /// Function of the request.
    pub function: u8,
    /// Bytes of the answer after the function; `None`: the standard does not say.
    pub length: Option<usize>,
}

/// How a protocol data unit stands to what is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// It is the answer.
    Answer,
    /// It is the refusal.
    Exception(u8),
    /// It answers something else.
    Other,
}

impl Expected {
    pub(super) fn of(request: &Request<'_>) -> Self {
        let bits = |count: &u16| 1 + usize::from(*count).div_ceil(8);
        let words = |count: &u16| 1 + 2 * usize::from(*count);
        let (function, length) = match request {
            Request::ReadCoils(_, count) => (1, Some(bits(count))),
            Request::ReadDiscreteInputs(_, count) => (2, Some(bits(count))),
            Request::ReadHoldingRegisters(_, count) => (3, Some(words(count))),
            Request::ReadInputRegisters(_, count) => (4, Some(words(count))),
            Request::WriteSingleCoil(..) => (5, Some(4)),
            Request::WriteSingleRegister(..) => (6, Some(4)),
            Request::WriteMultipleCoils(..) => (15, Some(4)),
            Request::WriteMultipleRegisters(..) => (16, Some(4)),
            other => (other.function_code().value(), None),
        };
        Expected { function, length }
    }

    /// Whether these bytes answer the request. The count of bytes in a read's answer must be that of its data.
    pub(super) fn fit(self, pdu: &[u8]) -> Fit {
        match pdu {
            [function, code] if *function == self.function | 0x80 => Fit::Exception(*code),
            [function, data @ ..] if *function == self.function => {
                let is_whole =
                    self.function > 4 || data.first().is_some_and(|count| usize::from(*count) + 1 == data.len());
                match self.length {
                    Some(length) if data.len() != length || !is_whole => Fit::Other,
                    _ => Fit::Answer,
                }
            }
            _ => Fit::Other,
        }
    }
}

/// The bytes of a request.
pub(super) fn encode(request: &Request<'_>) -> Result<Vec<u8>, RequestError> {
    let words = |function: u8, words: &[u16]| {
        let mut pdu = vec![function];
        words.iter().for_each(|word| pdu.extend(word.to_be_bytes()));
        pdu
    };
    let length = |items: usize| {
        u16::try_from(items).map_err(|_| RequestError::BadRequest(format!("{items} items in one request")))
    };
    Ok(match request {
        Request::ReadCoils(address, count) => words(1, &[*address, *count]),
        Request::ReadDiscreteInputs(address, count) => words(2, &[*address, *count]),
        Request::ReadHoldingRegisters(address, count) => words(3, &[*address, *count]),
        Request::ReadInputRegisters(address, count) => words(4, &[*address, *count]),
        Request::WriteSingleCoil(address, value) => words(5, &[*address, if *value { 0xff00 } else { 0 }]),
        Request::WriteSingleRegister(address, value) => words(6, &[*address, *value]),
        Request::WriteMultipleCoils(address, values) => {
            let mut pdu = words(15, &[*address, length(values.len())?]);
            let bytes = values.chunks(8).map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit)));
            let bytes: Vec<u8> = bytes.collect();
            pdu.push(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
            pdu.extend(bytes);
            pdu
        }
        Request::WriteMultipleRegisters(address, values) => {
            let mut pdu = words(16, &[*address, length(values.len())?]);
            pdu.push(u8::try_from(values.len() * 2).unwrap_or(u8::MAX));
            values.iter().for_each(|word| pdu.extend(word.to_be_bytes()));
            pdu
        }
        Request::Custom(function, data) => {
            let mut pdu = vec![*function];
            pdu.extend(data.iter());
            pdu
        }
        other => return Err(RequestError::BadRequest(format!("{other:?} is no request that this host sends"))),
    })
}

/// The answer to a request, from bytes that fit it.
pub(super) fn decode(request: &Request<'_>, pdu: &[u8]) -> Result<Response, RequestError> {
    let short = || RequestError::BadResponse(format!("{} bytes are too few", pdu.len()));
    let (function, data) = pdu.split_first().ok_or_else(short)?;
    let pair = |at: usize| match data.get(at..at + 2) {
        Some([high, low]) => Ok(u16::from_be_bytes([*high, *low])),
        _ => Err(short()),
    };
    let cells = || data.get(1..).unwrap_or_default();
    let bits = || cells().iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1)).collect();
    let words = || {
        let word = |pair: &[u8]| pair.iter().fold(0, |word, byte| word << 8 | u16::from(*byte));
        cells().chunks_exact(2).map(word).collect()
    };
    Ok(match request {
        Request::ReadCoils(..) => Response::ReadCoils(bits()),
        Request::ReadDiscreteInputs(..) => Response::ReadDiscreteInputs(bits()),
        Request::ReadHoldingRegisters(..) => Response::ReadHoldingRegisters(words()),
        Request::ReadInputRegisters(..) => Response::ReadInputRegisters(words()),
        Request::WriteSingleCoil(..) => Response::WriteSingleCoil(pair(0)?, pair(2)? == 0xff00),
        Request::WriteSingleRegister(..) => Response::WriteSingleRegister(pair(0)?, pair(2)?),
        Request::WriteMultipleCoils(..) => Response::WriteMultipleCoils(pair(0)?, pair(2)?),
        Request::WriteMultipleRegisters(..) => Response::WriteMultipleRegisters(pair(0)?, pair(2)?),
        _ => Response::Custom(*function, data.to_vec().into()),
    })
}

/// A request that changes nothing and whose answer cannot be mistaken for any of these: of another length, or to another function. It reads
/// from where `request` does, if that reads.
pub(super) fn distinct(request: &Request<'_>, owed: &[Expected]) -> Request<'static> {
    // Answers hold whole bytes of bits, and whole registers.
    const MOST: u16 = 64;
    let read = |count: u16| {
        let bits = count * 8 - 7;
        let fitting = |address: u16, count: u16| address.min(u16::MAX - count + 1);
        match *request {
            Request::ReadCoils(address, _) => Request::ReadCoils(fitting(address, bits), bits),
            Request::ReadDiscreteInputs(address, _) => Request::ReadDiscreteInputs(fitting(address, bits), bits),
            Request::ReadInputRegisters(address, _) => Request::ReadInputRegisters(fitting(address, count), count),
            Request::ReadHoldingRegisters(address, _) => Request::ReadHoldingRegisters(fitting(address, count), count),
            _ => Request::ReadHoldingRegisters(0, count),
        }
    };
    let is_free = |count: &u16| !owed.contains(&Expected::of(&read(*count)));
    read((1..MOST).find(is_free).unwrap_or(MOST))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn requests_and_answers_are_those_of_the_standard() {
        let check = |request: Request<'static>, sent: &[u8], answer: &[u8], expected: Response| {
            assert_eq!(encode(&request).unwrap(), sent);
            assert_eq!(Expected::of(&request).fit(answer), Fit::Answer, "{request:?}");
            assert_eq!(decode(&request, answer).unwrap(), expected);
        };
        // The examples of sections 6.1, 6.3, 6.5, 6.11 and 6.12.
        let read = Request::ReadCoils(19, 3);
        let bits = vec![true, false, true, false, false, false, false, false];
        check(read, &[1, 0, 19, 0, 3], &[1, 1, 0b101], Response::ReadCoils(bits));
        let read = Request::ReadHoldingRegisters(107, 2);
        let answer = Response::ReadHoldingRegisters(vec![0x022b, 0]);
        check(read, &[3, 0, 107, 0, 2], &[3, 4, 2, 0x2b, 0, 0], answer);
        let write = Request::WriteSingleCoil(172, true);
        check(write, &[5, 0, 172, 0xff, 0], &[5, 0, 172, 0xff, 0], Response::WriteSingleCoil(172, true));
        let bits = [1, 0, 1, 1, 0, 0, 1, 1, 1, 0].map(|bit| bit == 1).to_vec();
        let write = Request::WriteMultipleCoils(19, Cow::Owned(bits));
        check(write, &[15, 0, 19, 0, 10, 2, 0xcd, 1], &[15, 0, 19, 0, 10], Response::WriteMultipleCoils(19, 10));
        let write = Request::WriteMultipleRegisters(1, Cow::Owned(vec![10, 0x0102]));
        check(write, &[16, 0, 1, 0, 2, 4, 0, 10, 1, 2], &[16, 0, 1, 0, 2], Response::WriteMultipleRegisters(1, 2));
    }

    #[test]
    fn the_answer_to_another_request_does_not_fit() {
        let expected = Expected::of(&Request::ReadInputRegisters(30, 2));
        let check = |pdu: &[u8], fit: Fit| assert_eq!(expected.fit(pdu), fit, "{pdu:02x?}");
        check(&[4, 4, 0, 1, 0, 2], Fit::Answer);
        check(&[0x84, 2], Fit::Exception(2));
        check(&[4, 2, 0, 1], Fit::Other);
        check(&[4, 6, 0, 1, 0, 2], Fit::Other);
        check(&[3, 4, 0, 1, 0, 2], Fit::Other);
        check(&[], Fit::Other);
    }

    #[test]
    fn a_distinct_request_has_an_answer_that_cannot_be_mistaken() {
        let requests = [
            Request::ReadCoils(0, 1),
            Request::ReadCoils(0, 8),
            Request::ReadCoils(65_535, 1),
            Request::ReadDiscreteInputs(5, 200),
            Request::ReadHoldingRegisters(65_535, 1),
            Request::ReadInputRegisters(30, 125),
            Request::WriteSingleRegister(1, 2),
            Request::WriteSingleCoil(1, true),
        ];
        for request in requests {
            // As often as it is not answered either, there is another one.
            let mut owed = vec![Expected::of(&request)];
            for _ in 0..15 {
                let other = distinct(&request, &owed);
                let expected = Expected::of(&other);
                assert!(!owed.contains(&expected), "{request:?} and {other:?}");
                owed.push(expected);
                encode(&other).unwrap();
                if let Request::ReadCoils(address, count) | Request::ReadHoldingRegisters(address, count) = other {
                    assert!(u32::from(address) + u32::from(count) <= 65_536);
                }
            }
        }
    }
}
