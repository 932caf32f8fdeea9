//! Walks cases of drivers on a byte stream.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::case::{Deviation, Members, bytes, compare, lines, read};
use crate::clock::rfc3339;
use crate::driver::{Driver, Timestamp};
use crate::failure::Failure;
use crate::samples::Samples;
use crate::settings;
use crate::stream::Error;
use crate::stream::fake::Line;

/// Most pages of a history.
const PAGES: usize = 100;

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
    #[serde(default)]
    say: String,
    link: Option<Wire>,
    #[serde(default)]
    push: Vec<String>,
    #[serde(default)]
    exchange: Vec<Exchange>,
    poll: Option<String>,
    command: Option<String>,
    #[serde(default)]
    arguments: String,
    backfill: Option<Range>,
    #[serde(default)]
    expect: String,
    failure: Option<Failed>,
    #[serde(default)]
    answer: String,
    acknowledged: Option<Vec<String>>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Wire {
    Down,
    Up,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Exchange {
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

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failed {
    code: u16,
    text: String,
}

/// What the driver said.
#[derive(Debug)]
enum Outcome {
    Samples(Vec<Samples>),
    Answer(String),
}

/// Plays every case of a folder with a driver that `new` makes; says how many there were.
pub fn play<D: Driver>(
    folder: &Path,
    new: impl Fn(Line, D::Settings) -> Result<D, Failure>,
) -> Result<usize, Deviation> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut files: Vec<_> = entries.map_err(Deviation::new)?.iter().map(fs::DirEntry::path).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "case"));
    files.sort();
    for file in &files {
        let name = file.file_name().unwrap_or_default().display();
        play_text(&read(file)?, &new).map_err(|deviation| deviation.at(name))?;
    }
    Ok(files.len())
}

/// Plays one case.
pub(super) fn play_text<D: Driver>(
    text: &str,
    new: &impl Fn(Line, D::Settings) -> Result<D, Failure>,
) -> Result<(), Deviation> {
    let case: Case = toml::from_str(text).map_err(Deviation::new)?;
    let line = Line::pushing();
    let settings = settings::parse(&case.settings.to_string()).map_err(Deviation::new)?;
    let mut driver = new(line.clone(), settings).map_err(Deviation::new)?;
    let mut now = Timestamp(0);
    for (number, step) in (1..).zip(&case.step) {
        let place = format!("step {number}{}{}", if step.say.is_empty() { "" } else { ", " }, step.say);
        go(&mut driver, &line, step, &mut now).map_err(|deviation| deviation.at(place))?;
    }
    Ok(())
}

fn go<D: Driver>(driver: &mut D, line: &Line, step: &Step, now: &mut Timestamp) -> Result<(), Deviation> {
    match step.link {
        Some(Wire::Down) => line.disconnect(),
        Some(Wire::Up) => line.connect(),
        None => {}
    }
    if let Some(poll) = &step.poll {
        *now = moment(poll)?;
    }
    for frame in &step.push {
        line.push(bytes(frame), *now);
    }
    answer(line, &step.exchange);
    let came = act(driver, step, *now)?;
    let asked: Vec<_> = step.exchange.iter().map(|exchange| bytes(&exchange.request)).collect();
    same_frames("sent", &asked, &line.sent())?;
    match (came, &step.failure) {
        (Err(failure), Some(expected)) => {
            let failed = Failed { code: failure.code(), text: failure.to_string() };
            let is_same = failed == *expected;
            is_same.then_some(()).ok_or_else(|| Deviation(format!("{expected:?} was expected, {failed:?} came")))?;
        }
        (Ok(Outcome::Answer(answer)), None) if answer == step.answer => {}
        (Ok(Outcome::Samples(pages)), None) => {
            let points = driver.points();
            let found: Vec<Value> = pages.iter().flat_map(|samples| lines(&points, samples)).collect();
            compare(&step.expect, &found, Members::Listed)?;
        }
        (came, Some(expected)) => return Err(Deviation(format!("{expected:?} was expected, {came:?} came"))),
        (came, None) => return Err(Deviation(format!("{came:?} came"))),
    }
    let acknowledged = line.acknowledged();
    match &step.acknowledged {
        Some(frames) => {
            let frames: Vec<_> = frames.iter().map(|frame| bytes(frame)).collect();
            same_frames("acknowledged", &frames, &acknowledged)
        }
        None => Ok(()),
    }
}

/// What the driver says in this step.
fn act<D: Driver>(driver: &mut D, step: &Step, now: Timestamp) -> Result<Result<Outcome, Failure>, Deviation> {
    if let Some(command) = &step.command {
        return Ok(driver.command(command, &step.arguments).map(Outcome::Answer));
    }
    let Some(Range { begin, end }) = &step.backfill else {
        return Ok(driver.poll(now).map(|samples| Outcome::Samples(vec![samples])));
    };
    let (begin, end) = (moment(begin)?, moment(end)?);
    let (mut pages, mut next) = (Vec::new(), String::new());
    while pages.len() < PAGES {
        match driver.backfill(begin, end, &next) {
            Ok(page) => {
                pages.push(page.samples);
                next = page.next;
            }
            Err(failure) => return Ok(Err(failure)),
        }
        if next.is_empty() {
            return Ok(Ok(Outcome::Samples(pages)));
        }
    }
    Err(Deviation(format!("the history has no end after {PAGES} pages")))
}

/// The line answers as the exchanges say. What it is asked besides is found by comparing what was sent.
fn answer(line: &Line, exchanges: &[Exchange]) {
    let mut exchanges: VecDeque<Exchange> = exchanges.iter().cloned().collect();
    line.answers(move |request| {
        while exchanges.front().is_some_and(Exchange::is_only_sent) {
            exchanges.pop_front();
        }
        match exchanges.pop_front() {
            Some(exchange) if bytes(&exchange.request) == request => exchange.outcome(),
            _ => Err(Error::Other("the case has another request here".into())),
        }
    });
}

impl Exchange {
    fn is_only_sent(&self) -> bool {
        self.reply.is_empty() && self.fault.is_none()
    }

    fn outcome(&self) -> Result<Vec<Vec<u8>>, Error> {
        match self.fault.as_deref() {
            None => Ok(self.reply.iter().map(|frame| bytes(frame)).collect()),
            Some("timeout") => Err(Error::Timeout),
            Some("closed") => Err(Error::Closed("reset by the instrument".into())),
            Some(other) => Err(Error::BadResponse(other.into())),
        }
    }
}

fn same_frames(what: &str, expected: &[Vec<u8>], found: &[Vec<u8>]) -> Result<(), Deviation> {
    if expected == found {
        return Ok(());
    }
    let shown = |frames: &[Vec<u8>]| {
        frames.iter().map(|frame| format!("\n  {:?}", String::from_utf8_lossy(frame))).collect::<String>()
    };
    Err(Deviation(format!("{what}:{}\nexpected:{}", shown(found), shown(expected))))
}

fn moment(text: &str) -> Result<Timestamp, Deviation> {
    rfc3339(text).ok_or_else(|| Deviation(format!("{text:?} is no time such as \"2026-11-01T00:00:00Z\"")))
}
