//! The driver against a broker in memory.

mod cases;
mod encode;

use serde_json::json;
use tutin_sdk::mqtt::Message;
use tutin_sdk::mqtt::fake::Broker;
use tutin_sdk::{Qualifier, Sample};

use self::encode::{Fields, bd_seq, double, message};
use super::*;

/// 2026-03-01T12:00:00Z: second 0 of every test.
const BEGIN: i64 = 1_772_366_400;

fn at(second: f64) -> Timestamp {
    Timestamp(BEGIN * SECOND + (second * 1e9) as i64)
}

fn open(settings: serde_json::Value) -> Result<(SparkplugB<Broker>, Broker), Failure> {
    let broker = Broker::new(&["spBv1.0/plant/#"]);
    let settings = serde_json::from_value(settings).map_err(|err| Failure::settings(err.to_string()))?;
    Ok((SparkplugB::new(broker.clone(), settings)?, broker))
}

fn born(settings: serde_json::Value) -> (SparkplugB<Broker>, Broker) {
    let (mut driver, broker) = open(settings).unwrap();
    broker.deliver_message(message("NBIRTH/edge", Some(0), 0.0, &[bd_seq(1), double("a", 1.0)]));
    driver.read(at(0.0)).unwrap();
    broker.published();
    (driver, broker)
}

/// One line for each sample: id, value, state, second, remarks.
fn poll(driver: &mut SparkplugB<Broker>, second: f64) -> Vec<String> {
    let samples = driver.read(at(second)).unwrap();
    let points = driver.list();
    let line = |(row, sample): (usize, Sample)| {
        let text = samples.text(row).map(str::to_owned);
        let is_number = sample.state.has_value() && !sample.value.is_nan();
        let value = text.or_else(|| is_number.then(|| sample.value.to_string())).unwrap_or("-".into());
        let state = serde_json::to_value(sample.state).unwrap();
        let second = (sample.time.unwrap().0 - BEGIN * SECOND) as f64 / 1e9;
        let late = if sample.qualifiers.contains(Qualifier::Late) { " late" } else { "" };
        format!("{} {value} {} @{second}{late}", points[usize::from(sample.point)].id, state.as_str().unwrap())
    };
    samples.iter().enumerate().map(line).collect()
}

#[test]
fn a_request_for_births_is_written_as_another_library_writes_it() {
    assert_eq!(payload::rebirth(BEGIN as u64 * 1_000), cases::frame("ncmd-rebirth"));
}

#[test]
fn bytes_that_are_no_payload_are_named_and_cost_the_certainty_of_their_node_only() {
    let check = |bytes: &[u8], expected: &str| {
        let why = payload::decode(bytes).unwrap_err();
        assert!(why.contains(expected), "{bytes:02x?}: {why}");
        let (mut driver, broker) = born(json!({}));
        broker.deliver_message(message("NBIRTH/other", Some(0), 0.0, &[bd_seq(1), double("b", 2.0)]));
        broker.deliver("spBv1.0/plant/NDATA/edge", bytes, at(1.0));
        assert_eq!(poll(&mut driver, 1.0), ["edge_a 1 suspect @1", "other_b 2 valid @1"]);
        assert_eq!(
            broker.published().iter().map(|(topic, _)| topic.as_str()).collect::<Vec<_>>(),
            ["spBv1.0/plant/NCMD/edge"]
        );
    };
    check(&[0x08], "ends within a number");
    check(&[0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], "more than ten bytes");
    check(&[0x12, 0x05, 0x01], "a field of 5 bytes, and 1 are left");
    check(&[0x0B], "wire type 3 of field 1");
    check(&[0x12, 0x03, 0x0A, 0x01, 0xFF], "no UTF-8");
    check(&[0x09, 1, 2], "ends within a number");
    check(b"{\"json\": true}", "wire type 3 of field 15");
    let many = Fields::default();
    let many = (0..20_001).fold(many, |many, _| many.bytes(2, &[])).done();
    check(&many, "more than 20000 metrics");
}

#[test]
fn fields_that_nobody_knows_are_skipped() {
    let metric = Fields::default().varint(30, 1).bytes(31, b"x").double(32, 1.0).bytes(1, b"a").done();
    let payload = Fields::default().bytes(2, &metric).varint(99, 5).done();
    assert_eq!(payload::decode(&payload).unwrap().metrics[0].name.as_deref(), Some("a"));
}

