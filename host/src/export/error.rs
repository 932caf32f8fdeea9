//! Why an export ended before its end, by what the caller can do.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::journal::JournalError;

/// An export that was not finished. Nothing stands under the file's name.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// An entry is damaged, and nobody allowed to leave it out.
    #[error("journal entry {entry} is damaged: {what}")]
    Damaged {
        /// Sequence number.
        entry: u64,
        /// What is wrong.
        what: String,
    },
    /// The rows cannot be written: the disk is full, or nobody reads any more.
    #[error("the rows cannot be written")]
    Write(#[from] io::Error),
    /// The file cannot be made.
    #[error("file {}", file.display())]
    File {
        /// Which file.
        file: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Something that a file must not replace stands under its name.
    #[error("{} is {what}; an export would replace it", file.display())]
    Precious {
        /// Which file.
        file: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A row has something else in a column than the column is made for.
    #[error("column {column} cannot hold what stands in this row")]
    OtherKind {
        /// Name of the column.
        column: &'static str,
    },
    /// This program was built without the format.
    #[error("this tutin was built without the feature parquet")]
    WithoutParquet,
    /// The caller had enough.
    #[error("interrupted")]
    Interrupted,
}

impl ExportError {
    /// True when the rows went to somebody who has stopped reading, as `head` does.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, ExportError::Write(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}
