//! The tables, the views for people, and how a connection is set up.
//!
//! `entry` is the journal proper: what was measured, derived, done and delivered, in order, each tied to the one before by its hash
//! (`chain`). `average`, `gap` and `delivery` repeat what stands there as ordinary tables for queries; `tutin verify` compares the two.
//! An auditor may open the file with any SQLite tool while the hub runs, and finds `averages`, `gaps` and `deliveries` there with
//! times that people can read.
//!
//! Times are nanoseconds UTC since 1970.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::JournalError;

/// `PRAGMA user_version` of this format.
pub const FORMAT: i64 = 2;

/// Points of a device, a JSON object. Not pruned: readings and averages refer to it.
pub const KIND_CATALOG: i64 = 1;
/// A block of readings.
pub const KIND_READINGS: i64 = 2;
/// Closed averages, a JSON array.
pub const KIND_AVERAGES: i64 = 3;
/// Something that happened, a JSON object.
pub const KIND_EVENT: i64 = 4;
/// Blocks without enough data and their causes, a JSON array.
pub const KIND_GAPS: i64 = 5;
/// What became of deliveries, a JSON array.
pub const KIND_DELIVERIES: i64 = 6;
/// The end of the chain as it stood, signed, a JSON object.
pub const KIND_CHECKPOINT: i64 = 7;

/// Everything that format 2 has.
pub const TABLES: &str = "
CREATE TABLE entry (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,       -- when it was committed
    kind INTEGER NOT NULL,     -- 1 catalog, 2 readings, 3 averages, 4 event, 5 gaps, 6 deliveries, 7 checkpoint
    payload BLOB NOT NULL,
    hash BLOB NOT NULL         -- SHA-256 over the hash before and this entry
) STRICT;
CREATE INDEX entry_by_kind ON entry (kind, at);

CREATE TABLE head (            -- the last entry, signed
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL,
    at INTEGER NOT NULL,
    signature BLOB NOT NULL,
    in_use INTEGER NOT NULL    -- 1 while a hub writes
) STRICT;

