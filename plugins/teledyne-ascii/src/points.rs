//! The list of points: the instrument names its test values, and the list grows as they first come.

use std::collections::BTreeMap;

use tutin_sdk::{Point, PointKind};

/// Position of the warnings that hold, as text.
pub(crate) const WARNINGS: u16 = 0;
/// So many points at most.
const MOST: usize = 1024;

/// Points in order.
#[derive(Debug)]
pub(crate) struct Points {
    list: Vec<Point>,
    units: BTreeMap<String, String>,
    changed: bool,
}

impl Points {
    /// The warnings, and the concentrations, which are known to come.
    pub fn new(concentrations: &[String], units: &BTreeMap<String, String>) -> Self {
        let warnings = Point::text("warnings", "Warnings that hold");
        let mut points = Points { list: vec![warnings], units: units.clone(), changed: false };
        for name in concentrations {
            points.place("", name, PointKind::Number);
        }
        points.changed = false;
        points
    }

    /// All of them.
    pub fn list(&self) -> Vec<Point> {
        self.list.clone()
    }

    /// Place and kind of a value, by the channel that it comes from (empty: a test value) and its name. A new one has this kind.
    pub fn place(&mut self, channel: &str, name: &str, kind: PointKind) -> Option<(u16, PointKind)> {
        let id = id(channel, name);
        if let Some(at) = self.position(&id) {
            let kind = self.list.get(usize::from(at))?.kind;
            return Some((at, kind));
        }
        let label = if channel.is_empty() { name.to_owned() } else { format!("{name}, logger channel {channel}") };
        self.add(Point { id, label, unit: String::new(), kind }).map(|at| (at, kind))
    }

    /// The instrument wrote this unit. False when nobody knows what it is.
    pub fn set_unit(&mut self, position: u16, unit: &str) -> bool {
        let code = self.units.get(unit).cloned().or_else(|| known(unit).map(str::to_owned));
        let is_known = code.is_some();
        if let Some(point) = self.list.get_mut(usize::from(position)) {
            let code = code.unwrap_or_default();
            self.changed |= point.unit != code;
            point.unit = code;
        }
        is_known
    }

    /// True once after the list has changed.
    pub fn take_change(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// What the next instance needs to know.
    pub fn kept(&self) -> Vec<Point> {
        self.list.clone()
    }

    /// Takes over what the last instance knew.
    pub fn restore(&mut self, kept: Vec<Point>) {
        for point in kept {
            match self.position(&point.id) {
                Some(at) => {
                    if let Some(known) = self.list.get_mut(usize::from(at)) {
                        known.unit = point.unit;
                        self.changed = true;
                    }
                }
                None => {
                    self.add(point);
                }
            }
        }
    }

    fn position(&self, id: &str) -> Option<u16> {
        self.list.iter().position(|point| point.id == id).and_then(|at| u16::try_from(at).ok())
    }

    fn add(&mut self, point: Point) -> Option<u16> {
        if self.list.len() >= MOST || !Point::is_id(&point.id) {
            return None;
        }
        self.list.push(point);
        self.changed = true;
        u16::try_from(self.list.len() - 1).ok()
    }
}

/// `BOX TEMP` becomes `box_temp`, `COCNC1 AVG` of the channel CONC becomes `conc_cocnc1_avg`. A name that begins with a digit gets a `v`.
fn id(channel: &str, name: &str) -> String {
    let whole = if channel.is_empty() { name.to_owned() } else { format!("{channel} {name}") };
    let lower = |character: char| match character.to_ascii_lowercase() {
        kept @ ('a'..='z' | '0'..='9') => kept,
        _ => '_',
    };
    let id: String = whole.trim().chars().map(lower).collect();
    let front = if id.starts_with(|first: char| first.is_ascii_lowercase()) { "" } else { "v" };
    let id: String = format!("{front}{id}").chars().take(64).collect();
    // The warnings are the driver's own.
    if id == "warnings" { "warnings_value".into() } else { id }
}

/// UCUM codes of units as the instrument writes them.
fn known(unit: &str) -> Option<&'static str> {
    let code = match unit.to_ascii_uppercase().as_str() {
        "" => "",
        "PPB" => "[ppb]",
        "PPM" => "[ppm]",
        "MG/M3" => "mg/m3",
        "UG/M3" => "ug/m3",
        "MV" => "mV",
        "C" => "Cel",
        "%" => "%",
        _ => return None,
    };
    Some(code)
}
