//! Frames of a serial line, which say how long they are only to those who know what they answer.
//!
//! ```text
//! RTU:    unit 1, protocol data unit, CRC 2 (low byte first)             silence around it
//! ASCII:  ':', then in hexadecimal: unit 1, protocol data unit, LRC 1    CR LF
//! ```
//!
//! Source: "Modbus over Serial Line, Specification and Implementation Guide V1.02", 2.5 and 6.2.

use super::pdu::{Expected, Fit};
use crate::config::model::ModbusFraming;

/// Longest frame: 256 bytes binary, 513 characters (2.5.2.1).
pub(super) const LONGEST: usize = 513;

/// What was found in the bytes that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing yet.
    Nothing,
    /// The answer, and how many bytes it ends after.
    Answer { pdu: Vec<u8>, end: usize },
    /// A whole frame that answers something else: another unit's, or one that comes too late. It ends after so many bytes.
    Stray { end: usize },
}

/// The bytes of a frame.
pub(super) fn wrap(framing: ModbusFraming, unit: u8, pdu: &[u8]) -> Vec<u8> {
    let mut frame = vec![unit];
    frame.extend(pdu);
    match framing {
        ModbusFraming::Rtu => {
            let check = crc(&frame).to_le_bytes();
            frame.extend(check);
            frame
        }
        ModbusFraming::Ascii => {
            frame.push(lrc(&frame));
            let mut text = vec![b':'];
            text.extend(frame.iter().flat_map(|byte| format!("{byte:02X}").into_bytes()));
            text.extend(b"\r\n");
            text
        }
    }
}

/// Looks for the answer in what came, noise in front of it left aside.
pub(super) fn find(framing: ModbusFraming, unit: u8, expected: Expected, bytes: &[u8]) -> Found {
    match framing {
        ModbusFraming::Rtu => find_rtu(unit, expected, bytes),
        ModbusFraming::Ascii => find_ascii(unit, expected, bytes),
    }
}

/// The unit and the protocol data unit of one whole frame, for people.
pub(super) fn unwrap(framing: ModbusFraming, bytes: &[u8]) -> Option<(u8, Vec<u8>)> {
    let whole = match framing {
        ModbusFraming::Rtu => checked_rtu(bytes)?.to_vec(),
        ModbusFraming::Ascii => checked_ascii(bytes)?,
    };
    let (unit, pdu) = whole.split_first()?;
    Some((*unit, pdu.to_vec()))
}

fn find_rtu(unit: u8, expected: Expected, bytes: &[u8]) -> Found {
    let mut stray = None;
    for start in 0..bytes.len() {
        let rest = bytes.get(start..).unwrap_or_default();
        for length in lengths(expected, rest) {
            let Some(body) = rest.get(..length).and_then(checked_rtu) else { continue };
            let Some((of, pdu)) = body.split_first() else { continue };
            let end = start + length;
            if *of == unit && expected.fit(pdu) != Fit::Other {
                return Found::Answer { pdu: pdu.to_vec(), end };
            }
            stray = stray.max(Some(end));
        }
    }
    stray.map_or(Found::Nothing, |end| Found::Stray { end })
}

/// How long a frame that begins here may be: an exception, an answer of the expected length, the answer to another
/// request; and where the standard does not say, all that came.
fn lengths(expected: Expected, rest: &[u8]) -> Vec<usize> {
    let [_, function, first, ..] = rest else { return Vec::new() };
    let mut lengths = match function {
        0x80.. => vec![5],
        1..=4 => vec![5 + usize::from(*first)],
        5 | 6 | 15 | 16 => vec![8],
        _ => Vec::new(),
    };
    if *function == expected.function && expected.length.is_none() {
        lengths.push(rest.len());
    }
    lengths
}

/// Everything but the check, if it holds.
fn checked_rtu(frame: &[u8]) -> Option<&[u8]> {
    let (body, check) = frame.split_last_chunk::<2>()?;
    (body.len() >= 2 && crc(body) == u16::from_le_bytes(*check)).then_some(body)
}

fn find_ascii(unit: u8, expected: Expected, bytes: &[u8]) -> Found {
    let mut stray = None;
    let starts = bytes.iter().enumerate().filter(|(_, byte)| **byte == b':').map(|(at, _)| at);
    for start in starts {
        let rest = bytes.get(start..).unwrap_or_default();
        let Some(length) = rest.windows(2).position(|pair| pair == b"\r\n").map(|at| at + 2) else { continue };
        let Some(body) = rest.get(..length).and_then(checked_ascii) else { continue };
        let Some((of, pdu)) = body.split_first() else { continue };
        let end = start + length;
        if *of == unit && expected.fit(pdu) != Fit::Other {
            return Found::Answer { pdu: pdu.to_vec(), end };
        }
        stray = stray.max(Some(end));
    }
    stray.map_or(Found::Nothing, |end| Found::Stray { end })
}

