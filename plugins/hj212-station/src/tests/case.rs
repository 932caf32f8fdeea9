//! Plays an instrument from a script and compares what the driver says with what the script expects.
//!
//! A case is a TOML file: `settings`, and `[[step]]`s. A step has what the instrument does (`push`: frames that come unasked; `exchange`: requests
//! with `reply` or `fault`, in order; `link`: "down" or "up"), what the host does (`poll`: a time; `command` with `arguments`;
//! `backfill` with `begin` and `end`, pages until the end), and what must come of it: `expect`, one JSON object per
//! sample with the members that matter; `failure` or `answer`; `acknowledged`: frames that leave when the samples are durable.
//! A frame is text, in which `<AA>` stands for a byte.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::Path;
use std::rc::Rc;

use serde::Deserialize;
use serde_json::{Value, json};
use tutin_sdk::stream::Error;
use tutin_sdk::stream::fake::Line;
use tutin_sdk::{Failure, History, Point, Samples, Timestamp};

/// A driver under test.
pub(crate) trait Device {
    fn points(&self) -> Vec<Point>;
    fn poll(&mut self, now: Timestamp) -> Result<Samples, Failure>;
    fn command(&mut self, name: &str, arguments: &str) -> Result<String, Failure>;
    fn backfill(&mut self, begin: Timestamp, end: Timestamp, next: &str) -> Result<History, Failure>;
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[expect(dead_code, reason = "for the reader of the file")]
    about: String,
    settings: Value,
    step: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    say: String,
    link: Option<String>,
    #[serde(default)]
    push: Vec<String>,
    #[serde(default)]
    exchange: Vec<Played>,
    poll: Option<String>,
    command: Option<String>,
    #[serde(default)]
    arguments: String,
    backfill: Option<Range>,
    expect: Option<String>,
    failure: Option<String>,
    answer: Option<String>,
    acknowledged: Option<Vec<String>>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Played {
    request: String,
    #[serde(default)]
    reply: Vec<String>,
    fault: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    begin: String,
    end: String,
}

/// Plays every case of a folder; says how many there were.
pub(crate) fn play_all<D: Device>(folder: &Path, open: impl Fn(Line, Value) -> D) -> usize {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in &files {
        play(file, &open);
    }
    files.len()
}

fn play<D: Device>(file: &Path, open: &impl Fn(Line, Value) -> D) {
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    let case: Case =
        toml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap_or_else(|err| panic!("{name}: {err}"));
    let line = Line::pushing();
    let mut device = open(line.clone(), case.settings);
    let mut now = Timestamp(0);
    for step in case.step {
        let at = format!("{name}, {}", step.say);
        let exchanges = script(&line, &at, &step.exchange);
        match step.link.as_deref() {
            Some("down") => line.disconnect(),
            Some("up") => line.connect(),
            Some(other) => panic!("{at}: link {other:?}"),
            None => {}
        }
        if let Some(poll) = &step.poll {
            now = instant(poll);
        }
        for frame in &step.push {
            line.push(bytes(frame), now);
        }
        let outcome = act(&mut device, &step, now);
        let (expected, actual) = match (&step.failure, &step.answer, outcome) {
            (Some(failure), None, Err(actual)) => (vec![failure.clone()], vec![actual.to_string()]),
            (None, Some(answer), Ok(Outcome::Answer(actual))) => (vec![answer.clone()], vec![actual]),
            (None, None, Ok(Outcome::Samples(samples))) => compared(&device.points(), &samples, step.expect.as_deref()),
            (failure, _, outcome) => panic!("{at}: {failure:?} was expected, {outcome:?} came"),
        };
        assert_eq!(actual, expected, "{at}");
        assert_eq!(exchanges.borrow().len(), 0, "{at}: not everything was asked");
        let sent = line.acknowledged();
        if let Some(expected) = &step.acknowledged {
            let text = |frame: &Vec<u8>| String::from_utf8_lossy(frame).into_owned();
            assert_eq!(sent.iter().map(text).collect::<Vec<_>>(), *expected, "{at}: acknowledged");
        }
    }
}

#[derive(Debug)]
enum Outcome {
    Samples(Vec<Samples>),
    Answer(String),
}

fn act<D: Device>(device: &mut D, step: &Step, now: Timestamp) -> Result<Outcome, Failure> {
    if let Some(command) = &step.command {
        return device.command(command, &step.arguments).map(Outcome::Answer);
    }
    let Some(Range { begin, end }) = &step.backfill else {
        return device.poll(now).map(|samples| Outcome::Samples(vec![samples]));
    };
    let (mut pages, mut next) = (Vec::new(), String::new());
    loop {
        let page = device.backfill(instant(begin), instant(end), &next)?;
        pages.push(page.samples);
        next = page.next;
        assert!(pages.len() < 100, "the history has no end");
        if next.is_empty() {
            return Ok(Outcome::Samples(pages));
        }
    }
}

fn script(line: &Line, at: &str, exchanges: &[Played]) -> Rc<RefCell<VecDeque<Played>>> {
    let queue: Rc<RefCell<VecDeque<Played>>> = Rc::new(RefCell::new(exchanges.iter().cloned().collect()));
    let (asked, at) = (Rc::clone(&queue), at.to_owned());
    line.answers(move |request| {
        let shown = String::from_utf8_lossy(request).into_owned();
        let played = asked.borrow_mut().pop_front().unwrap_or_else(|| panic!("{at}: {shown:?} was not expected"));
        assert_eq!(request, bytes(&played.request), "{at}: {shown:?} instead of {:?}", played.request);
        match played.fault.as_deref() {
            None => Ok(played.reply.iter().map(|frame| bytes(frame)).collect()),
            Some("timeout") => Err(Error::Timeout),
            Some("closed") => Err(Error::Closed("reset by the instrument".into())),
            Some(other) => Err(Error::BadResponse(other.into())),
        }
    });
    queue
}

/// Expected and actual samples as lines, the actual ones with the members that are expected.
fn compared(points: &[Point], pages: &[Samples], expect: Option<&str>) -> (Vec<String>, Vec<String>) {
    let expected: Vec<Value> = expect
        .unwrap_or_default()
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| serde_json::from_str(line).unwrap_or_else(|err| panic!("{line}: {err}")))
        .collect();
    let mut actual = Vec::new();
    for samples in pages {
        for (row, sample) in samples.iter().enumerate() {
            let point = &points[usize::from(sample.point)];
            actual.push(json!({
                "point": point.id,
                "unit": point.unit,
                "value": sample.value,
                "text": samples.text(row),
                "state": sample.state,
                "status": sample.status,
                "qualifiers": sample.qualifiers.0,
                "time": sample.time.map(written),
            }));
        }
    }
    let only_expected = |(row, mut actual): (usize, Value)| {
        if let Some(expected) = expected.get(row).and_then(Value::as_object) {
            actual.as_object_mut().unwrap().retain(|name, _| expected.contains_key(name));
            let ordered: serde_json::Map<String, Value> =
                expected.keys().map(|name| (name.clone(), actual.get(name).cloned().unwrap_or_default())).collect();
            return Value::Object(ordered).to_string();
        }
        actual.to_string()
    };
    let actual = actual.into_iter().enumerate().map(only_expected).collect();
    (expected.iter().map(Value::to_string).collect(), actual)
}

