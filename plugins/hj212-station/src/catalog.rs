//! The list of points. It only grows: a pollutant gets its place when the station first speaks of it.

use std::collections::BTreeMap;

use tutin_sdk::{Point, PointKind};

use crate::pollutants::{self, Period};

/// Position of the count of refused messages.
pub(crate) const REFUSED: u16 = 0;
/// Position of the station's last answer.
pub(crate) const LAST_ANSWER: u16 = 1;
/// So many points at most: a station that invents codes must not fill the hub.
const MOST: usize = 4096;

/// Points by id.
#[derive(Debug)]
pub(crate) struct Catalog {
    points: Vec<Point>,
    positions: BTreeMap<String, u16>,
    units: BTreeMap<String, String>,
    changed: bool,
}

impl Catalog {
    /// The points that every station has. `units`: by code, or by code and field.
    pub fn new(units: &BTreeMap<String, String>) -> Self {
        let units = units.iter().map(|(name, unit)| (name.to_ascii_lowercase(), unit.clone())).collect();
        let mut catalog = Catalog { points: Vec::new(), positions: BTreeMap::new(), units, changed: false };
        catalog.add(Point::number("refused_messages", "Messages that could not be used, since the start", "1"));
        catalog.add(Point::text("last_answer", "What the station last answered to a request"));
        catalog
    }

    /// All points.
    pub fn points(&self) -> Vec<Point> {
        self.points.clone()
    }

    /// Where the values of a field of a code go; nothing when the list is full.
    pub fn place(&mut self, code: &str, period: Period, field: &str, kind: PointKind) -> Option<u16> {
        let id = pollutants::id(code, period, field);
        if let Some(position) = self.positions.get(&id) {
            return Some(*position);
        }
        let label = pollutants::label(code, period, field);
        self.add(Point { id, label, unit: self.unit(code, field), kind })
    }

    /// True when there are points that the host has not been told of.
    pub fn has_changed(&self) -> bool {
        self.changed
    }

    /// The host has been told.
    pub fn told(&mut self) {
        self.changed = false;
    }

    /// What the next instance needs to know.
    pub fn kept(&self) -> Vec<Point> {
        self.points.clone()
    }

    /// Takes over what the last instance knew, and says where each of it is now.
    pub fn restore(&mut self, kept: Vec<Point>) -> Vec<Option<u16>> {
        let mut places = Vec::with_capacity(kept.len());
        for point in kept {
            let known = self.positions.get(&point.id).copied();
            places.push(known.or_else(|| if Point::is_id(&point.id) { self.add(point) } else { None }));
        }
        places
    }

    fn add(&mut self, point: Point) -> Option<u16> {
        let position = self.points.len();
        if position >= MOST {
            return None;
        }
        let position = u16::try_from(position).ok()?;
        self.positions.insert(point.id.clone(), position);
        self.points.push(point);
        self.changed = true;
        Some(position)
    }

    /// The unit of a field of its own, else that of the code for its concentrations.
    fn unit(&self, code: &str, field: &str) -> String {
        let code = code.to_ascii_lowercase();
        let own = self.units.get(&format!("{code}-{}", field.to_ascii_lowercase()));
        let is_value = matches!(field.strip_prefix("Zs").unwrap_or(field), "Rtd" | "Min" | "Avg" | "Max");
        let of_code = if is_value { self.units.get(&code) } else { None };
        own.or(of_code).cloned().unwrap_or_default()
    }
}
