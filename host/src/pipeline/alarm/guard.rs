//! Who looks after the alarms: what closes, what stands open and what is read goes past it, and it tells what became of which alarm.
//!
//! Invariant: what it tells is for the journal, and the journal's events lead back to the alarms and charts that it had.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::civil::Date;

use super::chart::{ChartSettings, ControlChart};
use super::cycle::{CycleFinder, CycleKind, CycleReading, CycleSettings};
use super::key::{AlarmKey, AlarmKind};
use super::state::{Acknowledgement, Alarms, NoSuchAlarm, Standing};
use super::verdict::{ChartVerdict, Level};
use super::watch::{self, Condition};
use crate::alarm::Change;
use crate::average::Average;
use crate::pipeline::line;
use crate::reading::{PollSet, Value};
use crate::status::{InstrumentState, Qualifiers};
use crate::time::Timestamp;

/// Days before a calibration is due.
const AHEAD_DAYS: u16 = 30;

/// One parameter that is looked after.
#[derive(Debug, Clone, PartialEq)]
pub struct Watched {
    /// The source.
    pub source: String,
    /// The parameter.
    pub parameter: String,
    /// Device and point that it is taken from; `None`: it follows from others.
    pub point: Option<(String, String)>,
    /// Limits by rule set.
    pub limits: BTreeMap<String, f64>,
    /// Longest time without a sample that counts.
    pub stale_after: Duration,
    /// The day by which its calibration must be done again.
    pub calibration_due: Option<Date>,
    /// References of its zero and span cycles, and how much readings may scatter.
    pub zero_span: Option<(ChartSettings, ChartSettings)>,
}

/// What is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// An alarm went into another state.
    Alarm(Change),
    /// A zero or span reading was found.
    ZeroSpan {
        /// The source.
        source: String,
        /// The parameter.
        parameter: String,
        /// The reading.
        reading: CycleReading,
        /// What the chart says of it.
        verdict: String,
    },
}

/// Looks after the alarms of all sources.
#[derive(Debug, Default)]
pub struct Guard {
    watched: Vec<Watched>,
    /// Places of parameters, by source and name.
    places: HashMap<String, HashMap<String, usize>>,
    /// Places of the parameters whose zero and span cycles a device brings.
    by_device: HashMap<String, Vec<usize>>,
    finders: HashMap<usize, CycleFinder>,
    charts: HashMap<(String, String, CycleKind), ControlChart>,
    alarms: Alarms,
    begun: Timestamp,
    told: Vec<Told>,
}

impl Guard {
    /// Goes over to these parameters. Alarms of others are cleared.
    pub fn watch(&mut self, watched: Vec<Watched>, now: Timestamp) {
        self.begun = now;
        self.places.clear();
        self.by_device.clear();
        self.finders.clear();
        for (place, one) in watched.iter().enumerate() {
            self.places.entry(one.source.clone()).or_default().insert(one.parameter.clone(), place);
            if let (Some((zero, span)), Some((device, _))) = (&one.zero_span, &one.point) {
                self.by_device.entry(device.clone()).or_default().push(place);
                self.finders.insert(place, CycleFinder::new(CycleSettings::new(zero.reference, span.reference)));
            }
        }
        let gone: Vec<String> = self
            .alarms
            .standing()
            .filter(|alarm| {
                of_parameter(&alarm.name).is_some_and(|(source, parameter)| self.place(source, parameter).is_none())
            })
            .map(|alarm| alarm.name.clone())
            .collect();
        for name in gone {
            let change = self.alarms.forget(&name, now, "it is not measured any more".to_owned());
            self.told.extend(change.map(Told::Alarm));
        }
        self.watched = watched;
    }

    /// Takes up an alarm from the journal.
    pub fn restore(&mut self, change: &Change) {
        self.alarms.restore(change);
    }

    /// Takes up a zero or span reading from the journal.
    pub fn restore_reading(&mut self, source: &str, parameter: &str, kind: CycleKind, value: f64) {
        if let Some(place) = self.place(source, parameter) {
            self.chart(place, kind, value);
        }
    }

