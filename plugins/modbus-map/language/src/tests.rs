//! Maps as an administrator writes them, read from a bank of registers.
//!
//! Everything runs natively: what a map means does not depend on the host.

use serde_json::{Value, json};
use tutin_sdk::modbus::fake::{Bank, Request};
use tutin_sdk::modbus::{Block, Error, Registers, Table};
use tutin_sdk::words::WordOrder;
use tutin_sdk::{Failure, Qualifier, Sample, State};

use super::*;

fn open(bank: &Bank, settings: Value) -> Result<ModbusMap<Bank>, Failure> {
    ModbusMap::new(bank.clone(), &serde_json::from_value(settings).unwrap())
}

fn read(driver: &mut ModbusMap<Bank>) -> Vec<Sample> {
    driver.read().unwrap().iter().collect()
}

fn refused(settings: Value) -> String {
    open(&Bank::new(), settings).unwrap_err().to_string()
}

#[test]
fn each_type_is_decoded_scaled_and_keeps_its_bits() {
    let bank = Bank::new();
    bank.set(Table::Input, 0, &[0xFFFE])
        .set(Table::Input, 1, &WordOrder::LowFirst.split(0x4145_70A4, 2))
        .set(Table::Input, 3, &WordOrder::HighFirst.split(f64::to_bits(-0.1), 4))
        .set(Table::Holding, 7, &[250])
        .set(Table::Holding, 8, &[0b0010_0000])
        .set(Table::Coil, 3, &[1])
        .set(Table::Discrete, 0, &[0]);
    let mut driver = open(
        &bank,
        json!({"points": [
            {"id": "level", "table": "input", "address": 0, "type": "i16"},
            {"id": "no2", "table": "input", "address": 1, "type": "f32", "word_order": "low_first", "unit": "[ppb]"},
            {"id": "total", "table": "input", "address": 3, "type": "f64", "word_order": "high_first"},
            {"id": "temperature", "table": "holding", "address": 7, "type": "u16", "scale": 0.1, "offset": -40.0},
            {"id": "pump", "table": "holding", "address": 8, "type": "bit", "bit": 5},
            {"id": "valve", "table": "coil", "address": 3},
            {"id": "door", "table": "discrete", "address": 0, "type": "bit"},
        ]}),
    )
    .unwrap();

    let samples = read(&mut driver);

    let expected = [
        (-2.0, 0xFFFE),
        (f64::from(12.34_f32), 0x4145_70A4),
        (-0.1, f64::to_bits(-0.1)),
        (250.0 * 0.1 - 40.0, 250),
        (1.0, 1),
        (1.0, 1),
        (0.0, 0),
    ];
    for ((point, expected), sample) in (0..).zip(expected).zip(&samples) {
        assert_eq!(
            *sample,
            Sample::new(point, expected.0).raw(expected.1),
            "{}",
            driver.map.points[usize::from(point)].id
        );
    }
    assert_eq!(samples.len(), expected.len());
}

#[test]
fn a_number_outside_its_range_is_kept_and_at_fault() {
    let bank = Bank::new();
    bank.set(Table::Input, 0, &WordOrder::HighFirst.split(u64::from(12.34_f32.to_bits()), 2));
    let check = |order: &str, range: Value, expected: State| {
        let point =
            json!({ "id": "co", "table": "input", "address": 0, "type": "f32", "word_order": order, "range": range });
        let samples = read(&mut open(&bank, json!({ "points": [point] })).unwrap());
        assert_eq!(samples[0].state, expected, "{order} {range}");
        assert!(samples[0].raw.is_some(), "the bits are gone");
    };
    check("high_first", json!([0, 100]), State::Valid);
    check("low_first", json!([0, 100]), State::Fault);
    check("low_first", json!(null), State::Valid);
    check("high_first", json!([12.5, 100]), State::Fault);
}

#[test]
fn a_hundred_registers_are_one_entry_and_one_request() {
    let bank = Bank::new();
    bank.set(Table::Holding, 0, &(0..100).collect::<Vec<u16>>());
    let mut driver = open(
        &bank,
        json!({"points": [{"id": "r{n}", "label": "Register {n}", "table": "holding", "address": 0, "type": "u16", "repeat": {"count": 100}}]}),
    )
    .unwrap();

    let samples = read(&mut driver);

    assert_eq!(driver.map.points[99].id, "r99");
    assert_eq!(driver.map.points[99].label, "Register 99");
    assert_eq!(samples[99], Sample::new(99, 99.0).raw(99));
    let block = Block { table: Table::Holding, address: 0, count: 100 };
    assert_eq!(bank.take_requests(), [Request::Read(0, block)]);
}

