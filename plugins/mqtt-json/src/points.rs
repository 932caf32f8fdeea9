//! The points: those of the settings first, then those found in messages, in the order in which they were found.
//!
//! Invariant: a point never changes its place or its id.

use std::collections::BTreeMap;

use tutin_sdk::{Point, PointKind, Timestamp};

use crate::settings::KnownPoint;
use crate::topic::Captures;

/// All points.
#[derive(Debug)]
pub struct Points {
    all: Vec<Standing>,
    by_name: BTreeMap<String, usize>,
    by_id: BTreeMap<String, usize>,
    room: usize,
}

/// A point, and what was heard of it.
#[derive(Debug)]
pub struct Standing {
    /// As the host knows it.
    pub point: Point,
    /// What the placeholders met when it was last heard of.
    pub captures: Captures,
    /// Rule and topic that it was last heard from.
    pub source: Option<(usize, String)>,
    /// Time of its newest value.
    pub last: Option<Timestamp>,
    /// Heard of at all.
    pub is_seen: bool,
}

/// Where a name leads.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    /// A point that was there.
    Known(usize),
    /// A new one, and whether its id had to differ from its name because another has that id.
    New(usize, Collided),
    /// There is no room for more.
    NoRoom,
}

/// Whether two names make the same id.
#[derive(Debug, PartialEq, Eq)]
pub enum Collided {
    /// They do.
    Yes,
    /// They do not.
    No,
}

impl Points {
    /// The known ones, and room for so many more.
    pub fn new(known: &[KnownPoint], room: u32) -> Self {
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let mut points = Points { all: Vec::new(), by_name: BTreeMap::new(), by_id: BTreeMap::new(), room };
        for known in known {
            let name = known.name.clone().unwrap_or_else(|| known.id.clone());
            let label = known.label.clone().unwrap_or_else(|| name.clone());
            points.add(name, Point { id: known.id.clone(), label, unit: known.unit.clone(), kind: known.kind });
        }
        points
    }

    /// The point of this name, made if there is room.
    pub fn place(&mut self, name: &str, kind: PointKind, unit: &str) -> Place {
        if let Some(at) = self.by_name.get(name) {
            return Place::Known(*at);
        }
        if self.room == 0 {
            return Place::NoRoom;
        }
        self.room -= 1;
        let plain = id_of(name);
        let (id, collided) = match self.by_id.contains_key(&plain) {
            false => (plain, Collided::No),
            true => (self.other_id(&plain, name), Collided::Yes),
        };
        let point = Point { id, label: name.to_owned(), unit: unit.to_owned(), kind };
        Place::New(self.add(name.to_owned(), point), collided)
    }

    /// The place of a name that is there.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// A point by its place.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut Standing> {
        self.all.get_mut(at)
    }

    /// All by name.
    pub fn named(&self) -> impl Iterator<Item = (&str, &Standing)> {
        self.by_name.iter().filter_map(|(name, at)| Some((name.as_str(), self.all.get(*at)?)))
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Standing> {
        self.all.iter()
    }

    fn add(&mut self, name: String, point: Point) -> usize {
        let at = self.all.len();
        self.by_name.insert(name, at);
        self.by_id.insert(point.id.clone(), at);
        self.all.push(Standing { point, captures: Captures::new(), source: None, last: None, is_seen: false });
        at
    }

    /// An id of a name whose plain one is taken: with eight digits that depend on the name alone, or the next that are free.
    fn other_id(&self, plain: &str, name: &str) -> String {
        let mut digits = fnv(name);
        loop {
            let id = format!("{}_{digits:08x}", plain.get(..plain.len().min(55)).unwrap_or(plain));
            if !self.by_id.contains_key(&id) {
                return id;
            }
            digits = digits.wrapping_add(1);
        }
    }
}

/// A name as an id: lower case, everything but letters and digits as `_`, with `p_` in front when no letter is first.
fn id_of(name: &str) -> String {
    let mut id: String = name
        .chars()
        .map(|letter| letter.to_ascii_lowercase())
        .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' })
        .take(64)
        .collect();
    if !id.starts_with(|first: char| first.is_ascii_lowercase()) {
        id.insert_str(0, "p_");
        id.truncate(64);
    }
    id
}

/// FNV-1a, 32 bits.
fn fnv(text: &str) -> u32 {
    text.bytes().fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_an_id_that_the_contract_allows() {
        let check = |name: &str, expected: &str| {
            assert_eq!(id_of(name), expected);
            assert!(Point::is_id(&id_of(name)), "{name}");
        };
        check("Stack 1/NO2", "stack_1_no2");
        check("2nd", "p_2nd");
        check("", "p_");
        check("ΔT", "p__t");
        check(&"x".repeat(80), &"x".repeat(64));
        check(&"9".repeat(80), &format!("p_{}", "9".repeat(62)));
    }

    #[test]
    fn two_names_of_one_id_are_two_points() {
        let mut points = Points::new(&[], 3);
        let mut place = |name| points.place(name, PointKind::Number, "");
        assert_eq!(place("NO2"), Place::New(0, Collided::No));
        assert_eq!(place("no2"), Place::New(1, Collided::Yes));
        assert_eq!(place("NO2"), Place::Known(0));
        assert_eq!(place("co"), Place::New(2, Collided::No));
        assert_eq!(place("so2"), Place::NoRoom);
        let ids: Vec<&str> = points.iter().map(|standing| standing.point.id.as_str()).collect();
        assert_eq!(ids[0], "no2");
        assert!(ids[1].starts_with("no2_") && Point::is_id(ids[1]));
    }
}
