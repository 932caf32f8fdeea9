//! Numbers that stand in several 16-bit registers.
//!
//! A register is two bytes, the more significant first on the wire. A wider number takes two or four registers in one of
//! four orders; with the bytes of a 32-bit number named A (most significant) to D:
//!
//! ```text
//! order                   wire       seen in
//! high_first              A B C D    Teledyne, SICK VISIC100SF
//! low_first               C D A B    Thermo iQ, Proline factory setting
//! high_first_swapped      B A D C
//! low_first_swapped       D C B A
//! ```
//!
//! The four names hold for 64-bit numbers too: `low_first` reverses the words, `_swapped` the bytes in each word.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The order of a wide number's words, and of the bytes in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WordOrder {
    /// Most significant word first: A B C D.
    #[serde(alias = "ABCD")]
    HighFirst,
    /// Least significant word first: C D A B.
    #[serde(alias = "CDAB")]
    LowFirst,
    /// Most significant word first, the bytes of each word exchanged: B A D C.
    #[serde(alias = "BADC")]
    HighFirstSwapped,
    /// Least significant word first, the bytes of each word exchanged: D C B A.
    #[serde(alias = "DCBA")]
    LowFirstSwapped,
}

impl WordOrder {
    /// All four, the usual ones first.
    pub const ALL: [WordOrder; 4] =
        [WordOrder::HighFirst, WordOrder::LowFirst, WordOrder::HighFirstSwapped, WordOrder::LowFirstSwapped];

    /// Its name, as in settings.
    pub fn name(self) -> &'static str {
        match self {
            WordOrder::HighFirst => "high_first",
            WordOrder::LowFirst => "low_first",
            WordOrder::HighFirstSwapped => "high_first_swapped",
            WordOrder::LowFirstSwapped => "low_first_swapped",
        }
    }

    /// The bits of the number in these registers (at most four), right aligned.
    #[inline]
    pub fn assemble(self, words: &[u16]) -> u64 {
        // The lengths that numbers have stand here one by one, so that the hot path of a poll has no loop for each number.
        let bits = match (words, self.is_low_first()) {
            ([word], _) => u64::from(*word),
            ([high, low], false) | ([low, high], true) => join([*high, *low]),
            ([a, b, c, d], false) | ([d, c, b, a], true) => join([*a, *b, *c, *d]),
            (_, false) => join(words.iter().copied()),
            (_, true) => join(words.iter().rev().copied()),
        };
        if self.is_swapped() { (bits & LOW_BYTES) << 8 | bits >> 8 & LOW_BYTES } else { bits }
    }

    fn is_low_first(self) -> bool {
        matches!(self, WordOrder::LowFirst | WordOrder::LowFirstSwapped)
    }

    fn is_swapped(self) -> bool {
        matches!(self, WordOrder::HighFirstSwapped | WordOrder::LowFirstSwapped)
    }

    /// The registers (at most four) that hold these bits: what a simulator or a test puts on the wire.
    pub fn split(self, bits: u64, words: usize) -> Vec<u16> {
        let low_first = (0..words.min(4)).map(|word| (bits >> (16 * word)) as u16);
        match self {
            WordOrder::HighFirst => low_first.rev().collect(),
            WordOrder::LowFirst => low_first.collect(),
            WordOrder::HighFirstSwapped => low_first.rev().map(u16::swap_bytes).collect(),
            WordOrder::LowFirstSwapped => low_first.map(u16::swap_bytes).collect(),
        }
    }
}

/// The less significant byte of each word.
const LOW_BYTES: u64 = 0x00FF_00FF_00FF_00FF;

fn join(high_first: impl IntoIterator<Item = u16>) -> u64 {
    high_first.into_iter().fold(0, |bits, word| bits << 16 | u64::from(word))
}

/// What the bits of a number mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Unsigned, one register.
    U16,
    /// Two's complement, one register.
    I16,
    /// Unsigned, two registers.
    U32,
    /// Two's complement, two registers.
    I32,
    /// Unsigned, four registers. Beyond 2^53 the value is rounded; the raw bits are exact.
    U64,
    /// Two's complement, four registers. Beyond 2^53 the value is rounded; the raw bits are exact.
    I64,
    /// IEEE 754 binary32, two registers.
    F32,
    /// IEEE 754 binary64, four registers.
    F64,
}

