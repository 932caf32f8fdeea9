//! The value of one member of a payload, and how it is written as JSON and as CSV.

use crate::notation::{write_csv_text, write_json_number, write_json_text};
use crate::status::Qualifiers;
use crate::time::Timestamp;

/// One value on its way into a payload.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell<'a> {
    /// There is none.
    Null,
    /// Text.
    Text(&'a str),
    /// A measured number. JSON has no NaN and no infinity: they become `null`, and a state always stands beside them.
    Number(f64),
    /// A number that was rounded, as its digits: a zero at the end is part of it.
    Decimal(String),
    /// A count.
    Integer(u64),
    /// RFC 3339 in UTC.
    Time(Timestamp),
    /// A word of bits as text, `0x` and hex digits: a JSON number above 2^53 is changed by many readers.
    Bits(u64),
    /// Sentences: an array in JSON, joined with `; ` in CSV.
    Texts(&'a [String]),
    /// Names of remarks: an array in JSON, joined with `;` in CSV.
    Remarks(Qualifiers),
}

impl Cell<'_> {
    pub(super) fn number(value: Option<f64>) -> Self {
        value.map_or(Cell::Null, Cell::Number)
    }

    pub(super) fn bits(value: Option<u64>) -> Self {
        value.map_or(Cell::Null, Cell::Bits)
    }

    /// Appends the value as JSON.
    pub(super) fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Cell::Null => out.extend_from_slice(b"null"),
            Cell::Text(text) => write_json_text(text, out),
            Cell::Number(number) => write_json_number(*number, out),
            Cell::Decimal(digits) => out.extend_from_slice(digits.as_bytes()),
            Cell::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Cell::Time(moment) => write_json_text(&moment.to_string(), out),
            Cell::Bits(word) => write_json_text(&bits_text(*word), out),
            Cell::Texts(texts) => write_array(texts.iter().map(String::as_str), out),
            Cell::Remarks(remarks) => write_array(remarks.names(), out),
        }
    }

    /// Appends the value as a CSV field (RFC 4180, section 2, rules 5 to 7).
    pub(super) fn write_csv(&self, out: &mut Vec<u8>) {
        match self {
            Cell::Null => {}
            Cell::Text(text) => write_csv_text(text, out),
            Cell::Number(number) if number.is_nan() => out.extend_from_slice(b"NaN"),
            Cell::Number(number) if number.is_infinite() => {
                out.extend_from_slice(if *number > 0.0 { b"Infinity" } else { b"-Infinity" });
            }
            Cell::Number(number) => write_json_number(*number, out),
            Cell::Decimal(digits) => out.extend_from_slice(digits.as_bytes()),
            Cell::Texts(texts) => write_csv_text(&texts.join("; "), out),
            Cell::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Cell::Time(moment) => out.extend_from_slice(moment.to_string().as_bytes()),
            Cell::Bits(word) => out.extend_from_slice(bits_text(*word).as_bytes()),
            Cell::Remarks(remarks) => {
                out.extend_from_slice(remarks.names().collect::<Vec<_>>().join(";").as_bytes());
            }
        }
    }
}

fn write_array<'t>(texts: impl Iterator<Item = &'t str>, out: &mut Vec<u8>) {
    out.push(b'[');
    for (position, text) in texts.enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write_json_text(text, out);
    }
    out.push(b']');
}

fn bits_text(word: u64) -> String {
    format!("0x{word:04x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(cell: Cell<'_>) -> String {
        let mut out = Vec::new();
        cell.write_json(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn csv(cell: Cell<'_>) -> String {
        let mut out = Vec::new();
        cell.write_csv(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_number_reads_back_as_the_same_bits() {
        let samples = [
            0.1,
            -0.0,
            1.0 / 3.0,
            f64::from(1.1_f32),
            5e-324,
            f64::MAX,
            123_456_789.123_456_79,
            9_007_199_254_740_993.0,
        ];
        for number in samples {
            let text = json(Cell::Number(number));
            let back: f64 = serde_json::from_str(&text).unwrap();
            assert_eq!(back.to_bits(), number.to_bits(), "{text}");
            assert_eq!(csv(Cell::Number(number)), text);
        }
    }

    #[test]
    fn json_says_null_where_it_has_no_number() {
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(json(Cell::Number(number)), "null");
        }
        assert_eq!(csv(Cell::Number(f64::NAN)), "NaN");
        assert_eq!(csv(Cell::Number(f64::NEG_INFINITY)), "-Infinity");
    }

    #[test]
    fn a_csv_field_is_quoted_when_it_has_to_be() {
        let check = |text: &str, expected: &str| assert_eq!(csv(Cell::Text(text)), expected);
        check("NO2", "NO2");
        check("дымовая труба 1", "дымовая труба 1");
        check("a,b", "\"a,b\"");
        check("say \"no\"", "\"say \"\"no\"\"\"");
        check("two\nlines", "\"two\nlines\"");
    }

    #[test]
    fn bits_and_remarks_are_text() {
        assert_eq!(json(Cell::Bits(0x1f)), "\"0x001f\"");
        assert_eq!(json(Cell::Bits(u64::MAX)), "\"0xffffffffffffffff\"");
        let remarks = Qualifiers::LATE.with(Qualifiers::TEST);
        assert_eq!(json(Cell::Remarks(remarks)), r#"["late","test"]"#);
        assert_eq!(csv(Cell::Remarks(remarks)), "late;test");
    }
}
