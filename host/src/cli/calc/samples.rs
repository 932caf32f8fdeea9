//! Recorded samples as poll sets: from a table with a column for each point, or from `tutin export --what readings`.
//!
//! ```text
//! time,t200.no2 (mg/m3),t200.no2.state,o2 (%)          one row for each moment
//! device,point,sampled_at,received_at,value,unit,state  one row for each reading, in any order of columns
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use csv::StringRecord;

use crate::config::model::Config;
use crate::config::nearest;
use crate::method::Plant;
use crate::pipeline::{Assignment, Input};
use crate::reading::{Columns, DeviceCatalog, InstrumentState, Point, PointKind, PollSet};
use crate::time::Timestamp;

/// Units of points that the file does not name, by device and point.
pub type KnownUnits = BTreeMap<(String, String), String>;

/// When the rows of a table without a time column were sampled.
#[derive(Debug, Clone, Copy)]
pub struct Rows {
    /// The first.
    pub start: Option<Timestamp>,
    /// From one to the next.
    pub step: Option<Duration>,
}

/// The samples, and what is left out of the file.
#[derive(Debug)]
pub struct Samples {
    /// In the order of the file.
    pub sets: Vec<PollSet>,
    /// Columns that belong to no point of the configuration, each with the nearest that there is.
    pub unused: Unused,
}

/// Columns that are left out, each with the nearest name that there is.
type Unused = Vec<(String, Option<String>)>;

/// A column of values.
struct Column {
    at: usize,
    state_at: Option<usize>,
    device: String,
    point: String,
    unit: String,
}

/// Points that the configuration takes something from: device and point.
pub fn wanted(assignments: &[Assignment]) -> Vec<(String, String)> {
    let mut wanted: Vec<(String, String)> = Vec::new();
    for assignment in assignments {
        if let Input::Point { device, point, .. } = &assignment.input {
            wanted.push((device.clone(), point.clone()));
        }
        if let Plant::Point { device, point, .. } = &assignment.plant {
            wanted.push((device.clone(), point.clone()));
        }
    }
    wanted.sort();
    wanted.dedup();
    wanted
}

/// Reads a file. `units` is asked only for points whose unit the file does not name.
pub fn read(
    file: &Path,
    config: &Config,
    wanted: &[(String, String)],
    rows: Rows,
    units: &dyn Fn() -> KnownUnits,
) -> anyhow::Result<Samples> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    let header = reader.headers().with_context(|| format!("the header of {}", file.display()))?.clone();
    let place = |name: &str| header.iter().position(|column| column == name);
    let long = [place("device"), place("point"), place("sampled_at"), place("value")];
    if let [Some(device), Some(point), Some(at), Some(value)] = long {
        let columns = Long {
            device,
            point,
            at,
            value,
            received: place("received_at"),
            unit: place("unit"),
            state: place("state"),
        };
        return columns.read(reader);
    }
    let (columns, unused) = columns(&header, config, wanted, units)?;
    if columns.is_empty() {
        let known: Vec<String> = wanted.iter().map(|(device, point)| format!("{device}.{point}")).collect();
        bail!("{}: no column is a point of the configuration; there is: {}", file.display(), known.join(", "));
    }
    let time = place("time");
    if time.is_none() && (rows.start.is_none() || rows.step.is_none()) {
        bail!("{} has no column \"time\": say --start and --step", file.display());
    }
    let catalogs = catalogs(&columns);
    let mut sets = Vec::new();
    for (row, record) in reader.records().enumerate() {
        let line = row + 2;
        let record = record.with_context(|| format!("{}, line {line}", file.display()))?;
        let at = match time.and_then(|time| record.get(time)) {
            Some(text) => {
                super::moment(text).map_err(|error| anyhow::anyhow!("line {line}, time {text:?}: {error}"))?
            }
            None => {
                let (start, step) = (rows.start.unwrap_or_default(), rows.step.unwrap_or_default());
                start.after(step.saturating_mul(u32::try_from(row).unwrap_or(u32::MAX)))
            }
        };
        for (device, catalog) in &catalogs {
            let of_device = columns.iter().filter(|column| column.device == *device);
            sets.push(poll(of_device, catalog, at, &record, line)?);
        }
    }
    Ok(Samples { sets, unused })
}

