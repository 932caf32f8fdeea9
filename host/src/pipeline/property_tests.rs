//! What holds for every input. The seed is printed, and taken from `TUTIN_SEED` when it is there.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

use super::formula::{mass, standard};
use super::line::Line;
use super::recipe::Assignment;
use super::rules::Rules;
use crate::average::Average;
use crate::method::{Chain, Companion, Companions, Constants, Gate, Role, Validity};
use crate::reading::{Columns, DeviceCatalog, InstrumentState, Point, PointKind, PollSet};
use crate::time::Timestamp;

const BLOCK: Duration = Duration::from_secs(1200);
const POINTS: [(&str, &str); 6] =
    [("so2", "[ppm]"), ("dust", "mg/m3"), ("t", "Cel"), ("p", "Pa"), ("h2o", "%"), ("o2", "%")];

/// One sample: the point, seconds since the start, the value, the state.
type Drawn = (usize, i64, f64, InstrumentState);

fn runner(cases: u32) -> TestRunner {
    let given = std::env::var("TUTIN_SEED").ok().map(|text| text.parse().unwrap());
    let seed = given.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64);
    println!("TUTIN_SEED={seed}");
    let config =
        ProptestConfig { cases, failure_persistence: None, rng_seed: RngSeed::Fixed(seed), ..Default::default() };
    TestRunner::new(config)
}

fn assignments(coverage: f64, least: u32) -> Vec<Assignment> {
    let of = |parameter: &str| Companion {
        parameter: Some(parameter.to_owned()),
        fresh: Duration::from_secs(30),
        hold: Duration::from_secs(60),
        substitute: None,
    };
    let companions = Companions::from([
        (Role::Temperature, of("t")),
        (Role::Pressure, of("p")),
        (Role::Moisture, of("h2o")),
        (Role::Oxygen, of("o2")),
    ]);
    let validity = Validity { coverage, least, ..Validity::default() };
    let rules = Rules { validity, ..Rules::simple(BLOCK, coverage, Duration::from_secs(600)) };
    let plain = |point: &str| Assignment {
        parameter: point.to_owned(),
        companions: companions.clone(),
        rules: rules.clone(),
        ..Assignment::of_point("d", point, Duration::from_secs(20))
    };
    let gate = Gate { stuck_after: Some(Duration::from_secs(120)), jump: Some(500.0), ..Gate::default() };
    let chain = Chain { wet: true, reference_oxygen: Some(6.0), ..Chain::default() };
    let so2 = Assignment { unit: Some("mg/m3".into()), molar_mass: Some(64.066), chain, gate, ..plain("so2") };
    let dust = Assignment { chain: Chain { actual: true, ..Chain::default() }, ..plain("dust") };
    vec![so2, dust, plain("t"), plain("p"), plain("h2o"), plain("o2")]
}

/// Everything is received in this moment, before any block closes.
fn run(assignments: Vec<Assignment>, drawn: &[Drawn], received: i64) -> Vec<Average> {
    let point = |(id, unit): (&str, &str)| Point {
        id: id.into(),
        label: String::new(),
        unit: unit.into(),
        kind: PointKind::Number,
    };
    let catalog = Arc::new(DeviceCatalog {
        device: "d".into(),
        plugin: String::new(),
        plugin_digest: String::new(),
        points: POINTS.map(point).into(),
    });
    let mut line = Line::default();
    assignments.into_iter().for_each(|assignment| line.assign(assignment, Timestamp(0), 0));
    for (entry, (point, second, value, state)) in (1..).zip(drawn) {
        let columns = Columns {
            points: vec![*point as u16],
            values: vec![*value],
            states: vec![*state],
            times: vec![Timestamp::from_seconds(*second)],
            ..Columns::default()
        };
        let received_at = Timestamp::from_seconds(received);
        line.take(entry, &PollSet { catalog: Arc::clone(&catalog), received_at, columns });
    }
    line.close(Timestamp::from_seconds(1800)).into_iter().map(|closed| closed.average).collect()
}