#[test]
fn a_death_of_the_same_number_or_of_none_ends_everything_of_its_node() {
    let check = |number: Option<u64>, expected: &str| {
        let (mut driver, broker) = born(json!({}));
        broker.deliver_message(message("DBIRTH/edge/d", Some(1), 1.0, &[double("b", 2.0)]));
        let metrics: Vec<Fields> = number.map(bd_seq).into_iter().collect();
        broker.deliver_message(message("NDEATH/edge", None, 1.0, &metrics));
        let told = poll(&mut driver, 1.0);
        assert!(told.iter().all(|line| line.contains(expected)), "{number:?} {told:?}");
        assert_eq!(told.len(), 2);
    };
    check(Some(1), " - comm_error @1");
    check(None, " - comm_error @1");
    check(Some(0), " valid @1");
}

#[test]
fn a_metric_that_is_not_in_the_new_birth_has_no_value() {
    let (mut driver, broker) = born(json!({}));
    broker.deliver_message(message("NBIRTH/edge", Some(9), 1.0, &[bd_seq(2), double("c", 3.0)]));
    assert_eq!(poll(&mut driver, 1.0), ["edge_a - missing @1", "edge_c 3 valid @1"]);
    broker.deliver_message(message("NDATA/edge", Some(10), 2.0, &[double("a", 5.0)]));
    assert_eq!(poll(&mut driver, 2.0), ["edge_a - missing @2", "edge_c 3 suspect @2"]);
    assert_eq!(broker.published().len(), 1, "a metric that was not in the birth asks for one");
}

#[test]
fn a_device_that_was_not_born_is_not_believed_and_its_node_is_asked() {
    let (mut driver, broker) = born(json!({}));
    broker.deliver_message(message("DDATA/edge/d", Some(1), 1.0, &[double("b", 2.0)]));
    assert_eq!(poll(&mut driver, 1.0), ["edge_a 1 valid @1"]);
    assert_eq!(broker.published().len(), 1);
}

#[test]
fn retained_messages_and_those_of_others_are_ignored() {
    let (mut driver, broker) = born(json!({}));
    let retained = message("NBIRTH/edge", Some(0), 1.0, &[bd_seq(1), double("a", 9.0)]);
    broker.deliver_message(Message { is_retained: true, ..retained });
    broker.deliver("spBv1.0/STATE/host", "{}", at(1.0));
    broker.deliver_message(message("NCMD/edge", None, 1.0, &[double("a", 9.0)]));
    assert_eq!(poll(&mut driver, 1.0), ["edge_a 1 valid @1"]);
    assert!(broker.published().is_empty());
}

#[test]
fn a_message_that_comes_twice_is_taken_once() {
    let (mut driver, broker) = born(json!({}));
    for _ in 0..2 {
        broker.deliver_message(message("NDATA/edge", Some(1), 1.0, &[double("a", 2.0)]));
    }
    assert_eq!(poll(&mut driver, 1.0), ["edge_a 2 valid @1"]);
}

#[test]
fn messages_without_a_number_and_births_without_one_are_not_taken() {
    let (mut driver, broker) = born(json!({}));
    broker.deliver_message(message("NDATA/edge", None, 1.0, &[double("a", 2.0)]));
    assert_eq!(poll(&mut driver, 1.0), ["edge_a 1 suspect @1"]);
    broker.deliver_message(message("NBIRTH/edge", Some(256), 1.0, &[double("a", 3.0)]));
    assert_eq!(poll(&mut driver, 2.0), ["edge_a 1 suspect @2"]);
}

#[test]
fn refused_messages_are_missing_messages() {
    let (mut driver, broker) = born(json!({}));
    broker.drop_messages(1);
    assert_eq!(poll(&mut driver, 1.0), ["edge_a 1 suspect @1"]);
    broker.deliver_message(message("NDATA/edge", Some(1), 2.0, &[double("a", 2.0)]));
    assert_eq!(poll(&mut driver, 2.0), ["edge_a 2 suspect @2"]);
}

#[test]
fn what_is_missing_stays_missing_over_another_connection() {
    let (mut driver, broker) = born(json!({"reorder_polls": 0}));
    broker.deliver_message(message("NDATA/edge", Some(2), 1.0, &[double("a", 2.0)]));
    assert_eq!(poll(&mut driver, 1.0), ["edge_a 2 suspect @1"]);
    broker.connect();
    broker.deliver_message(message("NDATA/edge", Some(3), 2.0, &[double("a", 3.0)]));
    assert_eq!(poll(&mut driver, 2.0), ["edge_a 3 suspect @2"]);
}

#[test]
fn a_message_is_not_missing_while_there_are_more_in_the_queue() {
    let (mut driver, broker) = born(json!({"reorder_polls": 0}));
    broker.deliver_message(message("NDATA/edge", Some(2), 1.0, &[double("a", 2.0)]));
    for _ in 1..MOST_MESSAGES {
        broker.deliver("spBv1.0/plant/NCMD/edge", "", at(1.0));
    }
    broker.deliver_message(message("NDATA/edge", Some(1), 1.5, &[double("a", 1.0)]));
    assert_eq!(poll(&mut driver, 2.0), ["edge_a 1 valid @2"]);
    assert_eq!(poll(&mut driver, 2.0), ["edge_a 1 valid @1.5", "edge_a 2 valid @1 late"]);
}

