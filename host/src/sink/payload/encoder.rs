//! Writes records as JSON objects and CSV rows, as a sink's shape and field map say.

use std::sync::Arc;

use super::cell::Cell;
use super::item::{Item, Subject};
use super::members::{
    self, AlarmMember, AlarmRow, AverageMember, AverageRow, POINT_PREFIX, PollMember, ReadingMember, ReadingRow,
};
use super::poll::{PollRow, PollSource, write_poll};
use crate::config::model::{FieldMap, FieldSource, Shape};
use crate::notation::{write_csv_text, write_json_text};
use crate::sink::{Content, Record};
use crate::status_table::{Axes, StatusTable};

/// A field map that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldMapError {
    /// No record has such a member.
    #[error("unknown member {name:?}")]
    UnknownMember {
        /// What the field map asks for.
        name: String,
    },
    /// Two fields would be written under one name.
    #[error("two fields are called {name:?}")]
    TwiceNamed {
        /// The name in the payload.
        name: String,
    },
}

/// What the rows of a CSV file are about: they do not share columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// One row per average.
    Averages,
    /// One row per change of an alarm.
    Alarms,
    /// One row per reading.
    Readings,
}

/// The form of one sink's payloads.
#[derive(Debug, Clone)]
pub struct Encoder {
    hub: Arc<str>,
    shape: Shape,
    averages: Vec<Column<AverageMember>>,
    alarms: Vec<Column<AlarmMember>>,
    readings: Vec<Column<ReadingMember>>,
    polls: Vec<Column<PollSource>>,
}

impl Encoder {
    /// An encoder for this hub's payloads. A member that one kind of record has and another has not is `null` (in CSV:
    /// empty) where it is missing.
    pub fn new(hub: &str, shape: Shape, fields: &FieldMap) -> Result<Self, FieldMapError> {
        check(shape, fields)?;
        Ok(Encoder {
            hub: Arc::from(hub),
            shape,
            averages: columns(fields, &members::AVERAGE, |name| members::find(&members::AVERAGE, name)),
            alarms: columns(fields, &members::ALARM, |name| members::find(&members::ALARM, name)),
            readings: columns(fields, &members::READING, |name| members::find(&members::READING, name)),
            polls: poll_columns(fields),
        })
    }

    /// The objects that a record becomes.
    pub fn items<'a>(&self, record: &'a Record) -> Vec<Item<'a>> {
        Item::of(record, self.shape)
    }

    /// Appends one JSON object.
    pub fn write_json(&self, item: &Item<'_>, out: &mut Vec<u8>) {
        let key = item.key();
        let (hub, key, timeliness) = (&*self.hub, &*key, item.timeliness);
        match &item.subject {
            Subject::Average(average) => {
                let row = AverageRow { hub, key, average, timeliness };
                write_object(&self.averages, |member| member(&row), &row.axes(), out);
            }
            Subject::Reading { reading, .. } => {
                let row = ReadingRow { hub, key, reading };
                write_object(&self.readings, |member| member(&row), &row.axes(), out);
            }
            Subject::Alarm(change) => {
                let row = AlarmRow { hub, key, change };
                write_object(&self.alarms, |member| member(&row), &Axes::NOTHING, out);
            }
            Subject::Poll { selection, rows } => {
                write_poll(&self.polls, &PollRow { hub, key, selection, rows: rows.clone() }, out);
            }
        }
    }

    /// Appends the header line of a CSV file.
    pub fn write_csv_header(&self, kind: RowKind, out: &mut Vec<u8>) {
        let names: Vec<&str> = match kind {
            RowKind::Averages => self.averages.iter().map(|column| column.name.as_str()).collect(),
            RowKind::Alarms => self.alarms.iter().map(|column| column.name.as_str()).collect(),
            RowKind::Readings => self.readings.iter().map(|column| column.name.as_str()).collect(),
        };
        for (position, name) in names.into_iter().enumerate() {
            if position > 0 {
                out.push(b',');
            }
            write_csv_text(name, out);
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Appends the rows of a record: one for an average, one per reading for a poll.
    pub fn write_csv_rows(&self, record: &Record, out: &mut Vec<u8>) {
        for item in Item::of(record, Shape::Reading) {
            let key = item.key();
            let (hub, key, timeliness) = (&*self.hub, &*key, item.timeliness);
            match &item.subject {
                Subject::Average(average) => {
                    let row = AverageRow { hub, key, average, timeliness };
                    write_row(&self.averages, |member| member(&row), &row.axes(), out);
                }
                Subject::Reading { reading, .. } => {
                    let row = ReadingRow { hub, key, reading };
                    write_row(&self.readings, |member| member(&row), &row.axes(), out);
                }
                Subject::Alarm(change) => {
                    let row = AlarmRow { hub, key, change };
                    write_row(&self.alarms, |member| member(&row), &Axes::NOTHING, out);
                }
                Subject::Poll { .. } => {}
            }
        }
    }
}

impl RowKind {
    /// Which rows the record becomes.
    pub fn of(record: &Record) -> Self {
        match &record.content {
            Content::Average(_) => RowKind::Averages,
            Content::Alarm(_) => RowKind::Alarms,
            Content::Poll(_) => RowKind::Readings,
        }
    }
}

/// One column or member: its name, and where its value comes from.
#[derive(Debug, Clone)]
pub(super) struct Column<M> {
    name: String,
    json_name: Vec<u8>,
    pub(super) source: Source<M>,
}

#[derive(Debug, Clone)]
pub(super) enum Source<M> {
    Member(M),
    Fixed(String),
    /// What a table of status codes has for the record.
    Code(Arc<StatusTable>),
    /// Another kind of record has it.
    Absent,
}

impl<M> Column<M> {
    fn new(name: &str, source: Source<M>) -> Self {
        let mut json_name = Vec::new();
        write_json_text(name, &mut json_name);
        json_name.push(b':');
        Column { name: name.to_owned(), json_name, source }
    }

    pub(super) fn write_json_name(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.json_name);
    }
}

