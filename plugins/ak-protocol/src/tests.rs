//! Instruments that answer what each test says, on a line in memory.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tutin_sdk::case::bytes;
use tutin_sdk::stream::fake::Line;

use super::*;
use crate::status::FUNCTIONS;

/// An instrument that answers these requests (as in "AKON K0") with these texts, and no others.
fn instrument(answers: &[(&str, &str)]) -> Line {
    let answers: BTreeMap<Vec<u8>, Vec<u8>> = answers
        .iter()
        .map(|(request, reply)| (bytes(&format!("<STX> {request}<ETX>")), bytes(&format!("<STX> {reply}<ETX>"))))
        .collect();
    Line::new(move |request| answers.get(request).map(|reply| vec![reply.clone()]).ok_or(Error::Timeout))
}

fn settings(changes: Value) -> Value {
    let mut settings = json!({
        "standby": "maintenance",
        "reads": [{"code": "AKON", "points": [{"id": "co", "unit": "[ppm]"}]}],
    });
    for (name, value) in changes.as_object().unwrap() {
        settings[name] = value.clone();
    }
    settings
}

fn open(line: &Line, changes: Value) -> Result<AkProtocol<Line>, Failure> {
    AkProtocol::new(line.clone(), serde_json::from_value(settings(changes)).unwrap())
}

fn read(answers: &[(&str, &str)], changes: Value) -> Result<Samples, Failure> {
    open(&instrument(answers), changes).unwrap().poll(Timestamp(0))
}

fn first(answers: &[(&str, &str)], changes: Value) -> Sample {
    read(answers, changes).unwrap().iter().next().unwrap()
}

const WELL: (&str, &str) = ("ASTZ K0", "ASTZ 0 SREM SMGA");

#[test]
fn every_running_function_leads_to_its_state() {
    let check = |told: &str, changes: Value, expected: State| {
        let answer = format!("ASTZ 0 {told}");
        let came = first(&[("AKON K0", "AKON 0 1.5"), ("ASTZ K0", &answer)], changes);
        assert_eq!((came.value, came.state), (1.5, expected), "{told}");
    };
    use State::{Calibration, Fault, Maintenance, Suspect, Valid};
    check("SREM SMGA", json!({}), Valid);
    check("SMAN SMGA", json!({}), Valid);
    check("SRBS SMGA", json!({}), Valid);
    check("SREM SMGA SINT", json!({}), Valid);
    check("SREM SNGA", json!({}), Calibration);
    check("SREM SCAL", json!({}), Calibration);
    check("SREM SLEC", json!({}), Calibration);
    check("SREM SPAU", json!({}), Maintenance);
    check("SREM STBY", json!({}), Maintenance);
    check("SREM STBY", json!({"standby": "valid"}), Valid);
    check("#", json!({}), Fault);
    check("SREM SQQQ", json!({}), Suspect);
    check("SREM SNGA #", json!({}), Fault);
    check("", json!({}), Suspect);
    check("SREM SQQQ", json!({"functions": {"SQQQ": "purge"}}), State::Purge);
    check("SMAN SMGA", json!({"functions": {"SMAN": "maintenance"}}), Maintenance);
    assert_eq!(FUNCTIONS.len(), 10);
}

#[test]
fn a_value_with_an_error_digit_is_judged_by_the_error_list() {
    let errors = json!({"errors": {"7": "valid", "12": "suspect", "13": "maintenance"}});
    let check = |told: &str, changes: &Value, expected: State| {
        let answers = [("AKON K0", "AKON 3 1.5"), WELL, ("ASTF K0", told)];
        assert_eq!(first(&answers, changes.clone()).state, expected, "{told}");
    };
    check("ASTF 3 7", &errors, State::Valid);
    check("ASTF 3 12", &errors, State::Suspect);
    check("ASTF 3 7 12 13", &errors, State::Maintenance);
    check("ASTF 3 7 99", &errors, State::Fault);
    check("ASTF 3", &errors, State::Fault);
    check("ASTF 3 BS", &errors, State::Fault);
    check("???? 3", &errors, State::Fault);
    check("ASTF 3 99", &json!({"other_errors": "suspect"}), State::Suspect);
}

