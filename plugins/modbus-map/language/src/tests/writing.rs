//! Commands, setup and process values.

use tutin_sdk::Timestamp;
use tutin_sdk::modbus::Control;

use super::*;

const SECOND: i64 = 1_000_000_000;

fn writer(bank: &Bank, parts: Value) -> Result<WritingMap<Bank>, Failure> {
    WritingMap::new(bank.clone(), &serde_json::from_value(with_point(parts)).unwrap())
}

fn with_point(parts: Value) -> Value {
    let mut settings = json!({"points": [{"id": "x", "table": "holding", "address": 0, "type": "u16"}]});
    settings.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
    settings
}

fn bank() -> Bank {
    let bank = Bank::new();
    bank.set(Table::Holding, 0, &[7]);
    bank
}

/// Writes since the last call, as (table, address, words).
fn writes(bank: &Bank) -> Vec<(Table, u16, Vec<u16>)> {
    let written = bank.take_requests().into_iter().filter_map(|request| match request {
        Request::Write(_, table, address, words) => Some((table, address, words)),
        _ => None,
    });
    written.collect()
}

fn coils() -> Value {
    json!({"commands": {
        "zero": {"purpose": "", "group": "coils", "hold_ms": 1000, "writes": [{"table": "coil", "address": 101, "value": 1}]},
        "span": {"purpose": "", "group": "coils", "hold_ms": 1000, "writes": [{"table": "coil", "address": 102, "value": 1}]},
        "lamp": {"purpose": "", "writes": [{"table": "coil", "address": 9, "value": 1}]},
    }})
}

#[test]
fn a_held_coil_is_held_for_its_whole_time_and_then_taken_back() {
    let bank = bank();
    let mut driver = writer(&bank, coils()).unwrap();
    driver.read(Timestamp(10 * SECOND)).unwrap();

    driver.run("zero", "").unwrap();

    assert_eq!(writes(&bank), [(Table::Coil, 101, vec![1])]);
    // The command may have come just before the first of these polls.
    for now in [11 * SECOND, 12 * SECOND - 1] {
        driver.read(Timestamp(now)).unwrap();
        assert_eq!(writes(&bank), [], "{now}");
    }
    driver.read(Timestamp(12 * SECOND)).unwrap();
    assert_eq!(writes(&bank), [(Table::Coil, 101, vec![0])]);
    driver.read(Timestamp(13 * SECOND)).unwrap();
    assert_eq!(writes(&bank), []);
}

#[test]
fn commands_of_a_group_exclude_each_other_while_one_is_held() {
    let bank = bank();
    let mut driver = writer(&bank, coils()).unwrap();
    driver.run("zero", "").unwrap();

    let refusal = driver.run("span", "").unwrap_err();

    assert_eq!(refusal, Failure::busy("zero is not over, and span is of the same group (coils)"));
    assert_eq!(driver.run("zero", "").unwrap_err().code(), 5);
    driver.run("lamp", "").unwrap();
    driver.read(Timestamp(0)).unwrap();
    driver.read(Timestamp(SECOND)).unwrap();
    driver.run("span", "").unwrap();
}

#[test]
fn what_could_not_be_taken_back_is_tried_again_in_every_poll() {
    let bank = bank();
    let mut driver = writer(&bank, coils()).unwrap();
    driver.run("zero", "").unwrap();
    driver.read(Timestamp(0)).unwrap();
    bank.fail(Table::Coil, 101, Error::Exception(6));
    driver.read(Timestamp(SECOND)).unwrap();
    bank.heal();
    writes(&bank);

    driver.read(Timestamp(2 * SECOND)).unwrap();

    assert_eq!(writes(&bank), [(Table::Coil, 101, vec![0])]);
}

#[test]
fn a_write_that_timed_out_may_have_been_done_and_is_taken_back() {
    let bank = bank();
    let mut driver = writer(&bank, coils()).unwrap();
    bank.fail(Table::Coil, 101, Error::Timeout);
    assert_eq!(driver.run("zero", "").unwrap_err(), Failure::communication("zero, coil 101: timeout"));
    bank.heal();
    driver.read(Timestamp(0)).unwrap();
    writes(&bank);

    driver.read(Timestamp(SECOND)).unwrap();

    assert_eq!(writes(&bank), [(Table::Coil, 101, vec![0])]);
}

#[test]
fn another_instance_takes_back_what_this_one_held() {
    let bank = bank();
    let mut driver = writer(&bank, coils()).unwrap();
    assert!(driver.begun().is_empty());
    driver.run("zero", "").unwrap();
    let snapshot = driver.begun();

    let mut next = writer(&bank, coils()).unwrap();
    next.go_on_with(&snapshot).unwrap();
    writes(&bank);
    next.read(Timestamp(0)).unwrap();
    next.read(Timestamp(SECOND)).unwrap();

    assert_eq!(writes(&bank), [(Table::Coil, 101, vec![0])]);
}

