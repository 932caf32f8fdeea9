//! A period derived again from the journal: the same readings under the same rules must come out as the same bytes.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::time::Duration;

use crate::average::Average;
use crate::config::model::Config;
use crate::hub::assignments::assignments;
use crate::journal::{Event, JournalError, Reader};
use crate::pipeline::{Assignment, Line};
use crate::time::Timestamp;

/// A device's clock may be this much ahead of the hub's.
const CLOCK_SLACK: Duration = Duration::from_secs(3600);
/// How long after the end of a block its last reading may have been committed.
const LATEST_COMMIT: Duration = Duration::from_secs(86_400);

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

impl Recipes {
    /// Those that the journal recorded; with a configuration, those of it instead, for every period.
    pub fn read(reader: &Reader, given: Option<&Config>) -> Result<Self, JournalError> {
        let mut recorded = HashMap::new();
        reader.events(Timestamp(i64::MIN)..Timestamp(i64::MAX), |_, event| {
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

    fn of<'a>(&'a self, average: &'a Average) -> Option<(&'a str, &'a Assignment)> {
        let (digest, assignments) = match &self.given {
            Some((digest, assignments)) => (digest.as_str(), assignments),
            None => (average.configuration.as_str(), self.recorded.get(&average.configuration)?),
        };
        let key = &average.key;
        let fits = |of: &&Assignment| {
            of.source == key.source
                && of.parameter == key.parameter
                && of.rule_set == key.rule_set
                && of.rules.grid.block(key.start).length() == average.length
        };
        Some((digest, assignments.iter().find(fits)?))
    }
}

/// Derives the newest revision of every average whose block begins in this time again, from readings alone.
pub fn recompute(reader: &mut Reader, recipes: &Recipes, during: Range<Timestamp>) -> Result<Outcome, JournalError> {
    let mut outcome = Outcome::default();
    let kept_from = reader.readings_kept_from()?;
    // One line for each configuration: a stream has one recipe in each.
    let mut groups: BTreeMap<String, Vec<(Average, Assignment)>> = BTreeMap::new();
    for average in reader.newest_averages(during)? {
        if average.key.start < kept_from {
            outcome.without_readings += 1;
            continue;
        }
        match recipes.of(&average) {
            None => outcome.without_recipe += 1,
            Some((digest, assignment)) => {
                let assignment = assignment.clone();
                groups.entry(digest.to_owned()).or_default().push((average, assignment));
            }
        }
    }
    for (digest, group) in groups {
        compare(reader, &digest, group, &mut outcome)?;
    }
    Ok(outcome)
}

fn compare(
    reader: &mut Reader,
    digest: &str,
    group: Vec<(Average, Assignment)>,
    outcome: &mut Outcome,
) -> Result<(), JournalError> {
    let mut line = Line::default();
    line.configuration = digest.to_owned();
    let mut streams: BTreeMap<(String, String, String), (Timestamp, Assignment)> = BTreeMap::new();
    let mut over = Timestamp(i64::MIN);
    for (average, assignment) in &group {
        let key = &average.key;
        let name = (key.source.clone(), key.parameter.clone(), key.rule_set.clone());
        let stream = streams.entry(name).or_insert_with(|| (key.start, assignment.clone()));
        stream.0 = stream.0.min(key.start);
        over = over.max(average.end().after(assignment.rules.lateness));
    }
    let Some(first) = streams.values().map(|(start, _)| *start).min() else { return Ok(()) };
    for (start, assignment) in streams.into_values() {
        line.assign(assignment, start, 0);
    }
    reader.replay(first.before(CLOCK_SLACK)..over.after(LATEST_COMMIT), |entry, set| line.take(entry, &set))?;
    let mut fresh = HashMap::new();
    loop {
        let closed = line.close(over);
        if closed.is_empty() {
            break;
        }
        fresh.extend(closed.into_iter().map(|closed| (unrevised(&closed.average), closed.average)));
    }
    for (stands, _) in group {
        let Some(mut fresh) = fresh.remove(&unrevised(&stands)) else { continue };
        fresh.key.revision = stands.key.revision;
        (fresh.reason, fresh.author) = (stands.reason.clone(), stands.author.clone());
        let configuration = std::mem::replace(&mut fresh.configuration, stands.configuration.clone());
        if serde_json::to_string(&fresh).ok() == serde_json::to_string(&stands).ok() {
            outcome.identical += 1;
            continue;
        }
        fresh.configuration = configuration;
        outcome.differing.push((stands, fresh));
    }
    Ok(())
}

fn unrevised(average: &Average) -> (String, String, String, Timestamp) {
    let key = &average.key;
    (key.source.clone(), key.parameter.clone(), key.rule_set.clone(), key.start)
}
