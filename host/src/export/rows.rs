//! The columns of an export, and how a reading and an average become a row of them.
//!
//! Adding a column is one line in a table and one in the function below it, at the same place.

use serde_json::json;

use crate::average::{Average, AverageKey, Used};
use crate::method::Role;
use crate::reading::{Reading, Value};
use crate::status::Qualifiers;
use crate::time::Timestamp;

/// A column: its name and what its cells are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name in the file.
    pub name: &'static str,
    /// What stands in it.
    pub kind: Kind,
    /// Whether every row has it.
    pub presence: Presence,
}

/// What the cells of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// IEEE 754 binary64.
    Number,
    /// A number of things, below 2^63.
    Count,
    /// 64 bits, as an unsigned number.
    Word,
    /// Nanoseconds UTC.
    Time,
    /// A set of remarks.
    Remarks,
}

/// Whether every row has a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Each has one.
    Always,
    /// Some have none.
    Sometimes,
}

/// What stands in one column of one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// Nothing.
    Null,
    /// See [`Kind::Text`].
    Text(&'a str),
    /// See [`Kind::Number`].
    Number(f64),
    /// See [`Kind::Count`].
    Count(u64),
    /// See [`Kind::Word`].
    Word(u64),
    /// See [`Kind::Time`].
    Time(Timestamp),
    /// See [`Kind::Remarks`].
    Remarks(Qualifiers),
}

const fn always(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, presence: Presence::Always }
}

const fn sometimes(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, presence: Presence::Sometimes }
}

/// The columns of readings.
pub const READING: [Column; 12] = [
    always("entry", Kind::Count),
    always("device", Kind::Text),
    always("point", Kind::Text),
    always("sampled_at", Kind::Time),
    always("received_at", Kind::Time),
    sometimes("value", Kind::Number),
    sometimes("text", Kind::Text),
    always("unit", Kind::Text),
    always("state", Kind::Text),
    always("qualifiers", Kind::Remarks),
    sometimes("status", Kind::Word),
    sometimes("raw", Kind::Word),
];

/// The row of a reading.
pub fn of_reading<'a>(entry: u64, reading: &Reading<'a>) -> [Cell<'a>; READING.len()] {
    let Reading { device, index: _, point, sampled_at, received_at, value, state, qualifiers, status, raw } = *reading;
    let (number, text) = match value {
        Value::Number(number) => (Cell::Number(number), Cell::Null),
        Value::Text(text) => (Cell::Null, Cell::Text(text)),
        Value::None => (Cell::Null, Cell::Null),
    };
    [
        Cell::Count(entry),
        Cell::Text(device),
        Cell::Text(&point.id),
        Cell::Time(sampled_at),
        Cell::Time(received_at),
        number,
        text,
        Cell::Text(&point.unit),
        Cell::Text(state.name()),
        Cell::Remarks(qualifiers),
        status.map_or(Cell::Null, Cell::Word),
        raw.map_or(Cell::Null, Cell::Word),
    ]
}

/// The columns of averages.
pub const AVERAGE: [Column; 34] = [
    always("source", Kind::Text),
    always("parameter", Kind::Text),
    always("rule_set", Kind::Text),
    always("start", Kind::Time),
    always("end", Kind::Time),
    always("length_s", Kind::Count),
    always("revision", Kind::Count),
    always("label", Kind::Text),
    sometimes("mean", Kind::Number),
    sometimes("corrected", Kind::Number),
    sometimes("validated", Kind::Number),
    sometimes("value", Kind::Number),
    sometimes("mass_g_s", Kind::Number),
    sometimes("mass_kg", Kind::Number),
    sometimes("min", Kind::Number),
    sometimes("max", Kind::Number),
    always("unit", Kind::Text),
    sometimes("mean_raw", Kind::Number),
    always("unit_raw", Kind::Text),
    always("expected", Kind::Count),
    always("received", Kind::Count),
    always("valid", Kind::Count),
    always("coverage", Kind::Number),
    always("state", Kind::Text),
    always("plant", Kind::Text),
    always("qualifiers", Kind::Remarks),
    sometimes("oxygen", Kind::Number),
    sometimes("flow", Kind::Number),
    sometimes("details", Kind::Text),
    sometimes("received_until", Kind::Time),
    always("configuration", Kind::Text),
    sometimes("reason", Kind::Text),
    sometimes("author", Kind::Text),
    always("entry", Kind::Count),
];

