//! Records as the lines of a file.
//!
//! JSON Lines: one object and a line feed. CSV (RFC 4180): a header line, then one row per average or reading, each
//! ended by carriage return and line feed.

use crate::config::model::FileFormat;
use crate::sink::Record;
use crate::sink::payload::{Encoder, RowKind};

#[derive(Debug)]
pub(super) struct LineForm {
    pub encoder: Encoder,
    pub format: FileFormat,
}

impl LineForm {
    /// The records in pieces that can stand under one header.
    pub(super) fn runs<'a>(&self, records: &'a [Record]) -> impl Iterator<Item = &'a [Record]> {
        let format = self.format;
        records
            .chunk_by(move |first, second| format == FileFormat::JsonLines || RowKind::of(first) == RowKind::of(second))
    }

    /// What stands once at the beginning of a file that holds these records: nothing in JSON Lines.
    pub(super) fn header(&self, run: &[Record]) -> Vec<u8> {
        let mut header = Vec::new();
        if let (FileFormat::Csv, Some(first)) = (self.format, run.first()) {
            self.encoder.write_csv_header(RowKind::of(first), &mut header);
        }
        header
    }

    pub(super) fn lines(&self, run: &[Record]) -> Vec<u8> {
        let mut lines = Vec::with_capacity(512 * run.len());
        for record in run {
            match self.format {
                FileFormat::Csv => self.encoder.write_csv_rows(record, &mut lines),
                FileFormat::JsonLines => {
                    for item in self.encoder.items(record) {
                        self.encoder.write_json(&item, &mut lines);
                        lines.push(b'\n');
                    }
                }
            }
        }
        lines
    }
}