#[test]
fn more_that_wait_than_there_is_room_for_are_taken_as_they_are() {
    let (mut driver, broker) = born(json!({"reorder_polls": 100}));
    for seq in 2..67 {
        broker.deliver_message(message("NDATA/edge", Some(seq), 1.0, &[double("a", seq as f64)]));
    }
    let told = poll(&mut driver, 1.0);
    assert_eq!((told.len(), told[0].as_str()), (64, "edge_a 2 suspect @1"));
}

#[test]
fn silence_makes_stale_only_where_the_settings_say_so() {
    let (mut driver, _) = born(json!({"stale_after_s": 10}));
    assert_eq!(poll(&mut driver, 10.0), ["edge_a 1 valid @10"]);
    assert_eq!(poll(&mut driver, 10.5), ["edge_a - comm_error @10.5"]);
    let (mut driver, _) = born(json!({}));
    assert_eq!(poll(&mut driver, 1e5), ["edge_a 1 valid @100000"]);
}

#[test]
fn a_clock_that_is_absurd_is_not_believed_and_late_values_are_marked() {
    let (mut driver, broker) = born(json!({"oldest_days": 1}));
    let mut send = |seq: u64, second: f64, measured: f64, is_historical: bool| {
        let measured = (at(measured).0 / 1_000_000) as u64;
        let metric = double("a", seq as f64).varint(3, measured).varint(5, is_historical.into());
        broker.deliver_message(message("NDATA/edge", Some(seq), second, &[metric]));
        poll(&mut driver, second)
    };
    assert_eq!(send(1, 1.0, 301.0, false), ["edge_a 1 valid @301"]);
    assert_eq!(send(2, 2.0, 303.0, false), ["edge_a 2 valid @2 late", "edge_a 2 valid @2"]);
    assert_eq!(send(3, 400.0, -90_000.0, false), ["edge_a 3 valid @400"]);
    assert_eq!(send(4, 500.0, 430.0, false), ["edge_a 4 valid @430 late", "edge_a 4 valid @500"]);
    assert_eq!(send(5, 501.0, -100_000.0, true), ["edge_a 4 valid @501"]);
    assert_eq!(send(6, 502.0, 20.0, true), ["edge_a 6 valid @20 late", "edge_a 4 valid @502"]);
}

#[test]
fn a_value_of_another_type_is_a_fault_of_its_own_point() {
    let (mut driver, broker) = born(json!({}));
    let wrong = Fields::default().bytes(1, b"a").bytes(15, b"text");
    broker.deliver_message(message("NDATA/edge", Some(1), 1.0, &[wrong]));
    assert_eq!(poll(&mut driver, 1.0), ["edge_a - fault @1"]);
    broker.deliver_message(message("NDATA/edge", Some(2), 2.0, &[double("a", f64::NAN)]));
    assert_eq!(poll(&mut driver, 2.0), ["edge_a - fault @2"]);
}

#[test]
fn two_metrics_of_one_id_are_two_points_whatever_the_order_of_the_birth() {
    let ids = |names: [&str; 2]| {
        let (mut driver, broker) = open(json!({})).unwrap();
        let metrics = names.map(|name| double(name, 1.0));
        broker.deliver_message(message("NBIRTH/edge", Some(0), 0.0, &metrics));
        driver.read(at(0.0)).unwrap();
        driver.list().into_iter().map(|point| (point.label, point.id)).collect::<Vec<_>>()
    };
    let found = ids(["Gas/NO2", "Gas NO2"]);
    assert_eq!(found, ids(["Gas NO2", "Gas/NO2"]));
    assert_eq!(found[0], ("plant/edge/Gas NO2".to_owned(), "edge_gas_no2".to_owned()));
    assert!(found[1].1.starts_with("p_edge_gas_no2_") && Point::is_id(&found[1].1));
    let long = "x".repeat(100);
    assert!(ids([&long, "b"]).iter().all(|(_, id)| Point::is_id(id)));
}

