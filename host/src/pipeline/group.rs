//! One source under one rule set: its parameters close their blocks together, since each may need the others.
//!
//! A block closes in the order of what is needed: companions, the other parameters, those that follow from others, then oxygen, mass and
//! what is reported. A group that is made from shorter blocks closes when these have.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::block::{self, Draft};
use super::grid::Span;
use super::longer;
use super::member::{Around, Member};
use super::recipe::{Assignment, Input};
use super::rules::Rules;
use super::track::{Known, Track};
use super::units::Conversion;
use crate::average::{Average, AverageKey};
use crate::method::{Action, Companions, Plant, Role, Substitution};
use crate::reading::{DeviceCatalog, PollSet, Value};
use crate::status::{InstrumentState, PlantState, Qualifiers};
use crate::time::Timestamp;

/// A closed average, with what is known of its stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Closed {
    /// The average.
    pub average: Average,
    /// The device that its samples come from; empty when there is none.
    pub device: String,
    /// Why there can be no samples: the point is not there, its unit does not convert, the stream began later.
    pub problem: Option<String>,
    /// It was lost because of what the plant did.
    pub idle: bool,
    /// It is to be held until a person lets it go, and why.
    pub hold: Option<String>,
}

/// One source under one rule set.
#[derive(Debug)]
pub struct Group {
    /// The source.
    pub source: String,
    /// The rule set's name.
    pub rule_set: String,
    /// Its parameters, companions first.
    pub members: Vec<Member>,
    rules: Rules,
    companions: Companions,
    tracks: [Track; Role::ALL.len()],
    plant: PlantTrack,
    /// Valid blocks of each role that may be held: their ends and means, in order.
    held: [Vec<(Timestamp, f64)>; Role::ALL.len()],
    /// Blocks that these are made from, the newest revision of each.
    parts: BTreeMap<Timestamp, Vec<Average>>,
    /// What counted of each parameter's last blocks, where the rule set may have to substitute.
    counted: BTreeMap<String, BTreeMap<Timestamp, f64>>,
}

/// What the plant was doing, by time.
#[derive(Debug, Default)]
struct PlantTrack {
    states: Vec<(Timestamp, PlantState)>,
    place: Option<(Arc<DeviceCatalog>, Option<u16>)>,
}

impl Group {
    /// A group without parameters, with the rules of this one.
    pub fn of(assignment: &Assignment) -> Self {
        Group {
            source: assignment.source.clone(),
            rule_set: assignment.rule_set.clone(),
            members: Vec::new(),
            rules: assignment.rules.clone(),
            companions: assignment.companions.clone(),
            tracks: Default::default(),
            plant: PlantTrack::default(),
            held: Default::default(),
            parts: BTreeMap::new(),
            counted: BTreeMap::new(),
        }
    }

    /// Adds a parameter.
    pub fn add(&mut self, member: Member) {
        let rank = |member: &Member| (member.role.is_none(), member.role, member.assignment.parameter.clone());
        let place = self.members.partition_point(|other| rank(other) < rank(&member));
        self.members.insert(place, member);
        let lookback = self.reach();
        for member in self.members.iter_mut().filter(|member| !member.reach().is_zero()) {
            member.lookback = lookback;
        }
    }

    /// The rule set that it is made from.
    pub fn from(&self) -> Option<&str> {
        self.rules.from.as_deref()
    }

    /// Start of the oldest block that is not closed.
    pub fn next(&self) -> Option<Timestamp> {
        self.members.iter().map(|member| member.next).min()
    }

    /// How far before its oldest open block readings still matter.
    pub fn reach(&self) -> Duration {
        let plant = match self.members.first().map(|member| &member.assignment.plant) {
            Some(Plant::Point { fresh, .. }) => *fresh,
            _ => Duration::ZERO,
        };
        // A companion may need companions itself, each as far back again.
        self.members.iter().map(Member::reach).sum::<Duration>() + plant
    }

    /// How far before its oldest open block stored averages still matter.
    pub fn recalls(&self) -> Duration {
        let held = [Role::Oxygen, Role::Flow].into_iter().filter_map(|role| self.companions.get(&role));
        let held = held.map(|companion| companion.reach() + self.rules.grid.length()).max().unwrap_or_default();
        let Substitution::Spread { of } = self.rules.substitution else { return held };
        held.max(self.rules.grid.length() * of)
    }

    /// The device whose point says what the plant is doing.
    pub fn plant_device(&self) -> Option<&str> {
        match self.members.first().map(|member| &member.assignment.plant) {
            Some(Plant::Point { device, .. }) => Some(device),
            _ => None,
        }
    }

