//! The members that a payload can have: their names and where each value comes from.
//!
//! Adding a member is one line in one of the tables. The order of a table is the order of members when a field map
//! is empty.

use super::cell::Cell;
use crate::alarm::Change;
use crate::average::Average;
use crate::method::Role;
use crate::reading::{Reading, Value};
use crate::sink::Timeliness;
use crate::status::{PlantState, Qualifiers};
use crate::status_table::Axes;

/// What the members of an average are taken from.
pub(super) struct AverageRow<'a> {
    pub hub: &'a str,
    pub key: &'a str,
    pub average: &'a Average,
    pub timeliness: Timeliness,
}

impl AverageRow<'_> {
    /// What is remarked on the average, and on its delivery.
    fn qualifiers(&self) -> Qualifiers {
        match self.timeliness {
            Timeliness::OnTime => self.average.qualifiers,
            Timeliness::Late => self.average.qualifiers.with(Qualifiers::LATE),
        }
    }
}

impl AverageRow<'_> {
    /// What a table of status codes is asked about.
    pub fn axes(&self) -> Axes {
        Axes { state: self.average.state, plant: self.average.plant, qualifiers: self.qualifiers() }
    }

    /// Mean of a companion that the block was computed with, in the role's unit.
    fn companion(&self, role: Role) -> Option<f64> {
        self.average.used.companions.get(role.name())?.mean
    }
}

/// What the members of a reading are taken from.
pub(super) struct ReadingRow<'a> {
    pub hub: &'a str,
    pub key: &'a str,
    pub reading: &'a Reading<'a>,
}

impl ReadingRow<'_> {
    /// What a table of status codes is asked about.
    pub fn axes(&self) -> Axes {
        Axes { state: self.reading.state, plant: PlantState::Unknown, qualifiers: self.reading.qualifiers }
    }
}

pub(super) type AverageMember = for<'a> fn(&AverageRow<'a>) -> Cell<'a>;
pub(super) type ReadingMember = for<'a> fn(&ReadingRow<'a>) -> Cell<'a>;

/// What the members of an alarm are taken from.
pub(super) struct AlarmRow<'a> {
    pub hub: &'a str,
    pub key: &'a str,
    pub change: &'a Change,
}

pub(super) type AlarmMember = for<'a> fn(&AlarmRow<'a>) -> Cell<'a>;

pub(super) const ALARM: [(&str, AlarmMember); 10] = [
    ("key", |row| Cell::Text(row.key)),
    ("hub", |row| Cell::Text(row.hub)),
    ("alarm", |row| Cell::Text(&row.change.name)),
    ("kind", |row| Cell::Text(row.change.kind())),
    ("source", |row| Cell::Text(row.change.source())),
    ("parameter", |row| Cell::Text(row.change.parameter())),
    ("state", |row| Cell::Text(row.change.state.name())),
    ("at", |row| Cell::Time(row.change.at)),
    ("detail", |row| Cell::Text(&row.change.detail)),
    ("by", |row| row.change.by.as_deref().map_or(Cell::Null, Cell::Text)),
];

/// What the members of a poll object are taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PollMember {
    Key,
    Hub,
    Device,
    At,
    Points,
    States,
}