impl Column<PollSource> {
    /// True when an object has this name for something else than a point of the list.
    pub(super) fn is_written_as(&self, name: &str) -> bool {
        self.name == name && !matches!(self.source, Source::Member(PollSource::Member(PollMember::Points)))
    }
}

/// Says whether the field map can be followed.
fn check(shape: Shape, fields: &FieldMap) -> Result<(), FieldMapError> {
    for (position, field) in fields.0.iter().enumerate() {
        if fields.0.iter().take(position).any(|earlier| earlier.name == field.name) {
            return Err(FieldMapError::TwiceNamed { name: field.name.clone() });
        }
        let FieldSource::Member(name) = &field.from else { continue };
        let of_a_poll =
            shape == Shape::Poll && (members::find(&members::POLL, name).is_some() || name.starts_with(POINT_PREFIX));
        let is_known = of_a_poll
            || members::find(&members::AVERAGE, name).is_some()
            || members::find(&members::ALARM, name).is_some()
            || members::find(&members::READING, name).is_some();
        if !is_known {
            return Err(FieldMapError::UnknownMember { name: name.clone() });
        }
    }
    Ok(())
}

fn columns<M: Copy>(fields: &FieldMap, all: &[(&'static str, M)], find: impl Fn(&str) -> Option<M>) -> Vec<Column<M>> {
    if fields.0.is_empty() {
        return all.iter().map(|(name, member)| Column::new(name, Source::Member(*member))).collect();
    }
    let source = |from: &FieldSource| match from {
        FieldSource::Fixed(text) => Source::Fixed(text.clone()),
        FieldSource::Member(name) => find(name).map_or(Source::Absent, Source::Member),
        FieldSource::Code { table, .. } => Source::Code(Arc::clone(table)),
    };
    fields.0.iter().map(|field| Column::new(&field.name, source(&field.from))).collect()
}

fn poll_columns(fields: &FieldMap) -> Vec<Column<PollSource>> {
    if fields.0.is_empty() {
        let member = |wanted: &PollMember| members::POLL.into_iter().find(|(_, member)| member == wanted);
        return members::POLL_DEFAULT
            .iter()
            .filter_map(member)
            .map(|(name, member)| Column::new(name, Source::Member(PollSource::Member(member))))
            .collect();
    }
    let source = |from: &FieldSource| match from {
        FieldSource::Fixed(text) => Source::Fixed(text.clone()),
        FieldSource::Member(name) => match (members::find(&members::POLL, name), name.strip_prefix(POINT_PREFIX)) {
            (Some(member), _) => Source::Member(PollSource::Member(member)),
            (None, Some(id)) => Source::Member(PollSource::Point(id.to_owned())),
            (None, None) => Source::Absent,
        },
        // A poll has many states and no code of its own.
        FieldSource::Code { .. } => Source::Absent,
    };
    fields.0.iter().map(|field| Column::new(&field.name, source(&field.from))).collect()
}

fn write_object<'a, M: Copy>(columns: &'a [Column<M>], cell: impl Fn(M) -> Cell<'a>, axes: &Axes, out: &mut Vec<u8>) {
    out.push(b'{');
    for (position, column) in columns.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        column.write_json_name(out);
        column.cell(&cell, axes).write_json(out);
    }
    out.push(b'}');
}

fn write_row<'a, M: Copy>(columns: &'a [Column<M>], cell: impl Fn(M) -> Cell<'a>, axes: &Axes, out: &mut Vec<u8>) {
    for (position, column) in columns.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        column.cell(&cell, axes).write_csv(out);
    }
    out.extend_from_slice(b"\r\n");
}

impl<M: Copy> Column<M> {
    fn cell<'a>(&'a self, of_member: impl Fn(M) -> Cell<'a>, axes: &Axes) -> Cell<'a> {
        match &self.source {
            Source::Member(member) => of_member(*member),
            Source::Fixed(text) => Cell::Text(text),
            Source::Code(table) => table.code(axes).map_or(Cell::Null, |code| Cell::Text(&code.code)),
            Source::Absent => Cell::Null,
        }
    }
}
