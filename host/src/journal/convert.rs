//! A journal of format 1 becomes one of format 2, in one transaction: it gets a chain, and the columns that were not there.
//!
//! Format 1 had no hashes. What its entries were at the conversion is covered by the chain from then on, and an entry says so.

use rusqlite::{Connection, params};

use super::chain::{End, Hash, Link};
use super::schema::{Class, FORMAT, TABLES, class_of};
use crate::time::Timestamp;

/// Converts the file. Returns the sequence number of the last entry that it had.
pub fn from_format_1(connection: &mut Connection) -> rusqlite::Result<u64> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(
        "DROP INDEX entry_by_kind; DROP INDEX average_by_time; DROP INDEX delivery_queued;
         ALTER TABLE entry RENAME TO entry_1; ALTER TABLE average RENAME TO average_1; ALTER TABLE delivery RENAME TO delivery_1;
         ALTER TABLE stream RENAME TO stream_1; ALTER TABLE cursor RENAME TO cursor_1;",
    )?;
    transaction.execute_batch(TABLES)?;
    transaction.execute_batch(
        "INSERT INTO average SELECT source, parameter, rule_set, start, revision, length_s, mean, unit, coverage, state, entry, body
           FROM average_1;
         INSERT INTO delivery (id, sink, key, source, parameter, rule_set, start, length_s, revision, ends, state, queued, attempts,
                               first_try, last_try, answered, answer)
           SELECT id, sink, key, source, parameter, rule_set, start, length_s, revision, start + length_s * 1000000000, state,
                  coalesce(first_try, start + length_s * 1000000000, 0), attempts, first_try, last_try,
                  CASE state WHEN 'queued' THEN NULL ELSE last_try END, answer FROM delivery_1;
         INSERT INTO stream SELECT * FROM stream_1; INSERT INTO cursor SELECT * FROM cursor_1;",
    )?;
    let end = chain(&transaction)?;
    transaction.execute_batch(
        "DROP TABLE entry_1; DROP TABLE average_1; DROP TABLE delivery_1; DROP TABLE stream_1; DROP TABLE cursor_1;",
    )?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()?;
    Ok(end.seq)
}

/// Copies the entries, each with its hash.
fn chain(connection: &Connection) -> rusqlite::Result<End> {
    let mut end = End::ORIGIN;
    let mut sizes = [(0_i64, 0_i64); Class::ALL.len()];
    let mut read = connection.prepare("SELECT seq, at, kind, payload FROM entry_1 ORDER BY seq")?;
    let mut write =
        connection.prepare("INSERT INTO entry (seq, at, kind, payload, hash) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    let mut rows = read.query([])?;
    while let Some(row) = rows.next()? {
        let (seq, at, kind, payload): (i64, i64, i64, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let link = Link { seq: u64::try_from(seq).unwrap_or(0), at: Timestamp(at), kind, payload: &payload };
        end = End { seq: link.seq, at: link.at, hash: link.after(end.hash) };
        write.execute(params![seq, at, kind, payload, end.hash.0])?;
        if let Some(size) = class_of(kind).and_then(|class| sizes.get_mut(class as usize)) {
            *size = (size.0 + 1, size.1 + i64::try_from(payload.len()).unwrap_or(i64::MAX));
        }
    }
    for (class, (entries, bytes)) in Class::ALL.into_iter().zip(sizes) {
        connection.execute(
            "INSERT INTO size (class, entries, bytes) VALUES (?1, ?2, ?3)",
            params![class.name(), entries, bytes],
        )?;
    }
    // Signed with the first commit; `in_use` stays 0, since nothing says how the last hub ended.
    let Hash(hash) = end.hash;
    connection.execute(
        "INSERT INTO head (one, seq, hash, at, signature, in_use) VALUES (1, ?1, ?2, ?3, x'', 0)",
        params![end.seq as i64, hash, end.at.0],
    )?;
    Ok(end)
}
