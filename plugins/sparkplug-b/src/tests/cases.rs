//! Walks the files of `cases/`.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use tutin_sdk::case::{Members, compare, lines_since};

use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[expect(dead_code, reason = "for people")]
    origin: String,
    settings: serde_json::Value,
    steps: Vec<Step>,
}

/// What happens before a poll, the second of the poll, and what the poll must say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    at: f64,
    #[serde(default)]
    deliver: Vec<Delivery>,
    /// away, back
    broker: Option<String>,
    /// Topics to which requests for births go.
    #[serde(default)]
    asks: Vec<String>,
    /// The only point that is looked at.
    only: Option<String>,
    /// JSON lines.
    expect: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Delivery {
    topic: String,
    frame: String,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The bytes of a file of frames/.
pub fn frame(name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(folder().join("frames").join(name).with_extension("hex")).unwrap();
    let digits: String = text.lines().filter(|line| !line.starts_with('#')).collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn walk(file: &Path) {
    let case: Case = toml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let (mut driver, broker) = open(case.settings).unwrap();
    for step in case.steps {
        match step.broker.as_deref() {
            Some("away") => broker.disconnect(),
            Some("back") => broker.connect(),
            Some(other) => panic!("{other}"),
            None => {}
        }
        for Delivery { topic, frame } in &step.deliver {
            broker.deliver(topic, self::frame(frame), at(step.at));
        }
        let samples = driver.read(at(step.at)).unwrap();
        let mut lines = lines_since(Timestamp(BEGIN * SECOND), &driver.list(), &samples);
        lines.retain(|line| step.only.as_ref().is_none_or(|only| line["point"] == only.as_str()));
        let place = format!("{} at {}", file.display(), step.at);
        compare(&step.expect, &lines, Members::All).map_err(|deviation| deviation.at(&place)).unwrap();
        let asks: Vec<String> = broker.published().into_iter().map(|(topic, _)| topic).collect();
        assert_eq!(asks, step.asks, "{place}");
    }
}

#[test]
fn every_case_goes_as_it_is_written() {
    let mut cases = 0;
    // The folders beside them are cases of `tutin plugin test`.
    let files = std::fs::read_dir(folder().join("cases")).unwrap().map(|entry| entry.unwrap().path());
    for file in files.filter(|path| path.extension().is_some_and(|extension| extension == "case")) {
        walk(&file);
        cases += 1;
    }
    assert!(cases >= 2);
}
