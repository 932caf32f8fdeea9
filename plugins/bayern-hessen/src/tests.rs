//! Instruments of every dialect, played on a line in memory.

use serde_json::{Value, json};
use tutin_sdk::case::bytes;
use tutin_sdk::stream::fake::Line;

use super::*;
use crate::settings::{Dialect, Terminator};

/// A line on which everything is answered with this frame.
fn line(frame: &str) -> Line {
    let frame = bytes(frame);
    Line::new(move |_| Ok(vec![frame.clone()]))
}

/// A reply of one value, ended with CR.
fn one(value: &str, operation: u8, error: u8) -> String {
    format!("<STX>MD01 005 {value} {operation:02X} {error:02X} 000 000000 <CR>")
}

fn settings(changes: Value) -> Value {
    let mut settings = json!({
        "dialect": "serinus",
        "request": "cr",
        "check_units": false,
        "channels": [{"address": 5, "id": "so2", "unit": "[ppb]"}],
    });
    for (name, value) in changes.as_object().unwrap() {
        settings[name] = value.clone();
    }
    settings
}

fn open(line: &Line, changes: Value) -> Result<BayernHessen<Line>, Failure> {
    BayernHessen::new(line.clone(), serde_json::from_value(settings(changes)).unwrap())
}

fn read(frame: &str, changes: Value) -> Result<Samples, Failure> {
    open(&line(frame), changes).unwrap().poll(Timestamp(0))
}

fn state(frame: &str, changes: Value) -> State {
    read(frame, changes).unwrap().iter().next().unwrap().state
}

fn fails(frame: &str, changes: Value) -> (u16, String) {
    let failure = read(frame, changes).unwrap_err();
    (failure.code(), failure.to_string())
}

#[test]
fn every_bit_of_every_dialect_leads_to_its_state() {
    use State::*;
    let check = |dialect: &str, operation: [State; 8], error: [State; 8]| {
        for (byte, table) in [(1, operation), (0, error)] {
            for (bit, expected) in (0..8).zip(table) {
                let (operation, error) = if byte == 1 { (1 << bit, 0) } else { (0, 1 << bit) };
                let came = read(&one("+1234+01", operation, error), json!({"dialect": dialect})).unwrap();
                let sample = came.iter().next().unwrap();
                assert_eq!(sample.state, expected, "{dialect}, byte {byte}, bit {bit}");
                assert_eq!(sample.status, Some(u64::from(u16::from_be_bytes([operation, error]))));
                assert_eq!(sample.value, 12.34);
            }
        }
    };
    check(
        "serinus",
        [Suspect, Maintenance, Calibration, Calibration, Suspect, Suspect, Valid, Calibration],
        [Fault, Fault, Suspect, Fault, Suspect, Fault, Suspect, Suspect],
    );
    check(
        "durag_f701_20",
        [Maintenance, Suspect, Calibration, Calibration, Suspect, Suspect, Suspect, Valid],
        [Fault, Fault, Suspect, Suspect, Fault, Suspect, Fault, Suspect],
    );
    check("teledyne", [Suspect, Calibration, Calibration, Calibration, Suspect, Valid, Valid, Suspect], [Suspect; 8]);
    check(
        "teledyne_t360",
        [Fault, Calibration, Calibration, Calibration, Suspect, Valid, Valid, Suspect],
        [Suspect, Suspect, Fault, Suspect, Suspect, Suspect, Suspect, Fault],
    );
}

#[test]
fn the_worst_of_several_bits_counts() {
    assert_eq!(state(&one("+1234+01", 0x04, 0x08), json!({})), State::Fault);
    assert_eq!(state(&one("+1234+01", 0x06, 0x00), json!({})), State::Maintenance);
    assert_eq!(state(&one("+1234+01", 0x00, 0x00), json!({})), State::Valid);
}

#[test]
fn a_flag_that_the_user_moved_is_found_where_the_settings_say() {
    let moved = json!({
        "dialect": "teledyne_t360",
        "flags": {
            "zero_calibration": {"mask": 0x1000},
            "sample_flow": {"state": "fault"},
            "wheel_temperature": {"mask": 0},
            "sync": {"mask": 0x8000, "state": "fault"},
        },
    });
    let check = |operation, error, expected| {
        assert_eq!(state(&one("+1234+01", operation, error), moved.clone()), expected, "{operation:02X} {error:02X}");
    };
    check(0x10, 0x00, State::Calibration);
    // Its old place has no meaning any more.
    check(0x04, 0x00, State::Suspect);
    check(0x00, 0x01, State::Fault);
    check(0x00, 0x10, State::Suspect);
    check(0x80, 0x00, State::Fault);
    check(0x08, 0x00, State::Calibration);
}

