//! Status rules that say several things.

use super::*;

/// One value with these rules, while register 1 is this word.
fn judged(rules: Value, word: u16) -> Sample {
    let bank = Bank::new();
    bank.set(Table::Input, 0, &[10, word]);
    let points = json!([{"id": "x", "table": "input", "address": 0, "type": "u16"}]);
    read(&mut open(&bank, json!({"points": points, "status_rules": rules})).unwrap())[0]
}

fn refused_rule(rule: Value) -> String {
    let points = json!([{"id": "x", "table": "input", "address": 0, "type": "u16"}]);
    refused(json!({"points": points, "status_rules": [rule]}))
}

#[test]
fn a_code_says_what_its_table_says_and_an_unknown_one_is_suspect() {
    let rule = json!([{"table": "input", "address": 1, "mask": 0x00FF,
        "codes": {"0": "valid", "0x1F": "calibration", "3": "over_range outside_calibration_range"}}]);
    let check = |word: u16, expected: State| assert_eq!(judged(rule.clone(), word).state, expected, "{word:#x}");
    check(0x0000, State::Valid);
    check(0xAA1F, State::Calibration);
    check(0x0003, State::OverRange);
    check(0x0004, State::Suspect);
    assert!(judged(rule, 3).qualifiers.contains(Qualifier::OutsideCalibrationRange));
}

#[test]
fn each_bit_that_is_set_says_its_part_and_the_worst_is_reported() {
    let rule = json!([{"table": "input", "address": 1, "bits": {"0": "F", "4": "calibration", "15": "M above_limit"}}]);
    let check = |word: u16, expected: State| assert_eq!(judged(rule.clone(), word).state, expected, "{word:#x}");
    check(0, State::Valid);
    check(1 << 4, State::Calibration);
    check(1 << 15 | 1 << 4, State::Maintenance);
    check(1 << 15 | 1, State::Fault);
    check(1 << 9, State::Valid);
    assert!(judged(rule, 1 << 15).qualifiers.contains(Qualifier::AboveLimit));
}

#[test]
fn letters_of_ne_107_are_what_the_settings_say() {
    let bank = Bank::new();
    let point = json!({"id": "x", "table": "input", "address": 0, "type": "u16"});
    let check = |ne107: Value, word: u16, expected: State| {
        bank.set(Table::Input, 0, &[10, word]);
        let rule = json!({"table": "input", "address": 1, "bits": {"0": "F", "1": "C", "2": "S", "3": "M"}});
        let mut driver = open(&bank, json!({"points": [point], "status_rules": [rule], "ne107": ne107})).unwrap();
        assert_eq!(read(&mut driver)[0].state, expected, "{word} with {ne107}");
    };
    check(json!({}), 1, State::Fault);
    check(json!({}), 2, State::Maintenance);
    check(json!({}), 4, State::Suspect);
    check(json!({}), 8, State::Maintenance);
    check(json!({"C": "calibration"}), 2, State::Calibration);
    check(json!({"M": "valid"}), 8, State::Valid);
    check(json!({"M": "valid"}), 1, State::Fault);
}

#[test]
fn a_pa_quality_byte_goes_by_its_table_and_else_by_its_two_highest_bits() {
    let rule = json!([{"table": "input", "address": 1, "meaning": "pa_quality", "codes": {"0xBC": "C"}}]);
    let check = |word: u16, expected: State| assert_eq!(judged(rule.clone(), word).state, expected, "{word:#x}");
    check(0x80, State::Valid);
    check(0x5580, State::Valid);
    check(0xBC, State::Maintenance);
    check(0x44, State::Suspect);
    check(0x18, State::Fault);
    check(0xC0, State::Suspect);
}

#[test]
fn repeated_rules_each_speak_of_their_own_block() {
    let bank = Bank::new();
    bank.set(Table::Holding, 0, &[10, 0, 0, 20, 1, 0, 30, 0]);
    let mut driver = open(
        &bank,
        json!({
            "points": [{"id": "c{n}", "table": "holding", "address": 0, "type": "u16", "repeat": {"count": 3, "stride": 3, "first": 1}}],
            "status_rules": [{"table": "holding", "address": 1, "bits": {"0": "fault"}, "points": ["c{n}"], "repeat": {"count": 3, "stride": 3, "first": 1}}],
        }),
    )
    .unwrap();

    let states: Vec<State> = read(&mut driver).iter().map(|sample| sample.state).collect();

    assert_eq!(states, [State::Valid, State::Fault, State::Valid]);
}

#[test]
fn a_sentinel_has_its_state_and_keeps_its_number() {
    let bank = Bank::new();
    let point = json!({"id": "x", "table": "input", "address": 0, "type": "i16", "scale": 0.1,
        "sentinels": [{"number": 32767, "state": "missing"}, {"number": 0, "state": "suspect"}]});
    let mut driver = open(&bank, json!({"points": [point]})).unwrap();
    let mut check = |word: u16, expected: State| {
        bank.set(Table::Input, 0, &[word]);
        assert_eq!(read(&mut driver)[0].state, expected, "{word}");
    };
    check(32767, State::Missing);
    check(0, State::Suspect);
    check(1, State::Valid);
}

#[test]
fn a_number_too_small_to_be_shown_is_at_fault_and_zero_is_not() {
    let bank = Bank::new();
    let point = json!({"id": "x", "table": "input", "address": 0, "type": "f32", "word_order": "high_first"});
    let mut driver = open(&bank, json!({"points": [point], "smallest": 1e-12})).unwrap();
    let mut check = |words: [u16; 2], expected: State| {
        bank.set(Table::Input, 0, &words);
        assert_eq!(read(&mut driver)[0].state, expected, "{words:x?}");
    };
    check([0x42C8, 0], State::Valid);
    check([0, 0x42C8], State::Fault);
    check([0, 0], State::Valid);
}

#[test]
fn rules_that_say_two_things_at_once_are_named() {
    let check = |rule: Value, expected: &str| assert_eq!(refused_rule(rule), expected);
    check(
        json!({"table": "input", "address": 1, "codes": {"0": "good"}}),
        "settings.status_rules[0].codes.0: \"good\" is no state, no letter of NE 107 (F, C, S, M) and no qualifier",
    );
    check(
        json!({"table": "input", "address": 1, "codes": {"1": "valid", "0x1": "fault"}}),
        "settings.status_rules[0].codes.1: 1 is there twice",
    );
    check(
        json!({"table": "input", "address": 1, "bits": {"16": "fault"}}),
        "settings.status_rules[0].bits.16: must be a number from 0 to 15, as 12 or 0x0C",
    );
    check(
        json!({"table": "input", "address": 1, "mask": 0x0F, "codes": {"16": "fault"}}),
        "settings.status_rules[0].codes: 16 can never be, because it has bits outside the mask",
    );
    check(
        json!({"table": "input", "address": 1, "bits": {"1": "fault"}, "state": "fault"}),
        "settings.status_rules[0].codes: codes and meaning, or bits, or one condition (bit, equals, is, state, ne107, qualifiers)",
    );
    check(
        json!({"table": "input", "address": 1, "bit": 0, "state": "fault", "ne107": "F"}),
        "settings.status_rules[0].ne107: either state or ne107",
    );
    check(
        json!({"table": "input", "address": 1, "codes": "gone"}),
        "settings.status_rules[0].codes: there is no table \"gone\" in tables",
    );
    check(
        json!({"table": "input", "address": 1, "bit": 0, "state": "fault", "points": ["x{n}"], "repeat": {"count": 2}}),
        "settings.status_rules[0].points: no point is called \"x0\"; did you mean \"x\"?",
    );
}
