//! The driver against an address space in memory.

mod commands;
mod history;
mod space;

use serde_json::json;

use self::space::{Line, VENDOR, analyser, at, good, models, node, value, variable};
use super::*;
use tutin_sdk::opcua::Value;
use tutin_sdk::opcua::fake::Server;
use tutin_sdk::{Qualifier, Sample};

fn open(server: &Server, settings: serde_json::Value) -> Result<(OpcuaAdi<Line>, Line), Failure> {
    let line = Line::new(server);
    let mut settings = settings;
    // Quick enough for a value to be repeated at each of a test's polls.
    for (member, quick) in [("sampling_ms", 100), ("publishing_ms", 50)] {
        settings.as_object_mut().unwrap().entry(member).or_insert(json!(quick));
    }
    let settings = serde_json::from_value(settings).map_err(|err| Failure::settings(err.to_string()))?;
    Ok((OpcuaAdi::new(line.clone(), settings)?, line))
}

fn running(settings: serde_json::Value) -> (OpcuaAdi<Line>, Server, Line) {
    let server = analyser(&models());
    let (mut driver, line) = open(&server, settings).unwrap();
    driver.read(at(1.0)).unwrap();
    (driver, server, line)
}

/// One line for each sample: id, value, state, second, status, remarks.
fn lines(driver: &OpcuaAdi<Line>, samples: &Samples) -> Vec<String> {
    let points = driver.list();
    let line = |(row, sample): (usize, Sample)| {
        let text = samples.text(row).map(str::to_owned);
        let is_number = sample.state.has_value() && !sample.value.is_nan();
        let value = text.or_else(|| is_number.then(|| sample.value.to_string())).unwrap_or("-".into());
        let state = serde_json::to_value(sample.state).unwrap();
        let second = (sample.time.unwrap().0 - space::BEGIN * SECOND) as f64 / 1e9;
        let late = if sample.qualifiers.contains(Qualifier::Late) { " late" } else { "" };
        let status = sample.status.unwrap();
        let status = if status == 0 { String::new() } else { format!(" {status:X}") };
        format!("{} {value} {} @{second}{status}{late}", points[usize::from(sample.point)].id, state.as_str().unwrap())
    };
    samples.iter().enumerate().map(line).collect()
}

fn poll(driver: &mut OpcuaAdi<Line>, second: f64) -> Vec<String> {
    let samples = driver.read(at(second)).unwrap();
    lines(driver, &samples)
}

/// What the poll says of the gas, without the time.
fn gas(driver: &mut OpcuaAdi<Line>, second: f64) -> String {
    let found = poll(driver, second).into_iter().rfind(|line| line.starts_with("gas_ch1_s1_no2 ")).unwrap();
    found.trim_start_matches("gas_ch1_s1_no2 ").to_owned()
}

#[test]
fn everything_of_the_models_is_found_and_named_by_its_place() {
    let (driver, server, _) = running(json!({"units": {"ppb": "[ppb]"}, "sampling_ms": 1000, "publishing_ms": 1000}));
    let points: Vec<String> =
        driver.list().iter().map(|point| format!("{} {:?} {}", point.id, point.kind, point.unit)).collect();
    assert_eq!(
        points,
        [
            "flow_devicehealth Number ",
            "flow_signalset_v1_analogsignal Number ",
            "gas_analyserstatemachine_currentstate Text ",
            "gas_ch1_s1_acquisitionresultstatus Number ",
            "gas_ch1_s1_campaignid Text ",
            "gas_ch1_s1_executioncycle Number ",
            "gas_ch1_s1_no2 Number [ppb]",
            "gas_ch2_channelstatemachine_currentstate Text ",
            "gas_ch2_t Number ",
            "gas_devicehealth Number ",
        ]
    );
    let (monitored, rates) = server.monitored();
    assert_eq!((monitored.len(), monitored[6].clone()), (10, node("S1.NO2")));
    assert_eq!(rates, Some(Rates { sampling_ms: 1_000, publishing_ms: 1_000, queue: 10 }));
}