impl Format {
    /// Registers that a number takes.
    #[inline]
    pub fn words(self) -> u16 {
        match self {
            Format::U16 | Format::I16 => 1,
            Format::U32 | Format::I32 | Format::F32 => 2,
            Format::U64 | Format::I64 | Format::F64 => 4,
        }
    }

    /// The number that these bits, right aligned, stand for. Every binary32 has an exact binary64; a NaN stays a NaN,
    /// and its payload is in the bits.
    #[inline]
    pub fn value(self, bits: u64) -> f64 {
        match self {
            Format::U16 => f64::from(bits as u16),
            Format::I16 => f64::from(bits as u16 as i16),
            Format::U32 => f64::from(bits as u32),
            Format::I32 => f64::from(bits as u32 as i32),
            Format::U64 => bits as f64,
            Format::I64 => bits as i64 as f64,
            Format::F32 => f64::from(f32::from_bits(bits as u32)),
            Format::F64 => f64::from_bits(bits),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../tests/vectors/float_word_order.json")).unwrap()
    }

    fn order(name: &str) -> WordOrder {
        serde_json::from_value(name.into()).unwrap()
    }

    fn words(hex: &str) -> [u16; 2] {
        [0, 4].map(|at| u16::from_str_radix(&hex[at..at + 4], 16).unwrap())
    }

    #[test]
    fn each_order_reads_the_published_vectors_and_writes_them_back() {
        let vectors = vectors();
        for vector in vectors["vectors"].as_array().unwrap() {
            let expected = vector["value"].as_f64().unwrap() as f32;
            for (name, hex) in vector["wire_hex"].as_object().unwrap() {
                let wire = words(hex.as_str().unwrap());

                let bits = order(name).assemble(&wire);

                assert_eq!(bits, u64::from(expected.to_bits()), "{expected} as {name}");
                assert_eq!(Format::F32.value(bits), f64::from(expected));
                assert_eq!(order(name).split(bits, 2), wire);
            }
        }
    }

    #[test]
    fn the_wrong_order_reads_what_the_vectors_say_and_nothing_else() {
        let vectors = vectors();
        for vector in vectors["vectors"].as_array().unwrap() {
            for (name, misread) in vector["misread_as_ABCD"].as_object().unwrap() {
                let wire = words(vector["wire_hex"][name].as_str().unwrap());

                let value = Format::F32.value(WordOrder::HighFirst.assemble(&wire)) as f32;

                let expected = misread.as_f64().unwrap() as f32;
                assert_eq!(value, expected, "{} sent as {name}", vector["value"]);
            }
        }
    }

    #[test]
    fn four_registers_follow_the_same_four_orders() {
        let bits = 0x0102_0304_0506_0708;
        let check = |order: WordOrder, expected: [u16; 4]| {
            assert_eq!(order.split(bits, 4), expected, "{order:?}");
            assert_eq!(order.assemble(&expected), bits, "{order:?}");
        };
        check(WordOrder::HighFirst, [0x0102, 0x0304, 0x0506, 0x0708]);
        check(WordOrder::LowFirst, [0x0708, 0x0506, 0x0304, 0x0102]);
        check(WordOrder::HighFirstSwapped, [0x0201, 0x0403, 0x0605, 0x0807]);
        check(WordOrder::LowFirstSwapped, [0x0807, 0x0605, 0x0403, 0x0201]);
    }

    #[test]
    fn every_format_reads_its_extremes() {
        let check = |format: Format, bits: u64, expected: f64| {
            assert_eq!(format.value(bits).to_bits(), expected.to_bits(), "{format:?} {bits:#x}");
        };
        check(Format::U16, 0xFFFF, 65535.0);
        check(Format::I16, 0xFFFF, -1.0);
        check(Format::I16, 0x8000, -32768.0);
        check(Format::U32, 0xFFFF_FFFF, 4294967295.0);
        check(Format::I32, 0x8000_0000, -2147483648.0);
        check(Format::U64, u64::MAX, 18446744073709551616.0);
        check(Format::I64, u64::MAX, -1.0);
        check(Format::F32, 0x0000_0001, f64::from(f32::from_bits(1)));
        check(Format::F32, 0x8000_0000, -0.0);
        check(Format::F32, 0x7F80_0000, f64::INFINITY);
        check(Format::F64, 0x4009_21FB_5444_2D18, std::f64::consts::PI);
        assert!(Format::F32.value(0x7FA0_0000).is_nan());
    }
}
