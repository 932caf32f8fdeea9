//! One JSON object per device poll, with point ids as keys.
//!
//! ```text
//! {"device":"no2-north","at":"2026-11-01T03:00:00.25Z","no2":41.3,"flow":null,"serial":"17","states":{"flow":"fault"}}
//! ```
//!
//! `at` is the moment when the host had the poll. A value is a number, a text, or `null` where there is none (or NaN or
//! an infinity, which JSON cannot say). `states` has the state of each point that is not valid and of each whose value
//! is `null`; it is left out when there is nothing in it. A point whose id is that of another member is written as
//! `point.` and its id, so that no key comes twice.
//!
//! This is the form for many values: it is written straight into the buffer.

use std::ops::Range;

use super::cell::Cell;
use super::encoder::{Column, Source};
use super::members::{POINT_PREFIX, PollMember};
use crate::notation::{write_json_number, write_json_text};
use crate::reading::{InstrumentState, Reading, Value};
use crate::sink::PollSelection;

/// A value of a poll object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PollSource {
    Member(PollMember),
    /// The value of the point of this id.
    Point(String),
}

pub(super) struct PollRow<'a> {
    pub hub: &'a str,
    pub key: &'a str,
    pub selection: &'a PollSelection,
    pub rows: Range<usize>,
}

/// Appends one object.
pub(super) fn write_poll(columns: &[Column<PollSource>], row: &PollRow<'_>, out: &mut Vec<u8>) {
    out.push(b'{');
    let mut separator = Separator::default();
    for column in columns {
        match &column.source {
            Source::Member(PollSource::Member(PollMember::Points)) => {
                write_points(columns, row, &mut separator, out);
            }
            Source::Member(PollSource::Member(PollMember::States)) => {
                write_states(column, row, &mut separator, out);
            }
            source => {
                separator.write(out);
                column.write_json_name(out);
                write_single(source, row, out);
            }
        }
    }
    out.push(b'}');
}

fn write_single(source: &Source<PollSource>, row: &PollRow<'_>, out: &mut Vec<u8>) {
    let set = &row.selection.set;
    let cell = match source {
        Source::Fixed(text) => Cell::Text(text),
        Source::Member(PollSource::Point(id)) => {
            match row.selection.rows_in(row.rows.clone()).find(|(_, reading)| reading.point.id == *id) {
                Some((_, reading)) => return write_value(&reading, out),
                None => Cell::Null,
            }
        }
        Source::Member(PollSource::Member(member)) => match member {
            PollMember::Key => Cell::Text(row.key),
            PollMember::Hub => Cell::Text(row.hub),
            PollMember::Device => Cell::Text(&set.catalog.device),
            PollMember::At => Cell::Time(set.received_at),
            PollMember::Points | PollMember::States => Cell::Null,
        },
        Source::Code(_) | Source::Absent => Cell::Null,
    };
    cell.write_json(out);
}

fn write_points(columns: &[Column<PollSource>], row: &PollRow<'_>, separator: &mut Separator, out: &mut Vec<u8>) {
    for (_, reading) in row.selection.rows_in(row.rows.clone()) {
        separator.write(out);
        write_point_name(columns, &reading.point.id, out);
        write_value(&reading, out);
    }
}

fn write_states(column: &Column<PollSource>, row: &PollRow<'_>, separator: &mut Separator, out: &mut Vec<u8>) {
    let mut inner = Separator::default();
    for (_, reading) in row.selection.rows_in(row.rows.clone()) {
        let is_null = match reading.value {
            Value::Number(number) => !number.is_finite(),
            Value::Text(_) => false,
            Value::None => true,
        };
        if reading.state == InstrumentState::Valid && !is_null {
            continue;
        }
        if inner.is_first() {
            separator.write(out);
            column.write_json_name(out);
            out.push(b'{');
        }
        inner.write(out);
        write_json_text(&reading.point.id, out);
        out.push(b':');
        write_json_text(reading.state.name(), out);
    }
    if !inner.is_first() {
        out.push(b'}');
    }
}

fn write_point_name(columns: &[Column<PollSource>], id: &str, out: &mut Vec<u8>) {
    let taken = columns.iter().any(|column| column.is_written_as(id));
    if taken {
        write_json_text(&format!("{POINT_PREFIX}{id}"), out);
    } else {
        write_json_text(id, out);
    }
    out.push(b':');
}

fn write_value(reading: &Reading<'_>, out: &mut Vec<u8>) {
    match reading.value {
        Value::Number(number) => write_json_number(number, out),
        Value::Text(text) => write_json_text(text, out),
        Value::None => out.extend_from_slice(b"null"),
    }
}

/// A comma between members, none before the first.
#[derive(Default)]
struct Separator {
    written: bool,
}

impl Separator {
    fn is_first(&self) -> bool {
        !self.written
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        if self.written {
            out.push(b',');
        }
        self.written = true;
    }
}