CREATE TABLE pruned (          -- entries that were taken away: the chain goes on behind the last of each run
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;

CREATE TABLE size (            -- what each class of entries takes now
    class TEXT PRIMARY KEY,    -- raw, averages, events
    entries INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT;

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
CREATE INDEX average_by_entry ON average (entry);

CREATE TABLE gap (
    source TEXT NOT NULL,
    parameter TEXT NOT NULL,
    rule_set TEXT NOT NULL,
    start INTEGER NOT NULL,
    length_s INTEGER NOT NULL,
    revision INTEGER NOT NULL, -- of the average that is not valid
    cause TEXT NOT NULL,       -- device, link, hub_down, disk_full, storage, plugin_parked, configuration
    detail TEXT NOT NULL,
    entry INTEGER NOT NULL,
    PRIMARY KEY (source, parameter, rule_set, start, length_s, revision)
) STRICT;
CREATE INDEX gap_by_time ON gap (start);
CREATE INDEX gap_by_entry ON gap (entry);

CREATE TABLE delivery (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sink TEXT NOT NULL,
    key TEXT NOT NULL,         -- idempotency key at the far end
    source TEXT, parameter TEXT, rule_set TEXT, start INTEGER, length_s INTEGER, revision INTEGER,
    ends INTEGER,              -- end of the block
    state TEXT NOT NULL,       -- queued, acknowledged, rejected
    queued INTEGER NOT NULL,   -- when it was queued (again)
    attempts INTEGER NOT NULL DEFAULT 0,
    first_try INTEGER,
    last_try INTEGER,          -- when the last attempt was sent
    answered INTEGER,          -- when its answer came
    late INTEGER NOT NULL DEFAULT 0,  -- 1: the last attempt was marked late
    answer TEXT,               -- the far end's words: a receipt, or a reason
    answer_hash TEXT,          -- SHA-256 of them
    content_hash TEXT,         -- SHA-256 of the average's body
    entry INTEGER,             -- the journal entry that says what became of it
    UNIQUE (sink, key)
) STRICT;
CREATE INDEX delivery_queued ON delivery (sink, ends, id) WHERE state = 'queued';
CREATE INDEX delivery_by_average ON delivery (source, parameter, rule_set, start, length_s);
CREATE INDEX delivery_by_entry ON delivery (entry) WHERE entry IS NOT NULL;
CREATE INDEX delivery_rejected ON delivery (sink, id) WHERE state = 'rejected';

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

CREATE VIEW averages AS
SELECT source, parameter, rule_set,
       strftime('%Y-%m-%dT%H:%M:%SZ', start / 1000000000, 'unixepoch') AS start,
       strftime('%Y-%m-%dT%H:%M:%SZ', start / 1000000000 + length_s, 'unixepoch') AS end,
       length_s, mean, unit, coverage, state, json_extract(body, '$.plant') AS plant, revision,
       json_extract(body, '$.reason') AS reason,
       revision = (SELECT max(revision) FROM average l WHERE l.source = a.source AND l.parameter = a.parameter
                   AND l.rule_set = a.rule_set AND l.start = a.start AND l.length_s = a.length_s) AS latest,
       entry
FROM average a;

CREATE VIEW gaps AS
SELECT source, parameter, rule_set,
       strftime('%Y-%m-%dT%H:%M:%SZ', start / 1000000000, 'unixepoch') AS start,
       strftime('%Y-%m-%dT%H:%M:%SZ', start / 1000000000 + length_s, 'unixepoch') AS end,
       length_s, cause, detail, entry
FROM gap g
WHERE revision = (SELECT max(revision) FROM average l WHERE l.source = g.source AND l.parameter = g.parameter
                  AND l.rule_set = g.rule_set AND l.start = g.start AND l.length_s = g.length_s);

CREATE VIEW deliveries AS
SELECT sink, state, source, parameter, rule_set,
       strftime('%Y-%m-%dT%H:%M:%SZ', start / 1000000000, 'unixepoch') AS start, revision, attempts,
       strftime('%Y-%m-%dT%H:%M:%fZ', queued / 1e9, 'unixepoch') AS queued,
       strftime('%Y-%m-%dT%H:%M:%fZ', first_try / 1e9, 'unixepoch') AS first_try,
       strftime('%Y-%m-%dT%H:%M:%fZ', last_try / 1e9, 'unixepoch') AS sent,
       strftime('%Y-%m-%dT%H:%M:%fZ', answered / 1e9, 'unixepoch') AS answered,
       late, answer, answer_hash, content_hash, key, entry
FROM delivery;
";

/// What the one writer sets on its connection.
pub fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    connection.pragma_update(None, "cache_size", -2048)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Opens the file only to read it, beside the writer or without one.
pub fn open_to_read(file: &Path) -> Result<Connection, JournalError> {
    let failed = |source| JournalError::opening(file, source);
    if !file.is_file() {
        return Err(JournalError::Missing { file: file.to_owned() });
    }
    let connection = match connect_to_read(file, "") {
        // Beside a journal in WAL mode SQLite makes a file, which it cannot where nothing may be written. A copy that nobody writes to
        // can be read without.
        Err(_) if !wal_of(file).exists() => connect_to_read(file, "?immutable=1").map_err(failed)?,
        opened => opened.map_err(failed)?,
    };
    match format(&connection).map_err(failed)? {
        FORMAT => Ok(connection),
        found => Err(JournalError::Format { file: file.to_owned(), found, known: FORMAT }),
    }
}

fn connect_to_read(file: &Path, parameters: &str) -> rusqlite::Result<Connection> {
    let escaped = file.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(format!("file:{escaped}{parameters}"), flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "cache_size", -256)?;
    format(&connection)?;
    Ok(connection)
}

/// The format that the file says it has.
pub fn format(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// SQLite's log beside the file.
pub fn wal_of(file: &Path) -> std::path::PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// What entries of a kind count as when they are kept or pruned. `None`: they stay.
pub fn class_of(kind: i64) -> Option<Class> {
    match kind {
        KIND_READINGS => Some(Class::Raw),
        KIND_AVERAGES | KIND_GAPS | KIND_DELIVERIES => Some(Class::Averages),
        KIND_EVENT => Some(Class::Events),
        _ => None,
    }
}

/// What is kept for the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Readings as they came.
    Raw,
    /// Averages, gaps and deliveries.
    Averages,
    /// What happened.
    Events,
}

impl Class {
    /// All of them.
    pub const ALL: [Class; 3] = [Class::Raw, Class::Averages, Class::Events];

    /// As in the table `size` and in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Class::Raw => "raw",
            Class::Averages => "averages",
            Class::Events => "events",
        }
    }
}
