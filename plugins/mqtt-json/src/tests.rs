//! The driver against a broker in memory, and the cases walked.

use std::path::Path as File;

use serde::Deserialize;
use serde_json::json;
use tutin_sdk::case::{Members, compare, lines_since};
use tutin_sdk::mqtt::fake::Broker;

use super::*;

/// 2026-03-01T12:00:00Z: second 0 of every case.
const BEGIN: i64 = 1_772_366_400;

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
    at: i64,
    #[serde(default)]
    deliver: Vec<Delivery>,
    /// away, back
    broker: Option<String>,
    /// JSON lines.
    expect: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Delivery {
    topic: String,
    payload: Option<String>,
    /// A file of frames/.
    frame: Option<String>,
    #[serde(default)]
    retained: bool,
}

fn seconds(seconds: i64) -> Timestamp {
    Timestamp((BEGIN + seconds) * SECOND)
}

fn open(settings: serde_json::Value) -> Result<(MqttJson<Broker>, Broker), Failure> {
    let broker = Broker::new(&["#"]);
    let settings = serde_json::from_value(settings).map_err(|err| Failure::settings(err.to_string()))?;
    Ok((MqttJson::new(broker.clone(), settings)?, broker))
}

fn walk(file: &File) {
    let folder = File::new(env!("CARGO_MANIFEST_DIR"));
    let case: Case = toml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let (mut driver, broker) = open(case.settings).unwrap();
    for step in case.steps {
        match step.broker.as_deref() {
            Some("away") => broker.disconnect(),
            Some("back") => broker.connect(),
            Some(other) => panic!("{other}"),
            None => {}
        }
        for delivery in step.deliver {
            let frame = |name: String| std::fs::read_to_string(folder.join("frames").join(name)).unwrap();
            let payload = delivery.payload.unwrap_or_else(|| payload(&frame(delivery.frame.unwrap())));
            broker.deliver_message(Message {
                topic: delivery.topic,
                payload: payload.into_bytes(),
                is_retained: delivery.retained,
                is_again: false,
                at: seconds(step.at),
            });
        }
        let samples = driver.read(seconds(step.at)).unwrap();
        let lines = lines_since(seconds(0), &driver.list(), &samples);
        let place = format!("{} at {}", file.display(), step.at);
        compare(&step.expect, &lines, Members::All).map_err(|deviation| deviation.at(place)).unwrap();
    }
}

