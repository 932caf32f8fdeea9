//! The promises of the whole line: samples in, averages out.

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

/// Every case of the published vectors, `averaging.json`.
#[test]
fn published_cases_of_coverage_and_mean_hold() {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("vectors/averaging.json")).unwrap();
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

// The stack of the published vectors: 140 °C, 98 600 Pa and 350 Pa below, 12 % moisture, 7.5 % oxygen, a pitot probe in a duct of 3.2 m.

const STACK: [(&str, &str); 8] = [
    ("dust", "mg/m3"),
    ("so2", "mg/m3"),
    ("t", "Cel"),
    ("static", "Pa"),
    ("baro", "hPa"),
    ("h2o", "%"),
    ("o2", "%"),
    ("dp", "Pa"),
];

fn companions() -> Companions {
    let of = |parameter: &str| Companion {
        parameter: Some(parameter.into()),
        fresh: 2 * MINUTE,
        hold: Duration::ZERO,
        substitute: None,
    };
    Companions::from([
        (Role::Temperature, of("temperature")),
        (Role::Barometer, of("barometer")),
        (Role::Pressure, of("static")),
        (Role::Moisture, of("H2O")),
        (Role::Oxygen, of("O2")),
        (Role::Flow, of("flow")),
    ])
}

fn stack(companions: &Companions) -> Vec<Assignment> {
    let plain = |name: &str, point: &str| Assignment { companions: companions.clone(), ..parameter(name, point) };
    let area = crate::pipeline::formula::flow::circle_area(3.2);
    let flow = Chain {
        duct: Some(Duct::Pitot { area, factor: 0.84, density: 1.3 }),
        actual: true,
        wet: true,
        ..Chain::default()
    };
    let dust = Chain { actual: true, reference_oxygen: Some(6.0), ..Chain::default() };
    let so2 = Chain { wet: true, reference_oxygen: Some(6.0), ..Chain::default() };
    vec![
        Assignment { chain: dust, ..plain("dust", "dust") },
        Assignment { chain: so2, ..plain("SO2", "so2") },
        plain("temperature", "t"),
        plain("static", "static"),
        plain("barometer", "baro"),
        plain("H2O", "h2o"),
        plain("O2", "o2"),
        Assignment { chain: flow, unit: Some("m3/h".into()), ..plain("flow", "dp") },
    ]
}

fn stack_says(device: &Device, minute: i64, oxygen: f64) -> PollSet {
    use InstrumentState::Valid;
    let said = [
        Said("dust", 25.0, Valid),
        Said("so2", 80.0, Valid),
        Said("t", 140.0, Valid),
        Said("static", -350.0, Valid),
        Said("baro", 986.0, Valid),
        Said("h2o", 12.0, Valid),
        Said("o2", oxygen, Valid),
        Said("dp", 120.0, Valid),
    ];
    device.says(60 * minute, 60 * minute, &said)
}

fn near(found: Option<f64>, expected: f64) {
    let found = found.unwrap_or(f64::NAN);
    assert!((found - expected).abs() <= 1e-9 * expected.abs(), "{found} is not {expected}");
}

#[test]
fn the_published_stack_comes_out_of_the_chain() {
    let device = Device::with(&STACK);
    let mut line = line(stack(&companions()));
    (0..20).for_each(|minute| line.take(minute as u64 + 1, &stack_says(&device, minute, 7.5)));
    let averages = closed(&mut line, 20);
    assert_eq!(averages.len(), 8);
    let so2 = of(&averages, "SO2");
    near(so2.mean_raw, 80.0);
    near(so2.mean, 90.909_090_909_090_9);
    near(so2.corrected, 101.010_101_010_101);
    near(so2.validated, 101.010_101_010_101);
    near(of(&averages, "flow").mean, 232_832.144_843_595_07);
    // Mass is that of the concentration before the oxygen step.
    let mass = so2.mass.unwrap();
    near(Some(mass.g_s), 5.879_599_617_262_501);
    near(Some(mass.kg), 7.055_519_540_715_001);
    near(of(&averages, "dust").mean, 38.996_947_543_013_17);
    let oxygen = so2.used.companions["oxygen"];
    assert_eq!((oxygen.mean, oxygen.measured), (Some(7.5), 1));
    assert_eq!(so2.used.companions["moisture"].measured, 20);
    assert_eq!(so2.used.numbers["reference_oxygen"], 6.0);
    // A companion has no mass and no oxygen step of its own.
    assert_eq!((of(&averages, "O2").corrected, of(&averages, "O2").mass), (None, None));
}