/// What an average says besides its numbers, as one JSON object: what the steps used, what the gate stopped, what the plant did.
pub fn details(average: &Average) -> Option<String> {
    let Average { used, notes, implausible, plants, .. } = average;
    let is_plain = *used == Used::default() && notes.is_empty() && implausible.is_empty() && plants.is_empty();
    let text = || json!({ "used": used, "notes": notes, "implausible": implausible, "plants": plants }).to_string();
    (!is_plain).then(text)
}

/// The row of an average, with its [`details`]. Every member is named here, so that a new one cannot be forgotten.
pub fn of_average<'a>(entry: u64, average: &'a Average, details: Option<&'a str>) -> [Cell<'a>; AVERAGE.len()] {
    let Average {
        key: AverageKey { source, parameter, rule_set, start, revision },
        length,
        mean_raw,
        unit_raw,
        mean,
        corrected,
        validated,
        report: _,
        mass,
        min,
        max,
        unit,
        expected,
        received,
        valid,
        coverage,
        state,
        plant,
        plants: _,
        qualifiers,
        implausible: _,
        used,
        notes: _,
        label,
        received_until,
        configuration,
        reason,
        author,
    } = average;
    let number = |value: Option<f64>| value.map_or(Cell::Null, Cell::Number);
    let count = |count: &u32| Cell::Count(u64::from(*count));
    let companion = |role: Role| number(used.companions.get(role.name()).and_then(|companion| companion.mean));
    [
        Cell::Text(source),
        Cell::Text(parameter),
        Cell::Text(rule_set),
        Cell::Time(*start),
        Cell::Time(average.end()),
        Cell::Count(length.as_secs()),
        count(revision),
        Cell::Text(label),
        number(*mean),
        number(*corrected),
        number(*validated),
        number(average.reported().and_then(|value| value.parse().ok())),
        number(mass.map(|mass| mass.g_s)),
        number(mass.map(|mass| mass.kg)),
        number(*min),
        number(*max),
        Cell::Text(unit),
        number(*mean_raw),
        Cell::Text(unit_raw),
        count(expected),
        count(received),
        count(valid),
        Cell::Number(*coverage),
        Cell::Text(state.name()),
        Cell::Text(plant.name()),
        Cell::Remarks(*qualifiers),
        companion(Role::Oxygen),
        companion(Role::Flow),
        details.map_or(Cell::Null, Cell::Text),
        received_until.map_or(Cell::Null, Cell::Time),
        Cell::Text(configuration),
        reason.as_deref().map_or(Cell::Null, Cell::Text),
        author.as_deref().map_or(Cell::Null, Cell::Text),
        Cell::Count(entry),
    ]
}

/// Names of the remarks. A bit that this version has no name for is called by its number.
pub fn remarks(qualifiers: Qualifiers) -> impl Iterator<Item = String> {
    let bits = (0..u32::BITS).filter(move |bit| qualifiers.contains(Qualifiers(1 << bit)));
    bits.map(|bit| Qualifiers(1 << bit).names().next().map_or_else(|| format!("bit_{bit}"), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remark_without_a_name_is_not_lost() {
        let names = |bits: u32| remarks(Qualifiers(bits)).collect::<Vec<_>>().join(";");
        assert_eq!(names(0), "");
        assert_eq!(names(16 | 64), "late;test");
        assert_eq!(names(1 | 1 << 31), "outside_calibration_range;bit_31");
    }
}
