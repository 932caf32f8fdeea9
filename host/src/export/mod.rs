//! The journal read back into files: readings and averages as CSV, JSON Lines or Parquet, beside a running hub or without one.
//!
//! The way of a row: `copy` (piece by piece from the journal, chosen by `selection`) → `rows` (its columns) → one of the formats →
//! `target`. Nothing is computed: a row says what the journal says, with the entry that says it.
//!
//! Invariants: a file appears under its name only when it is whole and on disk. What could not be exported is counted or named,
//! never passed over. The memory that an export takes does not grow with the journal.

mod copy;
mod csv;
mod error;
mod json_lines;
#[cfg(feature = "parquet")]
mod parquet;
mod rows;
mod selection;
mod target;

#[cfg(test)]
mod tests;

pub use self::copy::{BACK_FILL, CLOCK_SLACK, Damage, Progress, Summary, averages, readings};
pub use self::error::ExportError;
pub use self::selection::{AverageSelection, Period, ReadingSelection};
pub use self::target::Target;

use self::rows::{Cell, Column};
use crate::average::Average;

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Each reading as it was received.
    Readings,
    /// Closed blocks.
    Averages,
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180 with a header line.
    Csv,
    /// One JSON object in each line.
    JsonLines,
    /// Apache Parquet.
    Parquet,
}

/// A file that takes rows. All rows have the columns that it was made for.
pub trait Table {
    /// Takes one row, perhaps to write it later.
    fn write(&mut self, row: &[Cell<'_>]) -> Result<(), ExportError>;
    /// Writes what is left and makes the file appear.
    fn finish(self: Box<Self>) -> Result<(), ExportError>;
}

/// Writes an average that stands in this entry as a row of averages.
pub fn write_average(table: &mut dyn Table, entry: u64, average: &Average) -> Result<(), ExportError> {
    let details = rows::details(average);
    table.write(&rows::of_average(entry, average, details.as_deref()))
}

/// A table of this format, with its header written.
pub fn table(what: What, format: Format, target: Target) -> Result<Box<dyn Table>, ExportError> {
    let columns: &'static [Column] = match what {
        What::Readings => &rows::READING,
        What::Averages => &rows::AVERAGE,
    };
    Ok(match format {
        Format::Csv => Box::new(csv::CsvTable::new(columns, target)?),
        Format::JsonLines => Box::new(json_lines::JsonLinesTable::new(columns, target)),
        #[cfg(feature = "parquet")]
        Format::Parquet => Box::new(parquet::ParquetTable::new(columns, target)?),
        #[cfg(not(feature = "parquet"))]
        Format::Parquet => return Err(ExportError::WithoutParquet),
    })
}