#[test]
fn nothing_is_sent_before_the_first_poll_and_a_silent_server_still_opens() {
    let server = analyser(&models());
    server.disconnect("refused");
    let (mut driver, _) = open(&server, json!({})).unwrap();
    assert!(server.monitored().0.is_empty() && driver.list().is_empty());
    let failure = driver.read(at(0.0)).unwrap_err();
    assert_eq!((failure.code(), failure.message()), (1, "namespaces: no session: refused"));
    server.connect();
    assert_eq!(poll(&mut driver, 1.0).len(), 10);
}

#[test]
fn what_a_device_says_of_itself_decides_over_its_values_and_no_others() {
    let check = |settings: serde_json::Value, ruling: &str, said: DataValue, expected: &str| {
        let (mut driver, server, _) = running(settings);
        server.change(&node(ruling), said.clone());
        assert_eq!(gas(&mut driver, 2.0), expected, "{ruling} {said:?}");
        let others = poll(&mut driver, 3.0);
        assert!(others.contains(&"flow_signalset_v1_analogsignal 3.5 valid @3".to_owned()), "{others:?}");
        let rulings = others.iter().filter(|line| line.contains("executioncycle"));
        assert!(rulings.clone().count() == 1 && rulings.clone().all(|line| line.contains(" valid ")), "{others:?}");
    };
    let code = |code: i64| good(Value::Integer(code));
    check(json!({}), "Gas.Health", code(0), "12.5 valid @2");
    check(json!({}), "Gas.Health", code(1), "12.5 fault @2 100000000");
    check(json!({}), "Gas.Health", code(2), "12.5 maintenance @2 200000000");
    check(json!({"check_function": "calibration"}), "Gas.Health", code(2), "12.5 calibration @2 200000000");
    check(json!({}), "Gas.Health", code(3), "12.5 suspect @2 300000000");
    check(json!({}), "Gas.Health", code(4), "12.5 valid @2 400000000");
    check(json!({"maintenance_required": "maintenance"}), "Gas.Health", code(4), "12.5 maintenance @2 400000000");
    check(json!({}), "Gas.Health", code(5), "12.5 suspect @2 500000000");
    check(json!({}), "Gas.Health", good(Value::Text("ok".into())), "12.5 suspect @2");
    check(json!({}), "Gas.Health", value(Value::Empty, 0x8031_0000, 0.0), "12.5 suspect @2");
    check(json!({}), "S1.Cycle", code(0), "12.5 valid @2");
    check(json!({}), "S1.Cycle", code(1), "12.5 maintenance @2");
    check(json!({}), "S1.Cycle", code(2), "12.5 maintenance @2");
    check(json!({}), "S1.Cycle", code(4), "12.5 calibration @2");
    check(json!({}), "S1.Cycle", code(8), "12.5 calibration @2");
    check(json!({}), "S1.Cycle", code(16 + 32_768), "12.5 valid @2");
    check(json!({}), "S1.Cycle", code(3), "12.5 suspect @2");
    check(json!({}), "S1.Result", code(0), "12.5 valid @2");
    check(json!({}), "S1.Result", code(2), "12.5 fault @2");
    check(json!({}), "S1.Result", code(3), "12.5 suspect @2");
    check(json!({}), "S1.Result", code(4), "12.5 suspect @2");
    let word = |word: &str| good(Value::Text(word.into()));
    check(json!({}), "Gas.State", word("Powerup"), "12.5 warm_up @2");
    check(json!({}), "Gas.State", word("Local"), "12.5 maintenance @2");
    check(json!({}), "Gas.State", word("Maintenance"), "12.5 maintenance @2");
    check(json!({}), "Gas.State", word("Shutdown"), "12.5 maintenance @2");
    check(json!({}), "Gas.State", word("Betrieb"), "12.5 suspect @2");
    check(json!({"machine_states": {"Betrieb": "valid"}}), "Gas.State", word("Betrieb"), "12.5 valid @2");
}