#[test]
fn two_flags_on_one_bit_both_count() {
    let shared = json!({"dialect": "teledyne_t360", "flags": {"source": {"mask": 1}}});
    assert_eq!(state(&one("+1234+01", 0, 1), shared), State::Fault);
}

#[test]
fn an_exact_zero_is_never_valid() {
    for value in ["+0000+00", "-0000+00", "+0000-03", "+0000+99"] {
        for dialect in ["serinus", "durag_f701_20", "teledyne", "teledyne_t360"] {
            assert_eq!(state(&one(value, 0, 0), json!({"dialect": dialect})), State::Suspect, "{dialect} {value}");
        }
        assert_eq!(state(&one(value, 0, 0), json!({"exact_zero": "missing"})), State::Missing);
        assert_eq!(state(&one(value, 0x04, 0), json!({})), State::Calibration);
    }
    assert_eq!(state(&one("+0001-09", 0, 0), json!({})), State::Valid);
}

#[test]
fn a_value_in_another_unit_than_the_settings_say_is_at_fault() {
    let check = |dialect: &str, unit: &str, operation, expected| {
        let changes = json!({
            "dialect": dialect,
            "check_units": true,
            "channels": [{"address": 5, "id": "so2", "unit": unit}],
        });
        assert_eq!(state(&one("+1234+01", operation, 0), changes), expected, "{dialect} {unit} {operation:02X}");
    };
    use State::{Fault, Valid};
    check("serinus", "[ppb]", 0x40, Valid);
    check("serinus", "[ppb]", 0x00, Fault);
    check("serinus", "ug/m3", 0x00, Valid);
    check("serinus", "mg/m3", 0x40, Fault);
    check("serinus", "", 0x40, Valid);
    for (operation, unit) in [(0x00, "ug/m3"), (0x20, "mg/m3"), (0x40, "[ppb]"), (0x60, "[ppm]")] {
        for other in ["ug/m3", "mg/m3", "[ppb]", "[ppm]"] {
            check("teledyne_t360", other, operation, if other == unit { Valid } else { Fault });
        }
        check("teledyne", "%", operation, Valid);
    }
    let changes = json!({"check_units": false});
    assert_eq!(state(&one("+1234+01", 0x00, 0), changes), Valid);
}

#[test]
fn what_is_wrong_is_told_with_the_point() {
    let channels = json!([{"address": 5, "id": "so2", "unit": "[ppb]"}, {"address": 6, "id": "h2s"}]);
    let mut driver = open(&line(&one("+1234+01", 0, 0)), json!({"channels": channels, "check_units": true})).unwrap();
    driver.poll(Timestamp(0)).unwrap();
    let unit = "so2: the status says a mass per volume, the settings say [ppb]";
    assert_eq!(driver.troubles, [unit, "h2s: no value of address 6 in the reply"]);
}

#[test]
fn the_characters_of_the_number_are_kept_beside_it() {
    let came = read(&one("-5384+06", 0, 0), json!({})).unwrap();
    let sample = came.iter().next().unwrap();
    assert_eq!((sample.value, sample.raw), (-5_384_000.0, Some(u64::from_be_bytes(*b"-5384+06"))));
}

#[test]
fn a_reply_is_taken_in_the_form_that_the_settings_say() {
    let check = |request: &str, reply: Value, sent: &str, frame: &str| {
        let line = line(frame);
        let mut driver = open(&line, json!({"request": request, "reply": reply})).unwrap();
        assert_eq!(driver.poll(Timestamp(0)).unwrap().iter().next().unwrap().value, 12.34, "{request} {reply}");
        assert_eq!(line.sent(), [bytes(sent)]);
    };
    let cr = one("+1234+01", 0, 0);
    let text = cr.replace("<STX>", "");
    let block = "<STX>MD01 005 +1234+01 00 00 000 000000 <ETX>29";
    check("cr", Value::Null, "<STX>DA<CR>", &cr);
    check("check", Value::Null, "<STX>DA<ETX>04", block);
    check("cr", json!("check"), "<STX>DA<CR>", block);
    check("check", json!("cr"), "<STX>DA<ETX>04", &cr);
    check("check", json!("text"), "<STX>DA<ETX>04", &text);
}

