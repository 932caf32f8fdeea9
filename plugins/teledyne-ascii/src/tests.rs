//! Analyzers, played from scripts and answered by a logger in memory.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tutin_sdk::case::frames;
use tutin_sdk::clock::rfc3339;
use tutin_sdk::stream::fake;

use super::*;

/// The moment of a text such as `2026-11-01T08:00:00Z`.
fn instant(text: &str) -> Timestamp {
    rfc3339(text).unwrap()
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn settings() -> Value {
    json!({
        "concentrations": ["NOX"], "utc_offset": "+00:00", "warnings": "pushed", "warning_hold": 60,
        "calibration_start": "START", "calibration_end": "FINISH",
        "channels": {"CONC": ["NXCNC1 AVG", "NOCNC1 AVG", "N2CNC1 AVG", "STABIL AVG", "SMPFLW AVG", "BOXTMP AVG"]}
    })
}

fn open(line: &fake::Line, settings: Value) -> Result<TeledyneAscii<fake::Line>, Failure> {
    let settings = serde_json::from_value(settings).map_err(|err| Failure::settings(err.to_string()))?;
    TeledyneAscii::new(line.clone(), settings)
}

/// An instrument at 2026-01-02T00:00 with hourly records of six values, the newest first, counted down from `newest`.
fn logging(records: i64) -> (fake::Line, TeledyneAscii<fake::Line>) {
    let line = fake::Line::new(move |request| {
        let request = String::from_utf8(request.to_vec()).unwrap();
        if request == "T LIST\r" {
            return Ok(vec![b"T 2:00:00 0412 NOX=1.0 PPB\r\n".to_vec()]);
        }
        let count = request.strip_prefix("D REPORT \"CONC\" RECORDS=").and_then(|rest| rest.strip_suffix(" COMPACT\r"));
        let count: i64 = count.unwrap_or_else(|| panic!("{request:?}")).parse().unwrap();
        let record = |ago: i64| {
            // Hours since the first of January 2025, which has 365 days.
            let hour = 366 * 24 - ago;
            let stamp = format!("{}:{:02}:00", hour / 24 % 365 + 1, hour % 24);
            [
                format!("D {stamp} 0412 CONC: 1 {ago}.0 2 3 4 5\r\n").into_bytes(),
                format!("D {stamp} 0412 CONC: 2 6\r\n").into_bytes(),
            ]
        };
        Ok((0..records.min(count)).flat_map(record).collect())
    });
    let mut driver = open(&line, settings()).unwrap();
    driver.poll(instant("2026-01-02T00:00:00Z")).unwrap();
    line.sent();
    (line, driver)
}

fn history(driver: &mut TeledyneAscii<fake::Line>, begin: &str, end: &str) -> Vec<Sample> {
    let (mut samples, mut next) = (Vec::new(), String::new());
    for _ in 0..50 {
        let page = driver.backfill(instant(begin), instant(end), &next).unwrap();
        samples.extend(page.samples.iter());
        next = page.next;
        if next.is_empty() {
            return samples;
        }
    }
    panic!("the history has no end");
}

/// Values of the first point, which count the hours before 2026-01-02.
fn hours(driver: &TeledyneAscii<fake::Line>, samples: &[Sample]) -> Vec<i64> {
    let point = driver.points().iter().position(|point| point.id == "conc_nxcnc1_avg").unwrap();
    let of = samples.iter().filter(|sample| usize::from(sample.point) == point);
    let start = instant("2026-01-02T00:00:00Z").0;
    of.map(|sample| {
        let hours = (start - sample.time.unwrap().0) / 3_600_000_000_000;
        assert_eq!(sample.value, hours as f64, "the value tells its hour");
        hours
    })
    .collect()
}

#[test]
fn lines_of_the_manuals_are_read() {
    let frames = frames(&folder("frames/lines.hex")).unwrap();

    let lines: Vec<Line<'_>> = frames.iter().map(|frame| Line::read(frame).unwrap()).collect();

    let values = report::values(lines[0].message, &BTreeMap::new());
    assert_eq!((values[0].name.as_str(), values[0].value, values[0].unit), ("COCNC1 AVG", Some(6.8), Some("PPM")));
    let values = report::values(lines[1].message, &BTreeMap::new());
    assert_eq!(values.iter().map(|value| value.value).collect::<Vec<_>>(), [Some(800.0), Some(29.7)]);
    assert_eq!(line::assignment(lines[2].message), Some(("NOX", "12.3", "PPB")));
    assert!(lines.iter().all(|line| line.id == Some("0412")));
}

#[test]
fn opening_sends_nothing_and_knows_the_concentrations() {
    let line = fake::Line::pushing();

    let driver = open(&line, settings()).unwrap();

    assert_eq!(line.sent().len(), 0);
    assert_eq!(driver.points().iter().map(|point| point.id.as_str()).collect::<Vec<_>>(), ["warnings", "nox"]);
    let (framing, unasked) = line.framing().unwrap();
    assert_eq!((framing.ends, unasked), (vec![b"\r\n".to_vec()], Unasked::Wakes));
}

#[test]
fn new_test_values_change_the_list_once() {
    let line = fake::Line::new(|_| Ok(vec![b"T 2:00:00 NOX=1.0 PPB\r\n".to_vec(), b"T 2:00:00 PMT=3 MV\r\n".to_vec()]));
    let mut driver = open(&line, settings()).unwrap();

    let first = driver.poll(instant("2026-01-02T00:00:00Z")).unwrap();
    let second = driver.poll(instant("2026-01-02T00:00:10Z")).unwrap();

    assert!(format!("{first:?}").contains("points_changed: true"));
    assert!(format!("{second:?}").contains("points_changed: false"));
    let point = driver.points().pop().unwrap();
    assert_eq!((point.id.as_str(), point.unit.as_str()), ("pmt", "mV"));
    line.answers(|_| Ok(vec![b"T 2:00:00 NOX=1.0 PPM\r\n".to_vec()]));
    let third = driver.poll(instant("2026-01-02T00:00:20Z")).unwrap();
    assert!(format!("{third:?}").contains("points_changed: true"), "another unit");
}

#[test]
fn the_longest_name_of_a_warning_counts() {
    let mut settings = settings();
    settings["warning_states"] = json!({"BOX": "valid", "BOX TEMP": "fault", "SAMPLE": "maintenance"});
    let driver = open(&fake::Line::pushing(), settings).unwrap();
    let check = |warning: &str, state: State| assert_eq!(driver.settings.warning_state(warning), state, "{warning}");
    check("BOX TEMP WARN", State::Fault);
    check("BOX FAN", State::Valid);
    check("SAMPLE FLOW WARN", State::Maintenance);
    check("REAR BOARD NOT DET", State::Suspect);
}

#[test]
fn records_are_read_back_over_the_turn_of_the_year() {
    let (line, mut driver) = logging(400);

    let samples = history(&mut driver, "2025-12-31T20:00:00Z", "2026-01-01T04:00:00Z");

    assert_eq!(hours(&driver, &samples), (21..=28).rev().collect::<Vec<_>>());
    assert_eq!(samples.len(), 8 * 6);
    assert!(samples.iter().all(|sample| sample.state == State::Suspect), "records have no status");
    assert_eq!(line.sent().len(), 1, "fifty records reach far enough");
}

#[test]
fn more_records_are_asked_for_until_they_reach_back() {
    let (line, mut driver) = logging(120);

    let samples = history(&mut driver, "2025-12-20T00:00:00Z", "2026-01-02T00:00:00Z");

    assert_eq!(hours(&driver, &samples), (1..120).rev().collect::<Vec<_>>());
    assert_eq!(line.sent().len(), 3, "50, 100, 200 of which 120 are there");
}

#[test]
fn records_that_an_answer_cannot_hold_are_left_out() {
    let (line, mut driver) = logging(600);

    let samples = history(&mut driver, "2025-12-01T00:00:00Z", "2026-01-03T00:00:00Z");

    assert_eq!(hours(&driver, &samples), (0..500).rev().collect::<Vec<_>>());
    assert_eq!(line.sent().len(), 5, "50, 100, 200, 400, 800");
}

#[test]
fn a_history_goes_on_with_the_next_channel_in_the_next_instance() {
    let (line, mut driver) = logging(3);
    let mut two = settings();
    two["channels"]["A"] = json!([]);
    let (begin, end) = (instant("2026-01-01T00:00:00Z"), instant("2026-01-02T00:00:00Z"));
    let second = json!({"channel": 1}).to_string();

    let mut next = open(&line, two).unwrap();
    assert_eq!(next.backfill(begin, end, &second).unwrap_err().to_string(), "the instrument has not been polled yet");
    next.poll(end).unwrap();
    let page = next.backfill(begin, end, &second).unwrap();

    assert_eq!((page.samples.len(), page.next.as_str()), (2 * 6, ""));
    let page = driver.backfill(begin, end, "").unwrap();
    assert_eq!((page.samples.len(), page.next.as_str()), (2 * 6, ""));
    assert!(next.backfill(begin, end, "{").unwrap_err().to_string().starts_with("place in the records: "));
}

#[test]
fn records_in_another_order_are_refused() {
    let line = fake::Line::new(|request| {
        if request == b"T LIST\r" {
            return Ok(vec![b"T 2:00:00 0412 NOX=1.0 PPB\r\n".to_vec()]);
        }
        Ok((0..5).map(|hour| format!("D 1:0{hour}:00 0412 CONC: 1 1\r\n").into_bytes()).collect())
    });
    let mut driver = open(&line, settings()).unwrap();
    driver.poll(instant("2026-01-02T00:00:00Z")).unwrap();

    let failure = driver.backfill(instant("2025-12-20T00:00:00Z"), instant("2026-01-02T00:00:00Z"), "").unwrap_err();

    assert_eq!(failure.to_string(), "records are not newest first: CONC: 1 1");
}

#[test]
fn records_of_a_wrong_clock_are_refused() {
    let (_, mut driver) = logging(10);
    driver.poll(instant("2026-01-02T00:20:00Z")).unwrap();

    let failure = driver.backfill(instant("2026-01-01T00:00:00Z"), instant("2026-01-02T00:00:00Z"), "").unwrap_err();

    assert_eq!(failure.to_string(), "the instrument's clock is off by 1200 s; its records are not read");
}

#[test]
fn without_channels_there_is_no_history() {
    let mut settings = settings();
    settings["channels"] = json!({});
    let mut driver = open(&fake::Line::pushing(), settings).unwrap();

    let failure = driver.backfill(Timestamp(0), Timestamp(1), "").unwrap_err();

    assert_eq!(failure.to_string(), "settings.channels names no channel of the logger");
}

#[test]
fn the_next_instance_knows_points_warnings_and_calibration() {
    let (line, mut driver) = logging(3);
    history(&mut driver, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
    let now = instant("2026-01-02T00:00:00Z");
    line.push("C 2:00:00 0412 START SPAN\r\n", now);
    line.push("W 2:00:00 0412 BOX TEMP WARN\r\n", now);
    driver.poll(now).unwrap();

    let mut next = open(&line, settings()).unwrap();
    next.restore(&driver.snapshot()).unwrap();

    assert_eq!(next.points(), driver.points());
    let samples = next.poll(now).unwrap();
    assert_eq!(samples.iter().next().unwrap().state, State::Calibration);
    assert_eq!(samples.text(1), Some("BOX TEMP WARN"));
    assert!(next.restore(b"[").unwrap_err().to_string().starts_with("snapshot: "));
}

#[test]
fn a_wrong_setting_is_named() {
    let check = |member: &str, value: Value, expected: &str| {
        let mut settings = settings();
        settings[member] = value;
        let failure = open(&fake::Line::pushing(), settings).unwrap_err().to_string();
        assert!(failure.contains(expected), "{member}: {failure}");
    };
    check("concentrations", json!([]), "settings.concentrations: must name at least one test value");
    check("concentrations", json!(["a\r"]), "settings.concentrations[0]: must be 1 to 40 printable characters");
    check("utc_offset", json!("5"), "\"5\" is no offset such as \"+05:00\"");
    check("warnings", json!("no"), "unknown variant `no`");
    check("warning_hold", json!(null), "settings.warning_hold: is required with warnings = \"pushed\"");
    check("warning_hold", json!(0), "settings.warning_hold: must be 1 to 604800");
    check("calibration_start", json!(""), "settings.calibration_start: must be 1 to 40 printable characters");
    check("calibration_end", json!(""), "settings.calibration_end: must be 1 to 40 printable characters");
    check("id", json!("04123"), "settings.id: must be 1 to 4 digits");
    check("request_end", json!("nl"), "unknown variant `nl`");
    check("warning_states", json!({"X": "bad"}), "unknown variant `bad`");
    check("units", json!(["x"]), "invalid type: sequence");
    check("channels", json!({"a\"b": []}), "settings.channels.a\"b: must be 1 to 40 printable characters");
    check("record_state", json!("good"), "unknown variant `good`");
    check("list_silence_ms", json!(99), "settings.list_silence_ms: must be 100 to 10000");
    check("max_clock_difference", json!(59), "settings.max_clock_difference: must be 60 to 86400");
    check("adress", json!(1), "unknown field `adress`");
    for member in ["concentrations", "utc_offset", "warnings", "calibration_start", "calibration_end"] {
        let mut settings = settings();
        settings.as_object_mut().unwrap().remove(member);
        let failure = open(&fake::Line::pushing(), settings).unwrap_err().to_string();
        assert_eq!(failure, format!("missing field `{member}`"));
    }
}

#[test]
fn every_command_is_described() {
    let description = TeledyneAscii::<fake::Line>::description();

    assert_eq!(description.commands().collect::<Vec<_>>(), ["zero", "span", "exit"]);
}