#[test]
fn a_channel_rules_over_its_own_values_only() {
    let (mut driver, server, _) = running(json!({}));
    server.change(&node("Ch2.State"), good(Value::Text("Maintenance".into())));
    let told = poll(&mut driver, 2.0);
    for line in ["gas_ch2_t 20 maintenance @2", "gas_ch1_s1_no2 12.5 valid @2"] {
        assert!(told.contains(&line.to_owned()), "{told:?}");
    }
}

#[test]
fn a_text_is_known_by_its_type_when_it_has_no_value_yet() {
    let server = analyser(&models());
    server.set(&node("S1.Campaign"), Attribute::Value, value(Value::Empty, 0x8032_0000, 0.0));
    server.set(&node("S1.Campaign"), Attribute::DataType, good(Value::Id(Node::standard(12))));
    let (mut driver, _) = open(&server, json!({})).unwrap();
    assert!(poll(&mut driver, 1.0).contains(&"gas_ch1_s1_campaignid - missing @1 80320000".to_owned()));
    server.change(&node("S1.Campaign"), value(Value::Text("a".into()), 0, 2.0));
    server.change(&node("S1.Campaign"), value(Value::Integer(5), 0, 3.0));
    let told = poll(&mut driver, 3.0);
    assert!(told.contains(&"gas_ch1_s1_campaignid a valid @2".to_owned()), "{told:?}");
    assert!(told.contains(&"gas_ch1_s1_campaignid 5 valid @3".to_owned()), "{told:?}");
}

#[test]
fn a_status_code_becomes_a_state_and_is_kept() {
    let check = |status: u32, number: Value, expected: &str| {
        let (mut driver, server, _) = running(json!({}));
        server.change(&node("S1.NO2"), value(number, status, 0.0));
        assert_eq!(gas(&mut driver, 2.0), expected, "{status:X}");
    };
    check(0, Value::Double(7.0), "7 valid @2");
    check(0x4090_0000, Value::Double(7.0), "7 suspect @2 40900000");
    check(0x4094_0000, Value::Double(7.0), "7 over_range @2 40940000");
    check(0x408F_0000, Value::Double(7.0), "- comm_error @2 408F0000");
    check(0x8031_0000, Value::Empty, "- comm_error @2 80310000");
    check(0x8032_0000, Value::Empty, "- missing @2 80320000");
    check(0x808C_0000, Value::Empty, "- fault @2 808C0000");
    check(0x0096_0000, Value::Double(7.0), "7 manual @2 960000");
    // Good, but no number.
    check(0, Value::Empty, "- fault @2");
    check(0, Value::Text("n/a".into()), "- fault @2");
    check(0, Value::Double(f64::NAN), "- fault @2");
    check(0, Value::Numbers(vec![1.0]), "- fault @2");
}

#[test]
fn the_bits_of_the_wire_are_kept() {
    let (mut driver, _, _) = running(json!({}));
    let samples = driver.read(at(2.0)).unwrap();
    let float = samples.iter().find(|sample| sample.point == 1).unwrap();
    assert_eq!(float.raw, Some(u64::from(3.5_f32.to_bits())));
}

#[test]
fn a_value_that_is_not_notified_again_still_holds_at_each_poll() {
    let (mut driver, server, _) = running(json!({"only": ["gas_ch1_s1_no2"]}));
    assert_eq!(gas(&mut driver, 2.0), "12.5 valid @2");
    assert_eq!(gas(&mut driver, 3.0), "12.5 valid @3");
    server.change(&node("S1.NO2"), value(Value::Double(13.0), 0, 3.5));
    server.change(&node("S1.NO2"), value(Value::Double(14.0), 0, 3.75));
    let told = poll(&mut driver, 4.0);
    let told: Vec<&String> = told.iter().filter(|line| line.contains("no2")).collect();
    assert_eq!(told, ["gas_ch1_s1_no2 13 valid @3.5", "gas_ch1_s1_no2 14 valid @3.75"]);
    assert_eq!(gas(&mut driver, 5.0), "14 valid @5");
}

