//! Whether the tables say what the entries say.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use super::finding::{Fault, Finding};
use super::walk::{Row, Walk};
use crate::average::Average;
use crate::journal::error::JournalError;
use crate::journal::schema::TABLES;
use crate::journal::store::sha256;
use crate::time::Timestamp;

/// The averages of an entry stand in the table with every column.
pub fn averages(connection: &Connection, row: &Row, walk: &mut Walk) -> Result<(), JournalError> {
    let Ok(averages) = serde_json::from_slice::<Vec<Average>>(&row.payload) else {
        walk.find(fault(row, Fault::Edited, "it holds no averages".to_owned()));
        return Ok(());
    };
    let mut statement = connection.prepare_cached(
        "SELECT body, mean, unit, coverage, state, entry FROM average WHERE source = ?1 AND parameter = ?2 AND rule_set = ?3 \
         AND start = ?4 AND length_s = ?5 AND revision = ?6",
    )?;
    let mut of_deliveries = connection.prepare_cached(
        "SELECT count(*) FROM delivery WHERE source = ?1 AND parameter = ?2 AND rule_set = ?3 AND start = ?4 AND length_s = ?5 \
         AND revision = ?6 AND content_hash <> ?7",
    )?;
    for average in &averages {
        let key = &average.key;
        let name = format!("average {}/{}/{}/{}", key.source, key.parameter, key.rule_set, key.start);
        let length = i64::try_from(average.length.as_secs()).unwrap_or(i64::MAX);
        let of = params![key.source, key.parameter, key.rule_set, key.start.0, length, key.revision];
        type Columns = (String, Option<f64>, String, f64, String, i64);
        let found: Option<Columns> = statement
            .query_row(of, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?)))
            .optional()?;
        let body = serde_json::to_string(average).unwrap_or_default();
        let forged: i64 = of_deliveries.query_row(
            params![key.source, key.parameter, key.rule_set, key.start.0, length, key.revision, sha256(&body)],
            |row| row.get(0),
        )?;
        if forged > 0 {
            walk.find(fault(row, Fault::Table, format!("deliveries of {name} say that something else was sent")));
        }
        let bits = |number: Option<f64>| number.map(f64::to_bits);
        match found {
            None => walk.find(fault(row, Fault::Table, format!("{name} is not in the table"))),
            Some((stored, mean, unit, coverage, state, entry)) => {
                let same = stored == body
                    && bits(mean) == bits(average.mean)
                    && unit == average.unit
                    && coverage.to_bits() == average.coverage.to_bits()
                    && state == average.state.name()
                    && u64::try_from(entry) == Ok(row.seq);
                if !same {
                    walk.find(fault(row, Fault::Table, format!("{name} is something else in the table")));
                }
            }
        }
    }
    count(connection, row, walk, "average", averages.len())
}

/// The gaps of an entry stand in the table.
pub fn gaps(connection: &Connection, row: &Row, walk: &mut Walk) -> Result<(), JournalError> {
    let lines: Vec<Value> = serde_json::from_slice(&row.payload).unwrap_or_default();
    let mut statement = connection.prepare_cached(
        "SELECT cause, detail, entry FROM gap WHERE source = ?1 AND parameter = ?2 AND rule_set = ?3 AND start = ?4 AND length_s = ?5 \
         AND revision = ?6",
    )?;
    for line in &lines {
        let text = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default();
        let number = |name: &str| line.get(name).and_then(Value::as_i64).unwrap_or_default();
        let start: Timestamp = text("start").parse().unwrap_or(Timestamp(0));
        let of = params![
            text("source"),
            text("parameter"),
            text("rule_set"),
            start.0,
            number("length_s"),
            number("revision")
        ];
        let found: Option<(String, String, i64)> =
            statement.query_row(of, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
        let same = found.is_some_and(|(cause, detail, entry)| {
            cause == text("cause") && detail == text("detail") && u64::try_from(entry) == Ok(row.seq)
        });
        if !same {
            let what = format!("the gap of {}/{} at {start} is not so in the table", text("source"), text("parameter"));
            walk.find(fault(row, Fault::Table, what));
        }
    }
    count(connection, row, walk, "gap", lines.len())
}

/// What became of a delivery stands in the table, unless something else became of it later.
pub fn deliveries(connection: &Connection, row: &Row, walk: &mut Walk) -> Result<(), JournalError> {
    let lines: Vec<Value> = serde_json::from_slice(&row.payload).unwrap_or_default();
    let mut statement = connection.prepare_cached(
        "SELECT state, answer, answer_hash, entry, answered, last_try, late FROM delivery WHERE sink = ?1 AND key = ?2",
    )?;
    let mut here = 0;
    for line in &lines {
        let text = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default();
        let time = |name: &str| text(name).parse().unwrap_or(Timestamp(0)).0;
        type Columns = (String, Option<String>, Option<String>, Option<i64>, Option<i64>, Option<i64>, bool);
        let found: Option<Columns> = statement
            .query_row(params![text("sink"), text("key")], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
            })
            .optional()?;
        let same = match found {
            None => walk.averages_pruned,
            // What was queued is there, whatever became of it.
            Some(_) if matches!(text("state"), "queued" | "held") => true,
            Some((state, answer, hash, entry, answered, sent, late)) => {
                let entry = entry.and_then(|entry| u64::try_from(entry).ok());
                let is_waiting = state == "queued" || state == "held";
                let is_the_last = entry == Some(row.seq) && !is_waiting;
                here += usize::from(entry == Some(row.seq));
                let superseded = entry.is_some_and(|entry| entry > row.seq) || is_waiting;
                let says_so = state == text("state")
                    && answer.as_deref() == Some(text("answer"))
                    && hash.as_deref() == Some(text("answer_hash"))
                    && answered == Some(time("answered"))
                    && sent == Some(time("sent"))
                    && line.get("late").and_then(Value::as_bool) == Some(late);
                superseded || (is_the_last && says_so)
            }
        };
        if !same {
            let what = format!("delivery {} to {} is something else in the table", text("key"), text("sink"));
            walk.find(fault(row, Fault::Table, what));
        }
    }
    count(connection, row, walk, "delivery", here)
}

