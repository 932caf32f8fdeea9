//! Apache Parquet: typed columns, compressed with Snappy, in groups of rows.
//!
//! ```text
//! text, remarks   BYTE_ARRAY (UTF8), by dictionary; remarks joined with `;`
//! number          DOUBLE, bit for bit, NaN and its payload included
//! count           INT64
//! word            INT64 (UINT_64)
//! time            INT64 (TIMESTAMP, NANOS, UTC)
//! ```
//!
//! A group is held in memory until it is full. What is kept for each group until the end (place and range of its columns) is small.

use std::collections::HashMap;
use std::sync::Arc;

use parquet::basic::{Compression, Encoding, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use super::Table;
use super::error::ExportError;
use super::rows::{Cell, Column, Kind, Presence, remarks};
use super::target::Target;

/// Rows in one group.
const ROWS: usize = 100_000;
/// A group ends earlier when its texts come to this many bytes.
const TEXT_BYTES: usize = 64 << 20;
/// Different texts of one column that are held once and not for each row.
const SHARED: usize = 10_000;

pub struct ParquetTable {
    writer: SerializedFileWriter<Target>,
    columns: Vec<Buffer>,
    rows: usize,
}

impl ParquetTable {
    pub fn new(columns: &'static [Column], target: Target) -> Result<Self, ExportError> {
        let fields = columns.iter().map(|column| field(column).map(Arc::new)).collect::<Result<_, _>>();
        let schema = Type::group_type_builder("tutin").with_fields(fields.map_err(failed)?).build().map_err(failed)?;
        let writer = SerializedFileWriter::new(target, Arc::new(schema), Arc::new(properties(columns)));
        let columns = columns.iter().map(Buffer::new).collect();
        Ok(ParquetTable { writer: writer.map_err(failed)?, columns, rows: 0 })
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        for buffer in &mut self.columns {
            let Some(mut column) = group.next_column()? else { break };
            buffer.write(column.untyped())?;
            column.close()?;
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }
}

impl Table for ParquetTable {
    fn write(&mut self, row: &[Cell<'_>]) -> Result<(), ExportError> {
        for (buffer, cell) in self.columns.iter_mut().zip(row) {
            buffer.push(cell)?;
        }
        self.rows += 1;
        let texts: usize = self.columns.iter().map(|buffer| buffer.text_bytes).sum();
        if self.rows == ROWS || texts >= TEXT_BYTES {
            self.write_group().map_err(failed)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), ExportError> {
        if self.rows > 0 {
            self.write_group().map_err(failed)?;
        }
        self.writer.into_inner().map_err(failed)?.commit()
    }
}

/// The cells of one column in the group that is being filled.
struct Buffer {
    column: Column,
    values: Values,
    /// 1 for a row that has a value, 0 for one that has none. Empty where every row has one.
    levels: Vec<i16>,
    text_bytes: usize,
}

enum Values {
    Longs(Vec<i64>),
    Doubles(Vec<f64>),
    Texts(Vec<ByteArray>, HashMap<String, ByteArray>),
}

impl Buffer {
    fn new(column: &Column) -> Self {
        let values = match column.kind {
            Kind::Text | Kind::Remarks => Values::Texts(Vec::new(), HashMap::new()),
            Kind::Number => Values::Doubles(Vec::new()),
            Kind::Count | Kind::Word | Kind::Time => Values::Longs(Vec::new()),
        };
        Buffer { column: *column, values, levels: Vec::new(), text_bytes: 0 }
    }

    fn push(&mut self, cell: &Cell<'_>) -> Result<(), ExportError> {
        match (&mut self.values, cell) {
            (_, Cell::Null) if self.column.presence == Presence::Sometimes => {
                self.levels.push(0);
                return Ok(());
            }
            (Values::Longs(longs), Cell::Count(number) | Cell::Word(number)) => longs.push(number.cast_signed()),
            (Values::Longs(longs), Cell::Time(moment)) => longs.push(moment.0),
            (Values::Doubles(doubles), Cell::Number(number)) => doubles.push(*number),
            (Values::Texts(..), Cell::Text(text)) => self.push_text(text),
            (Values::Texts(..), Cell::Remarks(set)) if set.0 == 0 => self.push_text(""),
            (Values::Texts(..), Cell::Remarks(set)) => self.push_text(&remarks(*set).collect::<Vec<_>>().join(";")),
            _ => return Err(ExportError::OtherKind { column: self.column.name }),
        }
        if self.column.presence == Presence::Sometimes {
            self.levels.push(1);
        }
        Ok(())
    }

    fn push_text(&mut self, text: &str) {
        let Values::Texts(texts, shared) = &mut self.values else { return };
        if let Some(known) = shared.get(text) {
            texts.push(known.clone());
            return;
        }
        self.text_bytes += text.len();
        let bytes = ByteArray::from(text);
        if shared.len() < SHARED {
            shared.insert(text.to_owned(), bytes.clone());
        }
        texts.push(bytes);
    }

    /// Writes the values and is empty again.
    fn write(&mut self, writer: &mut ColumnWriter<'_>) -> Result<(), ParquetError> {
        let levels = (self.column.presence == Presence::Sometimes).then_some(self.levels.as_slice());
        match (&mut self.values, writer) {
            (Values::Longs(longs), ColumnWriter::Int64ColumnWriter(writer)) => {
                writer.write_batch(longs, levels, None)?;
                longs.clear();
            }
            (Values::Doubles(doubles), ColumnWriter::DoubleColumnWriter(writer)) => {
                writer.write_batch(doubles, levels, None)?;
                doubles.clear();
            }
            (Values::Texts(texts, shared), ColumnWriter::ByteArrayColumnWriter(writer)) => {
                writer.write_batch(texts, levels, None)?;
                texts.clear();
                shared.clear();
            }
            _ => return Err(ParquetError::General(format!("column {} has another type", self.column.name))),
        }
        self.levels.clear();
        self.text_bytes = 0;
        Ok(())
    }
}

fn field(column: &Column) -> Result<Type, ParquetError> {
    let (physical, logical) = match column.kind {
        Kind::Text | Kind::Remarks => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Number => (Physical::DOUBLE, None),
        Kind::Count => (Physical::INT64, None),
        Kind::Word => (Physical::INT64, Some(LogicalType::integer(64, false))),
        Kind::Time => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::NANOS))),
    };
    let repetition = match column.presence {
        Presence::Always => Repetition::REQUIRED,
        Presence::Sometimes => Repetition::OPTIONAL,
    };
    Type::primitive_type_builder(column.name, physical).with_logical_type(logical).with_repetition(repetition).build()
}

fn properties(columns: &[Column]) -> WriterProperties {
    let general = WriterProperties::builder()
        .set_created_by(concat!("tutin ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true);
    // Times rise by nearly equal steps: their differences are far smaller than any dictionary of them.
    let times = columns.iter().filter(|column| column.kind == Kind::Time);
    times
        .fold(general, |properties, column| {
            properties
                .set_column_dictionary_enabled(column.name.into(), false)
                .set_column_encoding(column.name.into(), Encoding::DELTA_BINARY_PACKED)
        })
        .build()
}

fn failed(error: ParquetError) -> ExportError {
    ExportError::Write(match error {
        ParquetError::External(cause) => match cause.downcast::<std::io::Error>() {
            Ok(cause) => *cause,
            Err(cause) => std::io::Error::other(cause),
        },
        other => std::io::Error::other(other),
    })
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;

    use super::*;
    use crate::export::rows::{READING, of_reading};
    use crate::reading::{InstrumentState, Point, PointKind, Qualifiers, Reading, Value};
    use crate::time::Timestamp;

    fn file_of(folder: &std::path::Path, write: impl FnOnce(&mut ParquetTable)) -> SerializedFileReader<std::fs::File> {
        let name = folder.join("rows.parquet");
        let mut table = ParquetTable::new(&READING, Target::file(&name, &[]).unwrap()).unwrap();
        write(&mut table);
        Box::new(table).finish().unwrap();
        SerializedFileReader::new(std::fs::File::open(name).unwrap()).unwrap()
    }

    fn reading<'a>(point: &'a Point, value: Value<'a>, raw: Option<u64>) -> Reading<'a> {
        Reading {
            device: "no2-north",
            index: 0,
            point,
            sampled_at: Timestamp(-1),
            received_at: Timestamp(1_795_426_919_121_525_122),
            value,
            state: InstrumentState::Fault,
            qualifiers: Qualifiers(80),
            status: Some(u64::MAX),
            raw,
        }
    }

    fn point() -> Point {
        Point { id: "no2".into(), label: String::new(), unit: "[ppb]".into(), kind: PointKind::Number }
    }

    #[test]
    fn values_survive_the_parquet_bit_for_bit() {
        let samples = [f64::from_bits(0x7ff4_0000_0000_beef), -f64::NAN, -0.0, 0.0, 0.1, f64::NEG_INFINITY, 5e-324];
        let (folder, point) = (tempfile::tempdir().unwrap(), point());

        let file = file_of(folder.path(), |table| {
            for number in samples {
                table.write(&of_reading(7, &reading(&point, Value::Number(number), Some(1 << 63)))).unwrap();
            }
        });

        let rows: Vec<_> = file.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        let bits: Vec<_> = rows.iter().map(|row| row.get_double(5).unwrap().to_bits()).collect();
        assert_eq!(bits, samples.map(f64::to_bits));
        assert!(rows.iter().all(|row| row.get_ulong(10).unwrap() == u64::MAX && row.get_ulong(11).unwrap() == 1 << 63));
    }

    #[test]
    fn a_row_says_what_the_reading_says_and_nothing_where_it_says_nothing() {
        let (folder, point) = (tempfile::tempdir().unwrap(), point());

        let file = file_of(folder.path(), |table| {
            table.write(&of_reading(7, &reading(&point, Value::None, None))).unwrap();
            table.write(&of_reading(8, &reading(&point, Value::Text(""), None))).unwrap();
        });

        let times = file.metadata().file_metadata().schema_descr().column(3).logical_type_ref().cloned();
        assert_eq!(times, Some(LogicalType::timestamp(true, TimeUnit::NANOS)));
        let rows: Vec<_> = file.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
        let row = |entry: u64, text: &str| {
            format!(
                "{{entry: {entry}, device: \"no2-north\", point: \"no2\", sampled_at: -1, \
                 received_at: 1795426919121525122, value: null, text: {text}, unit: \"[ppb]\", state: \"fault\", \
                 qualifiers: \"late;test\", status: 18446744073709551615, raw: null}}"
            )
        };
        assert_eq!(rows, [row(7, "null"), row(8, "\"\"")]);
    }

    #[test]
    fn groups_are_no_longer_than_they_may_be() {
        let (folder, point) = (tempfile::tempdir().unwrap(), point());
        let file = file_of(folder.path(), |table| {
            for row in 0..=ROWS {
                table.write(&of_reading(7, &reading(&point, Value::Number(row as f64), None))).unwrap();
            }
        });
        let groups: Vec<_> = file.metadata().row_groups().iter().map(|group| group.num_rows()).collect();
        assert_eq!(groups, [100_000, 1]);
    }

    #[test]
    fn a_cell_of_another_kind_is_refused() {
        let mut buffer = Buffer::new(&READING[0]);
        assert!(matches!(buffer.push(&Cell::Text("x")), Err(ExportError::OtherKind { column: "entry" })));
        assert!(matches!(buffer.push(&Cell::Null), Err(ExportError::OtherKind { column: "entry" })));
    }
}
