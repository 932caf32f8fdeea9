//! Maps from `configs/devices`, and cases that play their instruments.

use std::path::{Path, PathBuf};

use modbus_map_language::settings::Settings;
use modbus_map_language::{ModbusMap, WritingMap};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tutin_sdk::modbus::fake::{Bank, Request};
use tutin_sdk::modbus::{Error, Registers, Table};
use tutin_sdk::words::WordOrder;
use tutin_sdk::{Failure, Point, Qualifier, Samples, Timestamp};

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Names of the map files, without ending, in order.
pub fn families() -> Vec<String> {
    let files = std::fs::read_dir(root().join("configs/devices")).unwrap();
    let mut names: Vec<String> =
        files.filter_map(|file| Some(file.unwrap().file_name().to_str()?.strip_suffix(".toml")?.to_owned())).collect();
    names.sort();
    names
}

pub fn map(family: &str) -> Value {
    toml::from_str(&std::fs::read_to_string(root().join(format!("configs/devices/{family}.toml"))).unwrap()).unwrap()
}

/// What the host does with `settings_file`: tables member by member, everything else replaced.
pub fn merge(under: &Value, over: &Value) -> Value {
    let (Value::Object(under), Value::Object(over)) = (under, over) else { return over.clone() };
    let mut merged = under.clone();
    for (name, value) in over {
        let value = merged.get(name).map_or_else(|| value.clone(), |below| merge(below, value));
        merged.insert(name.clone(), value);
    }
    Value::Object(merged)
}

/// `case.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Where the numbers are from.
    pub origin: String,
    /// What is written before the first read.
    #[serde(default)]
    pub setup: Vec<String>,
    /// What the site says.
    pub site: Value,
    /// What the instrument holds.
    pub cells: Vec<Cells>,
    #[serde(default)]
    pub faults: Vec<Fault>,
    #[serde(default)]
    pub commands: Vec<Commanded>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cells {
    pub table: Table,
    /// On the wire.
    pub address: u16,
    pub unit_id: Option<u8>,
    /// Of f32 and f64. Default: that of the site, or high first.
    pub order: Option<WordOrder>,
    pub words: Option<Vec<u16>>,
    pub zeros: Option<u16>,
    pub f32: Option<Vec<f32>>,
    pub f64: Option<Vec<f64>>,
    pub u32: Option<Vec<u32>>,
    pub text: Option<String>,
    /// Registers of the text.
    pub length: Option<u16>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    pub name: String,
    /// Over the case's site; the device is opened anew.
    pub site: Option<Value>,
    #[serde(default)]
    pub cells: Vec<Cells>,
    pub exception: Option<Exception>,
    pub timeout: Option<At>,
    /// The poll is lost, with this in its reason.
    pub lost: Option<String>,
    /// Members of samples, by point.
    #[serde(default)]
    pub expect: Vec<Map<String, Value>>,
    /// Points that are not there.
    #[serde(default)]
    pub absent: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct At {
    pub table: Table,
    pub address: u16,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    pub table: Table,
    pub address: u16,
    pub code: u8,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commanded {
    pub run: String,
    #[serde(default)]
    pub arguments: Map<String, Value>,
    /// As "coil 101 = 1" or "holding 6000 = 17530 0".
    #[serde(default)]
    pub writes: Vec<String>,
    /// What the poll after the hold writes.
    #[serde(default)]
    pub taken_back: Vec<String>,
    /// Refused, with this in its reason.
    pub refused: Option<String>,
}

pub fn folder(family: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/families").join(family)
}

pub fn case(family: &str) -> Case {
    let file = folder(family).join("case.toml");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|err| panic!("{}: {err}", file.display()));
    toml::from_str(&text).unwrap_or_else(|err| panic!("{}: {err}", file.display()))
}

pub fn settings(family: &str, site: &Value) -> Result<Settings, String> {
    serde_json::from_value(merge(&map(family), site)).map_err(|err| format!("{family}: {err}"))
}

impl Cells {
    pub fn put(&self, bank: &Bank, of_site: WordOrder) {
        let order = self.order.unwrap_or(of_site);
        let mut words = self.words.clone().unwrap_or_default();
        words.extend((0..self.zeros.unwrap_or(0)).map(|_| 0));
        for value in self.f32.iter().flatten() {
            words.extend(order.split(value.to_bits().into(), 2));
        }
        for value in self.f64.iter().flatten() {
            words.extend(order.split(value.to_bits(), 4));
        }
        for value in self.u32.iter().flatten() {
            words.extend(order.split((*value).into(), 2));
        }
        if let Some(text) = &self.text {
            let mut bytes = text.clone().into_bytes();
            bytes.resize(2 * usize::from(self.length.unwrap()), 0);
            words.extend(bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])));
        }
        assert!(!words.is_empty(), "nothing at {:?} {}", self.table, self.address);
        let bank = self.unit_id.map_or_else(|| bank.clone(), |unit| bank.unit(unit).unwrap());
        bank.set(self.table, self.address, &words);
    }
}

