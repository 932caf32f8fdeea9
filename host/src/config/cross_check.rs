//! What can only be said once plugins have been asked for their points, and still without any instrument.
//!
//! The caller opens the plugins and knows the units; this module knows which line of the configuration to blame.

use std::collections::BTreeMap;

use crate::config::NamedFile;
use crate::config::mistake::{Mistake, nearest};
use crate::config::model::{Config, Name, Origin, Parameter, Pattern, PlantPoint, Select};
use crate::config::path::{path_text, quoted};
use crate::config::places::Places;
use crate::config::problem::{Problem, Severity};
use crate::method::{Duct, Role};
use crate::reading::{Point, PointKind};

/// What a plugin said about the configuration.
#[derive(Debug, Clone, PartialEq)]
pub enum PluginFinding {
    /// The device can be opened with its settings, and these are its points.
    Points {
        /// Member of `[devices]`.
        device: Name,
        /// In the plugin's order.
        points: Vec<Point>,
    },
    /// Something is wrong with a plugin, a grant or a device's settings.
    Fault {
        /// Which option or section, as in `devices.no2.settings.model`.
        path: String,
        /// Whether the device can run in spite of it.
        severity: Severity,
        /// What is wrong.
        message: String,
        /// What to do about it.
        help: Option<String>,
    },
}

/// The gas whose amount a unit counts; without its molar mass ppb do not convert to mg/m3.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gas<'a> {
    /// Name of the parameter, by which the usual gases are known.
    pub parameter: &'a str,
    /// The configured molar mass, g/mol.
    pub molar_mass: Option<f64>,
}

/// Says whether the first unit converts to the second for this gas, and if not, why.
pub type Convertible<'a> = dyn Fn(&str, &str, Gas<'_>) -> Result<(), String> + 'a;

/// Members that the records of each kind have in payloads.
#[derive(Debug, Clone, Copy)]
pub struct Members<'a> {
    /// Of an average.
    pub averages: &'a [&'a str],
    /// Of an alarm.
    pub alarms: &'a [&'a str],
    /// Of a reading.
    pub readings: &'a [&'a str],
}

/// Named files that are not there.
pub fn missing_files(files: &[NamedFile]) -> Vec<Problem> {
    let missing = files.iter().filter(|named| !named.file.is_file());
    missing
        .map(|named| {
            let mistake = Mistake::MissingFile { file: named.file.display().to_string() };
            Problem::new(named.option.clone(), Some(named.place.clone()), &mistake)
        })
        .collect()
}

/// Compares what the configuration says of points and units with what the plugins say. Devices without a
/// finding are not checked.
pub fn check(
    config: &Config,
    places: &Places,
    findings: &[PluginFinding],
    convertible: &Convertible<'_>,
) -> Vec<Problem> {
    let mut problems: Vec<Problem> = findings.iter().filter_map(|finding| fault(finding, places)).collect();
    let points: BTreeMap<&str, &[Point]> = findings
        .iter()
        .filter_map(|finding| match finding {
            PluginFinding::Points { device, points } => Some((device.as_str(), points.as_slice())),
            PluginFinding::Fault { .. } => None,
        })
        .collect();
    for (source_name, source) in &config.sources {
        for (name, parameter) in &source.parameters {
            let Origin::Point { device, point } = &parameter.origin else { continue };
            let Some(points) = points.get(device.as_str()) else { continue };
            let role = source.companions.iter().find(|(_, companion)| companion.parameter.as_ref() == Some(name));
            let taken = Taken { name, parameter, device, point, role: role.map(|(role, _)| *role) };
            if let Some((option, mistake)) = taken.mistake(points, convertible) {
                let path = path(&["sources", source_name, "parameters", name, option]);
                let place = places.nearest(&path);
                problems.push(Problem::new(path, place, &mistake));
            }
        }
        if let Some(PlantPoint { device, point, .. }) = &source.plant_point
            && let Some(points) = points.get(device.as_str())
            && !points.iter().any(|known| known.id == *point)
        {
            let path = path(&["sources", source_name, "plant_point", "point"]);
            let place = places.nearest(&path);
            problems.push(Problem::new(path, place, &no_such_point(device, point, points)));
        }
    }
    routes(config, places, &points, &mut problems);
    problems
}

/// Compares field maps with the members that the records of their routes have.
pub fn check_members(config: &Config, places: &Places, members: Members<'_>) -> Vec<Problem> {
    let (mut problems, mut told) = (Vec::new(), Vec::new());
    for (route_name, route) in &config.routes {
        let (content, known) = match route.select {
            Select::Averages { .. } => ("averages", members.averages),
            Select::Alarms { .. } => ("alarms", members.alarms),
            Select::Readings { .. } => ("readings", members.readings),
        };
        for sink in &route.to {
            let Some(fields) = config.sinks.get(sink).map(|sink| sink.kind.fields()) else { continue };
            for (name, found) in fields.members().filter(|(_, member)| !known.contains(member)) {
                // One route is told of, however many carry the same to this sink.
                if told.contains(&(sink, name, content)) {
                    continue;
                }
                told.push((sink, name, content));
                let mistake = Mistake::NoSuchMember {
                    content,
                    found: found.to_owned(),
                    route: route_name.clone(),
                    nearest: nearest(found, known.iter().copied()).map(quoted),
                    known: known.iter().map(|known| (*known).to_owned()).collect(),
                };
                let path = path(&["sinks", sink, "fields", name]);
                let place = places.nearest(&path);
                problems.push(Problem::new(path, place, &mistake));
            }
        }
    }
    problems
}