#[test]
fn a_poll_that_another_item_woke_repeats_nothing_before_its_time() {
    let rates = json!({"only": ["gas_ch1_s1_no2"], "sampling_ms": 1000, "publishing_ms": 1000});
    let (mut driver, server, _) = running(rates);
    let is_said = |told: Vec<String>| told.iter().any(|line| line.contains("no2"));
    assert_eq!(gas(&mut driver, 4.0), "12.5 valid @4");
    assert!(!is_said(poll(&mut driver, 4.25)), "said twice in one interval");
    assert_eq!(gas(&mut driver, 5.0), "12.5 valid @5");
    server.change(&node("S1.NO2"), value(Value::Double(13.0), 0, 5.5));
    assert_eq!(gas(&mut driver, 6.0), "13 valid @5.5");
    assert!(!is_said(poll(&mut driver, 7.0)), "the next change may be under way");
    assert_eq!(gas(&mut driver, 8.0), "13 valid @8");
}

#[test]
fn a_time_that_is_late_is_marked_and_one_that_is_absurd_is_not_believed() {
    let (mut driver, server, _) = running(json!({}));
    server.change(&node("S1.NO2"), value(Value::Double(13.0), 0, 10.0));
    assert_eq!(gas(&mut driver, 10.0), "13 valid @10");
    server.change(&node("S1.NO2"), value(Value::Double(9.0), 0, 5.0));
    let told = poll(&mut driver, 11.0);
    let told: Vec<&String> = told.iter().filter(|line| line.contains("no2")).collect();
    assert_eq!(told, ["gas_ch1_s1_no2 9 valid @5 late", "gas_ch1_s1_no2 9 valid @11"]);
    server.change(&node("S1.NO2"), value(Value::Double(15.0), 0, 900.0));
    assert_eq!(gas(&mut driver, 12.0), "15 valid @12");
    server.change(&node("S1.NO2"), value(Value::Double(16.0), 0, 12.5));
    assert_eq!(gas(&mut driver, 13.0), "16 valid @12.5");
}

#[test]
fn without_a_session_nothing_is_valid_and_the_next_one_begins_anew() {
    let (mut driver, server, line) = running(json!({}));
    server.disconnect("silent");
    let told = poll(&mut driver, 2.0);
    assert_eq!(told.len(), 10);
    assert!(told.iter().all(|line| line.ends_with("- comm_error @2")), "{told:?}");
    let sought = *line.browses.borrow();
    server.connect();
    assert_eq!(gas(&mut driver, 3.0), "12.5 valid @3");
    assert_eq!(*line.browses.borrow(), sought + 1, "only the namespaces were asked for");
}

#[test]
fn no_value_of_an_earlier_session_is_repeated() {
    let server = Server::new(&[VENDOR]);
    server.set(&node("A"), Attribute::Value, good(Value::Double(1.0)));
    let nodes = json!([{"id": "a", "node": node("A").to_string()}]);
    let (mut driver, line) = open(&server, json!({"nodes": nodes})).unwrap();
    assert_eq!(poll(&mut driver, 1.0), ["a 1 valid @1"]);
    // The same nodes, but nothing is notified in the new session.
    let other = Server::new(&[VENDOR]);
    other.connect();
    *line.server.borrow_mut() = other.clone();
    assert_eq!(poll(&mut driver, 2.0), ["a - missing @2"]);
}

