//! What can go wrong with the journal, by what the caller can do.

use std::path::PathBuf;

use thiserror::Error;

/// Why the journal did not do its work.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The file cannot be opened or made.
    #[error("journal {}", file.display())]
    Open {
        /// Which file.
        file: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// The folder of the file cannot be made.
    #[error("folder of journal {}", file.display())]
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
    /// The writer has ended.
    #[error("the journal is closed")]
    Closed,
    /// The writer's thread could not be started.
    #[error("thread of the journal")]
    Thread(#[source] std::io::Error),
}
