//! The tables, and how the file is opened.
//!
//! `entry` is the journal proper: what was measured, derived and done, in order. `average`, `delivery` and `cursor` are ordinary tables
//! for queries; an auditor may open the file with any SQLite tool while the hub runs.
//!
//! Times are nanoseconds UTC since 1970.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::JournalError;

/// `PRAGMA user_version` of this format.
const FORMAT: i64 = 1;

/// Kinds of entries.
pub const KIND_CATALOG: i64 = 1;
/// A block of readings.
pub const KIND_READINGS: i64 = 2;
/// Closed averages, a JSON array.
pub const KIND_AVERAGES: i64 = 3;
/// Something that happened, a JSON object.
pub const KIND_EVENT: i64 = 4;

const TABLES: &str = "
CREATE TABLE entry (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,       -- when it was committed
    kind INTEGER NOT NULL,     -- 1 catalog of a device, 2 readings, 3 averages, 4 event
    payload BLOB NOT NULL
) STRICT;
CREATE INDEX entry_by_kind ON entry (kind, at);

CREATE TABLE average (
    source TEXT NOT NULL,
    parameter TEXT NOT NULL,
    rule_set TEXT NOT NULL,
    start INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    length_s INTEGER NOT NULL,
    mean REAL,
    unit TEXT NOT NULL,
    coverage REAL NOT NULL,
    state TEXT NOT NULL,       -- valid, or the cause of loss
    entry INTEGER NOT NULL,    -- the journal entry that holds it
    body TEXT NOT NULL,        -- the whole average, JSON
    PRIMARY KEY (source, parameter, rule_set, start, length_s, revision)
) STRICT;
CREATE INDEX average_by_time ON average (start, source);

CREATE TABLE delivery (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sink TEXT NOT NULL,
    key TEXT NOT NULL,         -- idempotency key at the far end
    source TEXT, parameter TEXT, rule_set TEXT, start INTEGER, length_s INTEGER, revision INTEGER,
    state TEXT NOT NULL,       -- queued, acknowledged, rejected
    attempts INTEGER NOT NULL DEFAULT 0,
    first_try INTEGER,
    last_try INTEGER,
    answer TEXT,               -- the far end's words: a receipt, or a reason
    UNIQUE (sink, key)
) STRICT;
CREATE INDEX delivery_queued ON delivery (sink, id) WHERE state = 'queued';

CREATE TABLE stream (
    source TEXT NOT NULL,
    parameter TEXT NOT NULL,
    rule_set TEXT NOT NULL,
    begins INTEGER NOT NULL,   -- a moment in its first block
    PRIMARY KEY (source, parameter, rule_set)
) STRICT;

CREATE TABLE cursor (
    sink TEXT PRIMARY KEY,
    entry INTEGER NOT NULL,    -- readings up to this entry,
    item INTEGER NOT NULL      -- and this poll set in it, are settled
) STRICT;
";

/// The writer's connection, and the lock that keeps other writers out for as long as it lives.
pub struct Owned {
    pub connection: Connection,
    _lock: File,
}

/// Opens the file for the one writer, and makes it if it is not there.
pub fn open(file: &Path) -> Result<Owned, JournalError> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(|source| JournalError::Folder { file: file.to_owned(), source })?;
    }
    let lock = lock(file)?;
    let failed = |source| JournalError::Open { file: file.to_owned(), source };
    let connection = Connection::open(file).map_err(failed)?;
    prepare(&connection).map_err(failed)?;
    match format(&connection).map_err(failed)? {
        FORMAT => {}
        0 => {
            let make = format!("BEGIN; {TABLES} PRAGMA user_version = {FORMAT}; COMMIT;");
            connection.execute_batch(&make).map_err(failed)?;
        }
        found => return Err(JournalError::Format { file: file.to_owned(), found, known: FORMAT }),
    }
    Ok(Owned { connection, _lock: lock })
}

/// Opens the file only to read it, beside the writer.
pub fn open_to_read(file: &Path) -> Result<Connection, JournalError> {
    let failed = |source| JournalError::Open { file: file.to_owned(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags).map_err(failed)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
    connection.pragma_update(None, "cache_size", -256).map_err(failed)?;
    match format(&connection).map_err(failed)? {
        FORMAT => Ok(connection),
        found => Err(JournalError::Format { file: file.to_owned(), found, known: FORMAT }),
    }
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    connection.pragma_update(None, "cache_size", -2048)?;
    Ok(())
}

fn format(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// One hub for one journal: an advisory lock on a file beside it, which the system drops with the process.
fn lock(file: &Path) -> Result<File, JournalError> {
    let beside = file.with_extension("lock");
    let failed = |source| JournalError::Folder { file: file.to_owned(), source };
    let lock = File::options().create(true).truncate(false).write(true).open(beside).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(std::fs::TryLockError::WouldBlock) => Err(JournalError::InUse { file: file.to_owned() }),
        Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}