fn checked_ascii(frame: &[u8]) -> Option<Vec<u8>> {
    let digits = frame.strip_prefix(b":")?.strip_suffix(b"\r\n")?;
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let mut body: Vec<u8> = digits.chunks(2).map(byte).collect::<Option<_>>()?;
    let check = body.pop()?;
    (digits.len().is_multiple_of(2) && body.len() >= 2 && lrc(&body) == check).then_some(body)
}

/// CRC-16 with the polynomial 0xA001, reflected, from 0xFFFF (6.2.2).
fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xffff, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xa001 } else { crc >> 1 })
    })
}

/// Two's complement of the sum (6.2.1).
fn lrc(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)).wrapping_neg()
}

#[cfg(test)]
mod tests {
    use tokio_modbus::prelude::Request;

    use super::*;

    fn expected(count: u16) -> Expected {
        Expected::of(&Request::ReadInputRegisters(0, count))
    }

    #[test]
    fn frames_are_those_of_the_specification() {
        // The CRC of 02 07 is 41 12 (6.2.2); the LRC of a frame makes its sum zero.
        assert_eq!(wrap(ModbusFraming::Rtu, 2, &[7]), [2, 7, 0x41, 0x12]);
        assert_eq!(wrap(ModbusFraming::Ascii, 1, &[3, 0, 0, 0, 1]), b":010300000001FB\r\n");
    }

    #[test]
    fn an_answer_is_found_behind_noise_and_not_in_a_broken_frame() {
        for framing in [ModbusFraming::Rtu, ModbusFraming::Ascii] {
            let frame = wrap(framing, 7, &[4, 2, 0x12, 0x34]);
            let answer = |end| Found::Answer { pdu: vec![4, 2, 0x12, 0x34], end };
            assert_eq!(find(framing, 7, expected(1), &frame), answer(frame.len()));
            let noisy: Vec<u8> = [&[0, 0xff, 7, 4][..], &frame].concat();
            assert_eq!(find(framing, 7, expected(1), &noisy), answer(noisy.len()));
            for cut in 0..frame.len() {
                assert_eq!(find(framing, 7, expected(1), &frame[..cut]), Found::Nothing, "{framing:?} {cut}");
            }
            for at in 0..frame.len() {
                let mut broken = frame.clone();
                broken[at] ^= 0x01;
                assert!(!matches!(find(framing, 7, expected(1), &broken), Found::Answer { .. }), "{framing:?} {at}");
            }
        }
    }

    #[test]
    fn the_answer_of_another_unit_or_to_another_request_is_a_stray() {
        for framing in [ModbusFraming::Rtu, ModbusFraming::Ascii] {
            let other_unit = wrap(framing, 8, &[4, 2, 0, 1]);
            assert_eq!(find(framing, 7, expected(1), &other_unit), Found::Stray { end: other_unit.len() });
            let other_length = wrap(framing, 7, &[4, 4, 0, 1, 0, 2]);
            assert_eq!(find(framing, 7, expected(1), &other_length), Found::Stray { end: other_length.len() });
            let both = [other_length, wrap(framing, 7, &[4, 2, 0, 9])].concat();
            let end = both.len();
            assert_eq!(find(framing, 7, expected(1), &both), Found::Answer { pdu: vec![4, 2, 0, 9], end });
        }
    }

    #[test]
    fn a_refusal_is_an_answer_and_an_unlisted_function_ends_with_its_check() {
        let frame = wrap(ModbusFraming::Rtu, 7, &[0x84, 2]);
        assert_eq!(find(ModbusFraming::Rtu, 7, expected(1), &frame), Found::Answer { pdu: vec![0x84, 2], end: 5 });
        let expected = Expected { function: 17, length: None };
        let frame = wrap(ModbusFraming::Rtu, 7, &[17, 3, 1, 2, 3]);
        let answer = Found::Answer { pdu: vec![17, 3, 1, 2, 3], end: frame.len() };
        assert_eq!(find(ModbusFraming::Rtu, 7, expected, &frame), answer);
        assert_eq!(unwrap(ModbusFraming::Rtu, &frame), Some((7, vec![17, 3, 1, 2, 3])));
    }
}
