//! All averagers of the hub: poll sets in, closed averages out.
//!
//! Each parameter of a source is one stream for each of its rule sets. A stream knows up to which journal entry it has seen
//! the readings of its device, so that a replay and the live flow may overlap.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::averager::{Averager, Block, Rules};
use super::units::{Conversion, Gas, UnitError};
use crate::average::{Average, AverageKey};
use crate::reading::{DeviceCatalog, PollSet};
use crate::status::PlantState;
use crate::time::Timestamp;

/// One parameter of a source under one rule set, and the point that it is taken from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// The source.
    pub source: String,
    /// The parameter.
    pub parameter: String,
    /// The rule set's name.
    pub rule_set: String,
    /// The device.
    pub device: String,
    /// The device's point.
    pub point: String,
    /// Unit of the averages; `None`: the point's.
    pub unit: Option<String>,
    /// Molar mass in g/mol, where it is known, and the rule set's molar volume in L/mol.
    pub molar_mass: Option<f64>,
    /// L/mol.
    pub molar_volume: f64,
    /// Blocks, coverage, lateness and the device's interval. The conversion is set when the point's unit is known.
    pub rules: Rules,
    /// What the plant is doing.
    pub plant: PlantState,
}

/// A closed average, with what is known of its stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Closed {
    /// The average.
    pub average: Average,
    /// The device that its samples come from.
    pub device: String,
    /// Why there can be no samples: the point is not there, its unit does not convert, the stream began later.
    pub problem: Option<String>,
}

/// Most blocks of one stream that are closed at once.
const MOST_BLOCKS: usize = 100;

/// The streams.
#[derive(Debug, Default)]
pub struct Line {
    /// Digest of the configuration that averages are computed under.
    pub configuration: String,
    streams: Vec<Stream>,
    /// Positions of the streams that a device feeds.
    by_device: HashMap<String, Vec<usize>>,
    problems: Vec<String>,
}

#[derive(Debug)]
struct Stream {
    assignment: Assignment,
    averager: Averager,
    /// When it began.
    begins: Timestamp,
    /// Journal entries up to this one have been seen.
    through: u64,
    /// Where the point stands in the device's current catalog.
    place: Option<Place>,
}

#[derive(Debug)]
struct Place {
    catalog: Arc<DeviceCatalog>,
    index: Option<u16>,
    problem: Option<String>,
}

impl Line {
    /// Adds a stream whose first block is the one that `from` falls into. Entries up to `through` are not for it.
    pub fn assign(&mut self, assignment: Assignment, from: Timestamp, through: u64) {
        let averager = Averager::new(assignment.rules.clone(), from);
        self.by_device.entry(assignment.device.clone()).or_default().push(self.streams.len());
        self.streams.push(Stream { assignment, averager, begins: from, through, place: None });
    }

    /// Removes the streams of a source; their open blocks are dropped.
    pub fn withdraw(&mut self, source: &str) {
        self.streams.retain(|stream| stream.assignment.source != source);
        self.index();
    }

    /// Takes over the streams of another line.
    pub fn adopt(&mut self, other: Line) {
        self.streams.extend(other.streams);
        self.problems.extend(other.problems);
        self.index();
    }

    /// Start of the oldest block that any stream has open.
    pub fn oldest_open(&self) -> Option<Timestamp> {
        self.streams.iter().map(|stream| stream.averager.next()).min()
    }

    /// Takes a poll set that stands in this journal entry.
    pub fn take(&mut self, entry: u64, set: &PollSet) {
        let Some(fed) = self.by_device.get(&set.catalog.device) else { return };
        // A poll that brought each point once and in order, the usual case, needs no search.
        let in_order = set.columns.points.iter().enumerate().all(|(row, point)| row == usize::from(*point));
        for at in fed {
            if let Some(stream) = self.streams.get_mut(*at)
                && entry > stream.through
            {
                stream.take(set, in_order, &mut self.problems);
            }
        }
    }

    /// Notes that all sets up to this entry have been taken.
    pub fn seen(&mut self, entry: u64) {
        for stream in &mut self.streams {
            stream.through = stream.through.max(entry);
        }
    }