    /// Takes the readings of one of its parameters from a poll set.
    pub fn take(&mut self, member: usize, set: &PollSet, in_order: bool, problems: &mut Vec<String>) {
        let mut around = Around { tracks: &mut self.tracks, plant: &self.plant.states };
        if let Some(member) = self.members.get_mut(member) {
            member.take(set, in_order, &mut around, problems);
        }
    }

    /// Takes what the plant's point says from a poll set.
    pub fn take_plant(&mut self, set: &PollSet) {
        let Some(Plant::Point { point, .. }) = self.members.first().map(|member| &member.assignment.plant) else {
            return;
        };
        let known = self.plant.place.as_ref().is_some_and(|(catalog, _)| Arc::ptr_eq(catalog, &set.catalog));
        if !known {
            let index = set.catalog.points.iter().position(|candidate| candidate.id == *point);
            self.plant.place = Some((Arc::clone(&set.catalog), index.and_then(|index| u16::try_from(index).ok())));
        }
        let Some((_, Some(index))) = self.plant.place else { return };
        let Some(plant) = self.members.first().map(|member| member.assignment.plant.clone()) else { return };
        for reading in set.readings().filter(|reading| reading.index == index) {
            // What is late or from another time is so for everything that is measured.
            let closes = self.rules.grid.block(reading.sampled_at).end.after(self.rules.lateness);
            let gate = self.members.first().map(|member| &member.assignment.gate);
            let wrong = gate.and_then(|gate| gate.time(reading.sampled_at, reading.received_at));
            if reading.received_at >= closes || wrong.is_some() {
                continue;
            }
            let state = match (reading.state, reading.value) {
                (InstrumentState::Valid | InstrumentState::Manual, Value::Text(text)) => plant.read(text),
                (InstrumentState::Valid | InstrumentState::Manual, Value::Number(number)) => {
                    plant.read(&number.to_string())
                }
                _ => PlantState::Unknown,
            };
            let sample = (reading.sampled_at, state);
            let place = self.plant.states.partition_point(|known| *known <= sample);
            self.plant.states.insert(place, sample);
        }
    }

    /// Takes a stored average: a block that these are made from, or an earlier one of its own whose value may be held.
    pub fn recall(&mut self, average: &Average) {
        if average.key.source != self.source {
            return;
        }
        if self.from() == Some(average.key.rule_set.as_str()) {
            let parts = self.parts.entry(average.key.start).or_default();
            let same = |part: &Average| part.key.parameter == average.key.parameter;
            match parts.iter_mut().find(|part| same(part)) {
                Some(part) if part.key.revision <= average.key.revision => *part = average.clone(),
                Some(_) => {}
                None => parts.push(average.clone()),
            }
        } else if self.rule_set == average.key.rule_set {
            self.hold(average);
            if average.state == InstrumentState::Valid
                && self.rules.substitution != Substitution::None
                && let Some(value) = average.validated
            {
                let counted = self.counted.entry(average.key.parameter.clone()).or_default();
                counted.insert(average.key.start, value);
            }
        }
    }

    /// Takes an average that just came out: no stored revision of its block is newer.
    pub fn recall_newest(&mut self, average: &Average) {
        let concerns = average.key.source == self.source
            && (self.from() == Some(average.key.rule_set.as_str()) || self.rule_set == average.key.rule_set);
        if concerns {
            let key = AverageKey { revision: u32::MAX, ..average.key.clone() };
            self.recall(&Average { key, ..average.clone() });
        }
    }

    /// Closes the blocks whose time, lateness included, is over at `now`, at most so many. `through`: of a group that is made from shorter
    /// blocks, the moment up to which these are closed.
    pub fn close(
        &mut self,
        now: Timestamp,
        through: Option<Timestamp>,
        most: usize,
        configuration: &str,
    ) -> Vec<Closed> {
        let mut closed = Vec::new();
        for _ in 0..most {
            let Some(next) = self.next() else { break };
            let block = self.rules.grid.block(next);
            let is_over = match through {
                Some(through) => block.end <= through,
                None => block.end.after(self.rules.lateness) <= now,
            };
            if !is_over {
                break;
            }
            let averages = match through {
                Some(_) => self.made_from_parts(block, configuration),
                None => self.made_from_samples(block, configuration),
            };
            closed.extend(averages);
            for member in &mut self.members {
                member.next = member.next.max(block.end);
                member.until.remove(&block.start);
            }
            self.forget(block.end);
        }
        closed
    }