#[test]
fn oxygen_near_that_of_air_gives_no_value_and_says_so() {
    let device = Device::with(&STACK);
    let mut line = line(stack(&companions()));
    (0..20).for_each(|minute| line.take(minute as u64 + 1, &stack_says(&device, minute, 20.9)));
    let averages = closed(&mut line, 20);
    let so2 = of(&averages, "SO2");
    assert_eq!((so2.state, so2.corrected, so2.validated), (InstrumentState::Missing, None, None));
    assert_eq!(so2.notes, ["not brought to the reference oxygen: 20.9 % is above 20 %"]);
    assert!(so2.mass.is_some(), "what was emitted does not depend on oxygen");
}

#[test]
fn a_companion_that_is_away_is_held_then_substituted_and_the_average_says_which() {
    let device = Device::with(&STACK);
    let mut rules = companions();
    let moisture = rules.get_mut(&Role::Moisture).unwrap();
    *moisture = Companion { fresh: MINUTE, hold: 3 * MINUTE, substitute: Some(10.0), ..moisture.clone() };
    let mut line = line(stack(&rules));
    for minute in 0..20 {
        let mut set = stack_says(&device, minute, 7.5);
        if minute >= 10 {
            set.columns.states[5] = InstrumentState::Fault;
        }
        line.take(minute as u64 + 1, &set);
    }
    let averages = closed(&mut line, 20);
    let moisture = of(&averages, "SO2").used.companions["moisture"];
    assert_eq!((moisture.measured, moisture.held, moisture.substituted, moisture.missing), (11, 3, 6, 0));
    near(moisture.mean, (14.0 * 12.0 + 6.0 * 10.0) / 20.0);
}

#[test]
fn without_its_companion_a_sample_is_missing_and_not_guessed() {
    let device = Device::with(&STACK);
    let mut line = line(stack(&companions()));
    for minute in 0..20 {
        let mut set = stack_says(&device, minute, 7.5);
        set.columns.states[5] = InstrumentState::Fault;
        line.take(minute as u64 + 1, &set);
    }
    let averages = closed(&mut line, 20);
    let so2 = of(&averages, "SO2");
    assert_eq!((so2.valid, so2.received, so2.mean, so2.state), (0, 20, None, InstrumentState::Missing));
    assert_eq!(so2.notes, ["moisture was missing for 20 samples"]);
}

#[test]
fn an_oxygen_block_that_is_lost_is_replaced_by_the_last_valid_one_for_as_long_as_it_may() {
    let device = Device::with(&STACK);
    let mut rules = companions();
    rules.get_mut(&Role::Oxygen).unwrap().hold = 20 * MINUTE;
    let mut line = line(stack(&rules));
    for minute in 0..60 {
        let mut set = stack_says(&device, minute, 7.5);
        if minute >= 20 {
            set.columns.states[6] = InstrumentState::Calibration;
        }
        line.take(minute as u64 + 1, &set);
    }
    let averages = closed(&mut line, 60);
    let so2: Vec<_> = averages.iter().filter(|average| average.key.parameter == "SO2").collect();
    let used = |average: &Average| {
        let oxygen = average.used.companions["oxygen"];
        (oxygen.measured, oxygen.held, oxygen.missing, average.corrected.is_some())
    };
    assert_eq!(
        so2.iter().map(|average| used(average)).collect::<Vec<_>>(),
        [(1, 0, 0, true), (0, 1, 0, true), (0, 0, 1, false)]
    );
}