/// Which columns are points. A point may stand without its device where only one has it, and with its unit in parentheses behind it.
fn columns(
    header: &StringRecord,
    config: &Config,
    wanted: &[(String, String)],
    units: &dyn Fn() -> KnownUnits,
) -> anyhow::Result<(Vec<Column>, Unused)> {
    let (mut columns, mut unused, mut asked) = (Vec::new(), Vec::new(), None);
    for (at, text) in header.iter().enumerate().filter(|(_, text)| *text != "time" && !text.ends_with(".state")) {
        let (name, unit) = match text.strip_suffix(')').and_then(|text| text.rsplit_once(" (")) {
            Some((name, unit)) => (name.trim(), Some(unit.to_owned())),
            None => (text, None),
        };
        let fits = |(device, point): &&(String, String)| format!("{device}.{point}") == name || point == name;
        let found: Vec<_> = wanted.iter().filter(fits).collect();
        let (device, point) = match found.as_slice() {
            [] => {
                let known: Vec<String> = wanted.iter().map(|(device, point)| format!("{device}.{point}")).collect();
                let points = wanted.iter().map(|(_, point)| point.as_str());
                let near = nearest(name, known.iter().map(String::as_str).chain(points)).map(str::to_owned);
                unused.push((text.to_owned(), near));
                continue;
            }
            [one] => (one.0.clone(), one.1.clone()),
            [first, ..] => bail!("column {text:?} fits more than one device: write {}.{}", first.0, first.1),
        };
        let unit = match unit {
            Some(unit) => unit,
            None => {
                let known = asked.get_or_insert_with(units);
                let unit = known.get(&(device.clone(), point.clone())).cloned();
                let plugin = config.devices.get(&device).map_or("", |device| device.plugin.as_str());
                unit.with_context(|| {
                    format!("column {text:?} has no unit, and plugin {plugin} does not say one: write it as \"{name} (mg/m3)\"")
                })?
            }
        };
        let state = format!("{name}.state");
        let state_at = header.iter().position(|column| column == state);
        columns.push(Column { at, state_at, device, point, unit });
    }
    Ok((columns, unused))
}

fn catalogs(columns: &[Column]) -> BTreeMap<String, Arc<DeviceCatalog>> {
    let mut points: BTreeMap<String, Vec<Point>> = BTreeMap::new();
    for Column { device, point, unit, .. } in columns {
        points.entry(device.clone()).or_default().push(plain(point, unit));
    }
    points.into_iter().map(|(device, points)| (device.clone(), catalog(device, points))).collect()
}

fn plain(id: &str, unit: &str) -> Point {
    Point { id: id.to_owned(), label: String::new(), unit: unit.to_owned(), kind: PointKind::Number }
}

fn catalog(device: String, points: Vec<Point>) -> Arc<DeviceCatalog> {
    Arc::new(DeviceCatalog { device, plugin: "tutin calc".to_owned(), plugin_digest: String::new(), points })
}

/// The values of one device in one row. An empty cell is no sample.
fn poll<'c>(
    columns: impl Iterator<Item = &'c Column>,
    catalog: &Arc<DeviceCatalog>,
    at: Timestamp,
    record: &StringRecord,
    line: usize,
) -> anyhow::Result<PollSet> {
    let mut row = Columns::default();
    for (index, column) in columns.enumerate() {
        let text = record.get(column.at).unwrap_or_default();
        let state = match column.state_at.and_then(|at| record.get(at)) {
            None | Some("") => InstrumentState::Valid,
            Some(name) => state(name).with_context(|| format!("line {line}, {}.{}", column.device, column.point))?,
        };
        if text.is_empty() && state.has_value() {
            continue;
        }
        let value = number(text).with_context(|| format!("line {line}, {}.{}", column.device, column.point))?;
        row.points.push(u16::try_from(index).unwrap_or(u16::MAX));
        row.values.push(value);
        row.states.push(state);
    }
    Ok(PollSet { catalog: Arc::clone(catalog), received_at: at, columns: row })
}

