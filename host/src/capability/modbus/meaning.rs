//! What a frame says, in words for whoever watches a line.
//!
//! Source: "Modbus Application Protocol Specification V1.1b3", sections 5 to 7; "Modbus Messaging on TCP/IP Implementation Guide
//! V1.0b", 3.1.3 for the header.

use super::request::exception_name;
use crate::capability::wire::Direction;

/// A frame of Modbus TCP: transaction 2 bytes, protocol 2, length 2, unit 1, then the protocol data unit.
pub(super) fn of_tcp(direction: Direction, frame: &[u8]) -> String {
    match frame {
        [t1, t2, 0, 0, _, _, unit, pdu @ ..] if !pdu.is_empty() => {
            format!("transaction {}, {}", u16::from_be_bytes([*t1, *t2]), of_pdu(direction, *unit, pdu))
        }
        _ => format!("{} bytes of no whole frame", frame.len()),
    }
}

/// A protocol data unit to or from a unit.
pub(super) fn of_pdu(direction: Direction, unit: u8, pdu: &[u8]) -> String {
    let Some((function, data)) = pdu.split_first() else { return format!("unit {unit}: empty") };
    if function & 0x80 != 0 {
        let code = data.first().copied().unwrap_or_default();
        return format!("unit {unit}: {}: exception {code} ({})", name(function & 0x7f), exception_name(code));
    }
    let words: Vec<u16> =
        data.chunks_exact(2).map(|pair| pair.iter().fold(0, |word, byte| word << 8 | u16::from(*byte))).collect();
    let said = match (direction, function, words.as_slice()) {
        (Direction::Out, 1..=4, [address, count, ..]) => format!("{count} from address {address}"),
        (_, 5 | 6, [address, value, ..]) => format!("address {address} := {value:#06x}"),
        (_, 15 | 16, [address, count, ..]) => format!("{count} from address {address}"),
        (Direction::In, 1 | 2, _) => format!("{} bytes of bits", data.len().saturating_sub(1)),
        (Direction::In, 3 | 4, _) => {
            let registers = data.get(1..).unwrap_or_default().chunks(2).map(crate::notation::hex);
            format!("registers {}", registers.collect::<Vec<_>>().join(" "))
        }
        _ => format!("{} bytes", data.len()),
    };
    format!("unit {unit}: {}: {said}", name(*function))
}

fn name(function: u8) -> String {
    match function {
        1 => "read coils".into(),
        2 => "read discrete inputs".into(),
        3 => "read holding registers".into(),
        4 => "read input registers".into(),
        5 => "write coil".into(),
        6 => "write register".into(),
        8 => "diagnostics".into(),
        15 => "write coils".into(),
        16 => "write registers".into(),
        17 => "report server id".into(),
        43 => "read device identification".into(),
        other => format!("function {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_told_in_the_words_of_the_standard() {
        let check = |direction, frame: &[u8], expected: &str| assert_eq!(of_tcp(direction, frame), expected);
        check(
            Direction::Out,
            &[0, 1, 0, 0, 0, 6, 7, 4, 0, 30, 0, 12],
            "transaction 1, unit 7: read input registers: 12 from address 30",
        );
        check(
            Direction::In,
            &[0, 1, 0, 0, 0, 7, 7, 4, 4, 0x41, 0x4a, 0, 0],
            "transaction 1, unit 7: read input registers: registers 414a 0000",
        );
        check(
            Direction::In,
            &[0, 2, 0, 0, 0, 3, 7, 0x83, 2],
            "transaction 2, unit 7: read holding registers: exception 2 (illegal data address)",
        );
        check(Direction::In, &[0, 2, 0], "3 bytes of no whole frame");
    }
}