#[test]
fn oxygen_on_samples_leaves_out_those_that_cannot_be_corrected() {
    let device = Device::with(&STACK);
    let by_sample = |mut assignment: Assignment| {
        assignment.rules.oxygen = OxygenStep::Sample;
        assignment
    };
    let mut line = line(stack(&companions()).into_iter().map(by_sample).collect());
    for minute in 0..20 {
        let oxygen = if minute < 5 { 20.9 } else { 7.5 };
        line.take(minute as u64 + 1, &stack_says(&device, minute, oxygen));
    }
    let averages = closed(&mut line, 20);
    near(of(&averages, "SO2").corrected, 101.010_101_010_101);
    assert_eq!(of(&averages, "SO2").used.companions["oxygen"].measured, 20);
}

#[test]
fn a_signal_is_scaled_and_a_broken_loop_is_a_fault() {
    let device = Device::with(&[("i", "mA")]);
    let chain = Chain {
        signal: Some(Signal { low: 0.0, high: 500.0, unit: "mg/m3".into() }),
        calibration: Some(Calibration { offset: -2.1, slope: 1.043, from: Some(0.0), to: Some(150.0) }),
        ..Chain::default()
    };
    let mut line = line(vec![Assignment { chain, ..parameter("SO2", "i") }]);
    for (minute, current) in [9.6, 9.6, 3.5, 20.7].into_iter().enumerate() {
        let at = 60 * minute as i64;
        line.take(minute as u64 + 1, &device.says(at, at, &[Said("i", current, InstrumentState::Valid)]));
    }
    let average = closed(&mut line, 20).remove(0);
    assert_eq!((average.valid, average.received, average.unit.as_str()), (2, 4, "mg/m3"));
    near(average.mean, 175.0 * 1.043 - 2.1);
    near(average.mean_raw, 9.6);
    assert!(average.qualifiers.contains(Qualifiers::OUTSIDE_CALIBRATION_RANGE));
    assert_eq!(average.used.numbers["calibration_b"], 1.043);
}

#[test]
fn nox_follows_from_no_and_no2_and_says_that_it_does() {
    let device = Device::with(&[("no", "[ppm]"), ("no2", "[ppm]")]);
    let of_gas = |name: &str, point: &str, molar_mass: f64| Assignment {
        unit: Some("mg/m3".into()),
        molar_mass: Some(molar_mass),
        ..parameter(name, point)
    };
    let nox = Assignment {
        input: Input::Derived(Derived::NoxAsNo2 { no: "NO".into(), no2: "NO2".into() }),
        ..parameter("NOx", "")
    };
    let mut line = line(vec![nox, of_gas("NO", "no", 30.006), of_gas("NO2", "no2", 46.0055)]);
    for minute in 0..20 {
        let said = [Said("no", 100.0, InstrumentState::Valid), Said("no2", 5.0, InstrumentState::Valid)];
        line.take(minute as u64 + 1, &device.says(60 * minute, 60 * minute, &said));
    }
    let averages = closed(&mut line, 20);
    let nox = of(&averages, "NOx");
    near(nox.validated, 215.516_083_697_688_94);
    assert_eq!((nox.state, nox.valid, nox.unit.as_str()), (InstrumentState::Valid, 20, "mg/m3"));
    assert!(nox.qualifiers.contains(Qualifiers::DERIVED));
}

#[test]
fn a_derived_parameter_is_as_lost_as_what_it_follows_from() {
    let device = Device::with(&[("no", "mg/m3"), ("no2", "mg/m3")]);
    let nox = Assignment {
        input: Input::Derived(Derived::NoxAsNo2 { no: "NO".into(), no2: "NO2".into() }),
        ..parameter("NOx", "")
    };
    let mut line = line(vec![nox, parameter("NO", "no"), parameter("NO2", "no2")]);
    for minute in 0..20 {
        let said = [Said("no", 100.0, InstrumentState::Valid), Said("no2", 5.0, InstrumentState::Fault)];
        line.take(minute as u64 + 1, &device.says(60 * minute, 60 * minute, &said));
    }
    let averages = closed(&mut line, 20);
    let nox = of(&averages, "NOx");
    assert_eq!((nox.state, nox.coverage, nox.validated), (InstrumentState::Fault, 0.0, None));
}

