//! The analyzers' maps, read from a bank of registers that stands for the instrument.
//!
//! Everything runs natively: what a register means does not depend on the host.

use serde_json::{Value, json};
use tutin_sdk::Qualifier;
use tutin_sdk::modbus::fake::{Bank, Request};

use super::*;

/// An instrument with all of its map (f32 `address + 0.5` at each register) and no input on but "system ok".
fn instrument(model: Model) -> Bank {
    let bank = Bank::new();
    let map = Map::of(model);
    for register in map.registers {
        put(&bank, register.address, f32::from(register.address) + 0.5);
    }
    for input in map.inputs {
        bank.set(Table::Discrete, input.number, &[0]);
    }
    on(&bank, model, "system_is_ok");
    bank
}

fn put(bank: &Bank, address: u16, value: f32) {
    bank.set(Table::Input, address, &WordOrder::HighFirst.split(value.to_bits().into(), 2));
}

fn on(bank: &Bank, model: Model, input: &str) {
    let input = Map::of(model).inputs.iter().find(|known| known.id == input).unwrap();
    bank.set(Table::Discrete, input.number, &[1]);
}

fn open(bank: &Bank, settings: Value) -> Result<TeledyneT<Bank>, Failure> {
    TeledyneT::new(bank.clone(), &serde_json::from_value(settings).unwrap())
}

fn poll(driver: &mut TeledyneT<Bank>) -> impl Fn(&str) -> Sample + use<> {
    let points = driver.plan.points.clone();
    let samples: Vec<Sample> = driver.read().unwrap().iter().collect();
    move |id| {
        let at = points.iter().position(|point| point.id == id).unwrap_or_else(|| panic!("no point {id}"));
        *samples.iter().find(|sample| usize::from(sample.point) == at).unwrap()
    }
}

fn refused(settings: Value) -> String {
    open(&Bank::new(), settings).unwrap_err().to_string()
}

