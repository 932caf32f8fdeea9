//! All groups of the hub: poll sets in, closed averages out.
//!
//! Each parameter of a source is one stream for each of its rule sets. A stream knows up to which journal entry it has seen
//! the readings of its device, so that a replay and the live flow may overlap.

use std::collections::{BTreeMap, HashMap};

use super::group::{Closed, Group};
use super::member::{Incident, Member};
use super::recipe::Assignment;
use super::trace::Trace;
use crate::average::Average;
use crate::reading::PollSet;
use crate::time::Timestamp;

/// Most blocks of one stream that are closed at once.
const MOST_BLOCKS: usize = 100;

/// The streams.
#[derive(Debug, Default)]
pub struct Line {
    /// Digest of the configuration that averages are computed under.
    pub configuration: String,
    groups: Vec<Group>,
    /// Places of the parameters that a device feeds: group and member.
    by_device: HashMap<String, Vec<(usize, usize)>>,
    /// Groups whose plant state a device tells.
    plants: HashMap<String, Vec<usize>>,
    /// Whether both say where the streams are. They are made anew once for many changes.
    is_indexed: bool,
    problems: Vec<String>,
}

/// A block of a source under a rule set that has to be derived again, since samples came after it had closed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LateBlock {
    /// The source.
    pub source: String,
    /// The rule set.
    pub rule_set: String,
    /// Start of the block.
    pub start: Timestamp,
    /// When the first of the samples was received.
    pub since: Timestamp,
}

/// Something that the plausibility gate stopped, with its stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Stopped {
    /// The source.
    pub source: String,
    /// The parameter.
    pub parameter: String,
    /// The rule set.
    pub rule_set: String,
    /// What it was.
    pub incident: Incident,
}

/// How an open block of one stream stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing<'a> {
    /// How the stream is made.
    pub assignment: &'a Assignment,
    /// Samples that the block should have in the end.
    pub expected: u32,
    /// Samples that are lost so far: told by the instrument, or not come.
    pub lost: u32,
    /// The newest sample that counted, since the hub started.
    pub last_valid: Option<Timestamp>,
}

impl Line {
    /// Adds a stream whose first block is the one that `from` falls into. Entries up to `through` are not for it.
    pub fn assign(&mut self, assignment: Assignment, from: Timestamp, through: u64) {
        let is_its = |group: &Group| group.source == assignment.source && group.rule_set == assignment.rule_set;
        // Streams of a group are assigned one after the other.
        let place = self.groups.iter().rposition(is_its).unwrap_or_else(|| {
            self.groups.push(Group::of(&assignment));
            self.groups.len() - 1
        });
        if let Some(group) = self.groups.get_mut(place) {
            group.add(Member::new(assignment, from, through));
        }
        self.is_indexed = false;
    }

    /// Says since when a stream has had blocks, under whatever configuration.
    pub fn known_since(&mut self, source: &str, parameter: &str, rule_set: &str, since: Timestamp) {
        if let Some(member) = self.member_mut(source, parameter, rule_set) {
            member.known_since = since.min(member.known_since);
        }
    }

    /// Removes the streams of a source; their open blocks are dropped.
    pub fn withdraw(&mut self, source: &str) {
        self.groups.retain(|group| group.source != source);
        self.is_indexed = false;
    }

    /// Takes over the streams of another line, to which the journal was replayed; what comes from now on is new.
    pub fn adopt(&mut self, other: Line) {
        self.groups.extend(other.groups);
        for member in self.groups.iter_mut().flat_map(|group| &mut group.members) {
            member.live = true;
        }
        self.problems.extend(other.problems);
        self.is_indexed = false;
    }

    /// Start of the oldest block of samples that any stream has open.
    pub fn oldest_open(&self) -> Option<Timestamp> {
        self.groups.iter().filter(|group| group.from().is_none()).filter_map(Group::next).min()
    }

    /// The moment from which readings are needed: open blocks, and what is remembered from before them.
    pub fn needs_readings_from(&self) -> Option<Timestamp> {
        let of_samples = self.groups.iter().filter(|group| group.from().is_none());
        of_samples.filter_map(|group| Some(group.next()?.before(group.reach()))).min()
    }

