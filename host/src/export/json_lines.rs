//! JSON Lines: one object and a line feed for each row, every column a member.
//!
//! JSON has no NaN and no infinity: such a number is `null`, and a member of the same name with `_bits` behind it holds its bits in hex.
//! Remarks are an array. Words of bits are whole numbers up to 2^64 - 1; a reader that takes them for binary64 changes the large ones.

use std::io::Write;

use super::Table;
use super::error::ExportError;
use super::rows::{Cell, Column, remarks};
use super::target::Target;
use crate::notation::{write_json_number, write_json_text};

pub struct JsonLinesTable {
    columns: &'static [Column],
    target: Target,
    line: Vec<u8>,
}

impl JsonLinesTable {
    pub fn new(columns: &'static [Column], target: Target) -> Self {
        JsonLinesTable { columns, target, line: Vec::new() }
    }
}

impl Table for JsonLinesTable {
    fn write(&mut self, row: &[Cell<'_>]) -> Result<(), ExportError> {
        let line = &mut self.line;
        line.clear();
        for (column, cell) in self.columns.iter().zip(row) {
            line.push(if line.is_empty() { b'{' } else { b',' });
            write_member(column.name, cell, line)?;
        }
        line.extend_from_slice(b"}\n");
        Ok(self.target.write_all(line)?)
    }

    fn finish(self: Box<Self>) -> Result<(), ExportError> {
        self.target.commit()
    }
}

fn write_member(name: &str, cell: &Cell<'_>, line: &mut Vec<u8>) -> Result<(), ExportError> {
    write_json_text(name, line);
    line.push(b':');
    match cell {
        Cell::Null => line.extend_from_slice(b"null"),
        Cell::Text(text) => write_json_text(text, line),
        Cell::Number(number) if number.is_finite() => write_json_number(*number, line),
        Cell::Number(number) => write!(line, "null,\"{name}_bits\":\"0x{:016x}\"", number.to_bits())?,
        Cell::Count(number) | Cell::Word(number) => write!(line, "{number}")?,
        Cell::Time(moment) => write!(line, "\"{moment}\"")?,
        Cell::Remarks(set) => {
            line.push(b'[');
            for (position, remark) in remarks(*set).enumerate() {
                if position > 0 {
                    line.push(b',');
                }
                write_json_text(&remark, line);
            }
            line.push(b']');
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Qualifiers;

    fn object(cell: Cell<'_>) -> String {
        let mut line = Vec::new();
        write_member("value", &cell, &mut line).unwrap();
        format!("{{{}}}", String::from_utf8(line).unwrap())
    }

    #[test]
    fn values_survive_the_json_bit_for_bit() {
        let samples = [0.1, -0.0, 1.0 / 3.0, f64::from(1.1_f32), f64::from_bits(1), f64::MAX, 9_007_199_254_740_993.0];
        for number in samples {
            let text = object(Cell::Number(number));
            let read: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(read["value"].as_f64().unwrap().to_bits(), number.to_bits(), "{text}");
        }
        assert_eq!(object(Cell::Word(u64::MAX)), r#"{"value":18446744073709551615}"#);
    }

    #[test]
    fn what_json_cannot_say_is_said_in_bits() {
        let nan = f64::from_bits(0x7ff4_0000_0000_beef);
        assert_eq!(object(Cell::Number(nan)), r#"{"value":null,"value_bits":"0x7ff400000000beef"}"#);
        assert_eq!(object(Cell::Number(f64::INFINITY)), r#"{"value":null,"value_bits":"0x7ff0000000000000"}"#);
        assert_eq!(object(Cell::Null), r#"{"value":null}"#);
    }

    #[test]
    fn remarks_are_an_array() {
        assert_eq!(object(Cell::Remarks(Qualifiers(80))), r#"{"value":["late","test"]}"#);
        assert_eq!(object(Cell::Remarks(Qualifiers::NONE)), r#"{"value":[]}"#);
        assert_eq!(object(Cell::Text("a\"\n")), r#"{"value":"a\"\n"}"#);
    }
}