    fn made_from_samples(&mut self, block: Span, configuration: &str) -> Vec<Closed> {
        let mut drafts: Vec<Option<Draft>> = Vec::new();
        for member in &mut self.members {
            let mut around = Around { tracks: &mut self.tracks, plant: &self.plant.states };
            let window = member.settle(block, &mut around);
            let is_open = member.next <= block.start && matches!(member.assignment.input, Input::Point { .. });
            drafts.push(is_open.then(|| block::of_samples(member, window.as_ref(), block, configuration)));
            if let Some(window) = window {
                member.recycle(window);
            }
        }
        self.derive(&mut drafts, block, configuration);
        let known: Vec<(Role, Option<Known>)> =
            [Role::Oxygen, Role::Flow].map(|role| (role, self.companion(role, &drafts, block))).into();
        let of = |role: Role| known.iter().find(|(known, _)| *known == role).and_then(|(_, known)| *known);
        let has_flow = self.companions.contains_key(&Role::Flow);
        let mut closed = Vec::new();
        for (member, draft) in self.members.iter().zip(drafts) {
            let Some(Draft { mut average, idle }) = draft else { continue };
            let assignment = &member.assignment;
            if matches!(assignment.input, Input::Point { .. }) {
                block::correct(&mut average, assignment, of(Role::Oxygen));
            }
            if has_flow && member.role.is_none() {
                block::weigh(&mut average, of(Role::Flow));
            }
            let base = block::base(&average, assignment);
            block::validate(&mut average, assignment, base);
            closed.push(self.closed(member, average, idle));
        }
        for closed in &mut closed {
            self.hold(&closed.average);
            self.substitute(closed);
        }
        closed
    }

    /// What the rule set orders in place of a block that does not count; one that does is remembered.
    fn substitute(&mut self, closed: &mut Closed) {
        let Closed { average, idle, .. } = closed;
        let Substitution::Spread { of } = self.rules.substitution else { return };
        let length = self.rules.grid.length();
        let counted = self.counted.entry(average.key.parameter.clone()).or_default();
        counted.retain(|start, _| *start >= average.key.start.before(length * of));
        match (average.state, average.validated) {
            (InstrumentState::Valid, Some(value)) => drop(counted.insert(average.key.start, value)),
            // A plant that does nothing emits nothing.
            _ if *idle => {}
            _ => {
                let before: Vec<f64> = counted.range(..average.key.start).map(|(_, value)| *value).collect();
                block::substitute(average, &before);
            }
        }
    }

    /// Parameters that follow from others, until no more can be worked out. Those that follow from each other are left without a value.
    fn derive(&self, drafts: &mut [Option<Draft>], block: Span, configuration: &str) {
        let mut waiting: Vec<usize> = (0..self.members.len())
            .filter(|at| {
                let is_derived = |member: &Member| matches!(member.assignment.input, Input::Derived(_));
                self.members.get(*at).is_some_and(|member| is_derived(member) && member.next <= block.start)
            })
            .collect();
        loop {
            let before = waiting.len();
            let stuck = |at: &usize| !self.can_derive(*at, &waiting);
            let ready: Vec<usize> = waiting.iter().copied().filter(|at| !stuck(at)).collect();
            for at in &ready {
                self.derive_one(*at, drafts, block, configuration);
            }
            waiting.retain(|at| !ready.contains(at));
            if waiting.len() == before {
                break;
            }
        }
        for at in waiting {
            self.derive_one(at, drafts, block, configuration);
        }
    }

    fn can_derive(&self, at: usize, waiting: &[usize]) -> bool {
        let Some(Input::Derived(derived)) = self.members.get(at).map(|member| &member.assignment.input) else {
            return false;
        };
        let names = waiting.iter().filter_map(|at| self.members.get(*at)).map(|member| &member.assignment.parameter);
        let inputs = derived.inputs();
        !names.into_iter().any(|name| inputs.contains(&name.as_str()))
    }

    fn derive_one(&self, at: usize, drafts: &mut [Option<Draft>], block: Span, configuration: &str) {
        let Some(member) = self.members.get(at) else { return };
        let Input::Derived(derived) = &member.assignment.input else { return };
        let find = |name: &&str| {
            let place = self.members.iter().position(|member| member.assignment.parameter == **name)?;
            drafts.get(place)?.as_ref()
        };
        let inputs: Vec<&Draft> = derived.inputs().iter().filter_map(find).collect();
        // The oxygen step of what it follows from has not been done yet: it is done here, with the same companion.
        let oxygen = self.companion(Role::Oxygen, drafts, block);
        let corrected: Vec<Average> = inputs
            .iter()
            .map(|draft| {
                let mut average = draft.average.clone();
                let place = self.members.iter().find(|member| member.assignment.parameter == average.key.parameter);
                if let Some(member) = place {
                    block::correct(&mut average, &member.assignment, oxygen);
                }
                average
            })
            .collect();
        let inputs_idle = inputs.iter().any(|draft| draft.idle);
        let references: Vec<&Average> = corrected.iter().collect();
        let average = block::derived(&member.assignment, derived, member.unit(), &references, block, configuration);
        if let Some(place) = drafts.get_mut(at) {
            *place = Some(Draft { average, idle: inputs_idle });
        }
    }