/// Rows that refer to no entry of their kind.
pub fn leftovers(connection: &Connection, walk: &mut Walk) -> Result<(), JournalError> {
    // A delivery of an event that waits names the event's entry.
    let waits = "AND NOT (t.source IS NULL AND t.state = 'queued')";
    for (table, kind, except) in [("average", 3, ""), ("gap", 5, ""), ("delivery", 6, waits)] {
        let sql = format!(
            "SELECT t.entry, count(*) FROM {table} t WHERE t.entry IS NOT NULL \
             AND NOT EXISTS (SELECT 1 FROM entry e WHERE e.seq = t.entry AND e.kind = {kind}) {except} GROUP BY t.entry LIMIT 20"
        );
        let mut statement = connection.prepare(&sql)?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
        for row in rows {
            let (entry, count) = row?;
            let entry = u64::try_from(entry).unwrap_or(0);
            if kind == 6 && walk.averages_pruned {
                continue;
            }
            let what = format!("{count} rows of the table {table} say that they stand there, and it is no such entry");
            walk.find(Finding { entry, fault: Fault::Table, what });
        }
    }
    for what in other_definitions(connection)? {
        walk.find(Finding { entry: 0, fault: Fault::Table, what });
    }
    let settled: i64 = connection.query_row(
        "SELECT count(*) FROM delivery WHERE entry IS NULL AND state NOT IN ('queued', 'held')",
        [],
        |row| row.get(0),
    )?;
    if settled > 0 && walk.converted() == 0 {
        let what = format!("{settled} deliveries are settled, and no entry says so");
        walk.find(Finding { entry: 0, fault: Fault::Table, what });
    }
    Ok(())
}

/// Tables, views and triggers that are not as they were made.
fn other_definitions(connection: &Connection) -> Result<Vec<String>, JournalError> {
    let made = Connection::open_in_memory()?;
    made.execute_batch(TABLES)?;
    let read = |connection: &Connection| -> rusqlite::Result<BTreeMap<String, String>> {
        let mut statement = connection
            .prepare("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    };
    let (made, found) = (read(&made)?, read(connection)?);
    let names = made.keys().chain(found.keys()).collect::<BTreeSet<_>>();
    let differing = names.into_iter().filter(|name| made.get(*name) != found.get(*name));
    Ok(differing.map(|name| format!("{name} is not defined as tutin defines it")).collect())
}

fn count(
    connection: &Connection,
    row: &Row,
    walk: &mut Walk,
    table: &str,
    expected: usize,
) -> Result<(), JournalError> {
    let sql = format!("SELECT count(*) FROM {table} WHERE entry = ?1");
    let count: i64 = connection.prepare_cached(&sql)?.query_row([row.seq as i64], |row| row.get(0))?;
    if usize::try_from(count) != Ok(expected) {
        let what = format!("the table {table} has {count} rows of it, and it has {expected}");
        walk.find(fault(row, Fault::Table, what));
    }
    Ok(())
}

fn fault(row: &Row, fault: Fault, what: String) -> Finding {
    Finding { entry: row.seq, fault, what }
}