#[test]
fn a_server_with_other_namespaces_is_looked_through_again() {
    let (mut driver, _, line) = running(json!({}));
    let other = analyser(&[models(), vec!["http://new.example/"]].concat());
    other.refer(&node("S1.Set"), variable(VENDOR, "SO2", node("S1.SO2"), None));
    other.set(&node("S1.SO2"), Attribute::Value, good(Value::Double(4.0)));
    other.connect();
    *line.server.borrow_mut() = other;
    let told = poll(&mut driver, 2.0);
    assert_eq!(driver.list().len(), 11);
    assert!(told.contains(&"gas_ch1_s1_so2 4 valid @2".to_owned()), "{told:?}");
    assert!(told.contains(&"gas_ch1_s1_no2 12.5 valid @2".to_owned()), "{told:?}");
}

#[test]
fn a_refused_item_costs_its_own_point_and_an_unknown_one_a_single_new_search() {
    let (mut driver, server, line) = running(json!({}));
    server.refuse_item(6, 0x8034_0000);
    assert_eq!(gas(&mut driver, 2.0), "- fault @2 80340000");
    let sought = *line.browses.borrow();
    assert_eq!(gas(&mut driver, 3.0), "12.5 valid @3");
    assert_eq!(*line.browses.borrow(), sought + 1);
    server.refuse_item(6, 0x8034_0000);
    assert_eq!(gas(&mut driver, 4.0), "- fault @4 80340000");
    assert_eq!(gas(&mut driver, 5.0), "- fault @5 80340000");
    assert_eq!(*line.browses.borrow(), sought + 1);
    server.change(&node("S1.NO2"), value(Value::Double(13.0), 0, 5.5));
    assert_eq!(gas(&mut driver, 6.0), "13 valid @5.5");
}

#[test]
fn after_a_loss_everything_is_read_anew_or_is_suspect() {
    let (mut driver, server, line) = running(json!({}));
    server.set(&node("S1.NO2"), Attribute::Value, good(Value::Double(20.0)));
    server.lose(3);
    assert_eq!(gas(&mut driver, 2.0), "20 valid @2");
    server.change(&node("S1.NO2"), value(Value::Double(19.0), 0, 2.25));
    server.set(&node("S1.NO2"), Attribute::Value, good(Value::Double(20.0)));
    server.refuse_item(8, 0x801F_0000);
    server.lose(1);
    assert_eq!(gas(&mut driver, 2.5), "20 valid @2.5");
    assert!(poll(&mut driver, 3.5).contains(&"gas_ch2_t - fault @3.5 801F0000".to_owned()));
    server.lose(1);
    *line.read_fails.borrow_mut() = true;
    assert_eq!(gas(&mut driver, 4.0), "20 suspect @4");
    assert_eq!(gas(&mut driver, 5.0), "20 suspect @5");
    server.change(&node("S1.NO2"), value(Value::Double(21.0), 0, 5.5));
    assert_eq!(gas(&mut driver, 6.0), "21 valid @5.5");
}

#[test]
fn a_server_without_the_models_is_named_and_a_list_of_nodes_reads_it() {
    let server = analyser(&[VENDOR]);
    let (mut driver, _) = open(&server, json!({})).unwrap();
    let failure = driver.read(at(0.0)).unwrap_err();
    assert!(failure.code() == 2 && failure.message().contains("settings.nodes"), "{failure}");
    let nodes = json!([
        {"id": "pump", "node": node("Pump").to_string(), "unit": "kPa", "label": "Pump"},
        {"id": "no2", "node": node("S1.NO2").to_string(), "health": node("Gas.Health").to_string()},
        {"id": "campaign", "node": node("S1.Campaign").to_string(), "kind": "text"},
    ]);
    let (mut driver, _) = open(&server, json!({"nodes": nodes, "health": node("Flow.Health").to_string()})).unwrap();
    server.set(&node("Flow.Health"), Attribute::Value, good(Value::Integer(3)));
    let told = poll(&mut driver, 1.0);
    let expected =
        ["pump - missing @1", "no2 12.5 valid @1", "campaign winter suspect @1 300000000", "device_health 3 valid @1"];
    for line in expected {
        assert!(told.contains(&line.to_owned()), "{line}: {told:?}");
    }
}

