//! One parameter under one rule set: its point, its open blocks, and how a sample gets into one of them.
//!
//! A sample is added at once where it depends on nothing but itself. Where it needs companions, the plant's state or the samples before
//! it, it waits for the end of its block, since those may come after it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::chain::Units;
use super::gate::{Code, Memory};
use super::grid::Span;
use super::recipe::{Assignment, Input};
use super::trace::Trace;
use super::track::Track;
use super::units::{Conversion, Kind, kind};
use super::window::{Sample, Window};
use crate::method::{OxygenStep, Plant, Role};
use crate::reading::{DeviceCatalog, PollSet, Reading, Value};
use crate::status::{InstrumentState, PlantState};
use crate::time::Timestamp;

/// Windows that are kept for the next block.
const SPARE: usize = 2;

/// One parameter under one rule set.
#[derive(Debug)]
pub struct Member {
    /// How it is made.
    pub assignment: Assignment,
    /// What it is to the others of its source.
    pub role: Option<Role>,
    /// When it began, under this configuration.
    pub begins: Timestamp,
    /// A moment in the first block that it ever had: late samples of earlier ones are nobody's.
    pub known_since: Timestamp,
    /// Start of its oldest block that is not closed.
    pub next: Timestamp,
    /// Journal entries up to this one have been seen.
    pub through: u64,
    /// Where the point stands in the device's current catalog.
    place: Option<Place>,
    /// Conversions of the units that the point has had; the last is that of now.
    pub(super) units: Vec<Units>,
    pub(super) bounds: (f64, f64),
    /// Companions that each sample needs.
    pub(super) needs: Vec<Role>,
    waits: bool,
    /// Half of the time from one sample to the next, ns: samples that are nearer to each other count once.
    pub(super) half: u64,
    /// How far before its oldest open block samples still matter, to it or to others that they matter to.
    pub lookback: Duration,
    /// Whether what comes is new, and not a replay.
    pub live: bool,
    open: Vec<(Span, Window)>,
    spare: Vec<Window>,
    pub(super) memory: Memory,
    /// Blocks that closed before some of their samples came, and when the first of these was received.
    pub late: BTreeMap<Timestamp, Timestamp>,
    /// Samples that came too late for their block.
    pub late_count: u64,
    /// Blocks that take samples until this moment instead of until the end of their lateness.
    pub until: BTreeMap<Timestamp, Timestamp>,
    /// Blocks in which a code of the gate was told of last.
    pub(super) told: [Option<Timestamp>; Code::ALL.len()],
    /// What the gate stopped since it was asked last.
    pub incidents: Vec<Incident>,
    /// The newest sample that counted.
    pub last_valid: Option<Timestamp>,
    /// Notes what becomes of the samples of the block that begins then.
    pub trace: Option<Trace>,
}

/// Something that the gate stopped.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// What was wrong.
    pub code: Code,
    /// When it was measured, as the device says.
    pub at: Timestamp,
    /// The value, as the instrument gave it.
    pub raw: f64,
    /// At the end of the chain, when it came so far.
    pub value: Option<f64>,
    /// Unit of that.
    pub unit: String,
}

/// What a sample is judged by besides itself.
pub struct Around<'a> {
    /// The companions of the source.
    pub tracks: &'a mut [Track; Role::ALL.len()],
    /// What the plant was doing, by time.
    pub plant: &'a [(Timestamp, PlantState)],
}

#[derive(Debug)]
struct Place {
    catalog: Arc<DeviceCatalog>,
    index: Option<u16>,
    problem: Option<String>,
}

impl Member {
    /// A parameter whose first block is the one that `from` falls into.
    pub fn new(assignment: Assignment, from: Timestamp, through: u64) -> Self {
        let next = assignment.rules.grid.block(from).start;
        let by_sample = assignment.rules.oxygen == OxygenStep::Sample;
        let needs = assignment.chain.needs(&assignment.companions, by_sample);
        let asks_plant = matches!(assignment.plant, Plant::Point { .. });
        Member {
            role: assignment.role(),
            waits: !needs.is_empty() || asks_plant || assignment.gate.remembers(),
            needs,
            half: half_interval(&assignment),
            assignment,
            begins: from,
            known_since: from,
            next,
            through,
            place: None,
            units: Vec::new(),
            bounds: (f64::NEG_INFINITY, f64::INFINITY),
            lookback: Duration::ZERO,
            live: false,
            open: Vec::new(),
            spare: Vec::new(),
            memory: Memory::default(),
            late: BTreeMap::new(),
            late_count: 0,
            until: BTreeMap::new(),
            told: Default::default(),
            incidents: Vec::new(),
            last_valid: None,
            trace: None,
        }
    }