    /// The moment from which stored averages are needed: open blocks that are made from them, and values that are held.
    pub fn needs_averages_from(&self) -> Option<Timestamp> {
        let needs = |group: &Group| group.from().is_some() || !group.recalls().is_zero();
        let needy = self.groups.iter().filter(|group| needs(group));
        needy.filter_map(|group| Some(group.next()?.before(group.recalls()))).min()
    }

    /// Takes a stored average, for the blocks that are made from it and the values that it may lend.
    pub fn recall(&mut self, average: &Average) {
        for group in &mut self.groups {
            group.recall(average);
        }
    }

    /// Takes an average that was revised just now: it stands for whatever revision is known.
    pub fn recall_newest(&mut self, average: &Average) {
        for group in &mut self.groups {
            group.recall_newest(average);
        }
    }

    /// Has blocks of a source take samples that were received before this moment, instead of until the end of their lateness.
    pub fn reopen(&mut self, source: &str, rule_set: &str, start: Timestamp, until: Timestamp) {
        let its = |group: &&mut Group| group.source == source && group.rule_set == rule_set;
        for member in self.groups.iter_mut().filter(its).flat_map(|group| &mut group.members) {
            member.until.insert(start, until);
        }
    }

    /// Takes a poll set that stands in this journal entry.
    pub fn take(&mut self, entry: u64, set: &PollSet) {
        if !self.is_indexed {
            self.index();
        }
        for group in self.plants.get(&set.catalog.device).into_iter().flatten() {
            if let Some(group) = self.groups.get_mut(*group)
                && group.members.iter().any(|member| entry > member.through)
            {
                group.take_plant(set);
            }
        }
        let Some(fed) = self.by_device.get(&set.catalog.device) else { return };
        // A poll that brought each point once and in order, the usual case, needs no search.
        let in_order = set.columns.points.iter().enumerate().all(|(row, point)| row == usize::from(*point));
        for (group, member) in fed {
            let Some(group) = self.groups.get_mut(*group) else { continue };
            if group.members.get(*member).is_some_and(|member| entry > member.through) {
                group.take(*member, set, in_order, &mut self.problems);
            }
        }
    }

    /// Notes that all sets up to this entry have been taken.
    pub fn seen(&mut self, entry: u64) {
        for member in self.groups.iter_mut().flat_map(|group| &mut group.members) {
            member.through = member.through.max(entry);
        }
    }

    /// Closes what is over at `now`, not more than a hundred blocks of each stream: the rest of a long pause comes with the next
    /// calls. Averages of one block stand together, blocks in the order of time.
    pub fn close(&mut self, now: Timestamp) -> Vec<Closed> {
        let mut closed: Vec<Closed> = Vec::new();
        for group in self.groups.iter_mut().filter(|group| group.from().is_none()) {
            closed.extend(group.close(now, None, MOST_BLOCKS, &self.configuration));
        }
        self.close_longer(now, &mut closed);
        closed.sort_by_key(|closed| closed.average.key.start);
        closed
    }

    /// Blocks that are made from shorter ones, which may be made from shorter ones themselves.
    fn close_longer(&mut self, now: Timestamp, closed: &mut Vec<Closed>) {
        let mut waiting: Vec<usize> = (0..self.groups.len())
            .filter(|at| self.groups.get(*at).is_some_and(|group| group.from().is_some()))
            .collect();
        while !waiting.is_empty() {
            let base_of = |at: usize| {
                let group = self.groups.get(at)?;
                let is_base =
                    |base: &Group| base.source == group.source && Some(base.rule_set.as_str()) == group.from();
                self.groups.iter().position(is_base)
            };
            let ready = waiting.iter().position(|at| base_of(*at).is_none_or(|base| !waiting.contains(&base)));
            // Rule sets that are made from each other are refused with the configuration.
            let Some(at) = ready.map(|ready| waiting.remove(ready)) else { return };
            let through = match base_of(at) {
                Some(base) => self.groups.get(base).and_then(Group::next),
                None => Some(now),
            };
            let Some(group) = self.groups.get_mut(at) else { continue };
            for closed in closed.iter() {
                group.recall_newest(&closed.average);
            }
            let longer = group.close(now, through, MOST_BLOCKS, &self.configuration);
            closed.extend(longer);
        }
    }