#[test]
fn found_nodes_take_id_and_unit_from_the_list_and_the_bounds_hold() {
    let nodes = json!([{"id": "no2", "node": node("S1.NO2").to_string(), "unit": "mg/m3"}]);
    let (mut driver, server, _) = running(json!({"nodes": nodes, "discover": true, "only": ["flow*"]}));
    let ids: Vec<String> = driver.list().into_iter().map(|point| point.id).collect();
    assert_eq!(
        ids,
        [
            "no2",
            "flow_devicehealth",
            "flow_signalset_v1_analogsignal",
            "gas_analyserstatemachine_currentstate",
            "gas_ch1_s1_acquisitionresultstatus",
            "gas_ch1_s1_executioncycle",
            "gas_ch2_channelstatemachine_currentstate",
            "gas_devicehealth"
        ]
    );
    server.change(&node("Gas.Health"), good(Value::Integer(1)));
    assert!(poll(&mut driver, 2.0).contains(&"no2 12.5 fault @2 100000000".to_owned()));
    assert_eq!(running(json!({"most_points": 2})).0.list().len(), 2);
    let server = analyser(&models());
    let (mut driver, _) = open(&server, json!({"most_objects": 3})).unwrap();
    assert!(driver.read(at(0.0)).unwrap_err().message().contains("no variable of an analyser below i=85"));
}

#[test]
fn wrong_settings_are_named_by_their_member() {
    let check = |settings: serde_json::Value, expected: &str| {
        let failure = open(&Server::default(), settings.clone()).map(|_| ()).unwrap_err();
        assert!(failure.to_string().contains(expected) && failure.code() == 3, "{settings}: {failure}");
    };
    let a = json!({"id": "a", "node": "i=1"});
    check(json!({"nodes": [{"id": "A", "node": "i=1"}]}), "settings.nodes[0].id");
    check(json!({"nodes": [a, a]}), "settings.nodes[1].id: \"a\" is there twice");
    check(json!({"nodes": [a, {"id": "b", "node": "i=1"}]}), "settings.nodes[1].node: i=1 is there twice");
    check(json!({"nodes": [{"id": "a", "node": "ns=2;s=x"}]}), "write nsu=URI");
    check(json!({"nodes": [{"id": "a", "node": "i=1", "kind": "date"}]}), "unknown variant `date`");
    check(
        json!({"nodes": [{"id": "a", "node": "i=1", "writable": {"min": 2, "max": 1}}]}),
        "settings.nodes[0].writable",
    );
    check(json!({"nodes": [a, {"id": "b", "node": "i=2"}], "most_points": 1}), "settings.nodes: more than");
    check(json!({"discover": false}), "settings.nodes: is empty");
    check(json!({"root": "Objects"}), "is no node");
    check(json!({"health": "ns=1;i=2"}), "write nsu=URI");
    check(json!({"most_points": 0}), "settings.most_points: must be 1 to 10000");
    check(json!({"most_objects": 0}), "settings.most_objects");
    check(json!({"sampling_ms": 3_600_001}), "settings.sampling_ms");
    check(json!({"publishing_ms": 49}), "settings.publishing_ms");
    check(json!({"queue": 0}), "settings.queue");
    check(json!({"check_function": "valid"}), "settings.check_function");
    check(json!({"maintenance_required": "fault"}), "settings.maintenance_required");
    check(json!({"machine_states": {"Local": "offline"}}), "unknown variant `offline`");
    check(json!({"max_clock_difference_s": -1}), "invalid value");
    check(json!({"methods": ["SetConfiguration"]}), "settings.methods: \"SetConfiguration\" is none of");
    check(json!({"units": []}), "invalid type");
    check(json!({"only": 1}), "invalid type");
    check(json!({"nodez": []}), "unknown field `nodez`");
}
