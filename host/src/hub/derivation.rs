//! What the journal's writer asks after each commit: the line of averagers, and where their averages go.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::{info, warn};

use crate::alarm::AlarmState;
use crate::average::{Average, AverageKey};
use crate::config::model::Route;
use crate::gap::{Gap, GapCause};
use crate::journal::{Cursor, Derive, Derived, DevicePhase, Ending, Event, JournalError, Occurred, Reader, Stream};
use crate::pipeline::alarm::{Acknowledgement, Guard, NoSuchAlarm, Standing, Told, Watched};
use crate::pipeline::{AlarmRoutes, Assignment, AverageRoutes, Closed, LateBlock, Line, Outages, Stopped};
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
    alarm_routes: AlarmRoutes,
    outages: Outages,
    guard: Guard,
    looked: Timestamp,
    /// Found outside of the journal's own turns, to be recorded with the next one.
    occurred: Vec<Occurred>,
    /// Blocks that are to be derived again, and when the last of their late samples was received.
    late: BTreeMap<BlockName, Timestamp>,
}

/// Source, rule set and start of a block.
type BlockName = (String, String, Timestamp);

impl Derivation {
    /// A derivation without streams.
    pub fn new(hub: &str) -> Self {
        Derivation { hub: hub.into(), inner: Arc::default() }
    }

    /// Replaces the routes and the digest that averages carry from now on.
    pub fn set_routes<'a>(&self, routes: impl IntoIterator<Item = &'a Route>, configuration: &str) {
        let mut inner = self.lock();
        let routes: Vec<&Route> = routes.into_iter().collect();
        inner.routes = AverageRoutes::new(routes.iter().copied());
        inner.alarm_routes = AlarmRoutes::new(routes);
        inner.line.configuration = configuration.to_owned();
    }

    /// Looks after these parameters from now on.
    pub fn watch(&self, watched: Vec<Watched>, now: Timestamp) {
        let mut inner = self.lock();
        inner.guard.watch(watched, now);
        self.tell(&mut inner);
    }

    /// Takes up what the journal tells of alarms, of zero and span readings, and of late samples that no revision has yet.
    pub fn take_up(&self, reader: &Reader) -> Result<(), JournalError> {
        let (mut changes, mut readings, mut late) = (Vec::new(), Vec::new(), Vec::new());
        reader.events_of(&["alarm", "zero_span", "late_readings"], |at, event| {
            changes.extend(event.as_alarm(at));
            match event {
                Event::ZeroSpan { source, parameter, kind, value, .. } => {
                    readings.push((source, parameter, kind, value))
                }
                Event::LateReadings { source, rule_set, start, since } => {
                    late.push(LateBlock { source, rule_set, start, since });
                }
                _ => {}
            }
        })?;
        let late = unrevised(reader, late)?;
        let mut inner = self.lock();
        changes.iter().for_each(|change| inner.guard.restore(change));
        for (source, parameter, kind, value) in readings {
            if let Ok(kind) = serde_json::from_value(kind.into()) {
                inner.guard.restore_reading(&source, &parameter, kind, value);
            }
        }
        inner.late.extend(late);
        Ok(())
    }

    /// Somebody has seen an alarm. It is recorded with the journal's next turn.
    pub fn acknowledge(&self, name: &str, by: &str) -> Result<Acknowledgement, NoSuchAlarm> {
        let mut inner = self.lock();
        let answer = inner.guard.acknowledge(name, by, Timestamp::now());
        self.tell(&mut inner);
        answer
    }

    /// The alarms that stand.
    pub fn alarms(&self) -> Vec<Standing> {
        self.lock().guard.standing().cloned().collect()
    }

    /// Blocks whose last late sample was received before this moment; they are not handed out again.
    pub fn late_blocks(&self, before: Timestamp) -> Vec<LateBlock> {
        let mut inner = self.lock();
        let due = |(_, since): &(&BlockName, &Timestamp)| **since < before;
        let keys: Vec<_> = inner.late.iter().filter(due).map(|(key, _)| key.clone()).collect();
        let taken = keys.into_iter().filter_map(|key| {
            let since = inner.late.remove(&key)?;
            let (source, rule_set, start) = key;
            Some(LateBlock { source, rule_set, start, since })
        });
        taken.collect()
    }

    /// What the guard has to tell becomes events, and deliveries where a route leads.
    fn tell(&self, inner: &mut Inner) {
        for told in inner.guard.told() {
            let occurred = match told {
                Told::Alarm(change) => {
                    match change.state {
                        AlarmState::Raised => warn!("alarm {}: {}", change.name, change.detail),
                        AlarmState::Acknowledged | AlarmState::Cleared => {
                            info!("alarm {} {}: {}", change.name, change.state.name(), change.detail);
                        }
                    }
                    let key = format!("{}/alarm/{}/{}/{}", self.hub, change.name, change.state.name(), change.at);
                    let sinks = inner.alarm_routes.sinks(&change).into_iter();
                    let deliveries = sinks.map(|sink| (sink.to_owned(), key.clone())).collect();
                    Occurred { event: Event::of_alarm(&change), deliveries }
                }
                Told::ZeroSpan { source, parameter, reading, verdict } => {
                    let (kind, at, value) = (reading.kind.name().to_owned(), reading.at, reading.value);
                    plain(Event::ZeroSpan { source, parameter, kind, at, value, verdict })
                }
            };
            inner.occurred.push(occurred);
        }
    }

    /// What the line found on the way.
    fn note_findings(&self, inner: &mut Inner) {
        for Stopped { source, parameter, rule_set, incident } in inner.line.stopped() {
            let (code, value) = (incident.code.name(), Some(incident.raw).filter(|raw| raw.is_finite()));
            let shown = match incident.value {
                Some(value) => format!("{value} {}, from {} of the instrument,", incident.unit, incident.raw),
                None => incident.raw.to_string(),
            };
            warn!(
                "source {source}, {parameter}: {shown} at {} is implausible ({code}) and does not count",
                incident.at
            );
            let code = code.to_owned();
            let event = Event::Implausible { source, parameter, rule_set, code, at: incident.at, value };
            inner.occurred.push(plain(event));
        }
        for LateBlock { source, rule_set, start, since } in inner.line.late_blocks() {
            let key = (source.clone(), rule_set.clone(), start);
            if inner.late.insert(key, since).is_none() {
                inner.occurred.push(plain(Event::LateReadings { source, rule_set, start, since }));
            }
        }
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
            let began = reader.began_at(source, parameter, rule_set)?.unwrap_or(from);
            let stream = (source.clone(), parameter.clone(), rule_set.clone());
            fresh.assign(assignment, from, 0);
            fresh.known_since(&stream.0, &stream.1, &stream.2, began);
        }
        let mut through = reader.last_entry()?;
        let oldest = fresh.oldest_open();
        if let Some(from) = fresh.needs_averages_from() {
            for average in reader.newest_averages(from..Timestamp(i64::MAX))? {
                fresh.recall(&average);
            }
        }
        if let Some(from) = fresh.needs_readings_from() {
            let during = from.before(CLOCK_SLACK)..Timestamp(i64::MAX);
            // It goes on to what was committed when it began, which may be behind what was last before.
            let last = reader.replay(during, |entry, set| fresh.take(entry, &set))?;
            through = through.max(last.unwrap_or(0));
        }
        fresh.seen(through);
        // What the gate stops now it told of at its time. Readings that were late at theirs are late again, and most have their revision.
        fresh.stopped();
        let late = unrevised(reader, fresh.late_blocks())?;
        // The long part is done without the lock, which the journal's writer needs; what was committed meanwhile is little.
        let mut inner = self.lock();
        inner.late.extend(late);
        if let Some(from) = oldest {
            let mut outages = Outages::default();
            reader.events(from.before(EVENT_SLACK)..Timestamp(i64::MAX), |at, event| note(&mut outages, at, &event))?;
            inner.outages = outages;
        }
        loop {
            let committed = reader.readings_after(Cursor { entry: through, item: u32::MAX })?;
            if committed.is_empty() {
                break;
            }
            for (place, set) in committed {
                through = place.entry;
                fresh.take(place.entry, &set);
            }
            fresh.seen(through);
        }
        inner.line.adopt(fresh);
        Ok(over)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often open blocks are looked at for alarms.