/// A device that was opened with the component that its map needs.
pub enum Opened {
    Reads(Box<ModbusMap<Bank>>),
    Writes(Box<WritingMap<Bank>>, i64),
}

pub fn needs_control(settings: &Settings) -> bool {
    let of_variant = settings.variant.as_ref().and_then(|variant| settings.variants.get(variant));
    !settings.setup.is_empty()
        || settings.process_values.is_some()
        || of_variant.is_some_and(|variant| !variant.setup.is_empty())
}

impl Opened {
    pub fn new(bank: &Bank, settings: &Settings) -> Result<Self, Failure> {
        if needs_control(settings) {
            return Ok(Opened::Writes(Box::new(WritingMap::new(bank.clone(), settings)?), 0));
        }
        // What only reads must be the same in both components.
        WritingMap::new(bank.clone(), settings)?;
        Ok(Opened::Reads(Box::new(ModbusMap::new(bank.clone(), settings)?)))
    }

    pub fn read(&mut self) -> Result<Samples, Failure> {
        match self {
            Opened::Reads(driver) => driver.read(),
            Opened::Writes(driver, now) => {
                *now += 1_000_000_000;
                driver.read(Timestamp(*now))
            }
        }
    }

    pub fn points(&self) -> Vec<Point> {
        match self {
            Opened::Reads(driver) => driver.points().to_vec(),
            Opened::Writes(driver, _) => driver.points().to_vec(),
        }
    }
}

/// Samples as JSON objects, one for each; members that say nothing are left out.
pub fn lines(samples: &Samples, points: &[Point]) -> Vec<Map<String, Value>> {
    let line = |(row, sample): (usize, tutin_sdk::Sample)| {
        let point = &points[usize::from(sample.point)];
        let mut line = Map::new();
        line.insert("point".into(), json!(point.id));
        match samples.text(row) {
            Some(text) => line.insert("text".into(), json!(text)),
            None => line.insert("value".into(), json!(sample.value)),
        };
        if samples.text(row).is_none() {
            line.insert("unit".into(), json!(point.unit));
        }
        line.insert("state".into(), json!(sample.state));
        let qualifiers: Vec<Value> = QUALIFIERS
            .into_iter()
            .filter(|qualifier| sample.qualifiers.contains(*qualifier))
            .map(|qualifier| json!(qualifier))
            .collect();
        if !qualifiers.is_empty() {
            line.insert("qualifiers".into(), Value::Array(qualifiers));
        }
        if let Some(status) = sample.status {
            line.insert("status".into(), json!(format!("{status:#x}")));
        }
        line
    };
    samples.iter().enumerate().map(line).collect()
}

const QUALIFIERS: [Qualifier; 7] = [
    Qualifier::OutsideCalibrationRange,
    Qualifier::AboveLimit,
    Qualifier::Substituted,
    Qualifier::Derived,
    Qualifier::Late,
    Qualifier::Corrected,
    Qualifier::Test,
];

/// The writes among the requests since the last call, as "coil 101 = 1".
pub fn writes(bank: &Bank) -> Vec<String> {
    let written = bank.take_requests().into_iter().filter_map(|request| match request {
        Request::Write(unit, table, address, words) => {
            let unit = if unit == 0 { String::new() } else { format!("unit {unit}, ") };
            let table = serde_json::to_value(table).unwrap();
            let words: Vec<String> = words.iter().map(u16::to_string).collect();
            Some(format!("{unit}{} {address} = {}", table.as_str().unwrap(), words.join(" ")))
        }
        _ => None,
    });
    written.collect()
}

pub fn fail(bank: &Bank, fault: &Fault) {
    if let Some(Exception { table, address, code }) = &fault.exception {
        bank.fail(*table, *address, Error::Exception(*code));
    }
    if let Some(At { table, address }) = &fault.timeout {
        bank.fail(*table, *address, Error::Timeout);
    }
}