#[test]
fn a_level_stays_in_force_until_the_command_that_ends_it() {
    let bank = bank();
    let command = |address: u16, value: u16, ends: Value| json!({"purpose": "", "group": "gas", "ends": ends, "writes": [{"table": "coil", "address": address, "value": value}]});
    let commands = json!({"commands": {
        "zero-start": command(1, 1, json!([])), "zero-stop": command(1, 0, json!(["zero-start"])), "span-start": command(2, 1, json!([])),
    }});
    let mut driver = writer(&bank, commands).unwrap();
    driver.run("zero-start", "").unwrap();
    assert_eq!(driver.run("span-start", "").unwrap_err().code(), 5);
    driver.run("zero-stop", "").unwrap();
    driver.run("span-start", "").unwrap();
    let coils: Vec<u16> = writes(&bank).iter().map(|(_, address, _)| *address).collect();
    assert_eq!(coils, [1, 1, 2]);
}

#[test]
fn arguments_are_checked_scaled_and_written_together() {
    let bank = bank();
    let parts = json!({"word_order": "low_first", "commands": {"set": {
        "purpose": "",
        "arguments": {"a": {"about": "", "range": [0, 100], "unit": "%"}, "b": {"about": "", "type": "switch", "required": false}},
        "writes": [
            {"table": "holding", "address": 10, "argument": "a", "scale": 0.1},
            {"table": "holding", "address": 11, "type": "f32", "argument": "a"},
            {"table": "coil", "address": 5, "argument": "b"},
        ],
    }}});
    let mut driver = writer(&bank, parts).unwrap();

    driver.run("run", r#"{"command": "set", "arguments": {"a": 12.5, "b": true}}"#).unwrap();

    let float = WordOrder::LowFirst.split(12.5_f32.to_bits().into(), 2);
    assert_eq!(writes(&bank), [(Table::Holding, 10, vec![125, float[0], float[1]]), (Table::Coil, 5, vec![1])]);
    let mut check =
        |given: &str, expected: &str| assert_eq!(driver.run("set", given).unwrap_err(), Failure::unsupported(expected));
    check(r#"{"a": 101}"#, "arguments.a: must be from 0 to 100 %");
    check(r#"{"a": "1"}"#, "arguments.a: must be a number");
    check(r#"{"b": true}"#, "arguments.a: is needed: ");
    check(r#"{"a": 1, "b": 1}"#, "arguments.b: must be true or false");
    check(r#"{"a": 1, "c": 1}"#, "arguments.c: there is no such argument, only a or b");
    assert_eq!(
        driver.run("sett", "").unwrap_err(),
        Failure::unsupported("there is no command \"sett\", only set; did you mean \"set\"?")
    );
    assert_eq!(writes(&bank), [], "a refused command writes nothing");
}

#[test]
fn the_setup_is_written_first_and_again_when_the_instrument_was_away_or_forgot_it() {
    let bank = bank();
    bank.set(Table::Holding, 50, &[0, 0]);
    let setup = json!({"setup": [{"table": "holding", "address": 50, "values": [2009, 2007]}]});
    let mut driver = writer(&bank, setup).unwrap();
    let written = vec![(Table::Holding, 50, vec![2009, 2007])];
    driver.read(Timestamp(0)).unwrap();
    assert_eq!(writes(&bank), written, "first");
    driver.read(Timestamp(0)).unwrap();
    assert_eq!(writes(&bank), [], "it stands");
    bank.set(Table::Holding, 50, &[0, 0]);
    assert_eq!(driver.read(Timestamp(0)).unwrap().len(), 1);
    assert_eq!(writes(&bank), written, "forgotten");
    bank.fail(Table::Holding, 0, Error::Timeout);
    driver.read(Timestamp(0)).unwrap_err();
    bank.heal();
    writes(&bank);
    driver.read(Timestamp(0)).unwrap();
    assert_eq!(writes(&bank), written, "away");
}

/// An instrument that accepts writes and keeps none.
#[derive(Debug, Clone)]
struct Forgetful(Bank);

impl Registers for Forgetful {
    fn unit(&self, unit: u8) -> Result<Self, Error> {
        self.0.unit(unit).map(Forgetful)
    }
    fn read_coils(&self, address: u16, count: u16) -> Result<Vec<bool>, Error> {
        self.0.read_coils(address, count)
    }
    fn read_discrete_inputs(&self, address: u16, count: u16) -> Result<Vec<bool>, Error> {
        self.0.read_discrete_inputs(address, count)
    }
    fn read_holding_registers(&self, address: u16, count: u16) -> Result<Vec<u16>, Error> {
        self.0.read_holding_registers(address, count)
    }
    fn read_input_registers(&self, address: u16, count: u16) -> Result<Vec<u16>, Error> {
        self.0.read_input_registers(address, count)
    }
}

impl Control for Forgetful {
    fn write_coil(&self, _address: u16, _value: bool) -> Result<(), Error> {
        Ok(())
    }
    fn write_coils(&self, _address: u16, _values: &[bool]) -> Result<(), Error> {
        Ok(())
    }
    fn write_register(&self, _address: u16, _value: u16) -> Result<(), Error> {
        Ok(())
    }
    fn write_registers(&self, _address: u16, _values: &[u16]) -> Result<(), Error> {
        Ok(())
    }
    fn call(&self, _function: u8, _data: &[u8]) -> Result<Vec<u8>, Error> {
        Err(Error::Exception(1))
    }
}

#[test]
fn a_setup_that_does_not_read_back_loses_the_poll() {
    let bank = bank();
    bank.set(Table::Holding, 50, &[0, 0]);
    let setup =
        |verify: bool| json!({"setup": [{"table": "holding", "address": 50, "values": [1, 2], "verify": verify}]});
    let open = |verify: bool| {
        WritingMap::new(Forgetful(bank.clone()), &serde_json::from_value(with_point(setup(verify))).unwrap()).unwrap()
    };
    let refusal = open(true).read(Timestamp(0)).unwrap_err();
    assert_eq!(refusal, Failure::device("holding registers 50 to 51: the setup does not read back as it was written"));
    assert_eq!(open(false).read(Timestamp(0)).unwrap().len(), 1, "when the map says that it cannot be read back");
}

#[test]
fn a_setup_that_is_refused_loses_the_poll_and_is_tried_again() {
    let bank = bank();
    let mut driver = writer(&bank, json!({"setup": [{"table": "coil", "address": 50, "value": 1}]})).unwrap();
    bank.fail(Table::Coil, 50, Error::Exception(2));
    let refusal = driver.read(Timestamp(0)).unwrap_err();
    assert_eq!(refusal, Failure::device("setup of coil 50: illegal data address (exception 2)"));
    bank.heal();
    assert_eq!(driver.read(Timestamp(0)).unwrap().len(), 1);
}

#[test]
fn process_values_are_repeated_and_a_refusal_does_not_stop_the_reading() {
    let bank = bank();
    let parts = json!({
        "commands": {"conditions": {"purpose": "", "arguments": {"p": {"about": ""}}, "writes": [{"table": "holding", "address": 20, "argument": "p"}]}},
        "process_values": {"command": "conditions", "arguments": {"p": 1013}, "every_polls": 3},
    });
    let mut driver = writer(&bank, parts).unwrap();
    let mut written = Vec::new();
    for _ in 0..7 {
        driver.read(Timestamp(0)).unwrap();
        written.push(writes(&bank).len());
    }
    assert_eq!(written, [1, 0, 0, 1, 0, 0, 1]);
    bank.fail(Table::Holding, 20, Error::Exception(4));
    for _ in 0..4 {
        assert_eq!(driver.read(Timestamp(0)).unwrap().len(), 1);
    }
}

#[test]
fn what_only_reads_opens_maps_with_commands_and_says_what_it_cannot() {
    let bank = bank();
    let mut driver = open(&bank, with_point(coils())).unwrap();
    assert_eq!(driver.read().unwrap().len(), 1);
    let refusal = driver.run("zero", "").unwrap_err();
    assert_eq!(
        refusal,
        Failure::unsupported(
            "modbus-map only reads; for \"zero\" use modbus-map-control and grant it tutin:modbus/control (the map's commands lamp, span or zero)"
        )
    );
    assert_eq!(
        refused(with_point(json!({"setup": [{"table": "holding", "address": 50, "value": 1}]}))),
        "settings.setup: the instrument is to be written to before it can be read, and modbus-map only reads: use modbus-map-control and grant it tutin:modbus/control"
    );
}

#[test]
fn commands_that_do_not_fit_are_named_by_both_components() {
    let check = |command: Value, expected: &str| {
        let parts = json!({"commands": {"go": command}});
        assert_eq!(writer(&Bank::new(), parts.clone()).unwrap_err().message(), expected);
        assert_eq!(refused(with_point(parts)), expected);
    };
    check(json!({"purpose": "", "writes": []}), "settings.commands.go.writes: at least one is needed");
    check(
        json!({"purpose": "", "writes": [{"table": "input", "address": 0, "value": 1}]}),
        "settings.commands.go.writes[0].table: can only be read; coil or holding",
    );
    check(
        json!({"purpose": "", "hold_ms": 5, "writes": [{"table": "holding", "address": 0, "value": 1}]}),
        "settings.commands.go.writes[0].after: a register that is held needs what is written afterwards",
    );
    check(
        json!({"purpose": "", "writes": [{"table": "holding", "address": 0, "argument": "x"}]}),
        "settings.commands.go.writes[0].argument: there is no argument \"x\"",
    );
    check(
        json!({"purpose": "", "writes": [{"table": "holding", "address": 0, "value": 70000}]}),
        "settings.commands.go.writes[0]: 70000 does not fit into U16",
    );
    check(
        json!({"purpose": "", "writes": [{"table": "holding", "address": 0, "type": "f32", "value": 1}]}),
        "settings.commands.go.writes[0].word_order: a value wider than 16 bits needs one: high_first, low_first, high_first_swapped or low_first_swapped",
    );
    check(
        json!({"purpose": "", "ends": ["go"], "writes": [{"table": "coil", "address": 0, "value": 1}]}),
        "settings.commands.go.ends: there is no other command \"go\"",
    );
}