fn usual_sample() -> impl Strategy<Value = Drawn> {
    let value = |point: usize| match point {
        0 => (-5.0..900.0_f64).boxed(),
        1 => (0.0..80.0_f64).boxed(),
        2 => (90.0..180.0_f64).boxed(),
        3 => (95_000.0..103_000.0_f64).boxed(),
        4 => (3.0..20.0_f64).boxed(),
        _ => (2.0..20.9_f64).boxed(),
    };
    let state = prop_oneof![9 => Just(0_u8), 1 => 0..12_u8].prop_map(InstrumentState::from_code);
    (0..POINTS.len()).prop_flat_map(move |point| (Just(point), 0..1200_i64, value(point), state.clone()))
}

fn absurd_sample() -> impl Strategy<Value = Drawn> {
    let value = prop_oneof![any::<f64>(), any::<u64>().prop_map(f64::from_bits), Just(f64::NAN), Just(f64::MAX)];
    let second = prop_oneof![4 => -100..1300_i64, 1 => any::<i32>().prop_map(i64::from)];
    (0..POINTS.len(), second, value, (0..12_u8).prop_map(InstrumentState::from_code))
}

fn text(averages: &[Average]) -> Vec<String> {
    averages.iter().map(|average| serde_json::to_string(average).unwrap()).collect()
}

#[test]
fn the_order_of_arrival_never_changes_a_closed_block() {
    let samples = prop::collection::vec(usual_sample(), 0..200);
    let both = samples.prop_flat_map(|drawn| (Just(drawn.clone()), Just(drawn).prop_shuffle()));
    runner(200)
        .run(&both, |(drawn, shuffled)| {
            let once = run(assignments(0.2, 1), &drawn, 1201);
            let again = run(assignments(0.2, 1), &shuffled, 1201);
            prop_assert_eq!(text(&once), text(&again));
            Ok(())
        })
        .unwrap();
}

#[test]
fn no_input_gives_a_valid_average_from_fewer_samples_than_the_rule_asks() {
    let samples = prop::collection::vec(prop_oneof![usual_sample(), absurd_sample()], 0..150);
    runner(400)
        .run(&(samples, 0.0..=1.0_f64, 0..30_u32), |(drawn, coverage, least)| {
            for average in run(assignments(coverage, least), &drawn, 1201) {
                prop_assert!((0.0..=1.0).contains(&average.coverage), "{}", average.coverage);
                let point = POINTS.iter().position(|(id, _)| *id == average.key.parameter).unwrap();
                let its = |drawn: &&Drawn| {
                    let at = Timestamp::from_seconds(drawn.1);
                    drawn.0 == point && average.key.start <= at && at < average.end()
                };
                let good =
                    drawn.iter().filter(its).filter(|drawn| drawn.3 == InstrumentState::Valid && drawn.2.is_finite());
                prop_assert!(average.valid as usize <= good.count());
                prop_assert!(average.mean.is_none_or(f64::is_finite));
                if average.state == InstrumentState::Valid {
                    let share = f64::from(average.valid) / f64::from(average.expected);
                    prop_assert!(average.valid >= least.max(1) && share >= coverage - 1e-4, "{average:?}");
                    prop_assert!(average.validated.is_some_and(f64::is_finite), "{average:?}");
                } else {
                    prop_assert_eq!(average.validated, None);
                }
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn mass_is_the_same_at_actual_and_at_standard_conditions() {
    let gas = (0.0..1e4_f64, 1.0..1e7_f64, -50.0..1200.0_f64, 5e4..2e5_f64, 0.0..60.0_f64);
    runner(1000)
        .run(&gas, |(concentration, flow, temperature, pressure, moisture)| {
            let constants = Constants::default();
            let standard_c = standard::concentration_to_standard(concentration, temperature, pressure, &constants);
            let dry_c = standard::concentration_to_dry(standard_c.unwrap(), moisture).unwrap();
            let standard_q = standard::flow_to_standard(flow, temperature, pressure, &constants);
            let dry_q = standard::flow_to_dry(standard_q.unwrap(), moisture).unwrap();
            let (actual, standard) = (mass::rate_kg_h(concentration, flow), mass::rate_kg_h(dry_c, dry_q));
            prop_assert!((actual - standard).abs() <= 1e-12 * actual.abs(), "{actual} {standard}");
            Ok(())
        })
        .unwrap();
}
