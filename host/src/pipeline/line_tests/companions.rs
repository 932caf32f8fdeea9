//! The whole chain of the published stack, and what happens when a companion is away.

use super::*;

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
        // A few samples of a block that does not count are no value of it.
        let mut set = stack_says(&device, minute, if minute < 20 { 7.5 } else { 3.0 });
        if minute >= 20 && minute % 20 >= 5 {
            set.columns.states[6] = InstrumentState::Calibration;
        }
        line.take(minute as u64 + 1, &set);
    }
    let averages = closed(&mut line, 60);
    let so2: Vec<_> = averages.iter().filter(|average| average.key.parameter == "SO2").collect();
    let used = |average: &Average| {
        let oxygen = average.used.companions["oxygen"];
        assert!(oxygen.mean.is_none_or(|mean| mean == 7.5), "{oxygen:?}");
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
fn a_recomputation_knows_no_oxygen_of_later_blocks() {
    let device = Device::with(&STACK);
    let mut later = line(stack(&companions()));
    (60..80).for_each(|minute| later.take(minute as u64, &stack_says(&device, minute, 7.5)));
    let stored = closed(&mut later, 80);
    let mut again = line(stack(&companions()));
    stored.iter().for_each(|average| again.recall(average));
    for minute in 0..20 {
        let mut set = stack_says(&device, minute, 7.5);
        set.columns.states[6] = InstrumentState::Fault;
        again.take(minute as u64 + 1, &set);
    }
    let averages = closed(&mut again, 20);
    assert_eq!((of(&averages, "SO2").corrected, of(&averages, "SO2").used.companions["oxygen"].missing), (None, 1));
}