    fn made_from_parts(&mut self, block: Span, configuration: &str) -> Vec<Closed> {
        let mut closed = Vec::new();
        for member in self.members.iter().filter(|member| member.next <= block.start) {
            let parameter = &member.assignment.parameter;
            let parts: Vec<&Average> = self
                .parts
                .range(block.start..block.end)
                .filter_map(|(_, parts)| parts.iter().find(|part| part.key.parameter == *parameter))
                .collect();
            let length = parts.last().map(|part| part.length).filter(|length| !length.is_zero());
            let expected = length.map_or(1, |length| super::rules::expected(block.length(), length));
            let average = longer::of_blocks(member, &parts, expected, block, configuration);
            closed.push(self.closed(member, average, false));
        }
        for closed in &mut closed {
            self.substitute(closed);
        }
        closed
    }

    fn closed(&self, member: &Member, average: Average, idle: bool) -> Closed {
        let start = average.key.start;
        let began =
            (start < member.begins).then(|| format!("measured under this configuration since {}", member.begins));
        let holds = member.assignment.gate.action == Action::Hold;
        let implausible = average.qualifiers.contains(Qualifiers::IMPLAUSIBLE);
        let codes: Vec<String> =
            average.implausible.iter().map(|(code, count)| format!("{code} ({count} samples)")).collect();
        let hold = (holds && implausible).then(|| format!("implausible: {}", codes.join(", ")));
        let device = member.assignment.device().unwrap_or_default().to_owned();
        Closed { average, device, problem: member.problem().or(began), idle, hold }
    }

    /// A companion of a whole block: its own block when that is valid, else what its rule makes of the last valid one.
    fn companion(&self, role: Role, drafts: &[Option<Draft>], block: Span) -> Option<Known> {
        let companion = self.companions.get(&role)?;
        let place = self.members.iter().position(|member| member.role == Some(role));
        let own = place.and_then(|place| {
            let (member, draft) = (self.members.get(place)?, drafts.get(place)?.as_ref()?);
            let is_valid = draft.average.state == InstrumentState::Valid;
            let mean = is_valid.then_some(draft.average.mean).flatten()?;
            Some((role_value(member, &draft.average.unit, role, mean)?, Duration::ZERO))
        });
        let held = self.held.get(role as usize).and_then(|held| {
            let place = held.partition_point(|(end, _)| *end <= block.end);
            held.get(place.checked_sub(1)?)
        });
        let held = held.map(|(end, value)| (*value, block.end.since(*end)));
        companion.judge(own.or(held))
    }

    fn hold(&mut self, average: &Average) {
        let Some(mean) = average.mean.filter(|_| average.state == InstrumentState::Valid) else { return };
        let Some(member) = self.members.iter().find(|member| member.assignment.parameter == average.key.parameter)
        else {
            return;
        };
        let Some(role) = member.role else { return };
        let Some(value) = role_value(member, &average.unit, role, mean) else { return };
        let end = average.end();
        if let Some(held) = self.held.get_mut(role as usize) {
            let place = held.partition_point(|(known, _)| *known < end);
            match held.get_mut(place) {
                Some(known) if known.0 == end => known.1 = value,
                _ => held.insert(place, (end, value)),
            }
        }
    }

    /// Forgets what no block that is still open can need.
    fn forget(&mut self, open_from: Timestamp) {
        for (role, companion) in &self.companions {
            if let Some(held) = self.held.get_mut(*role as usize) {
                let known = held.partition_point(|(end, _)| *end < open_from.before(companion.reach()));
                held.drain(..known.saturating_sub(1));
            }
            if let Some(track) = self.tracks.get_mut(*role as usize) {
                track.forget(open_from.before(companion.reach()));
            }
        }
        let known = self.plant.states.partition_point(|(at, _)| *at < open_from);
        self.plant.states.drain(..known.saturating_sub(1));
        self.parts = self.parts.split_off(&open_from);
    }
}

fn role_value(member: &Member, unit: &str, role: Role, mean: f64) -> Option<f64> {
    match member.units() {
        Some(units) => Some(units.role.apply(mean)),
        None => Conversion::between(unit, role.unit(), None).ok().map(|conversion| conversion.apply(mean)),
    }
}
