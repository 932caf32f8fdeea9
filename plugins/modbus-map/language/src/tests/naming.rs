//! Names, units and texts that the instrument gives.

use super::*;

fn named(bank: &Bank) -> ModbusMap<Bank> {
    open(
        bank,
        json!({
            "points": [
                {"id": "block{n}", "table": "holding", "address": 2, "type": "u16", "repeat": {"count": 2, "stride": 3, "first": 1},
                 "name_from": {"table": "holding", "address": 0, "codes": "gases", "label": "Gas {name}"},
                 "unit_from": {"table": "holding", "address": 1, "codes": {"5": "[ppm]"}}},
                {"id": "uptime", "table": "holding", "address": 6, "type": "u16"},
            ],
            "tables": {"gases": {"0": "", "1": "co", "2": "no"}},
        }),
    )
    .unwrap()
}

fn ids(driver: &ModbusMap<Bank>) -> Vec<&str> {
    driver.points().iter().map(|point| point.id.as_str()).collect()
}

#[test]
fn points_appear_when_the_instrument_has_named_them() {
    let bank = Bank::new();
    bank.set(Table::Holding, 0, &[1, 5, 10, 0, 0, 0, 7]);
    let mut driver = named(&bank);
    assert_eq!(ids(&driver), ["uptime"]);

    let samples = read(&mut driver);

    assert_eq!(ids(&driver), ["co", "uptime"]);
    let co = &driver.points()[0];
    assert_eq!((co.label.as_str(), co.unit.as_str()), ("Gas co", "[ppm]"));
    assert_eq!(samples, [Sample::new(0, 10.0).raw(10), Sample::new(1, 7.0).raw(7)]);
}

#[test]
fn the_list_is_said_to_have_changed_only_when_it_has() {
    let bank = Bank::new();
    bank.set(Table::Holding, 0, &[1, 5, 10, 0, 0, 0, 7]);
    let mut driver = named(&bank);
    let changed =
        |driver: &mut ModbusMap<Bank>| format!("{:?}", driver.read().unwrap()).contains("points_changed: true");
    assert!(changed(&mut driver), "first read");
    assert!(!changed(&mut driver), "nothing new");
    bank.set(Table::Holding, 3, &[2, 5]);
    assert!(changed(&mut driver), "a second component");
    assert_eq!(ids(&driver), ["co", "no", "uptime"]);
}

#[test]
fn an_id_that_the_contract_forbids_is_refused_when_the_device_is_opened() {
    let point = json!({"id": "x", "table": "holding", "address": 2, "type": "u16", "name_from": {"table": "holding", "address": 0, "codes": {"1": "CO"}}});
    assert_eq!(refused(json!({"points": [point]})), "settings.points[0].name_from.codes: \"CO\" makes no id");
}

#[test]
fn a_value_whose_name_was_not_read_is_not_given() {
    let bank = Bank::new();
    bank.set(Table::Holding, 0, &[1, 5, 10, 0, 0, 0, 7]).set(Table::Input, 0, &[9]);
    let point = json!({"id": "x", "table": "holding", "address": 2, "type": "u16", "name_from": {"table": "input", "address": 0, "codes": {"9": "co"}}});
    let mut driver = open(&bank, json!({"points": [point]})).unwrap();
    assert_eq!(read(&mut driver)[0].state, State::Valid);
    bank.fail(Table::Input, 0, Error::Exception(2));

    let samples = read(&mut driver);

    assert_eq!(ids(&driver), ["co"]);
    assert!(samples[0].value.is_nan());
    assert_eq!(samples[0].state, State::Fault);
}

#[test]
fn texts_are_read_with_the_first_character_in_the_high_byte() {
    let bank = Bank::new();
    bank.set(Table::Holding, 0, &[0x4142, 0x4300, 0x5858]).set(Table::Coil, 0, &[1]);
    let mut driver = open(
        &bank,
        json!({"points": [
            {"id": "tag", "table": "holding", "address": 0, "type": "text", "length": 3},
            {"id": "mode", "table": "holding", "address": 2, "type": "u16", "texts": {"0x5858": "remote"}},
            {"id": "valve", "table": "coil", "address": 0, "texts": {"0": "shut", "1": "open"}},
            {"id": "number", "table": "holding", "address": 2, "type": "u16"},
        ]}),
    )
    .unwrap();

    let samples = driver.read().unwrap();

    let texts: Vec<_> = (0..4).map(|row| samples.text(row)).collect();
    assert_eq!(texts, [None, Some("ABC"), Some("remote"), Some("open")]);
    let points: Vec<u16> = samples.iter().map(|sample| sample.point).collect();
    assert_eq!(points, [3, 0, 1, 2]);
}

#[test]
fn texts_that_do_not_fit_are_named() {
    let check = |point: Value, expected: &str| assert_eq!(refused(json!({"points": [point]})), expected);
    check(
        json!({"id": "x", "table": "holding", "address": 0, "type": "text"}),
        "settings.points[0].length: a text needs its number of registers, 1 to 125",
    );
    check(
        json!({"id": "x", "table": "holding", "address": 0, "type": "u16", "length": 2}),
        "settings.points[0].length: is for type text",
    );
    check(
        json!({"id": "x", "table": "holding", "address": 0, "type": "i16", "texts": {"0": "off"}}),
        "settings.points[0].texts: is for type u16, and for coils and discrete inputs",
    );
}