pub(super) const AVERAGE: [(&str, AverageMember); 35] = [
    ("key", |row| Cell::Text(row.key)),
    ("hub", |row| Cell::Text(row.hub)),
    ("source", |row| Cell::Text(&row.average.key.source)),
    ("parameter", |row| Cell::Text(&row.average.key.parameter)),
    ("rule_set", |row| Cell::Text(&row.average.key.rule_set)),
    ("start", |row| Cell::Time(row.average.key.start)),
    ("end", |row| Cell::Time(row.average.end())),
    ("length_s", |row| Cell::Integer(row.average.length.as_secs())),
    ("label", |row| Cell::Text(&row.average.label)),
    ("unit", |row| Cell::Text(&row.average.unit)),
    ("value", |row| row.average.reported().map_or(Cell::Null, Cell::Decimal)),
    ("validated", |row| Cell::number(row.average.validated)),
    ("corrected", |row| Cell::number(row.average.corrected)),
    ("mass_g_s", |row| Cell::number(row.average.mass.map(|mass| mass.g_s))),
    ("mass_kg", |row| Cell::number(row.average.mass.map(|mass| mass.kg))),
    ("oxygen", |row| Cell::number(row.companion(Role::Oxygen))),
    ("moisture", |row| Cell::number(row.companion(Role::Moisture))),
    ("temperature", |row| Cell::number(row.companion(Role::Temperature))),
    ("pressure", |row| Cell::number(row.companion(Role::Pressure))),
    ("flow", |row| Cell::number(row.companion(Role::Flow))),
    ("mean", |row| Cell::number(row.average.mean)),
    ("mean_raw", |row| Cell::number(row.average.mean_raw)),
    ("unit_raw", |row| Cell::Text(&row.average.unit_raw)),
    ("min", |row| Cell::number(row.average.min)),
    ("max", |row| Cell::number(row.average.max)),
    ("expected", |row| Cell::Integer(row.average.expected.into())),
    ("received", |row| Cell::Integer(row.average.received.into())),
    ("valid", |row| Cell::Integer(row.average.valid.into())),
    ("coverage", |row| Cell::Number(row.average.coverage)),
    ("state", |row| Cell::Text(row.average.state.name())),
    ("plant", |row| Cell::Text(row.average.plant.name())),
    ("qualifiers", |row| Cell::Remarks(row.qualifiers())),
    ("notes", |row| Cell::Texts(&row.average.notes)),
    ("revision", |row| Cell::Integer(row.average.key.revision.into())),
    ("configuration", |row| Cell::Text(&row.average.configuration)),
];

pub(super) const READING: [(&str, ReadingMember); 12] = [
    ("key", |row| Cell::Text(row.key)),
    ("hub", |row| Cell::Text(row.hub)),
    ("device", |row| Cell::Text(row.reading.device)),
    ("point", |row| Cell::Text(&row.reading.point.id)),
    ("at", |row| Cell::Time(row.reading.sampled_at)),
    ("received_at", |row| Cell::Time(row.reading.received_at)),
    ("value", |row| match row.reading.value {
        Value::Number(number) => Cell::Number(number),
        Value::Text(text) => Cell::Text(text),
        Value::None => Cell::Null,
    }),
    ("unit", |row| Cell::Text(&row.reading.point.unit)),
    ("state", |row| Cell::Text(row.reading.state.name())),
    ("qualifiers", |row| Cell::Remarks(row.reading.qualifiers)),
    ("status", |row| Cell::bits(row.reading.status)),
    ("raw", |row| Cell::bits(row.reading.raw)),
];

pub(super) const POLL: [(&str, PollMember); 6] = [
    ("key", PollMember::Key),
    ("hub", PollMember::Hub),
    ("device", PollMember::Device),
    ("at", PollMember::At),
    ("points", PollMember::Points),
    ("states", PollMember::States),
];

/// What a poll object has when the field map is empty.
pub(super) const POLL_DEFAULT: [PollMember; 4] =
    [PollMember::Device, PollMember::At, PollMember::Points, PollMember::States];

/// In a field map of a poll object: this and the id of a point stands for the value of that point.
pub const POINT_PREFIX: &str = "point.";

/// Members of an average, for field maps.
pub fn members_of_average() -> &'static [&'static str] {
    const NAMES: [&str; AVERAGE.len()] = names(&AVERAGE);
    &NAMES
}

/// Members of an alarm, for field maps.
pub fn members_of_alarm() -> &'static [&'static str] {
    const NAMES: [&str; ALARM.len()] = names(&ALARM);
    &NAMES
}

/// Members of a reading, for field maps.
pub fn members_of_reading() -> &'static [&'static str] {
    const NAMES: [&str; READING.len()] = names(&READING);
    &NAMES
}

/// Members of a poll object, for field maps; [`POINT_PREFIX`] with a point's id is one more.
pub fn members_of_poll() -> &'static [&'static str] {
    const NAMES: [&str; POLL.len()] = names(&POLL);
    &NAMES
}

pub(super) fn find<M: Copy>(table: &[(&'static str, M)], name: &str) -> Option<M> {
    table.iter().find(|(known, _)| *known == name).map(|(_, member)| *member)
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, where iterators cannot be used")]
const fn names<M: Copy, const N: usize>(table: &[(&'static str, M); N]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut position = 0;
    while position < N {
        names[position] = table[position].0;
        position += 1;
    }
    names
}