    /// Has the block of a stream that begins then note what becomes of its samples.
    pub fn trace(&mut self, source: &str, parameter: &str, rule_set: &str, start: Timestamp) {
        if let Some(member) = self.member_mut(source, parameter, rule_set) {
            member.trace = Some(Trace { start, samples: Vec::new() });
        }
    }

    /// What was noted of the block that was asked for.
    pub fn traced(&mut self, source: &str, parameter: &str, rule_set: &str) -> Option<Trace> {
        self.member_mut(source, parameter, rule_set)?.trace.take()
    }

    fn member_mut(&mut self, source: &str, parameter: &str, rule_set: &str) -> Option<&mut Member> {
        let group = self.groups.iter_mut().rfind(|group| group.source == source && group.rule_set == rule_set)?;
        group.members.iter_mut().find(|member| member.assignment.parameter == parameter)
    }

    /// What went wrong since the last call, in words: a point that a device does not have, units that do not convert.
    pub fn problems(&mut self) -> Vec<String> {
        std::mem::take(&mut self.problems)
    }

    /// What the gate stopped since the last call: of each stream the first of each kind.
    pub fn stopped(&mut self) -> Vec<Stopped> {
        let mut stopped = Vec::new();
        for group in &mut self.groups {
            for member in &mut group.members {
                let incidents = std::mem::take(&mut member.incidents);
                stopped.extend(incidents.into_iter().map(|incident| Stopped {
                    source: group.source.clone(),
                    parameter: member.assignment.parameter.clone(),
                    rule_set: group.rule_set.clone(),
                    incident,
                }));
            }
        }
        stopped
    }

    /// Blocks that samples came for after they had closed, since the last call.
    pub fn late_blocks(&mut self) -> Vec<LateBlock> {
        let mut blocks: BTreeMap<(String, String, Timestamp), Timestamp> = BTreeMap::new();
        for group in &mut self.groups {
            for (start, since) in group.members.iter_mut().flat_map(|member| std::mem::take(&mut member.late)) {
                let key = (group.source.clone(), group.rule_set.clone(), start);
                let known = blocks.entry(key).or_insert(since);
                *known = (*known).min(since);
            }
        }
        let each = blocks.into_iter();
        each.map(|((source, rule_set, start), since)| LateBlock { source, rule_set, start, since }).collect()
    }

    /// Readings that came too late for their block.
    pub fn late(&self) -> u64 {
        self.groups.iter().flat_map(|group| &group.members).map(|member| member.late_count).sum()
    }

    /// How the open block of each stream of samples stands.
    pub fn standing(&self, now: Timestamp) -> impl Iterator<Item = Standing<'_>> {
        let members = self.groups.iter().filter(|group| group.from().is_none()).flat_map(|group| &group.members);
        members.filter_map(move |member| {
            let assignment = &member.assignment;
            let super::recipe::Input::Point { interval, .. } = &assignment.input else { return None };
            let block = assignment.rules.grid.block(now);
            if member.begins > block.start {
                return None;
            }
            let expected = super::rules::expected(block.length(), *interval);
            let (came, lost) = member.so_far(block.start);
            let due = now.since(block.start).as_nanos() / interval.as_nanos().max(1);
            // A sample that is under way is not lost yet.
            let due = u32::try_from(due).unwrap_or(u32::MAX).saturating_sub(1).min(expected);
            let silent = due.saturating_sub(came);
            Some(Standing { assignment, expected, lost: lost + silent, last_valid: member.last_valid })
        })
    }

    fn index(&mut self) {
        self.is_indexed = true;
        self.by_device.clear();
        self.plants.clear();
        for (at, group) in self.groups.iter().enumerate() {
            if group.from().is_some() {
                continue;
            }
            if let Some(device) = group.plant_device() {
                self.plants.entry(device.to_owned()).or_default().push(at);
            }
            for (place, member) in group.members.iter().enumerate() {
                if let Some(device) = member.assignment.device() {
                    self.by_device.entry(device.to_owned()).or_default().push((at, place));
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "line_tests/mod.rs"]
mod tests;
