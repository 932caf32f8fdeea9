//! CSV as RFC 4180 has it: a header line, fields in quotes where they need them, lines ended by carriage return and line feed.
//!
//! An empty field is a cell without content; an empty text is `""`. A number is the shortest one that reads back as the same bits, or
//! `NaN`, `inf`, `-inf`; times are RFC 3339 in UTC; remarks are joined with `;`.

use std::io::Write;

use super::Table;
use super::error::ExportError;
use super::rows::{Cell, Column, remarks};
use super::target::Target;
use crate::notation::{write_csv_text, write_json_number};

pub struct CsvTable {
    target: Target,
    line: Vec<u8>,
}

impl CsvTable {
    pub fn new(columns: &[Column], target: Target) -> Result<Self, ExportError> {
        let mut table = CsvTable { target, line: Vec::new() };
        let names: Vec<Cell<'_>> = columns.iter().map(|column| Cell::Text(column.name)).collect();
        table.write(&names)?;
        Ok(table)
    }
}

impl Table for CsvTable {
    fn write(&mut self, row: &[Cell<'_>]) -> Result<(), ExportError> {
        let line = &mut self.line;
        line.clear();
        for (position, cell) in row.iter().enumerate() {
            if position > 0 {
                line.push(b',');
            }
            write_field(cell, line)?;
        }
        line.extend_from_slice(b"\r\n");
        Ok(self.target.write_all(line)?)
    }

    fn finish(self: Box<Self>) -> Result<(), ExportError> {
        self.target.commit()
    }
}

fn write_field(cell: &Cell<'_>, line: &mut Vec<u8>) -> Result<(), ExportError> {
    match cell {
        Cell::Null => {}
        Cell::Text("") => line.extend_from_slice(b"\"\""),
        Cell::Text(text) => write_csv_text(text, line),
        Cell::Number(number) if number.is_finite() => write_json_number(*number, line),
        Cell::Number(number) => write!(line, "{number}")?,
        Cell::Count(number) | Cell::Word(number) => write!(line, "{number}")?,
        Cell::Time(moment) => write!(line, "{moment}")?,
        Cell::Remarks(set) => line.extend_from_slice(remarks(*set).collect::<Vec<_>>().join(";").as_bytes()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Qualifiers;
    use crate::time::Timestamp;

    fn field(cell: Cell<'_>) -> String {
        let mut line = Vec::new();
        write_field(&cell, &mut line).unwrap();
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn values_survive_the_csv_bit_for_bit() {
        let smallest = f64::from_bits(1);
        let samples = [0.1, -0.0, 1.0 / 3.0, f64::from(1.1_f32), smallest, f64::MAX, 9_007_199_254_740_993.0, 1e300];
        for number in samples {
            let text = field(Cell::Number(number));
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), number.to_bits(), "{text}");
        }
        assert_eq!(field(Cell::Word(u64::MAX)), "18446744073709551615");
    }

    #[test]
    fn what_is_no_number_has_a_name() {
        assert_eq!(field(Cell::Number(f64::NAN)), "NaN");
        assert_eq!(field(Cell::Number(-f64::NAN)), "NaN");
        assert_eq!(field(Cell::Number(f64::INFINITY)), "inf");
        assert_eq!(field(Cell::Number(f64::NEG_INFINITY)), "-inf");
    }

    #[test]
    fn fields_are_quoted_where_they_need_it() {
        assert_eq!(field(Cell::Null), "");
        assert_eq!(field(Cell::Text("")), "\"\"");
        assert_eq!(field(Cell::Text("жарайды")), "жарайды");
        assert_eq!(field(Cell::Text("a,\"b\"\n")), "\"a,\"\"b\"\"\n\"");
        assert_eq!(field(Cell::Remarks(Qualifiers(80))), "late;test");
        assert_eq!(field(Cell::Time(Timestamp(1))), "1970-01-01T00:00:00.000000001Z");
    }
}
