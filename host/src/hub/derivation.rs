//! What the journal's writer asks after each commit: the line of averagers, and where their averages go.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::warn;

use crate::average::{Average, AverageKey};
use crate::config::model::Route;
use crate::gap::{Gap, GapCause};
use crate::journal::{Cursor, Derive, Derived, DevicePhase, Ending, Event, JournalError, Reader, Stream};
use crate::pipeline::{Assignment, AverageRoutes, Closed, Line, Outages};
use crate::reading::PollSet;
use crate::status::InstrumentState;
use crate::time::Timestamp;

/// The line and its routes, shared between the hub, which changes them, and the journal's writer, which uses them. The lock is held for
/// the length of a pure computation, or of a replay.
#[derive(Clone)]
pub struct Derivation {
    hub: Arc<str>,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    line: Line,
    routes: AverageRoutes,
    outages: Outages,
}

impl Derivation {
    /// A derivation without streams.
    pub fn new(hub: &str) -> Self {
        Derivation { hub: hub.into(), inner: Arc::default() }
    }

    /// Replaces the routes and the digest that averages carry from now on.
    pub fn set_routes<'a>(&self, routes: impl IntoIterator<Item = &'a Route>, configuration: &str) {
        let mut inner = self.lock();
        inner.routes = AverageRoutes::new(routes);
        inner.line.configuration = configuration.to_owned();
    }

    /// Takes away a source's streams.
    pub fn withdraw(&self, source: &str) {
        self.lock().line.withdraw(source);
    }

    /// Readings that came too late for their block since the start.
    pub fn late(&self) -> u64 {
        self.lock().line.late()
    }

    /// Where streams begin that are new now.
    pub fn beginnings(assignments: &[Assignment], now: Timestamp) -> Vec<Stream> {
        let each = assignments.iter().map(|assignment| Stream {
            source: assignment.source.clone(),
            parameter: assignment.parameter.clone(),
            rule_set: assignment.rule_set.clone(),
            begins: now,
        });
        each.collect()
    }

    /// Adds streams and replays for them what the journal holds of their open blocks. Returns how many blocks are over
    /// already.
    pub fn assign(
        &self,
        assignments: Vec<Assignment>,
        reader: &mut Reader,
        now: Timestamp,
    ) -> Result<usize, JournalError> {
        let mut fresh = Line::default();
        let mut over = 0;
        for assignment in assignments {
            let Assignment { source, parameter, rule_set, rules, .. } = &assignment;
            let from = reader.continues_at(source, parameter, rule_set)?.unwrap_or(now);
            let open = now.since(from).as_nanos() / rules.grid.length().as_nanos().max(1);
            over += usize::try_from(open).unwrap_or(usize::MAX);
            fresh.assign(assignment, from, 0);
        }
        let mut through = reader.last_entry()?;
        let oldest = fresh.oldest_open();
        if let Some(from) = fresh.needs_averages_from() {
            for average in reader.newest_averages(from..Timestamp(i64::MAX))? {
                fresh.recall(&average);
            }
        }
        if let Some(from) = fresh.needs_readings_from() {
            reader.replay(from.before(CLOCK_SLACK)..Timestamp(i64::MAX), |entry, set| fresh.take(entry, &set))?;
        }
        fresh.seen(through);
        // The long part is done without the lock, which the journal's writer needs; what was committed meanwhile is little.
        let mut inner = self.lock();
        if let Some(from) = oldest {
            let mut outages = Outages::default();
            reader.events(from.before(EVENT_SLACK)..Timestamp(i64::MAX), |at, event| note(&mut outages, at, &event))?;
            inner.outages = outages;
        }
        for (place, set) in reader.readings_after(Cursor { entry: through, item: u32::MAX })? {
            through = place.entry;
            fresh.take(place.entry, &set);
        }
        fresh.seen(through);
        inner.line.adopt(fresh);
        Ok(over)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A device's clock may be this much ahead of the hub's without its readings being missed by a replay.
const CLOCK_SLACK: Duration = Duration::from_secs(60);

/// What began this long before a block may still have gone on in it.
const EVENT_SLACK: Duration = Duration::from_secs(7 * 86_400);

/// What an event says of outages.
fn note(outages: &mut Outages, at: Timestamp, event: &Event) {
    match event {
        Event::Start { last: Some(last), after, .. } => {
            let detail = match after {
                Ending::Unclean => "the hub was killed or lost its power",
                Ending::First | Ending::Clean => "the hub was stopped",
            };
            outages.hub(*last, at, GapCause::HubDown, detail.to_owned());
        }
        Event::Storage { full, error, lost, .. } => {
            let cause = if *full { GapCause::DiskFull } else { GapCause::Storage };
            for lost in lost {
                outages.device(&lost.device, lost.from, lost.to, cause, error.clone());
            }
        }
        Event::Device { device, since: at, phase, reason } => match phase {
            DevicePhase::Starting | DevicePhase::Running | DevicePhase::Stopped => outages.end(device, *at),
            DevicePhase::Failing => outages.begin(device, *at, GapCause::Link, reason.clone()),
            DevicePhase::Restarting | DevicePhase::Parked => {
                outages.begin(device, *at, GapCause::PluginParked, reason.clone());
            }
        },
        _ => {}
    }
}

impl Derive for Derivation {
    fn committed(&mut self, entry: u64, sets: &[Arc<PollSet>]) {
        let mut inner = self.lock();
        for set in sets {
            inner.line.take(entry, set);
        }
        inner.line.seen(entry);
        for problem in inner.line.problems() {
            warn!("{problem}; its blocks stay empty");
        }
    }

    fn happened(&mut self, at: Timestamp, event: &Event) {
        note(&mut self.lock().outages, at, event);
    }

    fn derive(&mut self, now: Timestamp) -> Vec<Derived> {
        let inner = &mut *self.lock();
        let closed = inner.line.close(now);
        let derived = closed.into_iter().map(|closed| {
            let gap = gap(&inner.outages, &closed);
            let average = closed.average;
            let key = self.key(&average);
            let sinks = inner.routes.sinks(&average.key).into_iter();
            Derived { deliveries: sinks.map(|sink| (sink.to_owned(), key.clone())).collect(), gap, average }
        });
        derived.collect()
    }

    fn needed_from(&self) -> Option<Timestamp> {
        let from = self.lock().line.needs_readings_from().unwrap_or(Timestamp(i64::MAX));
        Some(from.before(CLOCK_SLACK))
    }
}

/// Why a closed block has not enough valid data; `None`: it has.
fn gap(outages: &Outages, closed: &Closed) -> Option<Gap> {
    let Closed { average, device, problem, idle, .. } = closed;
    match (average.state, problem) {
        (InstrumentState::Valid, _) => None,
        (InstrumentState::Missing, Some(problem)) => {
            Some(Gap { cause: GapCause::Configuration, detail: problem.clone() })
        }
        (InstrumentState::Missing, None) if *idle => {
            Some(Gap { cause: GapCause::Plant, detail: format!("the plant was {}", average.plant.name()) })
        }
        // Enough came, and something that it had to be computed with did not.
        (InstrumentState::Missing, None) if average.valid > 0 && !average.notes.is_empty() => {
            Some(Gap { cause: GapCause::Device, detail: average.notes.join("; ") })
        }
        (state, _) => Some(outages.cause(device, (average.key.start, average.end()), state)),
    }
}

impl Derivation {
    /// The idempotency key of an average: the same for every attempt, after every restart. The length is in it, since a rule set
    /// may get another one.
    fn key(&self, average: &Average) -> String {
        let AverageKey { source, parameter, rule_set, start, revision } = &average.key;
        format!("{}/{source}/{parameter}/{rule_set}/{start}/{}s/{revision}", self.hub, average.length.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::model;
    use crate::journal::{self, Journal};
    use crate::pipeline::Rules;
    use crate::reading::{Columns, DeviceCatalog, Point, PointKind};

    const BLOCK: Duration = Duration::from_secs(1200);
    const LATENESS: Duration = Duration::from_secs(3600);

    fn assignment() -> Assignment {
        Assignment {
            source: "stack-1".into(),
            parameter: "NO2".into(),
            rule_set: "kz-20min".into(),
            rules: Rules::simple(BLOCK, 0.75, LATENESS),
            ..Assignment::of_point("no2-north", "no2", Duration::from_secs(300))
        }
    }

    /// A reading that is received now and was sampled at this moment.
    fn set(at: Timestamp, value: f64) -> Arc<PollSet> {
        let point = Point { id: "no2".into(), label: String::new(), unit: "[ppb]".into(), kind: PointKind::Number };
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
            times: vec![at],
            ..Columns::default()
        };
        Arc::new(PollSet { catalog: Arc::new(catalog), received_at: at, columns })
    }

    async fn with_journal(file: &Path, derivation: &Derivation, sets: Vec<Arc<PollSet>>, now: Timestamp) {
        let settings = model::Journal { commit_interval: Duration::from_millis(2), ..model::Journal::default() };
        let (journal, running) = Journal::open(file, &settings, derivation.clone()).unwrap();
        derivation.assign(vec![assignment()], &mut journal.reader().unwrap(), now).unwrap();
        for set in sets {
            journal.append(set).await.unwrap();
        }
        journal.flush().await.unwrap();
        drop(journal);
        tokio::task::spawn_blocking(|| running.join()).await.unwrap();
    }

    fn closed(derivation: &Derivation, now: Timestamp) -> Vec<Average> {
        derivation.clone().derive(now).into_iter().map(|derived| derived.average).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_restart_in_the_middle_of_a_block_changes_nothing_in_its_average() {
        let folder = tempfile::tempdir().unwrap();
        let (once, twice) = (folder.path().join("once.sqlite"), folder.path().join("twice.sqlite"));
        // A block that is over but still waits for late samples, so that the writer's own clock does not close it.
        let start = Timestamp::now().before(BLOCK).block_start(BLOCK);
        let sets: Vec<_> = [(0, 0.1), (300, 0.2), (600, 0.3), (900, 0.4)]
            .map(|(seconds, value)| set(start.after(Duration::from_secs(seconds)), value))
            .into();
        let (first, rest) = sets.split_at(2);

        let whole = Derivation::new("hub");
        with_journal(&once, &whole, sets.clone(), start).await;
        with_journal(&twice, &Derivation::new("hub"), first.to_vec(), start).await;
        let resumed = Derivation::new("hub");
        with_journal(&twice, &resumed, rest.to_vec(), start).await;

        let end = start.after(BLOCK).after(LATENESS);
        let (whole, resumed) = (closed(&whole, end), closed(&resumed, end));
        assert_eq!(whole.last().map(|average| average.valid), Some(4));
        assert_eq!(whole.last(), resumed.last());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn blocks_that_ended_while_no_hub_ran_are_closed_and_not_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("j.sqlite");
        let three_blocks_ago = Timestamp::now().before(LATENESS).block_start(BLOCK).before(3 * BLOCK);
        with_journal(&file, &Derivation::new("hub"), vec![], three_blocks_ago).await;
        let stored = journal::read(&file).unwrap().averages_after(0).unwrap();
        let starts: Vec<_> = stored.iter().map(|(_, average)| average.key.start).collect();
        let expected = [0, 1, 2].map(|n| three_blocks_ago.after(n * BLOCK));
        assert_eq!(starts, expected);
        assert!(stored.iter().all(|(_, average)| average.state == InstrumentState::Missing));
    }
}