    /// Closes what is over at `now`, not more than a hundred blocks of each stream: the rest of a long pause comes with the next
    /// calls. Averages of one block stand together, blocks in the order of time.
    pub fn close(&mut self, now: Timestamp) -> Vec<Closed> {
        let mut closed: Vec<Closed> = Vec::new();
        for stream in &mut self.streams {
            let blocks = stream.averager.close(now, MOST_BLOCKS);
            let stream = &*stream;
            closed.extend(blocks.into_iter().map(|block| stream.closed(&self.configuration, block)));
        }
        closed.sort_by_key(|closed| closed.average.key.start);
        closed
    }

    /// What went wrong since the last call, in words: a point that a device does not have, units that do not convert.
    pub fn problems(&mut self) -> Vec<String> {
        std::mem::take(&mut self.problems)
    }

    /// Readings that came too late for their block.
    pub fn late(&self) -> u64 {
        self.streams.iter().map(|stream| stream.averager.late()).sum()
    }
}

impl Line {
    fn index(&mut self) {
        self.by_device.clear();
        for (at, stream) in self.streams.iter().enumerate() {
            self.by_device.entry(stream.assignment.device.clone()).or_default().push(at);
        }
    }
}

impl Stream {
    fn take(&mut self, set: &PollSet, in_order: bool, problems: &mut Vec<String>) {
        let known = self.place.as_ref().is_some_and(|place| Arc::ptr_eq(&place.catalog, &set.catalog));
        if !known {
            self.find(&set.catalog, problems);
        }
        let Some(index) = self.place.as_ref().and_then(|place| place.index) else { return };
        let rows = if in_order { usize::from(index)..usize::from(index) + 1 } else { 0..set.len() };
        for row in rows {
            if set.columns.points.get(row) == Some(&index)
                && let Some(reading) = set.reading(row)
            {
                self.averager.take(&reading);
            }
        }
    }

    /// Finds the point in a catalog that was not seen before, and the conversion of its unit.
    fn find(&mut self, catalog: &Arc<DeviceCatalog>, problems: &mut Vec<String>) {
        let Assignment { source, parameter, device, point, .. } = &self.assignment;
        let found = catalog.points.iter().position(|candidate| candidate.id == *point);
        let found = found.and_then(|at| Some((u16::try_from(at).ok()?, catalog.points.get(at)?)));
        let index = match found {
            None => Err(format!("device {device} has no point {point}")),
            Some((index, found)) => match self.assignment.conversion(&found.unit) {
                Ok(conversion) => {
                    self.averager.convert_with(conversion);
                    Ok(index)
                }
                Err(error) => Err(format!("point {point} of device {device}: {error}")),
            },
        };
        let problem = index.as_ref().err().cloned();
        problems.extend(problem.iter().map(|problem| format!("source {source}, {parameter}: {problem}")));
        self.place = Some(Place { catalog: Arc::clone(catalog), index: index.ok(), problem });
    }

    fn closed(&self, configuration: &str, block: Block) -> Closed {
        let problem = match &self.place {
            Some(place) => place.problem.clone(),
            None => None,
        };
        let began =
            (block.start < self.begins).then(|| format!("measured under this configuration since {}", self.begins));
        let average = self.average(configuration, block);
        Closed { average, device: self.assignment.device.clone(), problem: problem.or(began) }
    }

    fn average(&self, configuration: &str, block: Block) -> Average {
        // Of a block without a reading nobody can say what unit the instrument had.
        let (assignment, unit_raw) = (&self.assignment, if block.seen { self.unit_raw() } else { "" });
        Average {
            key: AverageKey {
                source: assignment.source.clone(),
                parameter: assignment.parameter.clone(),
                rule_set: assignment.rule_set.clone(),
                start: block.start,
                revision: 0,
            },
            length: assignment.rules.block,
            mean_raw: block.mean_raw,
            unit_raw: unit_raw.to_owned(),
            mean: block.mean,
            min: block.min,
            max: block.max,
            unit: assignment.unit.clone().unwrap_or_else(|| unit_raw.to_owned()),
            expected: block.expected,
            received: block.received,
            valid: block.valid,
            coverage: block.coverage,
            state: block.state,
            plant: assignment.plant,
            qualifiers: block.qualifiers,
            configuration: configuration.to_owned(),
            reason: None,
            author: None,
        }
    }