#[test]
fn the_host_is_told_how_frames_end() {
    let check = |reply: &str, starts: &[u8], end: u8, trailer: u8| {
        let line = line("");
        open(&line, json!({"reply": reply})).unwrap();
        let (framing, unasked) = line.framing().unwrap();
        let came = (framing.starts, framing.ends, framing.trailer, unasked);
        assert_eq!(came, (vec![starts.to_vec()], vec![vec![end]], trailer, Unasked::Waits), "{reply}");
    };
    check("check", b"\x02", 3, 2);
    check("cr", b"\x02", 13, 0);
    check("text", b"MD", 13, 0);
}

#[test]
fn a_value_without_an_address_is_taken_only_when_it_is_certain_whose() {
    let two = json!([{"address": 5, "id": "so2"}, {"address": 6, "id": "h2s"}]);
    let single = "<STX>MD01 +1234+01 00 00 000 000000 <CR>";
    let both = "<STX>MD02 +1234+01 00 00 000 000000 +5678+01 00 00 000 000000 <CR>";
    let values =
        |frame, changes| -> Vec<f64> { read(frame, changes).unwrap().iter().map(|sample| sample.value).collect() };
    assert_eq!(values(single, json!({})), [12.34]);
    assert_eq!(values(both, json!({"channels": two, "by_position": true})), [12.34, 56.78]);
    assert_eq!(values(single, json!({"channels": two, "ask": [6]}))[1], 12.34);
    assert!(values(single, json!({"channels": two, "ask": [6]}))[0].is_nan());
    let (code, text) = fails(single, json!({"channels": two}));
    assert!(code == 2 && text.starts_with("DA: whose are 1 values without addresses?"), "{text}");
    let (code, text) = fails(both, json!({}));
    assert!(code == 2 && text.starts_with("DA: whose are 2 values without addresses?"), "{text}");
    let (code, text) = fails(single, json!({"channels": two, "by_position": true}));
    assert!(code == 2 && text.starts_with("DA: 1 values without addresses for 2 channels"), "{text}");
}

#[test]
fn an_address_that_no_channel_has_becomes_a_point_and_stays_one() {
    let frame = "<STX>MD02 005 +1234+01 00 00 009 +5678+01 00 00 <CR>";
    let line = line(frame);
    let mut driver = open(&line, json!({})).unwrap();

    let first = driver.poll(Timestamp(0)).unwrap();
    line.answers(|_| Ok(vec![bytes(&one("+1234+01", 0, 0))]));
    let second = driver.poll(Timestamp(0)).unwrap();

    assert_eq!(driver.points()[1], Point::number("address_9", "Address 9", ""));
    let mut announced = Samples::default();
    announced.points_changed();
    let is_announced = |samples: &Samples| format!("{samples:?}").contains("points_changed: true");
    assert!(is_announced(&first) && !is_announced(&second));
    assert_eq!(first.iter().map(|sample| sample.value).collect::<Vec<_>>(), [12.34, 56.78]);
    assert_eq!(second.iter().map(|sample| sample.state).collect::<Vec<_>>(), [State::Valid, State::Missing]);
    assert_eq!(read(frame, json!({"unlisted": "ignore"})).unwrap().len(), 1);
}

#[test]
fn an_instrument_that_reports_no_gas_has_no_values() {
    assert_eq!(state("<STX>MD00<CR>", json!({})), State::Missing);
}

#[test]
fn an_instrument_whose_value_came_along_is_not_asked_again() {
    let line = line("<STX>MD02 005 +1234+01 00 00 006 +5678+01 00 00 <CR>");
    let channels = json!([{"address": 5, "id": "no"}, {"address": 6, "id": "nox"}]);

    open(&line, json!({"channels": channels, "ask": [5, 6], "padding": "blanks"})).unwrap().poll(Timestamp(0)).unwrap();

    assert_eq!(line.sent(), [b"\x02DA  5\r"]);
}