/// The bytes of a text in which `<AA>` stands for one.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let hex = rest.get(1..3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let (Some(byte), '<', Some(">")) = (hex, first, rest.get(3..4)) {
            bytes.push(byte);
            rest = &rest[4..];
        } else {
            bytes.extend(first.to_string().bytes());
            rest = &rest[first.len_utf8()..];
        }
    }
    bytes
}

/// The frames of a file: one per line in hexadecimal, `#` in front of remarks.
pub(crate) fn frames(file: &Path) -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string(file).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.map(|line| line.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()).collect()
}

/// The moment of a text such as `2026-11-01T08:00:00Z`.
pub(crate) fn instant(text: &str) -> Timestamp {
    let part = |range: std::ops::Range<usize>| text[range].parse::<i64>().unwrap();
    let (year, month, day) = (part(0..4), part(5..7), part(8..10));
    let days = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum::<i64>()
        + (1..month).map(|month| days_in(year, month)).sum::<i64>()
        + day
        - 1;
    Timestamp((days * 86_400 + part(11..13) * 3600 + part(14..16) * 60 + part(17..19)) * 1_000_000_000)
}

fn written(at: Timestamp) -> String {
    let seconds = at.0 / 1_000_000_000;
    let (mut days, mut year, mut month) = (seconds / 86_400, 1970, 1);
    while days >= if is_leap(year) { 366 } else { 365 } {
        days -= if is_leap(year) { 366 } else { 365 };
        year += 1;
    }
    while days >= days_in(year, month) {
        days -= days_in(year, month);
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", days + 1)
}

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
