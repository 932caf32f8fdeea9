//! A period derived again from the journal: the same readings under the same rules must come out as the same bytes.
//!
//! Blocks of samples are derived from readings, longer ones from the blocks that they are made of, as they stand or as they just came
//! out.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::time::Duration;

use crate::average::Average;
use crate::config::model::Config;
use crate::hub::assignments::assignments;
use crate::journal::{Event, JournalError, Reader};
use crate::pipeline::{Assignment, LateBlock, Line};
use crate::time::Timestamp;

/// A device's clock may be this much ahead of the hub's.
const CLOCK_SLACK: Duration = Duration::from_secs(3600);
/// How long after the end of a block its last reading may have been committed.
const LATEST_COMMIT: Duration = Duration::from_secs(86_400);
/// The longest block there is, a local day of 25 h.
const LONGEST: Duration = Duration::from_secs(90_000);

/// How the averages of each source were made, by the configuration's digest.
pub struct Recipes {
    recorded: HashMap<String, Vec<Assignment>>,
    given: Option<(String, Vec<Assignment>)>,
}

/// What came out.
#[derive(Debug, Default)]
pub struct Outcome {
    /// As they stood, to the byte.
    pub identical: u64,
    /// As they should be, each with the one that stands.
    pub differing: Vec<(Average, Average)>,
    /// Whose readings are not kept any more.
    pub without_readings: u64,
    /// Whose configuration the journal does not hold.
    pub without_recipe: u64,
}

/// Averages of one configuration, each with its recipe.
type Wanted = Vec<(Average, Assignment)>;
/// Source, parameter, rule set and start.
type Name = (String, String, String, Timestamp);

impl Recipes {
    /// Those that the journal recorded; with a configuration, those of it instead, for every period.
    pub fn read(reader: &Reader, given: Option<&Config>) -> Result<Self, JournalError> {
        let mut recorded = HashMap::new();
        reader.events_of(&["streams"], |_, event| {
            if let Event::Streams { configuration, streams } = event
                && let Ok(assignments) = serde_json::from_value(streams)
            {
                recorded.insert(configuration, assignments);
            }
        })?;
        let given = given.map(|config| {
            let of = |name| assignments(config, name).unwrap_or_default();
            (config.digest.clone(), config.sources.keys().flat_map(|name| of(name.as_str())).collect())
        });
        Ok(Recipes { recorded, given })
    }

    /// The configuration that an average is derived by, and all its recipes.
    fn of<'a>(&'a self, average: &'a Average) -> Option<(&'a str, &'a [Assignment])> {
        match &self.given {
            Some((digest, assignments)) => Some((digest, assignments)),
            None => Some((&average.configuration, self.recorded.get(&average.configuration)?)),
        }
    }
}

/// Derives the newest revision of every average whose block begins in this time again.
pub fn recompute(reader: &mut Reader, recipes: &Recipes, during: Range<Timestamp>) -> Result<Outcome, JournalError> {
    let wanted = reader.newest_averages(during)?;
    derive(reader, recipes, wanted, None)
}

/// Derives blocks again that samples came for after they had closed, with those that were received before `until`, and the longer blocks
/// that are made from them. Returns what came out otherwise.
pub fn with_late(
    reader: &mut Reader,
    recipes: &Recipes,
    blocks: &[LateBlock],
    until: Timestamp,
) -> Result<Vec<Average>, JournalError> {
    let (Some(first), Some(last)) =
        (blocks.iter().map(|block| block.start).min(), blocks.iter().map(|block| block.start).max())
    else {
        return Ok(Vec::new());
    };
    let around = reader.newest_averages(first.before(LONGEST)..last.after(Duration::from_nanos(1)))?;
    let is_late = |average: &Average| {
        let its = |block: &&LateBlock| {
            average.key.source == block.source
                && average.key.rule_set == block.rule_set
                && average.key.start == block.start
        };
        blocks.iter().any(|block| its(&block))
    };
    let holds = |average: &Average, block: &LateBlock| {
        average.key.source == block.source && average.key.start <= block.start && block.start < average.end()
    };
    let is_longer = |average: &Average| {
        let rules = recipes.of(average).and_then(|(_, all)| recipe(all, average)).map(|assignment| &assignment.rules);
        rules.is_some_and(|rules| rules.from.is_some()) && blocks.iter().any(|block| holds(average, block))
    };
    let wanted = around.into_iter().filter(|average| is_late(average) || is_longer(average)).collect();
    let outcome = derive(reader, recipes, wanted, Some(until))?;
    Ok(outcome.differing.into_iter().map(|(_, fresh)| fresh).collect())
}

fn derive(
    reader: &mut Reader,
    recipes: &Recipes,
    wanted: Vec<Average>,
    until: Option<Timestamp>,
) -> Result<Outcome, JournalError> {
    let mut outcome = Outcome::default();
    let kept_from = reader.readings_kept_from()?;
    // One line for each configuration: a stream has one recipe in each.
    let mut groups: BTreeMap<String, (Wanted, Wanted)> = BTreeMap::new();
    for average in wanted {
        let found =
            recipes.of(&average).and_then(|(digest, all)| Some((digest.to_owned(), recipe(all, &average)?.clone())));
        let Some((digest, assignment)) = found else {
            outcome.without_recipe += 1;
            continue;
        };
        let (short, longer) = groups.entry(digest).or_default();
        if assignment.rules.from.is_some() {
            longer.push((average, assignment));
        } else if average.key.start.before(reach(&assignment)) < kept_from {
            outcome.without_readings += 1;
        } else {
            short.push((average, assignment));
        }
    }
    for (digest, (short, longer)) in groups {
        let all = match &recipes.given {
            Some((_, all)) => all,
            None => recipes.recorded.get(&digest).map_or(&[][..], Vec::as_slice),
        };
        let fresh = from_readings(reader, &digest, &short, all, until)?;
        let longer_fresh = from_blocks(reader, &digest, &longer, &fresh)?;
        compare(short, fresh, &mut outcome);
        compare(longer, longer_fresh, &mut outcome);
    }
    Ok(outcome)
}