    fn unit_raw(&self) -> &str {
        let place = self.place.as_ref();
        let point = place.and_then(|place| place.catalog.points.get(usize::from(place.index?)));
        point.map_or("", |point| point.unit.as_str())
    }
}

impl Assignment {
    /// From the point's unit to the parameter's.
    pub fn conversion(&self, point_unit: &str) -> Result<Conversion, UnitError> {
        let gas = self.molar_mass.map(|molar_mass| Gas { molar_mass, molar_volume: self.molar_volume });
        match &self.unit {
            None => Ok(Conversion::NONE),
            Some(unit) => Conversion::between(point_unit, unit, gas),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::reading::{Columns, InstrumentState, Point, PointKind};

    fn assignment(point: &str) -> Assignment {
        Assignment {
            source: "stack-1".into(),
            parameter: "NO2".into(),
            rule_set: "kz-20min".into(),
            device: "no2-north".into(),
            point: point.into(),
            unit: Some("mg/m3".into()),
            molar_mass: Some(46.0055),
            molar_volume: 22.414,
            rules: Rules {
                block: Duration::from_secs(1200),
                coverage: 0.5,
                lateness: Duration::from_secs(2),
                interval: Duration::from_secs(600),
                conversion: Conversion::NONE,
            },
            plant: PlantState::Operating,
        }
    }

    fn set(seconds: i64, value: f64) -> PollSet {
        let point = Point { id: "no2".into(), label: String::new(), unit: "[ppm]".into(), kind: PointKind::Number };
        let catalog = DeviceCatalog {
            device: "no2-north".into(),
            plugin: String::new(),
            plugin_digest: String::new(),
            points: vec![point],
        };
        let columns = Columns {
            points: vec![0],
            values: vec![value],
            states: vec![InstrumentState::Valid],
            ..Columns::default()
        };
        PollSet { catalog: Arc::new(catalog), received_at: Timestamp::from_seconds(seconds), columns }
    }

    fn closed(line: &mut Line, now: Timestamp) -> Vec<Average> {
        line.close(now).into_iter().map(|closed| closed.average).collect()
    }

    #[test]
    fn an_average_carries_the_raw_and_the_converted_mean() {
        let mut line = Line::default();
        line.assign(assignment("no2"), Timestamp(0), 0);
        line.take(1, &set(0, 100.0));
        line.take(2, &set(600, 100.0));
        let averages = closed(&mut line, Timestamp::from_seconds(1202));
        assert_eq!(averages.len(), 1);
        assert_eq!((averages[0].mean_raw, averages[0].unit_raw.as_str()), (Some(100.0), "[ppm]"));
        assert!((averages[0].mean.unwrap() - 205.253_413_045_418_03).abs() < 1e-9);
    }

    #[test]
    fn entries_that_were_seen_do_not_count_twice() {
        let mut line = Line::default();
        line.assign(assignment("no2"), Timestamp(0), 0);
        line.take(1, &set(0, 100.0));
        line.seen(1);
        line.take(1, &set(0, 100.0));
        line.take(2, &set(600, 50.0));
        let averages = closed(&mut line, Timestamp::from_seconds(1202));
        assert_eq!((averages[0].valid, averages[0].mean_raw), (2, Some(75.0)));
    }

    #[test]
    fn a_point_that_does_not_exist_is_told_once() {
        let mut line = Line::default();
        line.assign(assignment("no3"), Timestamp(0), 0);
        let set = set(0, 1.0);
        line.take(1, &set);
        line.take(2, &set);
        assert_eq!(line.problems(), ["source stack-1, NO2: device no2-north has no point no3"]);
        assert_eq!(line.problems(), Vec::<String>::new());
    }
}