#[test]
fn ph_is_averaged_as_the_configuration_states() {
    let device = Device::with(&[("ph", "[pH]")]);
    let mean_of = |mean: Mean| {
        let mut line = line(vec![Assignment { chain: Chain { mean, ..Chain::default() }, ..parameter("pH", "ph") }]);
        for minute in 0..20 {
            let value = if minute % 2 == 0 { 6.0 } else { 8.0 };
            let set = device.says(60 * minute, 60 * minute, &[Said("ph", value, InstrumentState::Valid)]);
            line.take(minute as u64 + 1, &set);
        }
        closed(&mut line, 20).remove(0).mean
    };
    near(mean_of(Mean::Arithmetic), 7.0);
    near(mean_of(Mean::HydrogenActivity), 6.296_708_621_881_339);
}

#[test]
fn water_is_weighted_with_its_flow_and_its_load_follows() {
    let device = Device::with(&[("cod", "mg/L"), ("q", "m3/h")]);
    let flow = Companion { parameter: Some("flow".into()), fresh: MINUTE, hold: Duration::ZERO, substitute: None };
    let companions = Companions::from([(Role::Flow, flow)]);
    let cod = Chain { mean: Mean::FlowWeighted, ..Chain::default() };
    let mut line = line(vec![
        Assignment { chain: cod, companions: companions.clone(), ..parameter("COD", "cod") },
        Assignment { companions, ..parameter("flow", "q") },
    ]);
    // 40, 60 and 50 mg/L at flows of 30, 90 and 30 m³/h, one third of the time each: 10, 30 and 10 m³.
    for minute in 0..18 {
        let (cod, flow) = [(40.0, 30.0), (60.0, 90.0), (50.0, 30.0)][minute as usize % 3];
        let said = [Said("cod", cod, InstrumentState::Valid), Said("q", flow, InstrumentState::Valid)];
        line.take(minute as u64 + 1, &device.says(60 * minute, 60 * minute, &said));
    }
    let averages = closed(&mut line, 20);
    let cod = of(&averages, "COD");
    near(cod.mean, 54.0);
    // 54 g/m³ times 50 m³/h for a third of an hour.
    near(cod.mass.map(|mass| mass.kg), 54.0 * 50.0 / 3.0 * 1e-3);
}

#[test]
fn what_is_reported_follows_the_rule_for_values_below_zero_and_the_confidence_interval() {
    let report = |value: f64, negative: Negative, confidence: Option<Confidence>| {
        let mut assignment = Assignment { confidence, limit: Some(200.0), ..with_share(0.75) };
        assignment.rules.negative = negative;
        let average = block_of(assignment, 20, &[(value, InstrumentState::Valid); 20]);
        (average.mean, average.validated, average.state, average.qualifiers.contains(Qualifiers::ABOVE_LIMIT))
    };
    use InstrumentState::{UnderRange, Valid};
    let fifth = Some(Confidence { share: 0.2, limit: 200.0 });
    assert_eq!(report(-0.5, Negative::Keep, None), (Some(-0.5), Some(-0.5), Valid, false));
    assert_eq!(report(-0.5, Negative::Zero, None), (Some(-0.5), Some(0.0), Valid, false));
    assert_eq!(report(-0.5, Negative::Invalid, None), (Some(-0.5), None, UnderRange, false));
    assert_eq!(report(180.0, Negative::Keep, fifth), (Some(180.0), Some(140.0), Valid, false));
    assert_eq!(report(30.0, Negative::Keep, fifth), (Some(30.0), Some(0.0), Valid, false));
    assert_eq!(report(201.0, Negative::Keep, None), (Some(201.0), Some(201.0), Valid, true));
}