#[test]
fn faults_on_the_line_are_told_apart() {
    assert_eq!(Failure::communication("").code(), 1);
    let line = Line::new(|_| Err(Error::Timeout));
    let mut driver = open(&line, json!({})).unwrap();
    assert_eq!(driver.poll(Timestamp(0)), Err(Failure::communication("DA: timeout")));
    line.disconnect();
    assert_eq!(driver.poll(Timestamp(0)), Err(Failure::communication("DA: no connection: unplugged")));
    line.connect();
    line.answers(|_| Ok(vec![b"\x02QQ\r".to_vec()]));
    assert_eq!(driver.poll(Timestamp(0)), Err(Failure::device("DA: no values; what came was 02 51 51 0D")));
    line.answers(|_| Err(Error::BadResponse("a frame of 5000 bytes".into())));
    assert_eq!(driver.poll(Timestamp(0)), Err(Failure::device("DA: bad response: a frame of 5000 bytes")));
    line.answers(|_| Ok(vec![b"\x02MD\xff\r".to_vec()]));
    assert_eq!(driver.poll(Timestamp(0)), Err(Failure::device("DA: not text; the reply was 02 4D 44 FF 0D")));
    line.answers(|_| Ok(vec![bytes(&one("+1234+01", 0, 0))]));
    assert_eq!(driver.poll(Timestamp(0)).unwrap().iter().next().unwrap().state, State::Valid);
}

#[test]
fn a_lost_connection_ends_the_poll_at_once() {
    let line = line("");
    let mut driver = open(&line, json!({"ask": [5, 6]})).unwrap();
    line.disconnect();
    assert_eq!(driver.poll(Timestamp(0)), Err(Failure::communication("DA005: no connection: unplugged")));
    assert_eq!(line.sent().len(), 1);
}

#[test]
fn a_wrong_block_check_names_both() {
    let (code, text) = fails("<STX>MD00<ETX>09", json!({"reply": "check"}));
    let expected = "DA: block check 08 expected, \"09\" came; the reply was 02 4D 44 30 30 03 30 39";
    assert_eq!((code, text.as_str()), (2, expected));
}