    /// How far back samples still matter to blocks that are open: companions are held, and a value is stuck for as long as it was.
    pub fn reach(&self) -> Duration {
        let companions = &self.assignment.companions;
        let held = self.role.and_then(|role| companions.get(&role)).map(|companion| companion.reach());
        held.unwrap_or_default().max(self.assignment.gate.reach())
    }

    /// Takes the readings of its point from a poll set. `in_order`: each point stands once, at its own place.
    pub fn take(&mut self, set: &PollSet, in_order: bool, around: &mut Around<'_>, problems: &mut Vec<String>) {
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
                self.reading(&reading, around);
            }
        }
    }

    /// Why there can be no samples: the point is not there, or its unit does not convert.
    pub fn problem(&self) -> Option<String> {
        self.place.as_ref()?.problem.clone()
    }

    /// The instrument's unit, when it is known.
    pub fn unit_raw(&self) -> &str {
        let place = self.place.as_ref();
        let point = place.and_then(|place| place.catalog.points.get(usize::from(place.index?)));
        point.map_or("", |point| point.unit.as_str())
    }

    /// The unit of the averages.
    pub fn unit(&self) -> &str {
        match self.unit_said() {
            "" => self.unit_raw(),
            said => said,
        }
    }

    /// The unit of the averages as far as the configuration says it; empty: it is the point's.
    pub fn unit_said(&self) -> &str {
        let signal = self.assignment.chain.signal.as_ref().map_or("", |signal| signal.unit.as_str());
        match (&self.assignment.unit, &self.assignment.input) {
            (Some(unit), _) => unit,
            (None, Input::Derived(derived)) => derived.unit(),
            (None, Input::Point { .. }) => signal,
        }
    }

    /// The conversions, once they are known.
    pub fn units(&self) -> Option<&Units> {
        self.units.last()
    }

    /// What the open block that begins then has so far: samples that came, and those of them that do not count.
    pub fn so_far(&self, start: Timestamp) -> (u32, u32) {
        let Some((_, window)) = self.open.iter().find(|(block, _)| block.start == start) else { return (0, 0) };
        let states = &self.assignment.rules.validity.states;
        let waiting = |lost: bool| window.waiting.iter().filter(|one| lost != states.contains(&one.state)).count();
        let count = |waiting: usize| u32::try_from(waiting).unwrap_or(u32::MAX);
        let lost = window.lost() + count(waiting(true));
        (window.distinct + lost + count(waiting(false)), lost)
    }

    /// Adds what waits for the end of this block or an earlier one, and hands the block over.
    pub fn settle(&mut self, block: Span, around: &mut Around<'_>) -> Option<Window> {
        let mut settled = None;
        self.open.sort_unstable_by_key(|(block, _)| *block);
        while self.open.first().is_some_and(|(open, _)| *open <= block) {
            let (open, mut window) = self.open.remove(0);
            let mut waiting = std::mem::take(&mut window.waiting);
            // Of two samples of one moment the order is that of their bits: any, as long as it is always the same.
            waiting.sort_unstable_by_key(|sample| (sample.at, sample.raw.to_bits(), sample.state));
            for sample in &waiting {
                self.add(sample, open, &mut window, around);
            }
            waiting.clear();
            window.waiting = waiting;
            if open == block {
                settled = Some(window);
            } else {
                self.recycle(window);
            }
        }
        settled
    }

    /// Takes a window back for another block.
    pub fn recycle(&mut self, mut window: Window) {
        if self.spare.len() < SPARE {
            window.clear();
            self.spare.push(window);
        }
    }

    fn find(&mut self, catalog: &Arc<DeviceCatalog>, problems: &mut Vec<String>) {
        let Input::Point { device, point, .. } = &self.assignment.input else { return };
        let (source, parameter) = (&self.assignment.source, &self.assignment.parameter);
        let found = catalog.points.iter().position(|candidate| candidate.id == *point);
        let found = found.and_then(|at| Some((u16::try_from(at).ok()?, catalog.points.get(at)?)));
        let index = match found {
            None => Err(format!("device {device} has no point {point}")),
            Some((index, found)) => match self.assignment.units(&found.unit) {
                Ok(units) => {
                    // What waits keeps the conversion of its own unit.
                    if self.units.last() != Some(&units) {
                        self.units.push(units);
                    }
                    Ok(index)
                }
                Err(error) => Err(format!("point {point} of device {device}: {error}")),
            },
        };
        let problem = index.as_ref().err().cloned();
        problems.extend(problem.iter().map(|problem| format!("source {source}, {parameter}: {problem}")));
        self.place = Some(Place { catalog: Arc::clone(catalog), index: index.ok(), problem });
        let unit = self.unit();
        let fraction = Conversion::between(unit, "1", None).map_or(1.0, |conversion| conversion.factor);
        self.bounds = self.assignment.gate.bounds(kind(unit).unwrap_or(Kind::Other), fraction);
    }

    fn reading(&mut self, reading: &Reading<'_>, around: &mut Around<'_>) {
        if let Some(code) = self.assignment.gate.time(reading.sampled_at, reading.received_at) {
            let block = self.assignment.rules.grid.block(reading.received_at);
            self.stopped(code, block, reading.sampled_at, number(reading.value), None);
            self.late_count += 1;
            return;
        }
        let block = self.block(reading.sampled_at);
        let closes = self.until.get(&block.start).copied();
        if reading.received_at >= closes.unwrap_or_else(|| block.end.after(self.assignment.rules.lateness)) {
            self.late_count += 1;
            if block.end > self.known_since {
                self.late.entry(block.start).or_insert(reading.received_at);
            }
            return;
        }
        if block.start < self.next {
            // A block that closed before its time, because the clock had stepped ahead: it is derived again.
            if self.live {
                self.late_count += 1;
                self.late.entry(block.start).or_insert(reading.received_at);
                return;
            }
            // A replay brings what belongs to blocks that are closed: companions go back farther than the block that needs them.
            if reading.sampled_at < self.next.before(self.lookback) {
                return;
            }
        }
        let sample = self.sample(reading);
        let at = match self.open.iter().position(|(open, _)| *open == block) {
            Some(at) => at,
            None => {
                self.open.push((block, self.spare.pop().unwrap_or_default()));
                self.open.len() - 1
            }
        };
        let Some((_, window)) = self.open.get_mut(at) else { return };
        if self.waits {
            window.waiting.push(sample);
            // What becomes of it is seen when the block closes; that the instrument is there is seen now.
            if self.assignment.rules.validity.states.contains(&sample.state) {
                self.last_valid = self.last_valid.max(Some(sample.at));
            }
            return;
        }
        let mut window = std::mem::take(window);
        self.add(&sample, block, &mut window, around);
        if let Some((_, place)) = self.open.get_mut(at) {
            *place = window;
        }
    }

    fn block(&self, at: Timestamp) -> Span {
        match self.open.last() {
            Some((block, _)) if block.holds(at) => *block,
            _ => self.assignment.rules.grid.block(at),
        }
    }

    /// What the device says of its status beside the value is joined in, the worse counts.
    fn sample(&self, reading: &Reading<'_>) -> Sample {
        let raw = number(reading.value);
        let mut sample = Sample {
            at: reading.sampled_at,
            raw,
            wire: wire(reading.raw, raw),
            state: reading.state,
            qualifiers: reading.qualifiers,
            units: u16::try_from(self.units.len()).unwrap_or(u16::MAX).saturating_sub(1),
        };
        if let Some((table, word)) = self.assignment.status.as_ref().zip(reading.status) {
            let meaning = table.read_word(word);
            sample.state = InstrumentState::worst([sample.state, meaning.state.unwrap_or(sample.state)]);
            sample.qualifiers = sample.qualifiers.with(meaning.qualifiers);
        }
        // A number that is none cannot be averaged, whatever the instrument says.
        if sample.state == InstrumentState::Valid && reading.value == Value::None {
            sample.state = InstrumentState::Missing;
        }
        sample
    }
}

fn half_interval(assignment: &Assignment) -> u64 {
    match &assignment.input {
        Input::Point { interval, .. } => u64::try_from(interval.as_nanos() / 2).unwrap_or(u64::MAX).max(1),
        Input::Derived(_) => u64::MAX,
    }
}

fn number(value: Value<'_>) -> f64 {
    match value {
        Value::Number(number) => number,
        Value::Text(_) | Value::None => f64::NAN,
    }
}

/// The wire's bits, when they are those of a binary32 with this value.
fn wire(raw: Option<u64>, value: f64) -> u32 {
    let bits = raw.and_then(|raw| u32::try_from(raw).ok()).unwrap_or(0);
    if f64::from(f32::from_bits(bits)).to_bits() == value.to_bits() { bits } else { 0 }
}