#[test]
fn blocks_bridge_small_gaps_and_keep_within_the_limits() {
    let bank = Bank::new();
    bank.set(Table::Input, 0, &[0; 400]).set(Table::Discrete, 0, &[0; 3000]);
    let mut driver = open(
        &bank,
        json!({"word_order": "high_first", "max_gap": 2, "points": [
            {"id": "a{n}", "table": "input", "address": 0, "type": "f32", "repeat": {"count": 100, "stride": 4}},
            {"id": "b{n}", "table": "discrete", "address": 0, "repeat": {"count": 2001}},
            {"id": "c", "table": "discrete", "address": 2999},
        ]}),
    )
    .unwrap();

    driver.read().unwrap();

    let blocks: Vec<(Table, u16, u16)> = bank
        .take_requests()
        .into_iter()
        .map(|request| match request {
            Request::Read(_, block) => (block.table, block.address, block.count),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        blocks,
        [
            (Table::Discrete, 0, 2000),
            (Table::Discrete, 2000, 1),
            (Table::Discrete, 2999, 1),
            (Table::Input, 0, 122),
            (Table::Input, 124, 122),
            (Table::Input, 248, 122),
            (Table::Input, 372, 26),
        ]
    );
}

#[test]
fn a_request_that_cannot_be_is_refused_by_the_name_of_its_setting() {
    let refused = |member: &str, value: u16| {
        refused(json!({(member): value, "points": [{"id": "a", "table": "discrete", "address": 0}]}))
    };
    assert_eq!(refused("max_gap", 2001), "settings.max_gap: must be 0 to 2000");
    assert_eq!(refused("max_registers", 126), "settings.max_registers: must be 4 to 125");
    assert_eq!(refused("max_registers", 3), "settings.max_registers: must be 4 to 125");
}

#[test]
fn addresses_may_be_counted_from_one() {
    let bank = Bank::new();
    bank.set(Table::Holding, 65535, &[7]);
    let mut driver = open(
        &bank,
        json!({"address_base": 1, "points": [{"id": "last", "table": "holding", "address": 65536, "type": "u16"}]}),
    )
    .unwrap();

    assert_eq!(read(&mut driver), [Sample::new(0, 7.0).raw(7)]);
}

#[test]
fn further_units_are_read_over_the_same_link() {
    let bank = Bank::new();
    bank.set(Table::Holding, 0, &[1]);
    bank.unit(7).unwrap().set(Table::Holding, 0, &[70]);
    let mut driver = open(
        &bank,
        json!({"points": [
            {"id": "own", "table": "holding", "address": 0, "type": "u16"},
            {"id": "other", "table": "holding", "address": 0, "type": "u16", "unit_id": 7},
        ]}),
    )
    .unwrap();

    let values: Vec<f64> = read(&mut driver).iter().map(|sample| sample.value).collect();

    assert_eq!(values, [1.0, 70.0]);
}

fn with_status(bank: &Bank) -> ModbusMap<Bank> {
    bank.set(Table::Input, 0, &[10, 20, 0x0203]).set(Table::Discrete, 15, &[0, 0]);
    open(
        bank,
        json!({
            "points": [
                {"id": "no", "table": "input", "address": 0, "type": "u16"},
                {"id": "no2", "table": "input", "address": 1, "type": "u16"},
            ],
            "status_rules": [
                {"table": "discrete", "address": 15, "state": "calibration"},
                {"table": "discrete", "address": 16, "qualifiers": ["above_limit"], "points": ["no2"]},
                {"table": "input", "address": 2, "mask": 0xFF00, "equals": 0x0500, "state": "maintenance"},
                {"table": "input", "address": 2, "bit": 0, "is": false, "state": "fault", "points": ["n*2"]},
            ],
        }),
    )
    .unwrap()
}

#[test]
fn without_a_rule_that_holds_values_are_valid_and_carry_the_status() {
    let bank = Bank::new();
    let mut driver = with_status(&bank);

    let samples = read(&mut driver);

    assert_eq!(samples[0], Sample::new(0, 10.0).raw(10).status(0x0203 << 1));
    assert_eq!(samples[1], Sample::new(1, 20.0).raw(20).status(0x0203 << 2));
}

#[test]
fn the_worst_rule_that_holds_gives_the_state() {
    let bank = Bank::new();
    let mut driver = with_status(&bank);
    bank.set(Table::Discrete, 15, &[1, 1]).set(Table::Input, 2, &[0x0502]);

    let samples = read(&mut driver);

    let no = Sample::new(0, 10.0).raw(10).state(State::Maintenance).status(0x0502 << 1 | 1);
    let no2 = Sample::new(1, 20.0).raw(20).state(State::Fault).status(0x0502 << 2 | 0b11);
    assert_eq!(samples, [no, no2.qualifiers(Qualifier::AboveLimit.into())]);
}

#[test]
fn what_is_not_a_number_is_a_fault_and_keeps_its_bits() {
    let bank = Bank::new();
    bank.set(Table::Input, 0, &[0x7FA0, 0x0001]);
    let mut driver = open(
        &bank,
        json!({"points": [{"id": "x", "table": "input", "address": 0, "type": "f32", "word_order": "high_first"}]}),
    )
    .unwrap();

    let sample = read(&mut driver)[0];

    assert!(sample.value.is_nan());
    assert_eq!((sample.state, sample.raw), (State::Fault, Some(0x7FA0_0001)));
}

#[test]
fn a_refused_block_costs_its_own_points_only() {
    let bank = Bank::new();
    bank.set(Table::Input, 0, &[10]);
    let mut driver = open(
        &bank,
        json!({"points": [
            {"id": "good", "table": "input", "address": 0, "type": "u16"},
            {"id": "bad", "table": "input", "address": 100, "type": "u16"},
        ]}),
    )
    .unwrap();

    let first = read(&mut driver);
    bank.set(Table::Input, 100, &[20]);
    let second = read(&mut driver);

    assert_eq!((first[0].value, first[0].state), (10.0, State::Valid));
    assert!(first[1].value.is_nan());
    assert_eq!(first[1].state, State::Fault);
    assert_eq!((second[1].value, second[1].state), (20.0, State::Valid));
}

#[test]
fn a_value_whose_status_was_not_read_is_not_given_as_valid() {
    let bank = Bank::new();
    let mut driver = with_status(&bank);
    bank.fail(Table::Discrete, 16, Error::Exception(2));

    let samples = read(&mut driver);

    assert!(samples.iter().all(|sample| sample.state == State::Fault && sample.value.is_nan()), "{samples:?}");
}

#[test]
fn a_wrong_address_is_named_with_its_table_and_the_answer() {
    let mut driver = open(
        &Bank::new(),
        json!({"word_order": "high_first", "points": [{"id": "no2", "table": "input", "address": 138, "type": "f32"}]}),
    )
    .unwrap();

    let failure = driver.read().unwrap_err();

    assert_eq!(failure, Failure::device("input registers 138 to 139 (no2): illegal data address (exception 2)"));
}

#[test]
fn a_silent_instrument_loses_the_whole_poll() {
    let bank = Bank::new();
    let mut driver = with_status(&bank);
    bank.fail(Table::Input, 0, Error::Timeout);

    let failure = driver.read().unwrap_err();

    assert_eq!(failure, Failure::communication("input registers 0 to 2: timeout"));
}

fn check(point: Value, expected: &str) {
    assert_eq!(refused(json!({"points": [point]})), expected);
}

#[test]
fn settings_that_do_not_fit_are_named() {
    check(
        json!({"id": "x", "table": "input", "address": 0, "type": "f32"}),
        "settings.points[0].word_order: a value wider than 16 bits needs one: high_first, low_first, high_first_swapped or low_first_swapped",
    );
    check(
        json!({"id": "x", "table": "input", "address": 0}),
        "settings.points[0].type: registers need one: u16, i16, u32, i32, u64, i64, f32, f64 or bit",
    );
    check(
        json!({"id": "x", "table": "coil", "address": 0, "type": "u16"}),
        "settings.points[0].type: coils and discrete inputs are always bit",
    );
    check(
        json!({"id": "x", "table": "input", "address": 0, "type": "bit", "bit": 16}),
        "settings.points[0].bit: must be 0 (least significant) to 15",
    );
    check(
        json!({"id": "X", "table": "coil", "address": 0}),
        "settings.points[0].id: \"X\" is no id: lower case letters, digits and _, starting with a letter, at most 64",
    );
    check(
        json!({"id": "x", "table": "input", "address": 65535, "type": "u32", "word_order": "high_first"}),
        "settings.points[0].address: 65535 is beyond the table's end",
    );
    check(
        json!({"id": "x", "table": "coil", "address": 0, "repeat": {"count": 2}}),
        "settings.points[0].id: must hold {n} where the number goes, because of repeat",
    );
    check(
        json!({"id": "x", "table": "input", "address": 0, "type": "u16", "scale": 0.0}),
        "settings.points[0].scale: must be a number other than 0",
    );
}

#[test]
fn rules_that_do_not_fit_are_named() {
    let check = |rule: Value, expected: &str| {
        let points = json!([{"id": "no2", "table": "coil", "address": 0}]);
        assert_eq!(refused(json!({"points": points, "status_rules": [rule]})), expected);
    };
    check(
        json!({"table": "holding", "address": 0, "state": "fault"}),
        "settings.status_rules[0].equals: a register needs bit, mask or equals",
    );
    check(
        json!({"table": "coil", "address": 0}),
        "settings.status_rules[0].state: the rule changes nothing: it needs a state other than valid, or qualifiers",
    );
    check(
        json!({"table": "coil", "address": 0, "state": "fault", "points": ["no22"]}),
        "settings.status_rules[0].points: no point is called \"no22\"; did you mean \"no2\"?",
    );
    check(
        json!({"table": "holding", "address": 0, "mask": 1, "equals": 2, "state": "fault"}),
        "settings.status_rules[0].equals: can never be, because it has bits outside the mask",
    );
}

#[test]
fn two_points_of_one_name_are_refused() {
    let point = json!({"id": "x", "table": "coil", "address": 0});
    assert_eq!(refused(json!({"points": [point, point]})), "settings.points: two points are called \"x\"");
}

mod naming;
mod probing;
mod site;
mod status;
mod writing;
