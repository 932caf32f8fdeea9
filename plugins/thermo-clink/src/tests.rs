//! Analyzers, played from scripts and answered by a logger in memory.

mod records;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tutin_sdk::Qualifier;
use tutin_sdk::case::frames;
use tutin_sdk::clock::rfc3339;
use tutin_sdk::stream::fake::Line;

use super::*;

/// The moment of a text such as `2026-11-01T08:00:00Z`.
fn instant(text: &str) -> Timestamp {
    rfc3339(text).unwrap()
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn settings() -> Value {
    json!({"model": "49i", "id": 49, "utc_offset": "+05:00", "diagnostics": ["pres"], "gas_mode": false})
}

fn open(line: &Line, settings: Value) -> Result<ThermoClink<Line>, Failure> {
    let settings = serde_json::from_value(settings).map_err(|err| Failure::settings(err.to_string()))?;
    ThermoClink::new(line.clone(), settings)
}

#[test]
fn every_form_of_reply_is_read() {
    let check = |file: &str, sum: Sum| {
        let frames = frames(&folder("frames").join(file)).unwrap();
        assert_eq!(frames.len(), 3);
        for frame in frames {
            let Answer::Text(text) = reply::read(&frame, "o3", sum).unwrap() else { panic!("{frame:02x?}") };
            assert_eq!(reply::number(&text), Some((123.0, "ppb")));
        }
    };
    check("replies.hex", Sum::None);
    check("replies-with-sum.hex", Sum::Checked);
}

#[test]
fn each_flag_of_a_49i_has_its_effect() {
    let flags = Flags::new(&serde_json::from_value(settings()).unwrap()).unwrap();
    let check = |word: u32, state: State, words: &str| {
        assert_eq!((flags.verdict(word).state, flags.words(word).as_str()), (state, words), "{word:08x}");
    };
    check(0, State::Valid, "");
    check(0x0000_0001, State::Suspect, "sample temp low");
    check(0x0000_0002, State::Suspect, "sample temp high");
    check(0x0000_0004, State::Suspect, "lamp temp low");
    check(0x0000_0008, State::Suspect, "lamp temp high");
    check(0x0000_0010, State::Valid, "ozonator temp low");
    check(0x0000_0020, State::Valid, "ozonator temp high");
    check(0x0000_0040, State::Suspect, "pressure low");
    check(0x0000_0080, State::Suspect, "pressure high");
    check(0x0000_0100, State::Suspect, "flow a low");
    check(0x0000_0200, State::Suspect, "flow a high");
    check(0x0000_0400, State::Suspect, "flow b low");
    check(0x0000_0800, State::Suspect, "flow b high");
    check(0x0000_1000, State::Fault, "intensity a low");
    check(0x0000_2000, State::Fault, "intensity a high");
    check(0x0000_4000, State::Fault, "intensity b low");
    check(0x0000_8000, State::Fault, "intensity b high");
    check(0x0010_0000, State::Valid, "ozonator on");
    check(0x0400_0000, State::Valid, "pressure compensation");
    check(0x0800_0000, State::Valid, "temperature compensation");
    check(0x2000_0000, State::Maintenance, "service mode");
    check(0x4000_0000, State::Valid, "o3 low alarm");
    check(0x8000_0000, State::Valid, "o3 high alarm");
    check(0x0001_0000, State::Suspect, "0x00010000");
    check(0x2000_1000, State::Fault, "intensity a low, service mode");
    assert!(flags.verdict(0x8000_0000).remarks.contains(Qualifier::AboveLimit));
    assert!(!flags.verdict(0x4000_0000).remarks.contains(Qualifier::AboveLimit));
}

#[test]
fn a_gas_mode_says_whether_the_sample_is_measured() {
    let check = |mode: &str, state: State| assert_eq!(status::of_gas_mode(mode), state, "{mode}");
    check("sample", State::Valid);
    check("Sample", State::Valid);
    check("zero", State::Calibration);
    check("span", State::Calibration);
    check("purge", State::Purge);
    check("something", State::Suspect);
    check("", State::Suspect);
}

#[test]
fn opening_sends_nothing() {
    let line = Line::pushing();

    let driver = open(&line, settings()).unwrap();

    assert_eq!(line.sent().len(), 0);
    assert_eq!(driver.points().iter().map(|point| point.id.as_str()).collect::<Vec<_>>(), ["o3", "pres", "flags"]);
    let (framing, unasked) = line.framing().unwrap();
    assert_eq!((framing.ends, unasked), (vec![b"\r".to_vec()], Unasked::Waits));
}

#[test]
fn a_wrong_setting_is_named() {
    let check = |member: &str, value: Value, expected: &str| {
        let mut settings = settings();
        settings[member] = value;
        let failure = open(&Line::pushing(), settings).unwrap_err().to_string();
        assert!(failure.contains(expected), "{member}: {failure}");
    };
    check("model", json!("44i"), "unknown variant `44i`");
    check("model", json!("43i"), "settings.flag_states: the sources tell the flags of 49i and 49c only");
    check("id", json!(128), "settings.id: must be 0 to 127");
    check("utc_offset", json!("5"), "\"5\" is no offset such as \"+05:00\"");
    check("sum", json!("yes"), "invalid type: string \"yes\"");
    check("diagnostics", json!(["set zero"]), "settings.diagnostics[0]: \"set zero\" is no command that reads");
    check(
        "diagnostics",
        json!(["pres", "pres"]),
        "settings.diagnostics[1]: \"pres\" is no command that reads, or there twice",
    );
    check("texts", json!(["a\rset zero"]), "settings.texts[0]");
    check("texts", json!(["pres"]), "settings.texts: \"pres\" is read anyway");
    check("texts", json!(["flags"]), "settings.texts: \"flags\" is read anyway");
    check("gas_mode", json!(1), "invalid type: integer `1`");
    check("flag_states", json!({"5": "valid"}), "settings.flag_states.5: must be one bit as in 0x20000000");
    check("flag_states", json!({"0x3": "valid"}), "settings.flag_states.0x3: must be one bit");
    check("limit_flags", json!(["x"]), "settings.limit_flags[0]: must be one bit");
    check("max_clock_difference", json!(0), "settings.max_clock_difference: must be 1 to 86400");
    check("adress", json!(1), "unknown field `adress`");
    for member in ["model", "id", "utc_offset"] {
        let mut settings = settings();
        settings.as_object_mut().unwrap().remove(member);
        let failure = open(&Line::pushing(), settings).unwrap_err().to_string();
        assert_eq!(failure, format!("missing field `{member}`"));
    }
}

#[test]
fn every_command_is_described() {
    let description = ThermoClink::<Line>::description();

    assert_eq!(description.commands().collect::<Vec<_>>(), ["remote", "zero", "span", "sample"]);
}