fn fault(finding: &PluginFinding, places: &Places) -> Option<Problem> {
    let PluginFinding::Fault { path, severity, message, help } = finding else { return None };
    Some(Problem {
        severity: *severity,
        path: path.clone(),
        message: message.clone(),
        help: help.clone(),
        place: places.nearest(path),
        conceal: Vec::new(),
    })
}

/// A parameter that is taken from a point.
struct Taken<'a> {
    name: &'a str,
    parameter: &'a Parameter,
    device: &'a str,
    point: &'a str,
    role: Option<Role>,
}

impl Taken<'_> {
    /// What is wrong with it, and which of its options is to blame.
    fn mistake(&self, points: &[Point], convertible: &Convertible<'_>) -> Option<(&'static str, Mistake)> {
        let Some(point) = points.iter().find(|point| point.id == self.point) else {
            return Some(("point", no_such_point(self.device, self.point, points)));
        };
        let (id, device) = (self.point.to_owned(), self.device.to_owned());
        if point.kind == PointKind::Text {
            return Some(("point", Mistake::TextPoint { point: id, device }));
        }
        let chain = &self.parameter.chain;
        // Without a signal the point has the quantity's own unit.
        let (from, signal) = match &chain.signal {
            Some(signal) => (signal.unit.as_str(), Some((point.unit.as_str(), "mA", "signal"))),
            None => (point.unit.as_str(), None),
        };
        let unit = self.parameter.unit.as_deref().unwrap_or(from);
        let steps = match chain.duct {
            None => [Some((from, unit, "unit")), None],
            Some(Duct::Velocity { .. }) => [Some((from, "m/s", "duct")), Some(("m3/h", unit, "unit"))],
            Some(Duct::Pitot { .. }) => [Some((from, "Pa", "duct")), Some(("m3/h", unit, "unit"))],
        };
        if let Some(mistake) = self.basis(from, unit, convertible) {
            return Some(mistake);
        }
        let role = self.role.map(|role| (unit, role.unit(), "unit"));
        for (from, to, option) in [signal, steps[0], steps[1], role].into_iter().flatten().filter(|(a, b, _)| a != b) {
            if from.is_empty() {
                return Some((option, Mistake::NoUnit { point: id, device, to: to.to_owned() }));
            }
            let gas = Gas { parameter: self.name, molar_mass: self.parameter.molar_mass };
            if let Err(cause) = convertible(from, to, gas) {
                let (from, to) = (from.to_owned(), to.to_owned());
                return Some((option, Mistake::UnitsDoNotConvert { from, to, cause }));
            }
        }
        None
    }
}

impl Taken<'_> {
    /// Whether temperature, pressure and moisture have a meaning for what is measured.
    fn basis(&self, from: &str, unit: &str, convertible: &Convertible<'_>) -> Option<(&'static str, Mistake)> {
        let no_gas = Gas { parameter: "", molar_mass: None };
        let is = |unit: &str, of: &str| unit == of || convertible(unit, of, no_gas).is_ok();
        let (is_flow, is_concentration) = (is(unit, "m3/h"), is(unit, "mg/m3"));
        let chain = &self.parameter.chain;
        let what = |what: &'static str, unit: &str| Mistake::BasisWithoutMeaning { what, unit: unit.to_owned() };
        if chain.actual && !is_flow && !(is_concentration && is(from, "mg/m3")) {
            return Some(("conditions", what("conditions = \"actual\"", from)));
        }
        if chain.wet && !is_flow && !is_concentration && !is(unit, "%") {
            return Some(("moisture", what("moisture = \"wet\"", unit)));
        }
        None
    }
}

fn no_such_point(device: &str, id: &str, points: &[Point]) -> Mistake {
    let ids = || points.iter().map(|point| point.id.as_str());
    let (nearest, known) = (nearest(id, ids()).map(quoted), ids().map(str::to_owned).collect());
    Mistake::NoSuchPoint { device: device.to_owned(), found: id.to_owned(), nearest, known }
}

/// Each pattern for points must match one of the devices that the route takes, once all of these are known.
fn routes(config: &Config, places: &Places, points: &BTreeMap<&str, &[Point]>, problems: &mut Vec<Problem>) {
    for (name, route) in &config.routes {
        let Select::Readings { devices, points: wanted, .. } = &route.select else { continue };
        let chosen = || config.devices.keys().filter(|device| fits(devices, device));
        if !chosen().all(|device| points.contains_key(device.as_str())) {
            continue;
        }
        let ids: Vec<&str> = chosen()
            .filter_map(|device| points.get(device.as_str()))
            .flat_map(|points| points.iter().map(|point| point.id.as_str()))
            .collect();
        for pattern in wanted.iter().filter(|pattern| !ids.iter().any(|id| pattern.matches(id))) {
            let near = nearest(&pattern.0, ids.iter().copied()).map(quoted);
            let known = ids.iter().map(|id| (*id).to_owned()).collect();
            let what = "point of the route's devices";
            let mistake = Mistake::PatternMatchesNothing { what, pattern: pattern.0.clone(), nearest: near, known };
            let path = path(&["routes", name, "points"]);
            let place = places.nearest(&path);
            problems.push(Problem::new(path, place, &mistake));
        }
    }
}

fn fits(patterns: &[Pattern], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(name))
}

fn path(keys: &[&str]) -> String {
    path_text(&keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>())
}