#[test]
fn a_value_is_substituted_only_where_the_rule_set_orders_it_and_then_says_so() {
    let device = Device::with(&[("no2", "[ppb]")]);
    let run = |substitution: Substitution| {
        let mut assignment = with_share(0.75);
        assignment.rules.substitution = substitution;
        let mut line = line(vec![assignment]);
        for (block, value) in [100.0, 110.0, 90.0, 105.0, 95.0].into_iter().enumerate() {
            for minute in 0..20 {
                let at = 1200 * block as i64 + 60 * minute;
                line.take(at as u64 + 1, &device.says(at, at, &[Said("no2", value, InstrumentState::Valid)]));
            }
        }
        closed(&mut line, 120).pop().unwrap()
    };
    assert_eq!(run(Substitution::None).validated, None);
    let average = run(Substitution::Spread { of: 48 });
    near(average.validated, 115.811_388_300_841_9);
    assert_eq!((average.state, average.mean), (InstrumentState::Missing, None));
    assert!(average.qualifiers.contains(Qualifiers::SUBSTITUTED));
    assert_eq!(average.notes, ["substituted: mean and twice the standard deviation of 5 blocks"]);
}

#[test]
fn the_plant_decides_only_where_the_rule_set_lets_it_and_its_share_is_told() {
    let device = Device::with(&[("no2", "[ppb]"), ("run", "1")]);
    let states = vec![("1".to_owned(), PlantState::Operating), ("0".to_owned(), PlantState::Stopped)];
    let plant = Plant::Point { device: "d".into(), point: "run".into(), states, fresh: MINUTE };
    let run = |plants: Vec<PlantState>| {
        let mut assignment = Assignment { plant: plant.clone(), ..with_share(0.75) };
        assignment.rules.validity.plants = plants;
        let mut line = line(vec![assignment]);
        for minute in 0..20 {
            let running = if minute < 5 { 1.0 } else { 0.0 };
            let said = [Said("no2", 5.0, InstrumentState::Valid), Said("run", running, InstrumentState::Valid)];
            line.take(minute as u64 + 1, &device.says(60 * minute, 60 * minute, &said));
        }
        let closed = line.close(Timestamp::from_seconds(1202)).remove(0);
        (closed.average, closed.idle)
    };
    let (average, idle) = run(PlantState::ALL.to_vec());
    assert_eq!((average.state, average.plant, idle), (InstrumentState::Valid, PlantState::Stopped, false));
    assert_eq!(average.plants, BTreeMap::from([(PlantState::Operating, 0.25), (PlantState::Stopped, 0.75)]));
    let (average, idle) = run(vec![PlantState::Operating]);
    assert_eq!((average.state, average.valid, idle), (InstrumentState::Missing, 5, true));
}

#[test]
fn longer_blocks_are_made_from_shorter_ones() {
    let device = Device::with(&[("no2", "[ppb]")]);
    let minute_rules = Rules::simple(MINUTE, 1.0, Duration::from_secs(2));
    let hour_rules = Rules {
        grid: Grid::utc(60 * MINUTE),
        from: Some("cn-minute".into()),
        validity: Validity { coverage: 0.75, least: 45, ..Validity::default() },
        ..Rules::simple(60 * MINUTE, 0.75, Duration::from_secs(2))
    };
    let every_5_s = Assignment::of_point("d", "no2", Duration::from_secs(5));
    let of = |name: &str, rules: Rules| Assignment { rule_set: name.into(), rules, ..every_5_s.clone() };
    let run = |valid_minutes: i64| {
        let mut line = line(vec![of("cn-hour", hour_rules.clone()), of("cn-minute", minute_rules.clone())]);
        let mut hours = Vec::new();
        for sample in 0..720 {
            let at = 5 * sample;
            let state = if at < 60 * valid_minutes { InstrumentState::Valid } else { InstrumentState::Calibration };
            line.take(sample as u64 + 1, &device.says(at, at, &[Said("no2", (at / 60) as f64, state)]));
            hours.extend(line.close(Timestamp::from_seconds(at)).into_iter().map(|closed| closed.average));
        }
        hours.extend(closed(&mut line, 60));
        assert_eq!(hours.iter().filter(|average| average.key.rule_set == "cn-minute").count(), 60);
        hours.into_iter().find(|average| average.key.rule_set == "cn-hour").unwrap()
    };
    let hour = run(45);
    assert_eq!((hour.expected, hour.valid, hour.state), (60, 45, InstrumentState::Valid));
    near(hour.mean, 22.0);
    let hour = run(44);
    assert_eq!((hour.valid, hour.state, hour.validated), (44, InstrumentState::Calibration, None));
}

