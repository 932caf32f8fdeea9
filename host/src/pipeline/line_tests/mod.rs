//! The promises of the whole line: samples in, averages out.

mod companions;
mod parameters;
mod regimes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::method::{
    Calibration, Chain, Companion, Companions, Confidence, Derived, Duct, Gate, Mean, Negative, OxygenStep, Plant,
    Role, Signal, Substitution, Validity,
};
use crate::pipeline::grid::Grid;
use crate::pipeline::recipe::Input;
use crate::pipeline::rules::Rules;
use crate::reading::{Columns, DeviceCatalog, InstrumentState, PlantState, Point, PointKind, Qualifiers};

const MINUTE: Duration = Duration::from_secs(60);
const BLOCK: Duration = Duration::from_secs(1200);

/// A device whose points are all in one catalog.
struct Device {
    catalog: Arc<DeviceCatalog>,
}

/// What one point says at one moment.
#[derive(Clone, Copy)]
struct Said<'a>(&'a str, f64, InstrumentState);

impl Device {
    fn with(points: &[(&str, &str)]) -> Self {
        let point = |(id, unit): &(&str, &str)| Point {
            id: (*id).into(),
            label: String::new(),
            unit: (*unit).into(),
            kind: PointKind::Number,
        };
        let catalog = DeviceCatalog {
            device: "d".into(),
            plugin: String::new(),
            plugin_digest: String::new(),
            points: points.iter().map(point).collect(),
        };
        Device { catalog: Arc::new(catalog) }
    }

    /// A poll that was sampled at one moment and received at another.
    fn says(&self, sampled: i64, received: i64, said: &[Said<'_>]) -> PollSet {
        let index = |id: &str| self.catalog.points.iter().position(|point| point.id == id).unwrap() as u16;
        let columns = Columns {
            points: said.iter().map(|said| index(said.0)).collect(),
            values: said.iter().map(|said| said.1).collect(),
            states: said.iter().map(|said| said.2).collect(),
            times: vec![Timestamp::from_seconds(sampled); said.len()],
            ..Columns::default()
        };
        PollSet { catalog: Arc::clone(&self.catalog), received_at: Timestamp::from_seconds(received), columns }
    }
}

fn parameter(name: &str, point: &str) -> Assignment {
    Assignment { parameter: name.into(), ..Assignment::of_point("d", point, MINUTE) }
}

fn line(assignments: Vec<Assignment>) -> Line {
    let mut line = Line::default();
    for assignment in assignments {
        line.assign(assignment, Timestamp(0), 0);
    }
    line
}

/// Closes everything up to this many minutes, lateness included.
fn closed(line: &mut Line, minutes: i64) -> Vec<Average> {
    line.close(Timestamp::from_seconds(60 * minutes + 2)).into_iter().map(|closed| closed.average).collect()
}

fn of<'a>(averages: &'a [Average], parameter: &str) -> &'a Average {
    averages.iter().find(|average| average.key.parameter == parameter).unwrap()
}

/// One value a minute for the first block.
fn block_of(assignment: Assignment, minutes: u32, samples: &[(f64, InstrumentState)]) -> Average {
    let device = Device::with(&[("no2", "[ppb]")]);
    let rules = Rules { grid: Grid::utc(minutes * MINUTE), ..assignment.rules.clone() };
    let mut line = line(vec![Assignment { rules, ..assignment }]);
    for (minute, (value, state)) in samples.iter().enumerate() {
        let at = 60 * minute as i64;
        line.take(minute as u64 + 1, &device.says(at, at, &[Said("no2", *value, *state)]));
    }
    let mut averages = closed(&mut line, i64::from(minutes));
    assert_eq!(averages.len(), 1);
    averages.remove(0)
}

fn with_share(coverage: f64) -> Assignment {
    let assignment = parameter("NO2", "no2");
    let validity = Validity { coverage, ..assignment.rules.validity.clone() };
    Assignment { rules: Rules { validity, ..assignment.rules.clone() }, ..assignment }
}