/// The lines of a frame file that are no comment.
fn payload(frame: &str) -> String {
    frame.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_case_goes_as_it_is_written() {
    let folder = File::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut cases = 0;
    // The folders beside them are cases of `tutin plugin test`.
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    for file in files.filter(|path| path.extension().is_some_and(|extension| extension == "case")) {
        walk(&file);
        cases += 1;
    }
    assert!(cases >= 6);
}

fn own(extra: serde_json::Value) -> serde_json::Value {
    let mut settings = json!({
        "stale_after_s": 60,
        "messages": [{"topic": "plant/{device}/t", "values": [{"select": "{key}", "id": "{device}_{key}"}]}],
    });
    settings.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    settings
}

#[test]
fn wrong_settings_are_named_by_their_member() {
    let check = |extra: serde_json::Value, expected: &str| {
        let failure = open(own(extra.clone())).map(|_| ()).unwrap_err();
        assert!(failure.to_string().contains(expected), "{extra}: {failure}");
        assert_eq!(failure.code(), 3, "{failure}");
    };
    let rule = |rule: serde_json::Value| json!({"messages": [rule]});
    check(json!({"stale_after_s": 0}), "settings.stale_after_s: must be 1 to");
    check(json!({"stale_after": 1}), "unknown field `stale_after`");
    check(json!({"most_discovered": 60_001}), "settings.most_discovered: must be 0 to 60000");
    check(json!({"oldest_days": 0}), "settings.oldest_days");
    check(json!({"qos": 3}), "settings.qos: must be 0 to 2");
    check(json!({"retained_without_time": "valid"}), "settings.retained_without_time");
    check(json!({"max_clock_difference_s": -1}), "invalid value");
    check(json!({"messages": []}), "settings.messages: no rule");
    check(json!({"preset": "mosquitto"}), "unknown variant `mosquitto`");
    check(json!({"base": "homie/5"}), "settings.base: belongs to a preset");
    check(json!({"preset": "homie", "base": "homie/"}), "settings.base: must be");
    check(json!({"preset": "homie", "state_words": {"Lost": "fault"}}), "settings.state_words.Lost: the preset knows");
    check(json!({"preset": "neuron", "state_words": {"lost": "fault"}}), "settings.state_words: this preset has no");
    check(json!({"points": [{"id": "NO2"}]}), "settings.points[0].id");
    check(json!({"points": [{"id": "a"}, {"id": "a"}]}), "settings.points[1].id: \"a\" is there twice");
    check(json!({"points": [{"id": "a"}, {"id": "b", "name": "a"}]}), "settings.points[1].name");
    check(json!({"points": [{"id": "a", "kind": "date"}]}), "unknown variant `date`");
    check(json!({"units": 1}), "invalid type");
    check(json!({"device_states": [{"topic": "a/#/b", "states": {}}]}), "is no topic");
    check(rule(json!({"topic": "a", "values": []})), "settings.messages[0].values: is empty");
    check(rule(json!({"topic": "a", "time": "ts", "values": [{"id": "a"}]})), "settings.messages[0].time_format");
    check(rule(json!({"topic": "a", "time_format": "unix_s", "values": [{"id": "a"}]})), "settings.messages[0].time:");
    check(
        rule(json!({"topic": "a", "values": [{"id": "{b}"}]})),
        "settings.messages[0].values[0].id: nothing fills {b}",
    );
    check(rule(json!({"topic": "a", "values": [{"id": "a", "value": "a."}]})), "is no path");
    let error_states = json!({"topic": "a", "values": [{"id": "a", "error": "e", "error_states": {"1": "valid"}}]});
    check(rule(error_states), "settings.messages[0].values[0].error_states.1");
}

#[test]
fn the_topics_of_the_rules_are_subscribed_once_each() {
    let (_, broker) = open(own(json!({"preset": "homie", "base": "homie/5"}))).unwrap();
    assert_eq!(broker.filters(), ["homie/5/+/$state", "homie/5/+/+/+", "plant/+/t"]);
    let (_, broker) = open(own(json!({"preset": "thingsboard", "messages": []}))).unwrap();
    assert_eq!(broker.filters(), ["v1/devices/me/telemetry", "v1/gateway/telemetry"]);
}

#[test]
fn points_beyond_the_bound_are_ignored_and_the_known_ones_go_on() {
    let (mut driver, broker) = open(own(json!({"most_discovered": 2}))).unwrap();
    broker.deliver("plant/a/t", r#"{"x": 1, "y": 2, "z": 3}"#, seconds(0));
    let samples = driver.read(seconds(0)).unwrap();
    let ids: Vec<String> = driver.list().into_iter().map(|point| point.id).collect();
    assert_eq!((ids, samples.len()), (vec!["a_x".to_owned(), "a_y".to_owned()], 2));
}

#[test]
fn a_new_point_is_announced_once() {
    let (mut driver, broker) = open(own(json!({}))).unwrap();
    let mut poll = |at| {
        broker.deliver("plant/a/t", r#"{"x": 1}"#, seconds(at));
        format!("{:?}", driver.read(seconds(at)).unwrap()).contains("points_changed: true")
    };
    assert!(poll(0));
    assert!(!poll(1));
}

#[test]
fn a_flood_is_taken_in_parts() {
    let (mut driver, broker) = open(own(json!({}))).unwrap();
    for _ in 0..MOST_MESSAGES + 5 {
        broker.deliver("plant/a/t", r#"{"x": 1}"#, seconds(0));
    }
    let mut poll = || {
        let samples = driver.read(seconds(0)).unwrap();
        (samples.len(), format!("{samples:?}").contains("more: true"))
    };
    assert_eq!(poll(), (MOST_MESSAGES, true));
    assert_eq!(poll(), (5, false));
}

#[test]
fn one_message_cannot_bring_values_without_bound() {
    let (mut driver, broker) = open(own(json!({"most_discovered": 1, "messages": [
        {"topic": "t", "records": "[*]", "values": [{"id": "x", "value": "v"}, {"id": "x", "value": "w"}]}
    ]})))
    .unwrap();
    broker.deliver("t", json!(vec![json!({"v": 1, "w": 2}); MOST_FINDINGS]).to_string(), seconds(0));
    assert_eq!(driver.read(seconds(0)).unwrap().len(), MOST_FINDINGS);
}

#[test]
fn units_are_taken_over_only_where_the_settings_know_them() {
    let (mut driver, broker) = open(json!({
        "stale_after_s": 60, "units": {"ppb": "[ppb]"},
        "messages": [{"topic": "t", "values": [{"select": "{key}", "id": "{key}", "value": "v", "unit": "u"}]}],
    }))
    .unwrap();
    broker.deliver("t", r#"{"a": {"v": 1, "u": "ppb"}, "b": {"v": 1, "u": "parts"}}"#, seconds(0));
    driver.read(seconds(0)).unwrap();
    let units: Vec<String> = driver.list().into_iter().map(|point| point.unit).collect();
    assert_eq!(units, ["[ppb]", ""]);
}