#[test]
fn a_longer_block_goes_on_from_stored_ones_after_a_restart() {
    let device = Device::with(&[("no2", "[ppb]")]);
    let of = |name: &str, from: Option<&str>, length: Duration| {
        let rules = Rules { from: from.map(str::to_owned), ..Rules::simple(length, 0.6, Duration::from_secs(2)) };
        Assignment { rule_set: name.into(), rules, ..parameter("NO2", "no2") }
    };
    let assignments = || vec![of("short", None, BLOCK), of("long", Some("short"), 3 * BLOCK)];
    let fill = |line: &mut Line, minutes: std::ops::Range<i64>| {
        for minute in minutes {
            let at = 60 * minute;
            line.take(minute as u64 + 1, &device.says(at, at, &[Said("no2", minute as f64, InstrumentState::Valid)]));
        }
    };
    let mut once = line(assignments());
    fill(&mut once, 0..60);
    let whole = closed(&mut once, 60);
    let mut before = line(assignments());
    fill(&mut before, 0..40);
    let stored = closed(&mut before, 40);

    let mut after = Line::default();
    assignments().into_iter().zip([2400, 0]).for_each(|(assignment, next)| {
        after.assign(assignment, Timestamp::from_seconds(next), 0);
    });
    assert_eq!(after.needs_averages_from(), Some(Timestamp(0)));
    stored.iter().for_each(|average| after.recall(average));
    fill(&mut after, 40..60);
    let resumed = closed(&mut after, 60);

    let long = |averages: &[Average]| averages.iter().find(|average| average.key.rule_set == "long").cloned();
    assert_eq!(long(&whole).unwrap().mean, Some(29.5));
    assert_eq!(long(&whole), long(&resumed));
}

#[test]
fn an_implausible_sample_is_left_out_told_once_and_its_block_held_where_that_is_ordered() {
    let device = Device::with(&[("no2", "[ppb]")]);
    let gate = Gate { low: Some(-5.0), high: Some(500.0), action: crate::method::Action::Hold, ..Gate::default() };
    let mut line = line(vec![Assignment { gate, ..with_share(0.5) }]);
    for minute in 0..20 {
        let value = if minute % 4 == 3 { -1e11 } else { 10.0 };
        line.take(
            minute as u64 + 1,
            &device.says(60 * minute, 60 * minute, &[Said("no2", value, InstrumentState::Valid)]),
        );
    }
    let stopped = line.stopped();
    assert_eq!(stopped.len(), 1);
    assert_eq!((stopped[0].incident.code, stopped[0].incident.raw), (crate::pipeline::Code::Bounds, -1e11));
    let closed = line.close(Timestamp::from_seconds(1202)).remove(0);
    assert_eq!((closed.average.mean, closed.average.valid, closed.average.received), (Some(10.0), 15, 20));
    assert_eq!(closed.hold.as_deref(), Some("implausible: bounds (5 samples)"));
}

#[test]
fn a_running_block_says_what_it_has_lost_so_far() {
    let device = Device::with(&[("no2", "[ppb]")]);
    let mut line = line(vec![with_share(0.75)]);
    for minute in 0..6 {
        let state = if minute < 2 { InstrumentState::Fault } else { InstrumentState::Valid };
        line.take(minute as u64 + 1, &device.says(60 * minute, 60 * minute, &[Said("no2", 5.0, state)]));
    }
    let standing = |line: &Line, minute: i64| {
        let standing = line.standing(Timestamp::from_seconds(60 * minute)).next().map(|of| (of.expected, of.lost));
        standing.unwrap()
    };
    assert_eq!(standing(&line, 6), (20, 2));
    assert_eq!(standing(&line, 10), (20, 5));
}
