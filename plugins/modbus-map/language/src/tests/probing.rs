//! The command that finds the word order.

use super::*;

fn two_floats(bank: &Bank, range: Value) -> ModbusMap<Bank> {
    let points =
        json!([{"id": "x{n}", "table": "input", "address": 0, "type": "f32", "range": range, "repeat": {"count": 2}}]);
    open(bank, json!({"word_order": "high_first", "points": points})).unwrap()
}

#[test]
fn the_probe_names_the_only_order_that_fits_and_shows_all_four() {
    let bank = Bank::new();
    for (address, value) in [(0, 12.34_f32), (2, 100.0)] {
        bank.set(Table::Input, address, &WordOrder::LowFirst.split(value.to_bits().into(), 2));
    }

    let answer = two_floats(&bank, json!([-5, 1000])).run("probe-word-order", "").unwrap();

    let lines: Vec<&str> = answer.lines().collect();
    assert!(lines[0].starts_with("high_first: 0 of 2 fit: x0 "), "{answer}");
    assert_eq!(lines[1], "low_first: 2 of 2 fit: x0 12.34000015258789, x1 100");
    assert_eq!(lines[4], "only with word_order low_first do all fit");
    assert!(bank.take_requests().iter().all(|request| matches!(request, Request::Read(..))));
}

#[test]
fn the_probe_says_when_nothing_can_be_told() {
    let bank = Bank::new();
    bank.set(Table::Input, 0, &[0; 4]);
    let refusal = two_floats(&bank, json!(null)).run("probe-word-order", "").unwrap_err();
    assert_eq!(
        refusal,
        Failure::busy("all numbers are the same in every word order: try again when the instrument measures")
    );
    let refusal = two_floats(&bank, json!(null)).run("probe-word-order", "{\"x\": 1}").unwrap_err();
    assert!(refusal.message().contains("unknown field"), "{refusal}");
}

#[test]
fn a_map_without_wide_numbers_needs_no_word_order() {
    let bank = Bank::new();
    bank.set(Table::Input, 0, &[1]);
    let mut driver =
        open(&bank, json!({"points": [{"id": "x", "table": "input", "address": 0, "type": "u16"}]})).unwrap();
    assert_eq!(driver.run("probe-word-order", "").unwrap_err().code(), 4);
}