#[test]
fn the_parts_of_ids_the_filters_and_the_bound_are_the_settings() {
    let list = |settings: serde_json::Value| {
        let (mut driver, broker) = open(settings).unwrap();
        broker.deliver_message(message("NBIRTH/edge", Some(0), 0.0, &[double("a", 1.0), double("2b", 2.0)]));
        broker.deliver_message(message("DBIRTH/edge/d", Some(1), 0.0, &[double("a", 3.0)]));
        driver.read(at(0.0)).unwrap();
        driver.list().into_iter().map(|point| point.id).collect::<Vec<_>>()
    };
    assert_eq!(list(json!({})), ["edge_2b", "edge_a", "edge_d_a"]);
    assert_eq!(list(json!({"id_parts": ["group", "device", "metric"]})), ["plant_2b", "plant_a", "plant_d_a"]);
    assert_eq!(list(json!({"id_parts": ["metric"], "only": ["plant/edge/2b"]})), ["p_2b"]);
    assert_eq!(list(json!({"only": ["*/a"], "except": ["*/d/*"]})), ["edge_a"]);
    assert_eq!(list(json!({"most_points": 1})), ["edge_2b"]);
    let known = json!([{"id": "x", "metric": "plant/edge/d/a", "unit": "[ppb]"}]);
    assert_eq!(list(json!({"points": known, "only": ["*/a"]})), ["x", "edge_a"]);
}

#[test]
fn a_publication_that_fails_is_tried_again_after_the_pause() {
    let (mut driver, broker) = open(json!({"edge_nodes": ["plant/edge"], "rebirth_pause_s": 5})).unwrap();
    broker.disconnect();
    poll(&mut driver, 0.0);
    broker.connect();
    poll(&mut driver, 1.0);
    assert_eq!(broker.published().len(), 1);
    poll(&mut driver, 5.5);
    assert_eq!(broker.published().len(), 0);
    poll(&mut driver, 6.0);
    assert_eq!(broker.published().len(), 1);
    let (mut driver, broker) = open(json!({"edge_nodes": ["plant/edge"], "request_rebirth": false})).unwrap();
    poll(&mut driver, 1.0);
    assert!(broker.published().is_empty());
}

#[test]
fn a_flood_is_taken_in_parts() {
    let (mut driver, broker) = born(json!({}));
    for number in 0..MOST_MESSAGES as u64 + 5 {
        broker.deliver_message(message("NDATA/edge", Some((number + 1) % 256), 1.0, &[double("a", 2.0)]));
    }
    let samples = driver.read(at(1.0)).unwrap();
    assert!(samples.len() == MOST_MESSAGES && format!("{samples:?}").contains("more: true"));
    assert_eq!(driver.read(at(1.0)).unwrap().len(), 5);
}

#[test]
fn wrong_settings_are_named_by_their_member() {
    let check = |settings: serde_json::Value, expected: &str| {
        let failure = open(settings.clone()).map(|_| ()).unwrap_err();
        assert!(failure.to_string().contains(expected) && failure.code() == 3, "{settings}: {failure}");
    };
    let x = json!({"id": "x", "metric": "g/n/m"});
    check(json!({"edge_nodes": ["edge"]}), "settings.edge_nodes[0]: \"edge\" is not group/node");
    check(json!({"edge_nodes": ["plant/+"]}), "settings.edge_nodes[0]");
    check(json!({"points": [{"id": "X", "metric": "g/n/m"}]}), "settings.points[0].id");
    check(json!({"points": [{"id": "x", "metric": "g/n"}]}), "settings.points[0].metric");
    check(json!({"points": [x, x]}), "settings.points[1].id");
    check(json!({"points": [x, {"id": "y", "metric": "g/n/m"}]}), "settings.points[1].metric");
    check(json!({"points": [x, {"id": "y", "metric": "g/n/o"}], "most_points": 1}), "settings.points: more than");
    check(json!({"points": [{"id": "x", "metric": "g/n/m", "kind": "date"}]}), "unknown variant `date`");
    check(json!({"id_parts": []}), "settings.id_parts: is empty");
    check(json!({"id_parts": ["name"]}), "unknown variant `name`");
    check(json!({"most_points": 20_001}), "settings.most_points: must be 1 to 20000");
    check(json!({"rebirth_pause_s": 0}), "settings.rebirth_pause_s");
    check(json!({"reorder_polls": 101}), "settings.reorder_polls");
    check(json!({"stale_after_s": 0}), "settings.stale_after_s");
    check(json!({"oldest_days": 0}), "settings.oldest_days");
    check(json!({"max_clock_difference_s": -1}), "invalid value");
    check(json!({"request_rebirth": 1}), "invalid type");
    check(json!({"unit_property": 1}), "invalid type");
    check(json!({"units": 1}), "invalid type");
    check(json!({"only": 1}), "invalid type");
    check(json!({"except": 1}), "invalid type");
    check(json!({"topics": []}), "unknown field `topics`");
    let other = Broker::new(&["homie/#"]);
    let failure = SparkplugB::new(other, serde_json::from_value(json!({})).unwrap()).map(|_| ()).unwrap_err();
    assert!(failure.message().contains("grant nothing of Sparkplug B"), "{failure}");
}