fn reads(bank: &Bank) -> Vec<(Table, u16, u16)> {
    bank.take_requests()
        .into_iter()
        .map(|request| match request {
            Request::Read(_, span) => (span.table, span.address, span.count),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn concentrations_are_the_registers_bit_for_bit() {
    let check = |model: &str, values: &[(&str, u16, f32)], unit: &str| {
        let settings: Settings = serde_json::from_value(json!({"model": model})).unwrap();
        let bank = instrument(settings.model);
        for (_, address, value) in values {
            put(&bank, *address, *value);
        }
        let mut driver = open(&bank, json!({"model": model})).unwrap();

        let sample = poll(&mut driver);

        for (id, _, value) in values {
            let expected = Sample::new(sample(id).point, f64::from(*value)).raw(value.to_bits().into());
            assert_eq!(sample(id), expected.status(sample(id).status.unwrap()), "{model} {id}");
            assert_eq!(driver.plan.points[usize::from(sample(id).point)].unit, unit);
        }
    };
    check(
        "T200",
        &[
            ("nox_r1", 30, 0.1),
            ("nox_r2", 32, 617.39),
            ("no_r1", 34, -3.5),
            ("no_r2", 36, 1e-40),
            ("no2_r1", 38, 45.7),
            ("no2_r2", 40, 12.34),
        ],
        "[ppb]",
    );
    check("T100", &[("so2_r1", 22, 45.7), ("so2_r2", 24, 12.34)], "[ppb]");
    check("T300", &[("co_r1", 18, 7.25), ("co_r2", 20, 286.0)], "[ppm]");
    check("T400", &[("o3_r1", 18, 45.7), ("o3_r2", 20, 12.34)], "[ppb]");
}

#[test]
fn the_active_range_is_published_under_the_gass_own_name() {
    let bank = instrument(Model::T200);
    let check = |settings: Value, no2: f64, range: &str| {
        let mut driver = open(&bank, settings).unwrap();
        let text = driver.read().unwrap();
        assert_eq!(text.text(text.len() - 1), Some(range));
        assert_eq!(driver.plan.points[text.len() - 1].id, "active_range");
        assert_eq!(poll(&mut driver)("no2").value, no2);
    };
    check(json!({"model": "T200"}), 38.5, "r1");
    check(json!({"model": "T200", "active_range": 2}), 40.5, "r2");
    check(json!({"model": "T200", "active_range": 3, "blocks": ["range3"]}), 118.5, "r3");
    assert_eq!(refused(json!({"model": "T200", "active_range": 3})), "settings.active_range: 3 needs the block range3");
}

#[test]
fn a_poll_reads_each_contiguous_part_once() {
    let check = |settings: Value, expected: &[(Table, u16, u16)]| {
        let model: Model = serde_json::from_value(settings["model"].clone()).unwrap();
        let bank = instrument(model);
        open(&bank, settings.clone()).unwrap().read().unwrap();
        assert_eq!(reads(&bank), expected, "{settings}");
    };
    use Table::{Discrete, Input};
    check(json!({"model": "T200"}), &[(Input, 0, 88), (Discrete, 0, 31)]);
    check(json!({"model": "T200", "publish": []}), &[(Input, 30, 10), (Discrete, 0, 31)]);
    check(
        json!({"model": "T200", "publish": ["ranges", "calibration"], "blocks": ["range3", "o2", "co2", "o3"]}),
        &[
            (Input, 2, 56),
            (Input, 100, 22),
            (Input, 188, 20),
            (Input, 300, 8),
            (Input, 400, 8),
            (Discrete, 0, 31),
            (Discrete, 200, 4),
            (Discrete, 300, 4),
            (Discrete, 400, 4),
        ],
    );
    check(json!({"model": "T100"}), &[(Input, 0, 58), (Discrete, 0, 27)]);
    check(json!({"model": "T300"}), &[(Input, 0, 52), (Discrete, 0, 27)]);
    check(json!({"model": "T300M"}), &[(Input, 0, 64), (Discrete, 0, 27)]);
    check(json!({"model": "T400"}), &[(Input, 0, 58), (Discrete, 0, 27)]);
}

#[test]
fn an_input_that_is_on_gives_the_concentrations_its_state() {
    let check = |model: &str, number: u16, expected: State| {
        let settings: Settings = serde_json::from_value(json!({"model": model})).unwrap();
        let bank = instrument(settings.model);
        bank.set(Table::Discrete, number, &[1]);
        let mut driver = TeledyneT::new(bank, &settings).unwrap();
        let first = driver.read().unwrap().iter().next().unwrap();
        assert_eq!(first.state, expected, "{model} input {number}");
        assert_eq!(first.status.unwrap() >> number & 1, 1);
    };
    // The numbers of one meaning differ from model to model.
    check("T100", 15, State::Fault);
    check("T200", 17, State::Fault);
    check("T300", 14, State::Fault);
    check("T400", 19, State::Fault);
    check("T100", 16, State::Calibration);
    check("T200", 18, State::Calibration);
    check("T300", 15, State::Calibration);
    check("T400", 20, State::Calibration);
    check("T400", 21, State::Calibration);
    check("T100", 26, State::Maintenance);
    check("T200", 15, State::Maintenance);
    check("T200", 16, State::Maintenance);
    check("T200", 3, State::Suspect);
    check("T200", 11, State::Fault);
    check("T200", 10, State::Valid);
}

#[test]
fn every_warning_but_the_noted_one_takes_the_values_validity() {
    for model in [Model::T100, Model::T200, Model::T300, Model::T400] {
        for input in Map::of(model).inputs.iter().filter(|input| input.block.is_none()) {
            let bank = instrument(model);
            on(&bank, model, input.id);
            let mut driver = open(&bank, json!({"model": model.name()})).unwrap();

            let first = driver.read().unwrap().iter().next().unwrap();

            let is_harmless = input.id.starts_with("system_") || matches!(input.meaning, map::Meaning::Alarm(_));
            assert_eq!(first.state == State::Valid, is_harmless, "{} {}", model.name(), input.id);
        }
    }
}

#[test]
fn the_worst_of_several_inputs_is_reported_and_all_are_kept() {
    let bank = instrument(Model::T200);
    for input in ["in_zero_cal", "dynamic_zero_warn", "box_temp_warn"] {
        on(&bank, Model::T200, input);
    }
    let mut driver = open(&bank, json!({"model": "T200"})).unwrap();

    let no2 = poll(&mut driver)("no2");

    assert_eq!(no2.state, State::Maintenance);
    assert_eq!(no2.status, Some(1 << 18 | 1 << 15 | 1 << 3 | 1 << 21));
}

#[test]
fn warnings_speak_of_concentrations_and_not_of_temperatures() {
    let bank = instrument(Model::T200);
    on(&bank, Model::T200, "box_temp_warn");
    let mut driver = open(&bank, json!({"model": "T200"})).unwrap();

    let sample = poll(&mut driver);

    assert_eq!(sample("conc_stability").state, State::Suspect);
    assert_eq!(sample("internal_box_temp").state, State::Valid);

    on(&bank, Model::T200, "rear_board_comm_warn");
    assert_eq!(poll(&mut driver)("internal_box_temp").state, State::Fault);
}

#[test]
fn a_concentration_alarm_is_a_remark_on_its_gas() {
    let bank = instrument(Model::T200);
    on(&bank, Model::T200, "no2_conc_alarm_1_exceeded");
    let mut driver = open(&bank, json!({"model": "T200"})).unwrap();

    let sample = poll(&mut driver);

    for id in ["no2", "no2_r1", "no2_r2"] {
        assert_eq!((sample(id).state, sample(id).qualifiers), (State::Valid, Qualifier::AboveLimit.into()), "{id}");
    }
    assert_eq!(sample("no").qualifiers, Qualifiers::NONE);
    assert_eq!(sample("nox").qualifiers, Qualifiers::NONE);
}

#[test]
fn an_optional_sensors_inputs_speak_of_its_gas_only() {
    let bank = instrument(Model::T100);
    on(&bank, Model::T100, "in_o2_cal");
    let mut driver = open(&bank, json!({"model": "T100", "blocks": ["o2", "co2"]})).unwrap();

    let sample = poll(&mut driver);

    assert_eq!((sample("o2").value, sample("o2").state), (100.5, State::Calibration));
    assert_eq!(sample("o2").status, Some(1 << 32 | 1 << 19));
    assert_eq!(sample("so2_o2_corrected_r1").state, State::Calibration);
    assert_eq!(sample("so2").state, State::Valid);
    assert_eq!((sample("co2").value, sample("co2").state), (200.5, State::Valid));

    on(&bank, Model::T100, "invalid_conc");
    assert_eq!(poll(&mut driver)("co2").state, State::Fault);
}

#[test]
fn an_optional_block_that_is_not_fitted_costs_its_own_points_only() {
    let bank = instrument(Model::T100);
    bank.fail(Table::Input, 100, Error::Exception(2)).fail(Table::Discrete, 100, Error::Exception(2));
    let mut driver = open(&bank, json!({"model": "T100", "blocks": ["o2"]})).unwrap();

    let sample = poll(&mut driver);

    assert_eq!(sample("so2").state, State::Valid);
    assert_eq!(sample("o2").state, State::Fault);
    assert!(sample("o2").value.is_nan());
}

#[test]
fn no_concentration_is_published_without_its_inputs() {
    let bank = instrument(Model::T200);
    bank.fail(Table::Discrete, 17, Error::Exception(2));
    let mut driver = open(&bank, json!({"model": "T200"})).unwrap();

    let failure = driver.read().unwrap_err();

    assert_eq!(failure, Failure::device("discrete inputs 0 to 30: illegal data address (exception 2)"));
}

#[test]
fn a_silent_instrument_loses_the_poll() {
    let bank = instrument(Model::T300);
    bank.fail(Table::Input, 18, Error::Timeout);

    let failure = open(&bank, json!({"model": "T300"})).unwrap().read().unwrap_err();

    assert_eq!(failure, Failure::communication("input registers 0 to 51: timeout"));
}

#[test]
fn a_site_may_judge_inputs_otherwise() {
    let bank = instrument(Model::T200);
    on(&bank, Model::T200, "dynamic_zero_warn");
    let rules = json!({"dynamic_zero_warn": "valid", "system_reset": "warm_up"});
    let mut driver = open(&bank, json!({"model": "T200", "status_rules": rules})).unwrap();

    assert_eq!(poll(&mut driver)("no2").state, State::Valid);
    on(&bank, Model::T200, "system_reset");
    assert_eq!(poll(&mut driver)("no2").state, State::WarmUp);

    assert_eq!(
        refused(json!({"model": "T200", "status_rules": {"invalid_con": "valid"}})),
        "settings.status_rules.invalid_con: this model has no such input; did you mean invalid_conc?"
    );
}

#[test]
fn system_ok_counts_when_the_site_says_so() {
    let bank = instrument(Model::T200);
    bank.set(Table::Discrete, 21, &[0]);

    let mut lenient = open(&bank, json!({"model": "T200"})).unwrap();
    let mut strict = open(&bank, json!({"model": "T200", "system_not_ok": "suspect"})).unwrap();

    assert_eq!(poll(&mut lenient)("no2").state, State::Valid);
    assert_eq!(poll(&mut strict)("no2").state, State::Suspect);
}

#[test]
fn the_older_generation_knows_two_inputs_and_asks_for_the_others() {
    assert_eq!(
        refused(json!({"model": "100EU", "generation": "rev_f0b", "inputs": {"in_zero_cal": 16}})),
        "settings.inputs: of generation rev_f0b only izs_temp_warn (3) and box_temp_warn (4) are known; take the numbers \
         of in_span_cal, in_multi_point_cal, invalid_conc from the instrument's manual, appendix A"
    );

    let inputs = json!({"in_zero_cal": 16, "in_span_cal": 17, "in_multi_point_cal": 18, "invalid_conc": 15});
    let rules = json!({"izs_temp_warn": "valid"});
    let bank = instrument(Model::T100);
    bank.set(Table::Discrete, 0, &[0; 32]);
    let mut driver =
        open(&bank, json!({"model": "100EU", "generation": "rev_f0b", "inputs": inputs, "status_rules": rules}))
            .unwrap();

    let mut state_with = |number: u16| {
        bank.set(Table::Discrete, 0, &[0; 32]).set(Table::Discrete, number, &[1]);
        poll(&mut driver)("so2").state
    };
    assert_eq!(state_with(3), State::Valid);
    assert_eq!(state_with(4), State::Suspect);
    assert_eq!(state_with(15), State::Fault);
    // Nobody said what input 5 means here.
    assert_eq!(state_with(5), State::Suspect);
}

#[test]
fn what_no_source_supports_is_refused_in_words() {
    let check = |settings: Value, expected: &str| assert_eq!(refused(settings), expected);
    check(
        json!({"model": "100E"}),
        "settings.generation: an E model needs one, current or rev_f0b: the numbers of the discrete inputs differ",
    );
    check(
        json!({"model": "T200", "generation": "rev_f0b"}),
        "settings.generation: the sources know rev_f0b of the models 100E and 100EU only",
    );
    check(
        json!({"model": "100EU"}),
        "settings.generation: the sources know the model 100EU in generation rev_f0b only",
    );
    check(json!({"model": "T400", "blocks": ["o2"]}), "settings.blocks[0]: the model T400 has no such block");
    check(
        json!({"model": "T100", "inputs": {"dark_cal_warn": 3}}),
        "settings.inputs.box_temp_warn: input 3 is dark_cal_warn already; give that one another number",
    );
}

#[test]
fn commands_write_the_known_coil_and_no_other() {
    let check = |model: &str, name: &str, arguments: &str, coil: u16, value: u16| {
        let settings: Settings = serde_json::from_value(json!({"model": model})).unwrap();
        let bank = instrument(settings.model);
        let driver = TeledyneT::new(bank.clone(), &settings).unwrap();

        driver.run(name, arguments).unwrap();

        assert_eq!(bank.take_requests(), [Request::Write(0, Table::Coil, coil, vec![value])], "{model} {name}");
    };
    check("T200", "zero-start", "", 20, 1);
    check("T200", "zero-stop", "{}", 20, 0);
    check("T100", "span-start", r#"{"range": 1}"#, 21, 1);
    check("T300", "zero-start", r#"{"range": 2}"#, 22, 1);
    check("T300", "span-stop", r#"{"range": 2}"#, 23, 0);
    check("T400", "low-span-start", "", 21, 1);
    check("T400", "span-start", "", 22, 1);
    check("T400", "zero-start", r#"{"range": 2}"#, 23, 1);
    check("T400", "low-span-stop", r#"{"range": 2}"#, 24, 0);
    check("T400", "span-start", r#"{"range": 2}"#, 25, 1);
}

#[test]
fn a_command_that_the_instrument_does_not_have_writes_nothing() {
    let bank = instrument(Model::T200);
    let driver = open(&bank, json!({"model": "T200"})).unwrap();
    let check = |name: &str, arguments: &str, expected: Failure| {
        assert_eq!(driver.run(name, arguments).unwrap_err(), expected);
    };
    check("low-span-start", "", Failure::unsupported("this model has no low span check"));
    check("purge", "", Failure::unsupported("there is no command \"purge\""));
    check("zero-start", r#"{"range": 3}"#, Failure::unsupported("arguments.range: must be 1 or 2"));
    assert_eq!(bank.take_requests(), []);
}

#[test]
fn every_point_and_input_has_a_name_of_its_own() {
    for model in [Model::T100, Model::T200, Model::T300M, Model::T400] {
        let blocks = match model {
            Model::T200 => json!(["range3", "o2", "co2", "o3"]),
            Model::T400 => json!([]),
            _ => json!(["o2", "co2"]),
        };
        let publish = json!(["ranges", "diagnostics", "calibration"]);
        let settings = json!({"model": model.name(), "blocks": blocks, "publish": publish});
        let driver = open(&Bank::new(), settings).unwrap();
        let ids: Vec<&str> = driver.plan.points.iter().map(|point| point.id.as_str()).collect();
        let unique: std::collections::HashSet<&&str> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "{} {ids:?}", model.name());
        assert!(ids.iter().all(|id| Point::is_id(id)));
    }
}

#[test]
fn a_name_in_the_settings_is_the_name_of_its_model() {
    for name in Model::NAMES {
        let model: Model = serde_json::from_value(name.into()).unwrap();
        assert_eq!(model.name(), name);
    }
}