#[test]
fn the_error_list_is_asked_for_only_when_there_is_an_error() {
    let check = |akon: &str, astz: &str, expected: &[&str]| {
        let line = instrument(&[("AKON K0", akon), ("ASTZ K0", astz), ("ASTF K0", "ASTF 1 5")]);
        open(&line, json!({})).unwrap().poll(Timestamp(0)).unwrap();
        let sent: Vec<Vec<u8>> = expected.iter().map(|text| bytes(&format!("<STX> {text} K0<ETX>"))).collect();
        assert_eq!(line.sent(), sent, "{akon} {astz}");
    };
    check("AKON 0 1.5", "ASTZ 0 SREM SMGA", &["AKON", "ASTZ"]);
    check("AKON 1 1.5", "ASTZ 0 SREM SMGA", &["AKON", "ASTZ", "ASTF"]);
    check("AKON 0 1.5", "ASTZ 1 SREM SMGA", &["AKON", "ASTZ", "ASTF"]);
}

#[test]
fn an_error_that_came_on_after_the_value_was_read_marks_it() {
    let answers = [("AKON K0", "AKON 0 1.5"), ("ASTZ K0", "ASTZ 1 SREM SMGA"), ("ASTF K0", "ASTF 1 5")];
    let came = first(&answers, json!({}));
    assert_eq!((came.state, came.status), (State::Fault, Some(5 << 8 | 1)));
}

#[test]
fn an_error_that_only_the_status_told_counts_without_its_list() {
    for astf in ["ASTF 1", "ASTF 1 BS", "????"] {
        let answers = [("AKON K0", "AKON 0 1.5"), ("ASTZ K0", "ASTZ 1 SREM SMGA"), ("ASTF K0", astf)];
        assert_eq!(first(&answers, json!({})).state, State::Fault, "{astf}");
    }
}

#[test]
fn a_value_whose_function_is_unknown_is_not_valid() {
    for astz in ["ASTZ 0 BS", "???? 0", "ASTZ 0\u{1}"] {
        assert_eq!(first(&[("AKON K0", "AKON 0 1.5"), ("ASTZ K0", astz)], json!({})).state, State::Suspect, "{astz:?}");
    }
    assert_eq!(first(&[("AKON K0", "AKON 0 1.5")], json!({})).state, State::Suspect);
}

#[test]
fn an_instrument_without_status_commands_is_not_asked_for_them() {
    let none = json!({"status": "none", "standby": null});
    let line = instrument(&[("AKON K0", "AKON 0 1.5")]);
    let samples = open(&line, none.clone()).unwrap().poll(Timestamp(0)).unwrap();
    assert_eq!((samples.len(), samples.iter().next().unwrap().state), (1, State::Valid));
    assert_eq!(line.sent().len(), 1);
    assert_eq!(first(&[("AKON K0", "AKON 1 1.5")], none).state, State::Fault);
}

#[test]
fn the_device_speaks_for_all_channels_when_the_settings_say_so() {
    let reads = json!([
        {"code": "AKON", "channel": 1, "points": [{"id": "co"}]},
        {"code": "AKON", "channel": 2, "points": [{"id": "no"}]},
    ]);
    let answers = [("AKON K1", "AKON 0 1.5"), ("AKON K2", "AKON 2 2.5"), WELL, ("ASTF K0", "ASTF 2 5")];
    let samples = read(&answers, json!({"reads": reads, "status": "device", "errors": {"5": "suspect"}})).unwrap();
    let states: Vec<State> = samples.iter().map(|sample| sample.state).collect();
    assert_eq!(states, [State::Suspect, State::Suspect, State::Valid, State::Valid]);
    assert_eq!((samples.text(2), samples.text(3)), (Some("SREM SMGA"), Some("5")));
}

