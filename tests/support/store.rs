//! Looking into the hub's journal as an auditor would: with SQLite, and without the hub.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};

/// All rows of a query on the file, which is opened for reading only.
pub fn query(file: &Path, sql: &str) -> Vec<Vec<Value>> {
    try_query(file, sql).unwrap_or_else(|error| panic!("{sql} on {}: {error}", file.display()))
}

/// The same, for a file or table that may not be there yet.
pub fn try_query(file: &Path, sql: &str) -> rusqlite::Result<Vec<Vec<Value>>> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(super::SOON)?;
    let mut statement = connection.prepare(sql)?;
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| (0..columns).map(|column| row.get(column)).collect())?;
    rows.collect()
}

/// The same number, 0 while the file or table is not there yet.
pub fn number_or_zero(file: &Path, sql: &str) -> i64 {
    if try_query(file, sql).is_ok() { number(file, sql) } else { 0 }
}

/// The one number that a query such as `select count(*) …` returns.
pub fn number(file: &Path, sql: &str) -> i64 {
    match query(file, sql).as_slice() {
        [row] => match row.as_slice() {
            [Value::Integer(number)] => *number,
            other => panic!("{sql}: not one number but {other:?}"),
        },
        rows => panic!("{sql}: not one row but {}", rows.len()),
    }
}
