//! Plant states, longer blocks, the gate, and blocks that are still open.

use super::*;

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

#[test]
fn samples_of_one_moment_count_once_however_often_they_come() {
    let device = Device::with(&[("no2", "[ppb]")]);
    let mut line = line(vec![with_share(0.75)]);
    for entry in 1..=20 {
        line.take(entry, &device.says(60, 60, &[Said("no2", 5.0, InstrumentState::Valid)]));
    }
    let average = closed(&mut line, 20).remove(0);
    assert_eq!((average.valid, average.received, average.coverage), (1, 20, 0.05));
    assert_eq!((average.mean, average.state), (Some(5.0), InstrumentState::Missing));
}

#[test]
fn an_open_longer_block_takes_the_revision_of_a_shorter_one() {
    let device = Device::with(&[("ph", "[pH]")]);
    let of = |name: &str, from: Option<&str>, length: Duration| {
        let rules = Rules { from: from.map(str::to_owned), ..Rules::simple(length, 0.3, Duration::from_secs(2)) };
        let chain = Chain { mean: Mean::HydrogenActivity, ..Chain::default() };
        Assignment { rule_set: name.into(), rules, chain, ..parameter("pH", "ph") }
    };
    let mut line = line(vec![of("short", None, BLOCK), of("long", Some("short"), 2 * BLOCK)]);
    for minute in 0..20 {
        line.take(
            minute as u64 + 1,
            &device.says(60 * minute, 60 * minute, &[Said("ph", 6.0, InstrumentState::Valid)]),
        );
    }
    let first = closed(&mut line, 20).remove(0);
    line.recall_newest(&Average { mean: Some(4.0), validated: Some(4.0), ..first });
    for minute in 20..40 {
        line.take(
            minute as u64 + 1,
            &device.says(60 * minute, 60 * minute, &[Said("ph", 6.0, InstrumentState::Valid)]),
        );
    }
    let long = closed(&mut line, 40).into_iter().find(|average| average.key.rule_set == "long").unwrap();
    // Through the activity, what is reported like the mean.
    near(long.mean, -((1e-4_f64 + 1e-6) / 2.0).log10());
    assert_eq!(long.validated, long.mean);
}

#[test]
fn a_replay_brings_back_what_the_gate_remembers() {
    let device = Device::with(&[("no2", "[ppb]")]);
    let gated = || {
        let gate = Gate { jump: Some(50.0), stuck_after: Some(10 * MINUTE), ..Gate::default() };
        Assignment { gate, ..with_share(0.5) }
    };
    let set = |minute: i64| {
        let value = if minute < 20 { 10.0 } else { 500.0 };
        device.says(60 * minute, 60 * minute, &[Said("no2", value, InstrumentState::Valid)])
    };
    let mut once = line(vec![gated()]);
    (0..40).for_each(|minute| once.take(minute as u64 + 1, &set(minute)));
    let live = closed(&mut once, 40).pop().unwrap();
    let mut again = Line::default();
    again.assign(gated(), Timestamp::from_seconds(1200), 0);
    let from = again.needs_readings_from().unwrap();
    (0..40)
        .filter(|minute| Timestamp::from_seconds(60 * minute) >= from)
        .for_each(|minute| again.take(minute as u64 + 1, &set(minute)));
    assert_eq!(live.implausible, BTreeMap::from([("jump".to_owned(), 1), ("stuck".to_owned(), 9)]));
    assert_eq!(closed(&mut again, 40).pop().unwrap(), live);
}