#[test]
fn commands_are_sent_and_not_waited_for() {
    let check = |name: &str, changes: Value, arguments: &str, sent: &[u8]| {
        let line = Line::pushing();
        open(&line, changes).unwrap().command(name, arguments).unwrap();
        assert_eq!(line.sent(), [sent]);
    };
    check("zero-start", json!({"request": "check"}), "", b"\x02ST005 N\x035D");
    check("measure", json!({"request": "check"}), "", b"\x02ST005 M\x035E");
    check("span-start", json!({}), r#"{"address": 5}"#, b"\x02ST005 K\r");
    check("background-start", json!({"ask": [843]}), r#"{"address": 843}"#, b"\x02ST843 S\r");
    let mut driver = open(&Line::pushing(), json!({"ask": [7]})).unwrap();
    let mut refused = |name: &str, arguments: &str| driver.command(name, arguments).unwrap_err();
    assert_eq!(refused("purge", ""), Failure::unsupported("there is no command \"purge\""));
    let text = "arguments.address: needed, the settings name several addresses";
    assert_eq!(refused("measure", ""), Failure::unsupported(text));
    let text = "arguments.address: the settings name no address 8";
    assert_eq!(refused("measure", r#"{"address": 8}"#), Failure::unsupported(text));
    assert_eq!(refused("measure", r#"{"adress": 7}"#).code(), Failure::unsupported("").code());
}

#[test]
fn every_described_command_exists() {
    let mut driver = open(&Line::pushing(), json!({})).unwrap();
    let description = commands::describe(Description::new("x", "0"));
    let names: Vec<&str> = description.commands().collect();
    assert_eq!(names, ["zero-start", "span-start", "measure", "background-start"]);
    assert!(names.iter().all(|name| driver.command(name, "").is_ok()));
}

#[test]
fn wrong_settings_are_named_by_member() {
    let check = |changes: Value, expected: &str| {
        assert_eq!(open(&line(""), changes).unwrap_err().to_string(), expected);
    };
    check(json!({"channels": []}), "settings.channels: at least one");
    check(json!({"channels": [{"address": 1000, "id": "a"}]}), "settings.channels[0].address: must be 0 to 999");
    let twice = json!([{"address": 1, "id": "a"}, {"address": 1, "id": "b"}]);
    check(json!({"channels": twice}), "settings.channels[1].address: 1 is taken");
    let twice = json!([{"address": 1, "id": "a"}, {"address": 2, "id": "a"}]);
    check(json!({"channels": twice}), "settings.channels[1].id: \"a\" is taken");
    let text = "settings.channels[0].id: \"SO2\" is no id: lower case letters, digits and _, starting with a letter, at most 64";
    check(json!({"channels": [{"address": 1, "id": "SO2"}]}), text);
    let text = "settings.channels[0].id: address_N is kept for addresses that no channel has";
    check(json!({"channels": [{"address": 1, "id": "address_2"}]}), text);
    check(json!({"ask": [1000]}), "settings.ask[0]: must be 0 to 999");
    check(json!({"ask": [1, 1]}), "settings.ask[1]: 1 is there twice");
    let text = "settings.by_position: replies of several instruments have no common order";
    check(json!({"ask": [1, 2], "by_position": true}), text);
    let text = "settings.exact_zero: 0.0 is also sent for a value that is not valid, so it cannot be `valid`";
    check(json!({"exact_zero": "valid"}), text);
    check(json!({"dialect": "own"}), "settings.flags: the dialect `own` knows no bits, so at least one must be given");
    let text = "settings.flags.zer: unknown to the dialect, so it needs a mask and a state; did you mean `zero`?";
    check(json!({"flags": {"zer": {"mask": 1}}}), text);
    let text = "settings.flags: bits that tell the unit have another meaning too; check_units = false allows it";
    check(json!({"check_units": true, "flags": {"lamp": {"mask": 0x4000}}}), text);
}

#[test]
fn settings_that_do_not_exist_or_are_missing_are_refused() {
    let refused = |changes: Value| serde_json::from_value::<Settings>(settings(changes)).unwrap_err().to_string();
    assert!(refused(json!({"adress": 1})).starts_with("unknown field `adress`"));
    assert!(refused(json!({"dialect": null})).starts_with("invalid type: null"));
    assert!(refused(json!({"dialect": "gesytec"})).starts_with("unknown variant `gesytec`"));
    assert!(refused(json!({"request": "etx"})).starts_with("unknown variant `etx`"));
    assert!(refused(json!({"reply": "none"})).starts_with("unknown variant `none`"));
    assert!(refused(json!({"padding": "spaces"})).starts_with("unknown variant `spaces`"));
    assert!(refused(json!({"unlisted": "drop"})).starts_with("unknown variant `drop`"));
    assert!(refused(json!({"flags": {"zero": {"bit": 2}}})).starts_with("unknown field `bit`"));
    assert!(refused(json!({"channels": [{"address": 1}]})).starts_with("missing field `id`"));
    let without: Result<Settings, _> = serde_json::from_value(json!({"channels": []}));
    assert!(without.unwrap_err().to_string().starts_with("missing field `dialect`"));
}

/// The bytes of a file in `frames/`: hexadecimal, `#` begins a comment.
fn captured(text: &str) -> Vec<u8> {
    let digits = text.lines().filter(|line| !line.starts_with('#')).flat_map(|line| line.split_whitespace());
    digits.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

#[test]
fn the_frames_on_file_are_read() {
    let check = |text: &str, form, expected: &[(Option<u16>, f64)]| {
        let frame = captured(text);
        let groups = reply::groups(frame::text(&frame, form).unwrap()).unwrap();
        assert_eq!(groups.iter().map(|group| (group.address, group.value)).collect::<Vec<_>>(), expected);
    };
    let thermo = include_str!("../frames/thermo-42i-three-values.hex");
    check(thermo, ReplyForm::Cr, &[(Some(1), 25.78), (Some(2), 5.681), (Some(3), 11.75)]);
    check(include_str!("../frames/serinus-10-without-blank.hex"), ReplyForm::Check, &[(Some(97), 45.1)]);
    check(include_str!("../frames/serinus-40-two-values.hex"), ReplyForm::Check, &[(Some(1), 25.78), (Some(2), 35.81)]);
    check(include_str!("../frames/without-address.hex"), ReplyForm::Check, &[(None, 45.1)]);
    let request = captured(include_str!("../frames/serinus-request-97.hex"));
    assert_eq!(request, frame::request("DA097", Terminator::Check));
    let command = captured(include_str!("../frames/serinus-start-span-843.hex"));
    assert_eq!(command, frame::request("ST843 K", Terminator::Check));
}

#[test]
fn the_name_of_a_dialect_is_that_of_its_instruments() {
    let check = |name: &str, expected: Dialect| {
        assert_eq!(serde_json::from_value::<Dialect>(json!(name)).unwrap(), expected);
    };
    check("serinus", Dialect::Serinus);
    check("durag_f701_20", Dialect::DuragF70120);
    check("teledyne", Dialect::Teledyne);
    check("teledyne_t360", Dialect::TeledyneT360);
    check("own", Dialect::Own);
}
