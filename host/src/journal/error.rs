//! What can go wrong with the journal, by what the caller can do.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use thiserror::Error;

use crate::key::KeyError;

/// Why the journal did not do its work.
#[derive(Debug, Error)]
pub enum JournalError {
    /// There is no such file.
    #[error("there is no journal {}", file.display())]
    Missing {
        /// Which file.
        file: PathBuf,
    },
    /// The file cannot be opened or made.
    #[error("journal {}", file.display())]
    Open {
        /// Which file.
        file: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// The file, its folder or its file system takes no changes.
    #[error("journal {} cannot be written: its folder, file or file system is read-only", file.display())]
    ReadOnly {
        /// Which file.
        file: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// The file is no database any more.
    #[error("journal {} is damaged as a file", file.display())]
    Corrupt {
        /// Which file.
        file: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// A file or folder beside the journal cannot be used.
    #[error("cannot use {}", file.display())]
    Folder {
        /// Which file.
        file: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Another hub has it open.
    #[error("journal {} is in use by another hub", file.display())]
    InUse {
        /// Which file.
        file: PathBuf,
    },
    /// It was written by a version that this one does not read.
    #[error("journal {} has format {found}, and this version of tutin reads {known}", file.display())]
    Format {
        /// Which file.
        file: PathBuf,
        /// What stands in it.
        found: i64,
        /// What is read.
        known: i64,
    },
    /// The key that signs.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A statement failed: the disk is full, damaged or gone.
    #[error("journal")]
    Sqlite(#[from] rusqlite::Error),
    /// An entry is not what it should be.
    #[error("journal entry {entry} is damaged: {what}")]
    Damaged {
        /// Sequence number.
        entry: u64,
        /// What is wrong.
        what: String,
    },
    /// Only a hub that runs can do it.
    #[error("no hub runs with this journal; start it first")]
    NoHub,
    /// The writer has ended.
    #[error("the journal is closed")]
    Closed,
    /// The writer's thread could not be started.
    #[error("thread of the journal")]
    Thread(#[source] std::io::Error),
}

impl JournalError {
    /// The same, as a damage of this file if it is one.
    pub(super) fn of_file(self, file: &Path) -> Self {
        match self {
            JournalError::Sqlite(source) if is_corruption(&source) => {
                JournalError::Corrupt { file: file.to_owned(), source }
            }
            other => other,
        }
    }

    /// The right kind for what SQLite says when a file is opened.
    pub(super) fn opening(file: &Path, source: rusqlite::Error) -> Self {
        let file = file.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                JournalError::ReadOnly { file, source }
            }
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => JournalError::Corrupt { file, source },
            _ => JournalError::Open { file, source },
        }
    }
}

/// Whether the file itself is damaged, so that trying again is useless.
pub(super) fn is_corruption(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
}
