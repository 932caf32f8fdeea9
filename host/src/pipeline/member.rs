//! One parameter under one rule set: its point, its open blocks, and how a sample gets into one of them.
//!
//! A sample is added at once where it depends on nothing but itself. Where it needs companions, the plant's state or the samples before
//! it, it waits for the end of its block, since those may come after it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::chain::{Lack, Steps, Surroundings, Units};
use super::gate::{Code, Judged, Memory};
use super::grid::Span;
use super::recipe::{Assignment, Input};
use super::trace::{Trace, Traced};
use super::track::Track;
use super::units::{Conversion, Kind, kind};
use super::window::{Sample, Window};
use crate::method::{Mean, OxygenStep, Plant, Role};
use crate::reading::{DeviceCatalog, PollSet, Reading, Value};
use crate::status::{InstrumentState, PlantState, Qualifiers};
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
    units: Vec<Units>,
    bounds: (f64, f64),
    /// Companions that each sample needs.
    needs: Vec<Role>,
    waits: bool,
    /// Half of the time from one sample to the next, ns: samples that are nearer to each other count once.
    half: u64,
    /// How far before its oldest open block samples still matter, to it or to others that they matter to.
    pub lookback: Duration,
    /// Whether what comes is new, and not a replay.
    pub live: bool,
    open: Vec<(Span, Window)>,
    spare: Vec<Window>,
    memory: Memory,
    /// Blocks that closed before some of their samples came, and when the first of these was received.
    pub late: BTreeMap<Timestamp, Timestamp>,
    /// Samples that came too late for their block.
    pub late_count: u64,
    /// Blocks that take samples until this moment instead of until the end of their lateness.
    pub until: BTreeMap<Timestamp, Timestamp>,
    /// Blocks in which a code of the gate was told of last.
    told: [Option<Timestamp>; Code::ALL.len()],
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

    fn add(&mut self, sample: &Sample, block: Span, window: &mut Window, around: &mut Around<'_>) {
        let plant = self.plant(sample.at, around.plant);
        if let Some(count) = window.plants.get_mut(plant as usize) {
            *count += 1;
        }
        let has_value = sample.state.has_value();
        let rules = &self.assignment.rules;
        if !rules.validity.states.contains(&sample.state) {
            window.lose(sample.state, has_value);
            self.note(sample, block, Surroundings::default(), || Err(sample.state.name().to_owned()));
            return;
        }
        if !rules.validity.plants.contains(&plant) {
            window.idle += 1;
            window.received += u32::from(has_value);
            self.note(sample, block, Surroundings::default(), || Err(format!("the plant is {}", plant.name())));
            return;
        }
        let mut surroundings = Surroundings::default();
        for role in &self.needs {
            let companion = self.assignment.companions.get(role);
            let known = companion.zip(around.tracks.get(*role as usize));
            let known = known.and_then(|(companion, track)| track.at(sample.at, companion));
            window.used(*role, known);
            surroundings.set(*role, known);
        }
        let mut memory = self.memory;
        let judged = self.judged(sample, &surroundings, &mut memory);
        self.memory = memory;
        self.note(sample, block, surroundings, || match &judged {
            Ok((steps, _)) => Ok(*steps),
            Err(Refusal::Code(code, _)) => Err(code.name().to_owned()),
            Err(Refusal::Lack(Lack::Companion(role))) => Err(format!("no {}", role.name())),
            Err(Refusal::Lack(lack)) => Err(lack.state().name().to_owned()),
        });
        match judged {
            Ok((steps, weight)) => {
                let Assignment { chain, rules, .. } = &self.assignment;
                let slot = sample.at.since(block.start).as_nanos() as u64 / self.half;
                window.add(&steps, sample.at, block, rules.validity.parts, chain.mean, weight);
                window.occupy(usize::try_from(slot).unwrap_or(usize::MAX));
                window.qualifiers = window.qualifiers.with(sample.qualifiers);
                if steps.outside {
                    window.qualifiers = window.qualifiers.with(Qualifiers::OUTSIDE_CALIBRATION_RANGE);
                }
                self.last_valid = self.last_valid.max(Some(sample.at));
                if let Some((role, units)) = self.role.zip(self.units.get(usize::from(sample.units)))
                    && let Some(track) = around.tracks.get_mut(role as usize)
                {
                    track.add(sample.at, units.role.apply(steps.value));
                }
            }
            Err(Refusal::Code(code, value)) => {
                window.implausible(code);
                window.qualifiers = window.qualifiers.with(Qualifiers::IMPLAUSIBLE);
                window.lose(InstrumentState::Suspect, true);
                self.stopped(code, block, sample.at, sample.raw, value);
            }
            Err(Refusal::Lack(lack)) => window.lose(lack.state(), true),
        }
    }

    /// Takes a sample through the chain and past the gate.
    fn judged(&self, sample: &Sample, around: &Surroundings, memory: &mut Memory) -> Result<(Steps, f64), Refusal> {
        let Some(units) = self.units.get(usize::from(sample.units)).copied() else {
            return Err(Refusal::Lack(Lack::NotANumber));
        };
        let Assignment { chain, companions, rules, gate, .. } = &self.assignment;
        let through = |raw: f64| chain.run(raw, &units, around, companions, &rules.constants);
        let outcome = through(sample.raw);
        let value = match outcome {
            Ok(steps) => steps.value,
            Err(Lack::NotANumber) => f64::NAN,
            Err(lack) => return Err(Refusal::Lack(lack)),
        };
        let judged = Judged { at: sample.at, raw: sample.raw, value, wire: sample.wire, qualifiers: sample.qualifiers };
        let other = |raw: f64| through(raw).ok().map(|steps| steps.value);
        if let Some(code) = gate.value(memory, &judged, self.bounds, other) {
            return Err(Refusal::Code(code, Some(value).filter(|value| value.is_finite())));
        }
        let Ok(mut steps) = outcome else { return Err(Refusal::Code(Code::NotANumber, None)) };
        if rules.oxygen == OxygenStep::Sample {
            steps.corrected = chain.correct(steps.value, around, rules.most_oxygen);
        }
        if chain.mean == Mean::FlowWeighted && around.get(Role::Flow).is_none() {
            return Err(Refusal::Lack(Lack::Companion(Role::Flow)));
        }
        let weight = around.get(Role::Flow).map_or(1.0, |flow| flow.value.max(0.0));
        Ok((steps, weight))
    }

    fn note(
        &mut self,
        sample: &Sample,
        block: Span,
        around: Surroundings,
        outcome: impl FnOnce() -> Result<Steps, String>,
    ) {
        if let Some(trace) = self.trace.as_mut().filter(|trace| trace.start == block.start) {
            trace.samples.push(Traced { sample: *sample, around, outcome: outcome() });
        }
    }

    fn plant(&self, at: Timestamp, states: &[(Timestamp, PlantState)]) -> PlantState {
        match &self.assignment.plant {
            Plant::Always(state) => *state,
            Plant::Point { fresh, .. } => {
                let place = states.partition_point(|(time, _)| *time <= at);
                let last = place.checked_sub(1).and_then(|place| states.get(place));
                last.filter(|(time, _)| at.since(*time) <= *fresh).map_or(PlantState::Unknown, |(_, state)| *state)
            }
        }
    }

    /// The first of each kind in a block: a stream of them is one incident.
    fn stopped(&mut self, code: Code, block: Span, at: Timestamp, raw: f64, value: Option<f64>) {
        let unit = self.unit().to_owned();
        let Some(told) = self.told.get_mut(code as usize).filter(|told| **told != Some(block.start)) else { return };
        *told = Some(block.start);
        self.incidents.push(Incident { code, at, raw, value, unit });
    }
}

fn half_interval(assignment: &Assignment) -> u64 {
    match &assignment.input {
        Input::Point { interval, .. } => u64::try_from(interval.as_nanos() / 2).unwrap_or(u64::MAX).max(1),
        Input::Derived(_) => u64::MAX,
    }
}

/// Why a sample does not count.
enum Refusal {
    Code(Code, Option<f64>),
    Lack(Lack),
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
