//! What the simulated devices answer: the moment of the answer, and values that prove that an answer arrived whole.
//!
//! Registers 0 to 3 hold the wall clock in microseconds as a 64-bit number, most significant word first. Each further register
//! is computed from that number and its own address, so that one register of another answer is noticed.
//!
//! ```text
//! address   0      1      2      3      4                5
//!         | hi   |      |      | lo   | filler(us, 4)  | filler(us, 5)  | …
//! ```

use std::time::{SystemTime, UNIX_EPOCH};

/// Registers that the time takes.
pub const LENGTH: u16 = 4;

/// The wall clock in microseconds since 1970. Devices and observer are on one machine and share it.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// What the register at this address holds in the answer of this moment.
pub fn register(stamp: u64, address: u16) -> u16 {
    let low = |number: u64| u16::try_from(number & 0xffff).unwrap_or(0);
    match address {
        0..LENGTH => low(stamp >> (16 * (LENGTH - 1 - address))),
        _ => low((stamp ^ u64::from(address)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32),
    }
}

/// The time in an answer, or why it is not a whole one.
pub fn read(registers: &[u16]) -> Result<u64, String> {
    let stamp = registers.iter().take(LENGTH.into()).fold(0, |stamp, word| stamp << 16 | u64::from(*word));
    for (address, word) in (0..).zip(registers) {
        let expected = register(stamp, address);
        if *word != expected {
            return Err(format!("register {address} is {word} and not {expected}, as the answer of {stamp} had it"));
        }
    }
    Ok(stamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(stamp: u64) -> Vec<u16> {
        (0..100).map(|address| register(stamp, address)).collect()
    }

    #[test]
    fn the_time_comes_back_from_the_registers() {
        assert_eq!(read(&answer(1_795_000_000_123_456)), Ok(1_795_000_000_123_456));
    }

    #[test]
    fn an_answer_mixed_from_two_is_noticed() {
        let mut torn = answer(1_795_000_000_123_456);
        torn[57] = answer(1_795_000_000_123_457)[57];
        assert!(read(&torn).unwrap_err().starts_with("register 57 is"));
    }
}