#[test]
fn numbers_are_read_in_every_form_and_marked_ones_are_at_fault() {
    let check = |field: &str, value: f64, state: State| {
        let answer = format!("AKON 0 {field}");
        let came = first(&[("AKON K0", &answer), WELL], json!({}));
        assert!(came.value == value || (came.value.is_nan() && value.is_nan()), "{field}: {}", came.value);
        assert_eq!(came.state, state, "{field}");
    };
    check("123.4", 123.4, State::Valid);
    check("-0.5", -0.5, State::Valid);
    check("+3.26E3", 3260.0, State::Valid);
    check("7", 7.0, State::Valid);
    check("0.0", 0.0, State::Valid);
    check("#123.4", 123.4, State::Fault);
    check("#", f64::NAN, State::Fault);
    check("NaN", f64::NAN, State::Fault);
    check("Inf", f64::INFINITY, State::Fault);
    check("12,5", f64::NAN, State::Fault);
    check("", f64::NAN, State::Fault);
}

#[test]
fn a_number_that_the_instrument_cannot_show_is_kept_and_at_fault() {
    let points = json!([{"id": "co", "range": [0.0, 500.0]}]);
    let check = |field: &str, state: State| {
        let answer = format!("AKON 0 {field}");
        let reads = json!([{"code": "AKON", "points": points}]);
        let came = first(&[("AKON K0", &answer), WELL], json!({"reads": reads}));
        assert_eq!((came.value, came.state), (field.parse().unwrap(), state));
    };
    check("0", State::Valid);
    check("500", State::Valid);
    check("500.1", State::Fault);
    check("-0.1", State::Fault);
}

#[test]
fn what_is_doubted_is_told_with_the_point() {
    let check = |field: &str, expected: &[&str]| {
        let reads = json!([{"code": "AKON", "points": [{"id": "co", "range": [0.0, 500.0]}]}]);
        let mut driver =
            open(&instrument(&[("AKON K0", &format!("AKON 0 {field}")), WELL]), json!({"reads": reads})).unwrap();
        driver.poll(Timestamp(0)).unwrap();
        assert_eq!(driver.troubles, expected, "{field}");
    };
    check("20", &[]);
    check("#20", &[]);
    check("#", &[]);
    check("700", &["co: 700 is outside of what the instrument can show"]);
    check("12,5", &["co: \"12,5\" is no number"]);
    check("", &["co: the answer has 0 fields, number 1 is wanted"]);
}

#[test]
fn fields_texts_and_diagnostics_are_taken_as_the_settings_say() {
    let reads = json!([
        {"code": "AKON", "points": [
            {"id": "third", "field": 3},
            {"id": "second"},
            {"id": "cell_temp", "field": 1, "diagnostic": true},
        ]},
        {"code": "AKEN", "points": [{"id": "tag", "type": "text", "diagnostic": true}]},
    ]);
    let answers =
        [("AKON K0", "AKON 0 1.5 2.5\r\n3.5"), ("AKEN K0", "AKEN 0 CO north stack"), ("ASTZ K0", "ASTZ 0 SREM SNGA")];
    let samples = read(&answers, json!({"reads": reads})).unwrap();
    let came: Vec<(f64, State)> = samples.iter().take(3).map(|sample| (sample.value, sample.state)).collect();
    assert_eq!(came, [(3.5, State::Calibration), (2.5, State::Calibration), (1.5, State::Valid)]);
    assert_eq!(samples.text(3), Some("CO north stack"));
}

#[test]
fn a_refused_command_costs_only_its_own_points() {
    let reads = json!([
        {"code": "AKON", "points": [{"id": "co"}]},
        {"code": "ATEM", "points": [{"id": "temp"}]},
    ]);
    let check = |reply: &str, expected: State| {
        let samples = read(&[("AKON K0", "AKON 0 1.5"), ("ATEM K0", reply), WELL], json!({"reads": reads})).unwrap();
        let states: Vec<State> = samples.iter().take(2).map(|sample| sample.state).collect();
        assert_eq!(states, [State::Valid, expected], "{reply}");
        assert!(samples.iter().nth(1).unwrap().value.is_nan());
    };
    check("ATEM 0 BS", State::Missing);
    check("ATEM 0 K0 OF", State::Fault);
    check("ATEM 0 NA", State::Fault);
    check("ATEM 0 SE", State::Fault);
    check("ATEM 0 DF", State::Fault);
    check("????", State::Fault);
    check("ATEM", State::Fault);
}