const LOOK_EVERY: Duration = Duration::from_secs(5);

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
            inner.guard.readings(set);
        }
        inner.line.seen(entry);
        for problem in inner.line.problems() {
            warn!("{problem}; its blocks stay empty");
        }
        self.note_findings(&mut inner);
        self.tell(&mut inner);
    }

    fn revised(&mut self, averages: &[Average]) {
        let mut inner = self.lock();
        for average in averages {
            inner.line.recall_newest(average);
        }
    }

    fn occurred(&mut self) -> Vec<Occurred> {
        std::mem::take(&mut self.lock().occurred)
    }

    fn happened(&mut self, at: Timestamp, event: &Event) {
        note(&mut self.lock().outages, at, event);
    }

    fn derive(&mut self, now: Timestamp) -> Vec<Derived> {
        let inner = &mut *self.lock();
        let closed = inner.line.close(now);
        for closed in &closed {
            inner.guard.closed(&closed.average);
        }
        if now.since(inner.looked) >= LOOK_EVERY {
            inner.looked = now;
            inner.guard.look(now, inner.line.standing(now));
        }
        self.note_findings(inner);
        self.tell(inner);
        let derived = closed.into_iter().map(|closed| {
            let gap = gap(&inner.outages, &closed);
            let average = closed.average;
            let key = self.key(&average);
            let sinks = inner.routes.sinks(&average.key).into_iter();
            let deliveries = sinks.map(|sink| (sink.to_owned(), key.clone())).collect();
            Derived { deliveries, gap, average, hold: closed.hold }
        });
        derived.collect()
    }

    fn needed_from(&self) -> Option<Timestamp> {
        let from = self.lock().line.needs_readings_from().unwrap_or(Timestamp(i64::MAX));
        Some(from.before(CLOCK_SLACK))
    }
}

/// Those of the blocks whose averages do not have what came late, and when it came.
fn unrevised(reader: &Reader, blocks: Vec<LateBlock>) -> Result<Vec<(BlockName, Timestamp)>, JournalError> {
    let mut found = Vec::new();
    for LateBlock { source, rule_set, start, since } in blocks {
        let stored = reader.newest_averages(start..Timestamp(start.0.saturating_add(1)))?;
        let its = || stored.iter().filter(|stored| stored.key.source == source && stored.key.rule_set == rule_set);
        // Only parameters that came out otherwise have another revision.
        let has = |stored: &Average| stored.received_until.is_some_and(|until| until > since);
        if its().next().is_some() && !its().any(has) {
            found.push(((source, rule_set, start), since));
        }
    }
    Ok(found)
}

/// An event that is recorded and goes nowhere.
fn plain(event: Event) -> Occurred {
    Occurred { event, deliveries: Vec::new() }
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
        // The instrument stood for what the gate did not let count.
        (InstrumentState::Suspect, _) if !average.implausible.is_empty() => {
            let codes = average.implausible.iter().map(|(code, count)| format!("{code} ({count} samples)"));
            Some(Gap { cause: GapCause::Gate, detail: codes.collect::<Vec<_>>().join(", ") })
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
#[path = "derivation_tests.rs"]
mod tests;
