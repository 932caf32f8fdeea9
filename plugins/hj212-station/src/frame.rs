//! The envelope of a message.
//!
//! `##`, the number of the body's bytes in four decimal digits, the body, a check sum in four hexadecimal digits, CR LF:
//!
//! ```text
//! ##0021ST=91;CN=9014;CP=&&&&4980\r\n
//! ```
//!
//! The sum is that of HJ 212, which is not Modbus's: it shifts the low byte out before it takes a byte in, so that only 256 values of it
//! exist and about one in 256 damaged bodies passes. Source: HJ 212-2017, 6.1 and appendix A. Some stations write the
//! sum in lower case.

use tutin_sdk::stream::{Framing, Length, Notation};

/// Bytes around the body.
const AROUND: u16 = 12;
/// The longest body that four digits can say.
const LONGEST: u32 = 9999 + AROUND as u32;

/// So much of a frame is shown: it ends before the password.
pub(crate) const SHOWN: usize = 32;

/// How the host cuts frames.
pub(crate) fn framing() -> Framing {
    Framing::measured(Length { offset: 2, width: 4, notation: Notation::Decimal, extra: AROUND })
        .begun_by(&[b"##"])
        .at_most(LONGEST)
}

/// The frame of a body.
pub(crate) fn wrap(body: &str) -> Vec<u8> {
    format!("##{:04}{body}{:04X}\r\n", body.len(), crc(body.as_bytes())).into_bytes()
}

/// The body of a frame, or what is wrong with it.
pub(crate) fn unwrap(frame: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(frame).map_err(|_| "not a text")?;
    let rest = text.strip_prefix("##").ok_or("no ## in front")?;
    let rest = rest.strip_suffix("\r\n").ok_or("no CR LF at the end")?;
    let (digits, rest) = rest.split_at_checked(4).ok_or("too short")?;
    let (body, sum) = rest.len().checked_sub(4).and_then(|at| rest.split_at_checked(at)).ok_or("too short")?;
    if digits.parse() != Ok(body.len()) {
        return Err(format!("length {digits} but {} bytes", body.len()));
    }
    let expected = format!("{:04X}", crc(body.as_bytes()));
    if sum.eq_ignore_ascii_case(&expected) { Ok(body) } else { Err(format!("check sum {sum} instead of {expected}")) }
}

fn crc(bytes: &[u8]) -> u16 {
    let mut register: u16 = 0xFFFF;
    for byte in bytes {
        register = (register >> 8) ^ u16::from(*byte);
        for _ in 0..8 {
            let is_odd = register & 1 == 1;
            register >>= 1;
            if is_odd {
                register ^= 0xA001;
            }
        }
    }
    register
}