#[test]
fn a_poll_of_which_nothing_came_says_why() {
    let check = |reply: &str, expected: Failure| {
        assert_eq!(read(&[("AKON K0", reply)], json!({})), Err(expected), "{reply}");
    };
    check("AKON 0 BS", Failure::busy("AKON K0: BS: busy, a function is running"));
    check("AKON 0 NA", Failure::device("AKON K0: NA: channel or device not available"));
    let text = "AKON K0: no error digit; the reply was 02 20 41 4B 4F 4E 03";
    check("AKON", Failure::device(text));
    let text = "AKON K0: AKON was asked, \"AKAL\" is answered; the reply was 02 20 41 4B 41 4C 20 30 20 31 03";
    check("AKAL 0 1", Failure::device(text));
    assert_eq!(read(&[], json!({})), Err(Failure::communication("AKON K0: timeout")));
}

#[test]
fn an_answer_to_another_question_ends_the_poll_at_once() {
    let reads = json!([
        {"code": "AKON", "points": [{"id": "co"}]},
        {"code": "ATEM", "points": [{"id": "temp"}]},
        {"code": "ADRU", "points": [{"id": "press"}]},
    ]);
    let line = instrument(&[("AKON K0", "AKON 0 1.5"), ("ATEM K0", "AKON 0 1.5"), ("ADRU K0", "ATEM 0 20")]);
    let failure = open(&line, json!({"reads": reads})).unwrap().poll(Timestamp(0)).unwrap_err();
    assert!(failure.to_string().starts_with("ATEM K0: ATEM was asked, \"AKON\" is answered"), "{failure}");
    assert_eq!(line.sent().len(), 2);
}

#[test]
fn a_silent_channel_is_asked_once_and_costs_only_itself() {
    let reads = json!([
        {"code": "AKON", "channel": 2, "points": [{"id": "no"}]},
        {"code": "ATEM", "channel": 2, "points": [{"id": "temp"}]},
        {"code": "AKON", "channel": 1, "points": [{"id": "co"}]},
    ]);
    let line = instrument(&[("AKON K1", "AKON 0 1.5"), ("ASTZ K1", "ASTZ 0 SREM SMGA")]);
    let samples = open(&line, json!({"reads": reads})).unwrap().poll(Timestamp(0)).unwrap();
    let states: Vec<State> = samples.iter().take(3).map(|sample| sample.state).collect();
    assert_eq!(states, [State::CommError, State::CommError, State::Valid]);
    assert_eq!(line.sent().len(), 3);
}

#[test]
fn a_lost_connection_ends_the_poll_at_once() {
    let line = instrument(&[]);
    let reads = json!([
        {"code": "AKON", "channel": 1, "points": [{"id": "co"}]},
        {"code": "AKON", "channel": 2, "points": [{"id": "no"}]},
    ]);
    let mut driver = open(&line, json!({"reads": reads})).unwrap();
    line.disconnect();
    assert_eq!(driver.poll(Timestamp(0)), Err(Failure::communication("AKON K1: no connection: unplugged")));
    assert_eq!(line.sent().len(), 1);
}

#[test]
fn an_instrument_that_restarts_is_read_again() {
    let line = instrument(&[("AKON K0", "AKON 0 1.5"), WELL]);
    let mut driver = open(&line, json!({})).unwrap();
    let before = driver.poll(Timestamp(0)).unwrap();
    line.answers(|_| Err(Error::Timeout));
    assert_eq!(driver.poll(Timestamp(0)).unwrap_err().code(), Failure::communication("").code());
    line.answers(|request| {
        let is_value = request.starts_with(b"\x02 AKON");
        Ok(vec![bytes(if is_value { "<STX> AKON 0 1.5<ETX>" } else { "<STX> ASTZ 0 SREM SMGA<ETX>" })])
    });
    assert_eq!(driver.poll(Timestamp(0)).unwrap().iter().next(), before.iter().next());
}