    /// Takes the readings of a poll, for zero and span cycles.
    pub fn readings(&mut self, set: &PollSet) {
        let places = self.by_device.get(&set.catalog.device).cloned().unwrap_or_default();
        for place in places {
            let Some((_, point)) = self.watched.get(place).and_then(|one| one.point.clone()) else { continue };
            for reading in set.readings().filter(|reading| reading.point.id == point) {
                let value = if let Value::Number(number) = reading.value { number } else { f64::NAN };
                let finder = self.finders.get_mut(&place);
                if let Some(found) = finder.and_then(|finder| finder.take(reading.sampled_at, reading.state, value)) {
                    self.cycle(place, found);
                }
            }
        }
    }

    /// Takes a closed average.
    pub fn closed(&mut self, average: &Average) {
        let (at, rule_set) = (average.end(), average.key.rule_set.as_str());
        let key = |kind: AlarmKind| AlarmKey {
            kind,
            source: average.key.source.clone(),
            parameter: average.key.parameter.clone(),
            qualifier: rule_set.to_owned(),
        };
        let place = self.place(&average.key.source, &average.key.parameter);
        let limit = place.and_then(|place| self.watched.get(place)?.limits.get(rule_set).copied());
        if let Some((limit, value)) = limit.zip(average.validated) {
            self.judge(&key(AlarmKind::Limit), at, watch::limit(value, limit));
        }
        let condition = if average.qualifiers.contains(Qualifiers::IMPLAUSIBLE) {
            let codes = average.implausible.iter().map(|(code, count)| format!("{code} ({count} samples)"));
            Condition::Holds(codes.collect::<Vec<_>>().join(", "))
        } else {
            Condition::Ends("a block without implausible samples".to_owned())
        };
        self.judge(&key(AlarmKind::Gate), at, condition);
        if average.state == InstrumentState::Valid {
            self.judge(&key(AlarmKind::Coverage), at, Condition::Ends("a block counts again".to_owned()));
        }
    }

    /// Looks at the blocks that are open and at the calendar.
    pub fn look<'a>(&mut self, now: Timestamp, standing: impl Iterator<Item = line::Standing<'a>>) {
        let mut newest: HashMap<(&str, &str), Option<Timestamp>> = HashMap::new();
        let mut conditions = Vec::new();
        for one in standing {
            let assignment = one.assignment;
            let (source, parameter) = (assignment.source.as_str(), assignment.parameter.as_str());
            let last = newest.entry((source, parameter)).or_default();
            *last = (*last).max(one.last_valid);
            let validity = &assignment.rules.validity;
            if validity.parts == 0 {
                // It ends when a block counts, and not because the next one is young.
                let condition = watch::coverage(one.expected, one.lost, validity.coverage, validity.least);
                if let Condition::Holds(_) = condition {
                    conditions.push((key(AlarmKind::Coverage, source, parameter, &assignment.rule_set), condition));
                }
            }
        }
        for ((source, parameter), last) in newest {
            let Some(one) = self.place(source, parameter).and_then(|place| self.watched.get(place)) else { continue };
            let since = last.max(Some(self.begun));
            conditions.push((key(AlarmKind::Stale, source, parameter, ""), watch::stale(since, now, one.stale_after)));
        }
        let today = jiff::Timestamp::from_nanosecond(i128::from(now.0));
        let today = today.map(|moment| moment.to_zoned(jiff::tz::TimeZone::UTC).date());
        for one in &self.watched {
            if let (Some(due), Ok(today)) = (one.calibration_due, &today) {
                let key = key(AlarmKind::CalibrationDue, &one.source, &one.parameter, "");
                conditions.push((key, watch::calibration_due(due, *today, AHEAD_DAYS)));
            }
        }
        for (key, condition) in conditions {
            self.judge(&key, now, condition);
        }
    }

    /// Somebody has seen an alarm.
    pub fn acknowledge(&mut self, name: &str, by: &str, at: Timestamp) -> Result<Acknowledgement, NoSuchAlarm> {
        let answer = self.alarms.acknowledge(name, by, at)?;
        if let Acknowledgement::Given(change) = &answer {
            self.told.push(Told::Alarm(change.clone()));
        }
        Ok(answer)
    }

    /// The alarms that stand.
    pub fn standing(&self) -> impl Iterator<Item = &Standing> {
        self.alarms.standing()
    }

    /// What there is to tell since the last call.
    pub fn told(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.told)
    }

    fn place(&self, source: &str, parameter: &str) -> Option<usize> {
        self.places.get(source)?.get(parameter).copied()
    }

    fn cycle(&mut self, place: usize, reading: CycleReading) {
        let Some(verdict) = self.chart(place, reading.kind, reading.value) else { return };
        let Some(Watched { source, parameter, .. }) = self.watched.get(place) else { return };
        let (source, parameter) = (source.clone(), parameter.clone());
        let condition = match verdict.level() {
            Some(Level::Action) => Some(Condition::Holds(verdict.to_string())),
            // A warning, or a reading that is no number, leaves things as they are.
            Some(Level::Warning) => None,
            None if matches!(verdict, ChartVerdict::Refused { .. }) => None,
            None => Some(Condition::Ends(verdict.to_string())),
        };
        if let Some(condition) = condition {
            self.judge(&key(AlarmKind::Drift, &source, &parameter, reading.kind.name()), reading.at, condition);
        }
        self.told.push(Told::ZeroSpan { source, parameter, reading, verdict: verdict.to_string() });
    }

    fn chart(&mut self, place: usize, kind: CycleKind, value: f64) -> Option<ChartVerdict> {
        let Watched { source, parameter, zero_span, .. } = self.watched.get(place)?;
        let (zero, span) = (*zero_span)?;
        let settings = if kind == CycleKind::Zero { zero } else { span };
        let name = (source.clone(), parameter.clone(), kind);
        let chart = self.charts.entry(name).or_insert_with(|| ControlChart::new(settings));
        if chart.settings() != settings {
            *chart = ControlChart::new(settings);
        }
        Some(chart.take(value))
    }

    fn judge(&mut self, key: &AlarmKey, at: Timestamp, condition: Condition) {
        let change = match condition {
            Condition::Holds(detail) => self.alarms.raise(key, at, detail),
            Condition::Ends(detail) => self.alarms.clear(key, at, detail),
        };
        self.told.extend(change.map(Told::Alarm));
    }
}