fn near(found: Option<f64>, expected: f64) {
    let found = found.unwrap_or(f64::NAN);
    assert!((found - expected).abs() <= 1e-9 * expected.abs(), "{found} is not {expected}");
}

/// Every case of the published vectors, `averaging.json`.
#[test]
fn published_cases_of_coverage_and_mean_hold() {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("../vectors/averaging.json")).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 6);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let samples: Vec<(f64, InstrumentState)> = case["samples"]
            .as_array()
            .unwrap()
            .iter()
            .map(|sample| {
                let name = sample["status"].as_str().unwrap();
                let state = InstrumentState::ALL.into_iter().find(|state| state.name() == name).unwrap();
                (sample["v"].as_f64().unwrap_or(f64::NAN), state)
            })
            .collect();
        for (rule, share) in [("two_thirds", 2.0 / 3.0), ("three_quarters", 0.75), ("ninety_percent", 0.9)] {
            let minutes = case["expected_count"].as_u64().unwrap() as u32;
            let block = block_of(with_share(share), minutes, &samples);
            assert_eq!(block.expected, minutes, "{name}");
            assert_eq!(u64::from(block.valid), case["valid_count"].as_u64().unwrap(), "{name}");
            assert!((block.coverage - case["coverage"].as_f64().unwrap()).abs() < 1e-12, "{name}");
            match case["mean_of_valid"].as_f64() {
                Some(mean) => assert!((block.mean.unwrap() - mean).abs() < 1e-9, "{name}"),
                None => assert_eq!(block.mean, None, "{name}"),
            }
            let valid = block.state == InstrumentState::Valid;
            assert_eq!(valid, case["block_valid"][rule].as_bool().unwrap(), "{name}: {rule}");
            assert_eq!(block.validated.is_some(), valid, "{name}: only a valid block reports a value");
        }
    }
}

#[test]
fn a_lost_block_names_the_cause_that_took_most() {
    use InstrumentState::*;
    let check = |samples: &[(InstrumentState, usize)], expected: InstrumentState| {
        let samples: Vec<_> = samples.iter().flat_map(|(state, n)| std::iter::repeat_n((1.0, *state), *n)).collect();
        assert_eq!(block_of(with_share(0.75), 20, &samples).state, expected);
    };
    check(&[(Calibration, 7), (Fault, 3), (Valid, 10)], Calibration);
    check(&[(Calibration, 4), (Fault, 4), (Valid, 12)], Fault);
    check(&[(Valid, 5)], Missing);
    check(&[(CommError, 10), (Valid, 5)], CommError);
    check(&[], Missing);
}

#[test]
fn empty_blocks_leave_too_and_in_order() {
    let mut line = Line::default();
    line.assign(parameter("NO2", "no2"), Timestamp::from_seconds(30), 0);
    let averages = closed(&mut line, 60);
    let starts: Vec<_> = averages.iter().map(|average| average.key.start).collect();
    assert_eq!(starts, [0, 1200, 2400].map(Timestamp::from_seconds));
    assert!(averages.iter().all(|average| average.state == InstrumentState::Missing && average.mean.is_none()));
}

#[test]
fn a_sample_on_the_edge_belongs_to_the_next_block() {
    let device = Device::with(&[("no2", "[ppb]")]);
    let mut line = line(vec![with_share(0.0)]);
    line.take(1, &device.says(1200, 1200, &[Said("no2", 5.0, InstrumentState::Valid)]));
    let valid: Vec<_> = closed(&mut line, 40).iter().map(|average| average.valid).collect();
    assert_eq!(valid, [0, 1]);
}