#[test]
fn the_status_word_has_the_digit_and_three_error_numbers() {
    let answers = [("AKON K0", "AKON 3 1.5"), WELL, ("ASTF K0", "ASTF 4 1 E7 65535 9")];
    assert_eq!(first(&answers, json!({})).status, Some(0x00FF_FFFF_FF00_0104));
}

#[test]
fn commands_are_sent_and_refusals_are_told_in_the_instruments_words() {
    let check = |name: &str, code: &str| {
        let line = instrument(&[(&format!("{code} K0"), &format!("{code} 0"))]);
        open(&line, json!({})).unwrap().command(name, "").unwrap();
        assert_eq!(line.sent(), [bytes(&format!("<STX> {code} K0<ETX>"))]);
    };
    check("remote", "SREM");
    check("manual", "SMAN");
    check("measure", "SMGA");
    check("zero-start", "SNGA");
    check("standby", "STBY");
    check("integrate-start", "SINT");
    check("integrate-stop", "SINA");
    check("reset", "SRES");
    let refused = |reply: &str| {
        let line = instrument(&[("SNGA K0 2", reply)]);
        open(&line, json!({})).unwrap().command("zero-start", r#"{"data": "2"}"#).unwrap_err()
    };
    let text = "SNGA K0 2: OF: offline, the instrument is in manual mode";
    assert_eq!(refused("SNGA 0 K0 OF"), Failure::device(text));
    assert_eq!(refused("SNGA 0 BS"), Failure::busy("SNGA K0 2: BS: busy, a function is running"));
    assert_eq!(refused("SNGA 0 NA"), Failure::device("SNGA K0 2: NA: channel or device not available"));
    assert_eq!(refused("SNGA 0 SE"), Failure::device("SNGA K0 2: SE: syntax error"));
    assert_eq!(refused("SNGA 0 DF"), Failure::device("SNGA K0 2: DF: data error"));
    let text = "SNGA K0 2: ????: the instrument does not know the code";
    assert_eq!(refused("????"), Failure::unsupported(text));
}

#[test]
fn wrong_commands_send_nothing() {
    let reads = json!([
        {"code": "AKON", "channel": 1, "points": [{"id": "co"}]},
        {"code": "AKON", "channel": 2, "points": [{"id": "no"}]},
    ]);
    let line = instrument(&[]);
    let mut driver = open(&line, json!({"reads": reads})).unwrap();
    let mut check = |name: &str, arguments: &str, expected: &str| {
        assert_eq!(driver.command(name, arguments), Err(Failure::unsupported(expected)));
    };
    check("purge", "", "there is no command \"purge\"");
    check("measure", "", "arguments.channel: needed, the settings read several channels");
    check("measure", r#"{"channel": 3}"#, "arguments.channel: the settings read no channel 3");
    check("measure", r#"{"channel": 1, "data": "\u0003"}"#, "arguments.data: at most 60 printable characters");
    assert_eq!(line.sent(), Vec::<Vec<u8>>::new());
}

#[test]
fn wrong_settings_are_named_by_member() {
    let check = |changes: Value, expected: &str| {
        assert_eq!(open(&instrument(&[]), changes).unwrap_err().to_string(), expected);
    };
    let read = |changes: Value| {
        let mut read = json!({"code": "AKON", "points": [{"id": "co"}]});
        for (name, value) in changes.as_object().unwrap() {
            read[name] = value.clone();
        }
        json!({"reads": [read]})
    };
    let point = |point: Value| read(json!({"points": [{"id": "a"}, point]}));
    check(json!({"filler": ""}), "settings.filler: must be one printable character");
    check(json!({"filler": "\u{2}"}), "settings.filler: must be one printable character");
    check(json!({"other_errors": "valid"}), "settings.other_errors: an unknown error cannot be `valid`");
    check(json!({"functions": {"STBY": "valid"}}), "settings.functions.STBY: is the setting `standby`");
    let text = "settings.standby: needed: whether the instrument measures in standby differs from maker to maker";
    check(json!({"standby": null}), text);
    check(json!({"reads": []}), "settings.reads: at least one");
    let text = "settings.reads[0].code: must be four capitals, the first an A: others do not read";
    check(read(json!({"code": "SRES"})), text);
    check(read(json!({"code": "akon"})), text);
    check(read(json!({"code": "AKONS"})), text);
    check(read(json!({"channel": 1000})), "settings.reads[0].channel: must be 0 to 999");
    check(read(json!({"data": "1\u{3}"})), "settings.reads[0].data: at most 60 printable characters");
    check(read(json!({"points": []})), "settings.reads[0].points: at least one");
    let text = "settings.reads[0].points[1].id: \"CO\" is no id: lower case letters, digits and _, starting with a letter, at most 64";
    check(point(json!({"id": "CO"})), text);
    check(point(json!({"id": "a"})), "settings.reads[0].points[1].id: \"a\" is taken");
    let text = "settings.reads[0].points[1].id: status_kN and errors_kN are the plugin's own";
    check(point(json!({"id": "status_k0"})), text);
    check(point(json!({"id": "b", "field": 0})), "settings.reads[0].points[1].field: counts from 1");
    let text = "settings.reads[0].points[1].range: must be two numbers, the lower first";
    check(point(json!({"id": "b", "range": [1.0, 1.0]})), text);
    let text = "settings.reads[0].points[1]: a text has neither unit nor range";
    check(point(json!({"id": "b", "type": "text", "unit": "V"})), text);
}

#[test]
fn settings_that_do_not_exist_are_refused() {
    let refused = |changes: Value| serde_json::from_value::<Settings>(settings(changes)).unwrap_err().to_string();
    assert!(refused(json!({"fill": " "})).starts_with("unknown field `fill`"));
    assert!(refused(json!({"status": "some"})).starts_with("unknown variant `some`"));
    assert!(refused(json!({"standby": "ok"})).starts_with("unknown variant `ok`"));
    assert!(refused(json!({"errors": {"1": "bad"}})).starts_with("unknown variant `bad`"));
    assert!(refused(json!({"functions": {"SATK": "bad"}})).starts_with("unknown variant `bad`"));
    assert!(refused(json!({"reads": [{"points": []}]})).starts_with("missing field `code`"));
    assert!(refused(json!({"reads": [{"code": "AKON", "points": [{}]}]})).starts_with("missing field `id`"));
    let odd = json!({"reads": [{"code": "AKON", "points": [{"id": "a", "type": "bool"}]}]});
    assert!(refused(odd).starts_with("unknown variant `bool`"));
}

#[test]
fn the_frames_on_file_are_read() {
    let captured = |text: &str| -> Vec<u8> {
        let digits = text.lines().filter(|line| !line.starts_with('#')).flat_map(|line| line.split_whitespace());
        digits.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
    };
    let data = |text: &str, code: &str| telegram::reply(&captured(text), code).map(|reply| reply.data.join(" "));
    assert_eq!(data(include_str!("../frames/cai-astz-reply.hex"), "ASTZ"), Ok("SREM STBY".into()));
    assert_eq!(data(include_str!("../frames/testo-astf-reply.hex"), "ASTF"), Ok("11 13 20".into()));
    let refused = Err(Fault::Refused(Refusal::Offline));
    assert_eq!(data(include_str!("../frames/nga-offline-reply.hex"), "SNGA"), refused);
    let request = |text: &str| captured(text);
    assert_eq!(request(include_str!("../frames/cai-astz-request.hex")), telegram::request(b' ', "ASTZ K0"));
    assert_eq!(request(include_str!("../frames/teom-areg-request.hex")), telegram::request(b'4', "AREG K0 245"));
}