fn number(text: &str) -> anyhow::Result<f64> {
    if text.is_empty() {
        return Ok(f64::NAN);
    }
    text.parse().with_context(|| format!("{text:?} is not a number"))
}

fn state(name: &str) -> anyhow::Result<InstrumentState> {
    let found = InstrumentState::ALL.into_iter().find(|state| state.name() == name);
    found.with_context(|| {
        let known: Vec<_> = InstrumentState::ALL.iter().map(|state| state.name()).collect();
        format!("{name:?} is no instrument state; there is: {}", known.join(", "))
    })
}

/// Columns of a file with a row for each reading.
struct Long {
    device: usize,
    point: usize,
    at: usize,
    value: usize,
    received: Option<usize>,
    unit: Option<usize>,
    state: Option<usize>,
}

/// A reading of such a file.
struct Row {
    device: String,
    point: String,
    sampled: Timestamp,
    received: Timestamp,
    value: f64,
    state: InstrumentState,
}

impl Long {
    fn read(&self, mut reader: csv::Reader<std::fs::File>) -> anyhow::Result<Samples> {
        let mut points: BTreeMap<String, Vec<Point>> = BTreeMap::new();
        let mut rows = Vec::new();
        for (row, record) in reader.records().enumerate() {
            let line = row + 2;
            let record = record.with_context(|| format!("line {line}"))?;
            let (row, unit) = self.row(&record).with_context(|| format!("line {line}"))?;
            let of_device = points.entry(row.device.clone()).or_default();
            match of_device.iter().find(|known| known.id == row.point) {
                None => of_device.push(plain(&row.point, &unit)),
                Some(known) if known.unit == unit => {}
                Some(known) => bail!(
                    "line {line}: point {} of device {} goes over from {} to {unit}: cut the file there",
                    row.point,
                    row.device,
                    known.unit
                ),
            }
            rows.push(row);
        }
        // All points of a device are known before the first set: a point that comes late is there from the start.
        let catalogs: BTreeMap<String, Arc<DeviceCatalog>> =
            points.into_iter().map(|(device, points)| (device.clone(), catalog(device, points))).collect();
        let sets = rows.into_iter().filter_map(|row| {
            let catalog = catalogs.get(&row.device)?;
            let index = catalog.points.iter().position(|point| point.id == row.point)?;
            let columns = Columns {
                points: vec![u16::try_from(index).ok()?],
                values: vec![row.value],
                states: vec![row.state],
                times: vec![row.sampled],
                ..Columns::default()
            };
            Some(PollSet { catalog: Arc::clone(catalog), received_at: row.received, columns })
        });
        Ok(Samples { sets: sets.collect(), unused: Vec::new() })
    }

    /// One reading, and its unit.
    fn row(&self, record: &StringRecord) -> anyhow::Result<(Row, String)> {
        let text = |at: Option<usize>| at.and_then(|at| record.get(at)).unwrap_or_default();
        let moment = |at: &str| super::moment(at).map_err(|error| anyhow::anyhow!("{at:?}: {error}"));
        let sampled = moment(text(Some(self.at)))?;
        let received = if text(self.received).is_empty() { sampled } else { moment(text(self.received))? };
        let state = match text(self.state) {
            "" => InstrumentState::Valid,
            name => state(name)?,
        };
        let value = number(text(Some(self.value)))?;
        let (device, point) = (text(Some(self.device)).to_owned(), text(Some(self.point)).to_owned());
        Ok((Row { device, point, sampled, received, value, state }, text(self.unit).to_owned()))
    }
}
