//! From a metric's value on the wire to a number or a text.
//!
//! Data types (Sparkplug 3.0, 6.4.16): 1 Int8, 2 Int16, 3 Int32, 4 Int64, 5 UInt8, 6 UInt16, 7 UInt32, 8 UInt64, 9 Float, 10 Double, 11 Boolean, 12 String,
//! 13 DateTime (milliseconds since 1970, told in seconds), 14 Text, 15 UUID. Sets, bytes, files, templates and arrays are not read.

use tutin_sdk::PointKind;

use crate::payload::Value;

/// What a value says.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// A number and its bits on the wire.
    Number(f64, u64),
    /// A text.
    Text(String),
    /// No value of this type.
    Nothing,
}

/// What the values of a data type are; none for those that are not read.
pub fn kind(datatype: u64) -> Option<PointKind> {
    match datatype {
        1..=11 | 13 => Some(PointKind::Number),
        12 | 14 | 15 => Some(PointKind::Text),
        _ => None,
    }
}

/// What a value of this type says.
pub fn said(datatype: u64, value: &Value) -> Said {
    let bits = match value {
        Value::Int(value) => u64::from(*value),
        Value::Long(value) => *value,
        Value::Float(value) if datatype == 9 => return Said::Number(f64::from(*value), value.to_bits().into()),
        Value::Double(value) if datatype == 10 => return Said::Number(*value, value.to_bits()),
        Value::Boolean(value) if datatype == 11 => return Said::Number(f64::from(u8::from(*value)), u64::from(*value)),
        Value::Text(text) if matches!(datatype, 12 | 14 | 15) => return Said::Text(text.clone()),
        _ => return Said::Nothing,
    };
    let number = match datatype {
        1 => f64::from(bits as u8 as i8),
        2 => f64::from(bits as u16 as i16),
        3 => f64::from(bits as u32 as i32),
        4 => bits.cast_signed() as f64,
        5 => f64::from(bits as u8),
        6 => f64::from(bits as u16),
        7 => f64::from(bits as u32),
        8 => bits as f64,
        13 => bits as f64 / 1_000.0,
        _ => return Said::Nothing,
    };
    Said::Number(number, bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_data_type_reads_its_own_bits() {
        let check = |datatype: u64, value: Value, expected: Said| {
            assert_eq!(said(datatype, &value), expected, "{datatype} {value:?}");
        };
        check(1, Value::Int(0xFF), Said::Number(-1.0, 0xFF));
        check(1, Value::Int(0xFFFF_FFFF), Said::Number(-1.0, 0xFFFF_FFFF));
        check(2, Value::Int(0x8000), Said::Number(-32_768.0, 0x8000));
        check(3, Value::Int(0xFFFF_FFFE), Said::Number(-2.0, 0xFFFF_FFFE));
        check(4, Value::Long(u64::MAX), Said::Number(-1.0, u64::MAX));
        check(5, Value::Int(255), Said::Number(255.0, 255));
        check(6, Value::Int(65_535), Said::Number(65_535.0, 65_535));
        check(7, Value::Int(u32::MAX), Said::Number(4_294_967_295.0, u32::MAX.into()));
        check(7, Value::Long(5), Said::Number(5.0, 5));
        check(8, Value::Long(1 << 63), Said::Number(9_223_372_036_854_775_808.0, 1 << 63));
        check(9, Value::Float(0.1), Said::Number(f64::from(0.1_f32), 0.1_f32.to_bits().into()));
        check(10, Value::Double(0.1), Said::Number(0.1, 0.1_f64.to_bits()));
        check(11, Value::Boolean(true), Said::Number(1.0, 1));
        check(12, Value::Text("a".into()), Said::Text("a".into()));
        check(13, Value::Long(1_500), Said::Number(1.5, 1_500));
        check(14, Value::Text("a".into()), Said::Text("a".into()));
        check(15, Value::Text("a".into()), Said::Text("a".into()));
        // Not of its type.
        check(9, Value::Int(1), Said::Nothing);
        check(10, Value::Float(1.0), Said::Nothing);
        check(3, Value::Float(1.0), Said::Nothing);
        check(12, Value::Int(1), Said::Nothing);
        check(11, Value::Int(1), Said::Nothing);
        check(3, Value::Empty, Said::Nothing);
        check(99, Value::Int(1), Said::Nothing);
    }

    #[test]
    fn sets_bytes_templates_and_arrays_are_no_points() {
        for datatype in [0, 16, 17, 18, 19, 20, 22, 34] {
            assert_eq!(kind(datatype), None, "{datatype}");
        }
    }
}
