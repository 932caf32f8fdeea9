//! Walks the files of `cases/`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

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

fn line(driver: &SparkplugB<Broker>, samples: &Samples, row: usize, sample: Sample) -> serde_json::Value {
    let id = driver.list()[usize::from(sample.point)].id.clone();
    let mut line = json!({"point": id, "state": sample.state});
    if let Some(text) = samples.text(row) {
        line["value"] = json!(text);
    } else if sample.state.has_value() && sample.value.is_finite() {
        line["value"] = json!(sample.value);
    }
    if let Some(status) = sample.status.filter(|status| *status != 0) {
        line["status"] = json!(status);
    }
    if sample.qualifiers.contains(Qualifier::Late) {
        line["late"] = json!(true);
    }
    line["at"] = json!((sample.time.unwrap().0 - BEGIN * SECOND) as f64 / SECOND as f64);
    line
}

/// Numbers may be written as 1 or 1.0.
fn same(a: &serde_json::Value, b: &serde_json::Value) -> bool {
    let (a, b) = (a.as_object().unwrap(), b.as_object().unwrap());
    a.len() == b.len()
        && a.iter().all(|(name, value)| match (value.as_f64(), b.get(name)) {
            (Some(number), Some(other)) => other.as_f64() == Some(number),
            (None, Some(other)) => value == other,
            (_, None) => false,
        })
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
        let lines = samples.iter().enumerate().map(|(row, sample)| line(&driver, &samples, row, sample));
        let is_looked_at =
            |line: &serde_json::Value| step.only.as_ref().is_none_or(|only| line["point"] == only.as_str());
        let found: Vec<serde_json::Value> = lines.filter(is_looked_at).collect();
        let expected = step.expect.lines().filter(|line| !line.trim().is_empty());
        let expected: Vec<serde_json::Value> =
            expected.map(|line| serde_json::from_str(line).unwrap_or_else(|err| panic!("{line}: {err}"))).collect();
        let text = |lines: &[serde_json::Value]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let is_same = found.len() == expected.len() && found.iter().zip(&expected).all(|(a, b)| same(a, b));
        assert!(is_same, "{} at {}:\n{}expected:\n{}", file.display(), step.at, text(&found), text(&expected));
        let asks: Vec<String> = broker.published().into_iter().map(|(topic, _)| topic).collect();
        assert_eq!(asks, step.asks, "{} at {}", file.display(), step.at);
    }
}

#[test]
fn every_case_goes_as_it_is_written() {
    let mut cases = 0;
    for entry in std::fs::read_dir(folder().join("cases")).unwrap() {
        walk(&entry.unwrap().path());
        cases += 1;
    }
    assert!(cases >= 2);
}