fn key(kind: AlarmKind, source: &str, parameter: &str, qualifier: &str) -> AlarmKey {
    AlarmKey { kind, source: source.to_owned(), parameter: parameter.to_owned(), qualifier: qualifier.to_owned() }
}

/// Source and parameter that an alarm is about. One of another form, as those of the journal itself, is about none.
fn of_parameter(name: &str) -> Option<(&str, &str)> {
    let mut parts = name.split('/').skip(1);
    Some((parts.next()?, parts.next()?))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::alarm::AlarmState;
    use crate::average::AverageKey;
    use crate::reading::{Columns, DeviceCatalog, Point, PointKind};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn watched() -> Watched {
        Watched {
            source: "stack-1".into(),
            parameter: "NO2".into(),
            point: Some(("d".into(), "no2".into())),
            limits: BTreeMap::from([("kz-20min".into(), 200.0)]),
            stale_after: Duration::from_secs(600),
            calibration_due: None,
            zero_span: Some((
                ChartSettings { reference: 0.0, deviation: 1.0 },
                ChartSettings { reference: 100.0, deviation: 2.0 },
            )),
        }
    }

    fn guard() -> Guard {
        let mut guard = Guard::default();
        guard.watch(vec![watched()], at(0));
        guard
    }

    fn average(block: i64, value: f64) -> Average {
        let key = AverageKey {
            source: "stack-1".into(),
            parameter: "NO2".into(),
            rule_set: "kz-20min".into(),
            start: at(1200 * block),
            revision: 0,
        };
        Average { validated: Some(value), ..Average::empty(key, Duration::from_secs(1200), "mg/m3", "") }
    }

    fn states(told: Vec<Told>) -> Vec<(String, AlarmState)> {
        told.into_iter()
            .filter_map(|told| match told {
                Told::Alarm(change) => Some((change.name, change.state)),
                Told::ZeroSpan { .. } => None,
            })
            .collect()
    }

    #[test]
    fn a_limit_raises_once_is_acknowledged_and_clears() {
        let mut guard = guard();
        let name = "limit/stack-1/NO2/kz-20min".to_owned();
        guard.closed(&average(0, 201.0));
        guard.closed(&average(1, 250.0));
        guard.acknowledge(&name, "operator", at(3000)).unwrap();
        guard.closed(&average(2, 200.0));
        use AlarmState::*;
        assert_eq!(states(guard.told()), [(name.clone(), Raised), (name.clone(), Acknowledged), (name, Cleared)]);
    }

    #[test]
    fn alarms_stand_after_a_restart_and_go_with_their_parameter() {
        let mut before = guard();
        before.closed(&average(0, 201.0));
        let mut after = guard();
        for told in before.told() {
            if let Told::Alarm(change) = told {
                after.restore(&change);
            }
        }
        after.closed(&average(1, 202.0));
        assert_eq!(states(after.told()), [], "it stands already");
        after.watch(Vec::new(), at(5000));
        assert_eq!(states(after.told()), [("limit/stack-1/NO2/kz-20min".to_owned(), AlarmState::Cleared)]);
    }

    fn poll(minute: i64, value: f64, state: InstrumentState) -> PollSet {
        let point = Point { id: "no2".into(), label: String::new(), unit: "[ppb]".into(), kind: PointKind::Number };
        let catalog = DeviceCatalog {
            device: "d".into(),
            plugin: String::new(),
            plugin_digest: String::new(),
            points: vec![point],
        };
        let columns = Columns { points: vec![0], values: vec![value], states: vec![state], ..Columns::default() };
        PollSet { catalog: Arc::new(catalog), received_at: at(60 * minute), columns }
    }

    #[test]
    fn recorded_zero_and_span_cycles_feed_charts_that_tell_of_drift() {
        let mut guard = guard();
        let mut told = Vec::new();
        for day in 0..4 {
            for minute in 0..20 {
                let (value, state) = match minute {
                    // The zero drifts by one deviation a day; the span stays.
                    0..6 => (1.0 * f64::from(day as i32), InstrumentState::Calibration),
                    6..12 => (100.0, InstrumentState::Calibration),
                    _ => (40.0, InstrumentState::Valid),
                };
                guard.readings(&poll(day * 1440 + minute, value, state));
            }
            told.extend(guard.told());
        }
        let readings: Vec<(CycleKind, f64)> = told
            .iter()
            .filter_map(|told| match told {
                Told::ZeroSpan { reading, .. } => Some((reading.kind, reading.value)),
                Told::Alarm(_) => None,
            })
            .collect();
        use CycleKind::{Span, Zero};
        let expected = [
            (Zero, 0.0),
            (Span, 100.0),
            (Zero, 1.0),
            (Span, 100.0),
            (Zero, 2.0),
            (Span, 100.0),
            (Zero, 3.0),
            (Span, 100.0),
        ];
        assert_eq!(readings, expected);
        assert_eq!(states(told), [("drift/stack-1/NO2/zero".to_owned(), AlarmState::Raised)]);
    }

    #[test]
    fn a_calibration_that_is_due_and_a_silent_instrument_are_told() {
        let mut guard = Guard::default();
        let due = Watched { calibration_due: Some(jiff::civil::date(1970, 1, 20)), ..watched() };
        guard.watch(vec![due], at(0));
        guard.look(at(60), std::iter::empty());
        assert_eq!(states(guard.told()), [("calibration_due/stack-1/NO2".to_owned(), AlarmState::Raised)]);

        let assignment = crate::pipeline::Assignment::of_point("d", "no2", Duration::from_secs(60));
        let standing = |last_valid, lost| line::Standing { assignment: &assignment, expected: 20, lost, last_valid };
        guard.look(at(600), [standing(None, 0)].into_iter());
        assert_eq!(states(guard.told()), []);
        guard.look(at(601), [standing(None, 6)].into_iter());
        let mut names: Vec<String> = states(guard.told()).into_iter().map(|(name, _)| name).collect();
        names.sort();
        assert_eq!(names, ["coverage/stack-1/NO2/kz-20min", "stale/stack-1/NO2"]);
        guard.look(at(700), [standing(Some(at(650)), 0)].into_iter());
        assert_eq!(states(guard.told()), [("stale/stack-1/NO2".to_owned(), AlarmState::Cleared)]);
        let counts = Average { state: InstrumentState::Valid, ..average(1, 10.0) };
        guard.closed(&counts);
        assert_eq!(states(guard.told()), [("coverage/stack-1/NO2/kz-20min".to_owned(), AlarmState::Cleared)]);
    }
}