/// The recipe of an average.
fn recipe<'a>(all: &'a [Assignment], average: &Average) -> Option<&'a Assignment> {
    let key = &average.key;
    all.iter().find(|of| {
        of.source == key.source
            && of.parameter == key.parameter
            && of.rule_set == key.rule_set
            && of.rules.grid.block(key.start).length() == average.length
    })
}

/// How far before a block its companions may have been measured.
fn reach(assignment: &Assignment) -> Duration {
    assignment.companions.values().map(|companion| companion.reach()).sum()
}

/// All parameters of the sources and rule sets that are wanted: each may need the others.
fn from_readings(
    reader: &mut Reader,
    digest: &str,
    wanted: &Wanted,
    all: &[Assignment],
    until: Option<Timestamp>,
) -> Result<HashMap<Name, Average>, JournalError> {
    let mut line = Line::default();
    line.configuration = digest.to_owned();
    let mut starts: BTreeMap<(&str, &str), Timestamp> = BTreeMap::new();
    let mut over = Timestamp(i64::MIN);
    for (average, assignment) in wanted {
        let start = starts.entry((&assignment.source, &assignment.rule_set)).or_insert(average.key.start);
        *start = (*start).min(average.key.start);
        over = over.max(average.end().after(assignment.rules.lateness));
    }
    for assignment in all {
        if let Some(start) = starts.get(&(assignment.source.as_str(), assignment.rule_set.as_str())) {
            line.assign(assignment.clone(), *start, 0);
        }
    }
    let (mut latest, mut fresh) = (over, HashMap::new());
    for (average, assignment) in wanted {
        if let Some(until) = until.or(average.received_until) {
            line.reopen(&assignment.source, &assignment.rule_set, average.key.start, until);
            latest = latest.max(until);
        }
    }
    recall(reader, &mut line)?;
    if let Some(from) = line.needs_readings_from() {
        let mut through = Timestamp(i64::MIN);
        reader.replay(from.before(CLOCK_SLACK)..latest.after(LATEST_COMMIT), |entry, set| {
            let times = &set.columns.times;
            let is_later = |at: &Timestamp| *at >= over;
            if if times.is_empty() { is_later(&set.received_at) } else { times.iter().all(is_later) } {
                return;
            }
            // What is over is closed on the way, or a month of samples would wait in memory.
            let done = set.received_at.before(LATEST_COMMIT).min(over);
            if latest == over && done > through.after(CLOCK_SLACK) {
                through = done;
                fresh.extend(closed(&mut line, done));
            }
            line.take(entry, &set);
        })?;
    }
    fresh.extend(closed(&mut line, over));
    Ok(fresh)
}

/// Longer blocks, from stored ones and those that just came out.
fn from_blocks(
    reader: &Reader,
    digest: &str,
    wanted: &Wanted,
    fresh: &HashMap<Name, Average>,
) -> Result<HashMap<Name, Average>, JournalError> {
    let mut line = Line::default();
    line.configuration = digest.to_owned();
    let mut starts: BTreeMap<(String, String, String), (Timestamp, Assignment)> = BTreeMap::new();
    let mut over = Timestamp(i64::MIN);
    for (average, assignment) in wanted {
        let name = (assignment.source.clone(), assignment.parameter.clone(), assignment.rule_set.clone());
        let stream = starts.entry(name).or_insert_with(|| (average.key.start, assignment.clone()));
        stream.0 = stream.0.min(average.key.start);
        over = over.max(average.end());
    }
    for (start, assignment) in starts.into_values() {
        line.assign(assignment, start, 0);
    }
    recall(reader, &mut line)?;
    for average in fresh.values() {
        line.recall_newest(average);
    }
    Ok(closed(&mut line, over))
}

fn recall(reader: &Reader, line: &mut Line) -> Result<(), JournalError> {
    if let Some(from) = line.needs_averages_from() {
        for average in reader.newest_averages(from..Timestamp(i64::MAX))? {
            line.recall(&average);
        }
    }
    Ok(())
}

fn closed(line: &mut Line, over: Timestamp) -> HashMap<Name, Average> {
    let mut fresh = HashMap::new();
    loop {
        let closed = line.close(over);
        if closed.is_empty() {
            return fresh;
        }
        fresh.extend(closed.into_iter().map(|closed| (unrevised(&closed.average), closed.average)));
    }
}

fn compare(wanted: Wanted, mut fresh: HashMap<Name, Average>, outcome: &mut Outcome) {
    for (stands, _) in wanted {
        let Some(mut fresh) = fresh.remove(&unrevised(&stands)) else { continue };
        fresh.key.revision = stands.key.revision;
        (fresh.reason, fresh.author) = (stands.reason.clone(), stands.author.clone());
        let configuration = std::mem::replace(&mut fresh.configuration, stands.configuration.clone());
        let until = fresh.received_until;
        // That a block was looked at again is no difference, if nothing came of it.
        let same = Average { received_until: stands.received_until, ..fresh.clone() };
        if serde_json::to_string(&same).ok() == serde_json::to_string(&stands).ok() {
            outcome.identical += 1;
            continue;
        }
        (fresh.configuration, fresh.received_until) = (configuration, until);
        outcome.differing.push((stands, fresh));
    }
}

fn unrevised(average: &Average) -> Name {
    let key = &average.key;
    (key.source.clone(), key.parameter.clone(), key.rule_set.clone(), key.start)
}
