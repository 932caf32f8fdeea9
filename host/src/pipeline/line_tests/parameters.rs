//! Signals, parameters that follow from others, water, and what is reported.

use super::*;

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

/// COD in mg/L, weighted with the flow in m³/h.
fn outfall() -> (Device, Line) {
    let device = Device::with(&[("cod", "mg/L"), ("q", "m3/h")]);
    let flow = Companion { parameter: Some("flow".into()), fresh: MINUTE, hold: Duration::ZERO, substitute: None };
    let companions = Companions::from([(Role::Flow, flow)]);
    let cod = Chain { mean: Mean::FlowWeighted, ..Chain::default() };
    let line = line(vec![
        Assignment { chain: cod, companions: companions.clone(), ..parameter("COD", "cod") },
        Assignment { companions, ..parameter("flow", "q") },
    ]);
    (device, line)
}

#[test]
fn water_is_weighted_with_its_flow_and_its_load_follows() {
    let (device, mut line) = outfall();
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
fn without_a_flow_nothing_is_weighted_and_nothing_is_made_up() {
    let (device, mut line) = outfall();
    for minute in 0..20 {
        let (cod, state) =
            if minute < 16 { (10.0, InstrumentState::Valid) } else { (1000.0, InstrumentState::CommError) };
        let said = [Said("cod", cod, InstrumentState::Valid), Said("q", 0.1, state)];
        line.take(minute as u64 + 1, &device.says(60 * minute, 60 * minute, &said));
    }
    let averages = closed(&mut line, 20);
    let cod = of(&averages, "COD");
    // The flow of minute 15 stands for one minute more.
    assert_eq!((cod.valid, cod.used.companions["flow"].missing), (17, 3));
    near(cod.mean, (16.0 * 10.0 + 1000.0) / 17.0);
}

#[test]
fn conditions_of_the_duct_have_no_meaning_for_a_fraction() {
    let device = Device::with(&[("so2", "[ppm]"), ("t", "Cel")]);
    let actual = || Chain { actual: true, ..Chain::default() };
    let so2 =
        Assignment { unit: Some("mg/m3".into()), molar_mass: Some(64.066), chain: actual(), ..parameter("SO2", "so2") };
    let mut line =
        line(vec![so2, Assignment { chain: Chain { wet: true, ..Chain::default() }, ..parameter("t", "t") }]);
    let said = [Said("so2", 1.0, InstrumentState::Valid), Said("t", 1.0, InstrumentState::Valid)];
    line.take(1, &device.says(0, 0, &said));
    let problems = line.problems().join("; ");
    assert!(problems.contains("conditions = \"actual\" has no meaning for [ppm]"), "{problems}");
    assert!(problems.contains("moisture = \"wet\" has no meaning for Cel"), "{problems}");
}

#[test]
fn a_flare_has_density_and_mass_by_its_composition_and_a_conductivity_is_that_of_25_degrees() {
    let device = Device::with(&[("q", "m3/h"), ("h2s", "%"), ("ch4", "%"), ("k", "uS/cm"), ("t", "Cel")]);
    let derived = |name: &str, how: Derived| Assignment { input: Input::Derived(how), ..parameter(name, "") };
    let fractions = vec![("CH4".to_owned(), 16.043), ("H2S".to_owned(), 34.081)];
    let water = Companion { parameter: Some("t".into()), fresh: MINUTE, hold: Duration::ZERO, substitute: None };
    let companions = Companions::from([(Role::Temperature, water)]);
    let chain = Chain { per_kelvin: Some(0.02), ..Chain::default() };
    let mut line = line(vec![
        // The mass follows from the density, which follows from the composition, in whatever order they are named.
        derived("a-mass", Derived::GasMass { flow: "volume".into(), density: "density".into() }),
        derived("density", Derived::GasDensity { fractions }),
        parameter("volume", "q"),
        parameter("H2S", "h2s"),
        parameter("CH4", "ch4"),
        Assignment { chain, companions: companions.clone(), ..parameter("conductivity", "k") },
        Assignment { companions, ..parameter("t", "t") },
    ]);
    for minute in 0..20 {
        let of = |point: &'static str, value: f64| Said(point, value, InstrumentState::Valid);
        let said = [of("q", 500.0), of("h2s", 10.0), of("ch4", 90.0), of("k", 900.0), of("t", 18.0)];
        line.take(minute as u64 + 1, &device.says(60 * minute, 60 * minute, &said));
    }
    let averages = closed(&mut line, 20);
    let density = (0.9 * 16.043 + 0.1 * 34.081) / 22.414;
    near(of(&averages, "density").validated, density);
    near(of(&averages, "a-mass").validated, 500.0 * density);
    assert_eq!(of(&averages, "a-mass").unit, "kg/h");
    near(of(&averages, "conductivity").mean, 900.0 / (1.0 + 0.02 * (18.0 - 25.0)));
}