#[test]
fn a_sample_that_came_after_its_block_had_closed_asks_for_a_revision_and_changes_nothing() {
    let device = Device::with(&[("no2", "[ppb]")]);
    let mut line = line(vec![with_share(0.0)]);
    line.take(1, &device.says(10, 1202, &[Said("no2", 5.0, InstrumentState::Valid)]));
    assert_eq!(line.late(), 1);
    assert_eq!(closed(&mut line, 20)[0].received, 0);
    let late = line.late_blocks();
    assert_eq!(late.len(), 1);
    assert_eq!((late[0].start, late[0].since), (Timestamp(0), Timestamp::from_seconds(1202)));
    assert!(line.late_blocks().is_empty());
}

#[test]
fn a_block_that_is_opened_again_takes_what_came_until_then() {
    let device = Device::with(&[("no2", "[ppb]")]);
    let mut line = line(vec![with_share(0.0)]);
    line.reopen("stack-1", "kz-20min", Timestamp(0), Timestamp::from_seconds(5000));
    line.take(1, &device.says(10, 1202, &[Said("no2", 5.0, InstrumentState::Valid)]));
    line.take(2, &device.says(70, 5000, &[Said("no2", 7.0, InstrumentState::Valid)]));
    let averages = closed(&mut line, 20);
    assert_eq!((averages[0].valid, averages[0].mean), (1, Some(5.0)));
    assert_eq!(averages[0].received_until, Some(Timestamp::from_seconds(5000)));
}

#[test]
fn a_number_that_is_none_is_suspect_told_and_not_averaged() {
    let block = block_of(with_share(0.75), 20, &[(f64::NAN, InstrumentState::Valid); 20]);
    assert_eq!((block.received, block.valid, block.state), (20, 0, InstrumentState::Suspect));
    assert_eq!(block.implausible, BTreeMap::from([("not_a_number".to_owned(), 20)]));
    assert!(block.qualifiers.contains(Qualifiers::IMPLAUSIBLE));
}

#[test]
fn an_average_carries_the_raw_and_the_converted_mean_and_with_what_it_was_converted() {
    let device = Device::with(&[("no2", "[ppm]")]);
    let assignment =
        Assignment { unit: Some("mg/m3".into()), molar_mass: Some(46.0055), decimals: Some(1), ..with_share(0.0) };
    let mut line = line(vec![assignment]);
    line.take(1, &device.says(0, 0, &[Said("no2", 100.0, InstrumentState::Valid)]));
    let average = closed(&mut line, 20).remove(0);
    assert_eq!((average.mean_raw, average.unit_raw.as_str()), (Some(100.0), "[ppm]"));
    assert!((average.mean.unwrap() - 205.253_413_045_418_03).abs() < 1e-9);
    assert_eq!(average.reported().as_deref(), Some("205.3"));
    assert_eq!(average.used.numbers["molar_mass"], 46.0055);
    assert_eq!(average.used.numbers["molar_volume"], 22.414);
}

#[test]
fn entries_that_were_seen_do_not_count_twice() {
    let device = Device::with(&[("no2", "[ppb]")]);
    let mut line = line(vec![with_share(0.0)]);
    let first = device.says(0, 0, &[Said("no2", 100.0, InstrumentState::Valid)]);
    line.take(1, &first);
    line.seen(1);
    line.take(1, &first);
    line.take(2, &device.says(60, 60, &[Said("no2", 50.0, InstrumentState::Valid)]));
    let averages = closed(&mut line, 20);
    assert_eq!((averages[0].valid, averages[0].mean_raw), (2, Some(75.0)));
}

#[test]
fn a_point_that_does_not_exist_is_told_once() {
    let device = Device::with(&[("no2", "[ppb]")]);
    let mut line = line(vec![parameter("NO3", "no3")]);
    let set = device.says(0, 0, &[Said("no2", 1.0, InstrumentState::Valid)]);
    line.take(1, &set);
    line.take(2, &set);
    assert_eq!(line.problems(), ["source stack-1, NO3: device d has no point no3"]);
    assert_eq!(line.problems(), Vec::<String>::new());
}
