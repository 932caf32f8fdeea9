//! The station, played from scripts and frame by frame.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tutin_sdk::case::{bytes, frames};
use tutin_sdk::clock::rfc3339;
use tutin_sdk::stream::fake::Line;

use super::*;

const MN: &str = "010000A8900016F000169DC0";

/// The moment of a text such as `2026-11-01T08:00:00Z`.
fn instant(text: &str) -> Timestamp {
    rfc3339(text).unwrap()
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn settings() -> Value {
    json!({"mn": MN, "pw": "123456", "st": 31, "utc_offset": "+08:00", "stale_after": 120})
}

fn open(line: &Line, settings: Value) -> Result<Hj212Station<Line>, Failure> {
    let settings = serde_json::from_value(settings).map_err(|err| Failure::settings(err.to_string()))?;
    Hj212Station::new(line.clone(), settings)
}

fn station() -> (Line, Hj212Station<Line>) {
    let line = Line::pushing();
    let mut station = open(&line, settings()).unwrap();
    station.poll(instant("2026-11-01T00:00:00Z")).unwrap();
    (line, station)
}

fn message(qn: &str, flag: u8, content: &str) -> Vec<u8> {
    frame::wrap(&format!("QN={qn};ST=31;CN=2011;PW=123456;MN={MN};Flag={flag};CP=&&{content}&&"))
}

/// So many nanoseconds after the poll that opened the station.
fn at(nanoseconds: i64) -> Timestamp {
    Timestamp(instant("2026-11-01T00:00:00Z").0 + nanoseconds)
}

fn values(samples: &Samples) -> Vec<f64> {
    samples.iter().map(|sample| sample.value).collect()
}

#[test]
fn an_answer_is_taken_whatever_of_its_fields_a_station_leaves_out_or_spells_longer() {
    let check = |fields: &str, content: &str, expected: &str| {
        let (line, mut station) = station();
        let answer = format!("QN=20261101080000001;{fields}CP=&&{content}&&");
        line.answers(move |_| Ok(vec![frame::wrap(&answer)]));
        let words = station.command("check", "{\"pollutant\": \"a21026\"}").unwrap();
        assert!(words.starts_with(expected), "{words}");
    };
    let identity = format!("PW=123456;MN={MN};");
    check(&format!("ST=91;CN=9011;{identity}Flag=4;"), "QnRtn=1", "QnRtn 1, ready");
    check(&format!("ST=91;CN=9012;{identity}Flag=4;"), "ExeRtn=100", "ExeRtn 100, no data");
    check(&format!("ST=91;CN=9012;{identity}Flag=132;"), "ExeRtn=100", "ExeRtn 100, no data");
    check(&format!("ST=91;CN=9011;MN={MN};"), "QnRtn=1", "QnRtn 1, ready");
    check(&format!("ST=91;CN=9011;{identity}"), "QnRtn=001", "QnRtn 1, ready");
}

#[test]
fn what_the_host_would_not_hand_on_is_counted_all_the_same() {
    let (line, mut station) = station();
    line.push(*b"##00\xFF\xFE12\r\n", at(1));
    assert_eq!(values(&station.poll(at(2)).unwrap()), [1.0]);
    line.push(*b"##0000\r\n", at(3));
    assert_eq!(values(&station.poll(at(4)).unwrap()), [2.0]);

    let failure = station.poll(instant("2026-11-01T00:02:00Z")).unwrap_err();

    assert!(failure.to_string().ends_with("the last message that could not be used: too short"), "{failure}");
}

#[test]
fn frames_of_the_standard_and_of_others_are_read() {
    let check = |file: &str, count: usize| {
        let frames = frames(&folder("frames").join(file)).unwrap();
        assert_eq!(frames.len(), count, "{file}");
        for frame in frames {
            let body = frame::unwrap(&frame).unwrap_or_else(|why| panic!("{file}: {why}"));
            packet::Packet::read(body).unwrap_or_else(|why| panic!("{file}: {why}"));
        }
    };
    check("standard.hex", 1);
    check("repositories.hex", 5);
    check("constructed.hex", 7);
}

#[test]
fn a_wrong_check_sum_is_named() {
    let mut wrong: Vec<String> = frames(&folder("frames/wrong-sum.hex"))
        .unwrap()
        .iter()
        .map(|frame| frame::unwrap(frame).unwrap_err())
        .collect();
    wrong.sort();

    assert_eq!(wrong, ["check sum 2800 instead of D801", "check sum 4980 instead of 3C00"]);
}

#[test]
fn the_check_sum_is_that_of_the_vectors() {
    let vectors = std::fs::read_to_string(folder("tests/vectors/hj212.json")).unwrap();
    let vectors: Value = serde_json::from_str(&vectors).unwrap();

    let simple = vectors["crc_simple"].as_array().unwrap();
    for vector in simple.iter().chain([&vectors["standard_example"]]) {
        let body = vector.get("ascii").or(vector.get("body")).unwrap().as_str().unwrap();
        let wrapped = String::from_utf8(frame::wrap(body)).unwrap();
        assert_eq!(wrapped, format!("##{:04}{body}{}\r\n", body.len(), vector["crc"].as_str().unwrap()));
    }
    assert_eq!(simple.len(), 4);
}

#[test]
fn the_host_cuts_frames_by_their_length() {
    let (line, _) = station();

    let (framing, unasked) = line.framing().unwrap();

    assert_eq!((framing.starts, framing.ends), (vec![b"##".to_vec()], vec![]));
    let length = framing.length.unwrap();
    assert_eq!((length.offset, length.width, length.extra), (2, 4, 12));
    assert_eq!((framing.longest, unasked), (10_011, Unasked::Wakes));
}

#[test]
fn opening_sends_nothing_and_knows_what_is_expected() {
    let line = Line::pushing();
    let mut settings = settings();
    settings["expected"] = json!(["a21026-Rtd", "a21026-Cou"]);
    settings["units"] = json!({"A21026": "mg/m3", "a21026-Cou": "kg"});

    let station = open(&line, settings).unwrap();

    assert_eq!((line.sent().len(), line.acknowledged().len()), (0, 0));
    let point = &station.points()[2];
    assert_eq!((point.id.as_str(), point.unit.as_str()), ("a21026_rtd", "mg/m3"));
    assert_eq!(point.label, "SO2 (a21026), Rtd");
    assert_eq!(station.points()[3].unit, "kg");
}

#[test]
fn an_unknown_code_becomes_a_point_of_its_own() {
    let (line, mut station) = station();
    line.push(message("20261101080000001", 4, "DataTime=20261101080000;x99-Rtd=1,x99-Flag=N"), at(0));

    let samples = station.poll(instant("2026-11-01T00:00:01Z")).unwrap();

    assert_eq!((samples.len(), values(&samples)), (1, vec![1.0]));
    let mut changed = Samples::default();
    changed.points_changed();
    assert!(format!("{samples:?}").contains("points_changed: true"));
    let point = station.points().pop().unwrap();
    assert_eq!((point.id.as_str(), point.unit.as_str()), ("x99_rtd", ""));
    line.push(message("20261101080001001", 4, "DataTime=20261101080001;x99-Rtd=2,x99-Flag=N"), at(1));
    let samples = station.poll(instant("2026-11-01T00:00:02Z")).unwrap();
    assert!(format!("{samples:?}").contains("points_changed: false"));
}

#[test]
fn a_message_that_the_host_hands_out_again_counts_again() {
    let (line, mut station) = station();
    let message = message("20261101080000001", 5, "DataTime=20261101080000;a21026-Rtd=1,a21026-Flag=N");
    let check = |station: &mut Hj212Station<Line>, arrival: i64, expected: usize| {
        line.push(message.clone(), at(arrival));
        let samples = station.poll(instant("2026-11-01T00:00:01Z")).unwrap();
        assert_eq!((samples.len(), line.acknowledged().len()), (expected, 1));
    };
    check(&mut station, 7, 1);
    check(&mut station, 7, 1);
    check(&mut station, 8, 0);

    line.drop_frames(1);
    check(&mut station, 9, 1);
}

#[test]
fn the_next_instance_knows_points_and_messages() {
    let (line, mut station) = station();
    let first = message("20261101080000001", 5, "DataTime=20261101080000;a21026-Rtd=1,a21026-Flag=N");
    line.push(first.clone(), at(7));
    station.poll(instant("2026-11-01T00:00:01Z")).unwrap();
    line.acknowledged();

    let mut next = open(&line, settings()).unwrap();
    next.restore(&station.snapshot()).unwrap();

    assert_eq!(next.points(), station.points());
    line.push(first, at(8));
    let samples = next.poll(instant("2026-11-01T00:00:02Z")).unwrap();
    assert_eq!((samples.len(), line.acknowledged().len()), (1, 1), "only the count of refused messages");
    line.push(
        message("20261101080300001", 4, "DataTime=20261101080300;a19001-Rtd=1,a19001-Flag=N"),
        instant("2026-11-01T00:02:02Z"),
    );
    let samples = next.poll(instant("2026-11-01T00:02:03Z")).unwrap();
    assert_eq!(samples.iter().map(|sample| sample.state).collect::<Vec<_>>(), [State::Valid, State::Missing]);
    assert!(next.restore(b"{").unwrap_err().to_string().starts_with("snapshot: "));
}

#[test]
fn a_page_of_history_goes_on_in_the_next_instance() {
    let (line, mut station) = station();
    let (begin, end) = (instant("2026-10-31T16:00:00Z"), instant("2026-10-31T17:00:00Z"));
    let answer = |cn: u16, content: &str, st: u8, qn: &str| {
        frame::wrap(&format!("QN={qn};ST={st};CN={cn};PW=123456;MN={MN};Flag=5;CP=&&{content}&&"))
    };
    let data = answer(2051, "DataTime=20261101000000;a21026-Avg=1,a21026-Flag=N", 31, "20261101080100001");
    let ready = answer(9011, "QnRtn=1", 91, "20261101080000001");
    line.answers(move |_| Ok(vec![ready.clone(), data.clone()]));
    let page = station.backfill(begin, end, "").unwrap();
    assert_eq!(values(&page.samples), [1.0]);
    line.sent();

    let mut next = open(&line, settings()).unwrap();
    let done = answer(9012, "ExeRtn=1", 91, "20261101080000001");
    line.answers(move |_| Ok(vec![done.clone()]));
    let page = next.backfill(begin, end, &page.next).unwrap();

    assert_eq!(page.samples.len(), 0);
    let acknowledgement = String::from_utf8(line.sent().remove(0)).unwrap();
    assert!(acknowledgement.contains("QN=20261101080100001;ST=91;CN=9014;"), "{acknowledgement}");
    assert!(next.backfill(begin, end, "nonsense").unwrap_err().to_string().starts_with("place in the history: "));
}

#[test]
fn equipment_and_vendor_flags_are_kept_as_they_came() {
    let (line, mut station) = station();
    line.push(
        frame::wrap(&format!(
            "QN=1;ST=31;CN=2021;PW=123456;MN={MN};Flag=4;CP=&&DataTime=20261101080000;SB1-RS=1,SB1-Flag=N,SB1-EFlag=A01B&&"
        )),
        at(0),
    );

    let samples = station.poll(instant("2026-11-01T00:00:01Z")).unwrap();

    assert_eq!(samples.iter().next().unwrap().value, 1.0);
    assert_eq!(samples.text(1), Some("A01B"));
    let ids: Vec<String> = station.points().into_iter().skip(2).map(|point| point.id).collect();
    assert_eq!(ids, ["sb1_rs", "sb1_eflag"]);
}

#[test]
fn the_password_is_shown_to_nobody() {
    let (_, station) = station();

    assert!(!format!("{station:?}").contains("123456"));
    assert!(!hex(&message("20261101080000001", 5, ""), frame::SHOWN).contains("31 32 33 34 35 36"));
}

#[test]
fn averages_that_are_not_wanted_are_acknowledged() {
    let line = Line::pushing();
    let mut settings = settings();
    settings["averages"] = json!(["day"]);
    let mut station = open(&line, settings).unwrap();
    line.push(
        bytes(&format!("{}", String::from_utf8_lossy(&frames(&folder("frames/constructed.hex")).unwrap()[1]))),
        at(0),
    );

    let samples = station.poll(instant("2026-11-01T00:10:01Z")).unwrap();

    assert_eq!((samples.len(), line.acknowledged().len()), (1, 1), "only the count of refused messages");
}

#[test]
fn a_wrong_setting_is_named() {
    let check = |member: &str, value: Value, expected: &str| {
        let mut settings = settings();
        settings[member] = value;
        let failure = open(&Line::pushing(), settings).unwrap_err().to_string();
        assert!(failure.contains(expected), "{member}: {failure}");
    };
    check("mn", json!(""), "settings.mn: must be 1 to 24 letters and digits");
    check("mn", json!("0;CN=1"), "settings.mn: must be 1 to 24 letters and digits");
    check("pw", json!("p;w"), "settings.pw: must be 1 to 16 letters and digits");
    check("st", json!(9), "settings.st: must be 10 to 99");
    check("utc_offset", json!("8"), "\"8\" is no offset such as \"+05:00\"");
    check("stale_after", json!(0), "settings.stale_after: must be 1 to 86400");
    check("edition", json!("2018"), "unknown variant `2018`");
    check("expected", json!(["a21026"]), "settings.expected[0]: \"a21026\" is not like \"a21026-Rtd\"");
    check("averages", json!(["week"]), "unknown variant `week`");
    check("flag_states", json!({"NN": "valid"}), "settings.flag_states.NN: a data flag is one character");
    check("without_flag", json!("good"), "unknown variant `good`");
    check("max_clock_difference", json!(0), "settings.max_clock_difference: must be 1 to 86400");
    check("max_age_days", json!(3661), "settings.max_age_days: must be 1 to 3660");
    check("answer_timeout", json!(121), "settings.answer_timeout: must be 1 to 120");
    check("page_silence", json!(0), "settings.page_silence: must be 1 to 60");
    check("adress", json!(1), "unknown field `adress`");
    for member in ["mn", "pw", "st", "utc_offset", "stale_after"] {
        let mut settings = settings();
        settings.as_object_mut().unwrap().remove(member);
        let failure = open(&Line::pushing(), settings).unwrap_err().to_string();
        assert_eq!(failure, format!("missing field `{member}`"));
    }
}

#[test]
fn every_command_is_described() {
    let description = Hj212Station::<Line>::description();

    assert_eq!(description.commands().collect::<Vec<_>>(), ["set-clock", "check", "sample-now", "purge"]);
}
