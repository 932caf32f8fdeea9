//! What an integrator has seen of a real instrument becomes a case of its driver, by one command.

use std::fs;

use tutin::reading::Value;

use crate::support::asyncua::{Asyncua, Plant};
use crate::support::configuration::{analyser, boiler, t200, with_plugin};
use crate::support::hub::{Said, Site, plugin};
use crate::support::journal;
use crate::support::mosquitto::Mosquitto;
use crate::support::pymodbus::Pymodbus;
use crate::support::t200 as instrument;

#[test]
fn a_trace_of_a_running_hub_becomes_a_case_that_passes_and_that_notices_a_change() {
    let site = traced();

    let case = "mine/cases/north";
    let recorded = record(&site, "t.jsonl", case);
    let about = site.read(&format!("{case}/case.toml"));
    assert!(about.contains("with teledyne-t 0.1.0."), "{about}");
    assert!(recorded.success && recorded.text.contains("\"point\":\"no2_r1\""), "{}", recorded.text);
    let driver = plugin("teledyne-t");
    let driver = driver.to_str().unwrap();
    let test = || site.said(&["plugin", "test", "mine", "--plugin", driver]);
    let passed = test();
    assert!(passed.success && passed.text.contains("1 case, 0 failed"), "{}", passed.text);
    let options_of_a_hub = [("TUTIN__DEVICES__DEVICE__UNIT", "9"), ("TUTIN__LINKS__LINK__TIMEOUT", "no time")];
    let passed = site.said_with(&options_of_a_hub, &["plugin", "test", "mine", "--plugin", driver]);
    assert!(passed.success, "{}", passed.text);

    let again = record(&site, "t.jsonl", case);
    assert!(!again.success && again.text.contains("is there already"), "{}", again.text);
    notices_a_change(&site, driver, case);
}

#[test]
fn no_case_is_made_of_nothing_but_failures() {
    let site = traced();
    let check = |trace: &str, expected: &str| {
        let said = record(&site, trace, "mine/cases/north");
        assert!(!said.success && said.text.contains(expected), "{expected:?} is not in {}", said.text);
        assert!(!site.path("mine/cases/north").exists(), "what was begun is left");
    };

    let trace = site.read("t.jsonl");
    let silent: Vec<&str> = trace.lines().filter(|line| line.contains("\"out\"")).take(8).collect();
    fs::write(site.path("silent.jsonl"), silent.join("\n")).unwrap();
    check("silent.jsonl", "not one sample came of ");

    site.configure(&site.read("tutin.toml").replace("model = \"T200\"", ""));
    check("t.jsonl", "missing field `model`");
}

#[test]
fn what_another_device_on_the_line_said_is_not_in_the_case() {
    let site = traced();
    let ask_of_unit_9 = "000100000006090300000001";
    let other =
        format!(r#"{{"at":"2026-11-01T00:00:00Z","link":"l","direction":"out","hex":"{ask_of_unit_9}","text":""}}"#);
    let trace = site.read("t.jsonl");
    let mut lines: Vec<&str> = trace.lines().collect();
    let at = lines.iter().rposition(|line| line.contains("\"out\"")).unwrap();
    lines.insert(at, &other);
    fs::write(site.path("shared.jsonl"), lines.join("\n")).unwrap();

    let alone = record(&site, "t.jsonl", "mine/cases/alone");
    let shared = record(&site, "shared.jsonl", "mine/cases/shared");

    assert!(alone.success && !alone.text.contains("not in the case"), "{}", alone.text);
    assert!(shared.success && shared.text.contains("not in the case: 1 exchange of the trace"), "{}", shared.text);
    for file in ["case.toml", "expected.jsonl"] {
        let of = |case: &str| site.read(&format!("mine/cases/{case}/{file}"));
        assert_eq!(of("shared"), of("alone"), "{file}");
    }
    assert!(!site.read("mine/cases/shared/trace.jsonl").contains(ask_of_unit_9));
}

#[test]
fn what_a_broker_brought_becomes_a_case_without_what_was_for_others() {
    let broker = Mosquitto::start();
    let site = Site::new(&(boiler(broker.port(), "") + &street()));
    let mut hub = site.run();
    hub.wait_until("a session that takes messages", || {
        broker.publish("plant/no2", "0.5");
        !journal::polls(&site, "boiler").is_empty()
    });
    let mut trace = site.start(&["trace", "--config", "tutin.toml", "boiler", "--to", "t.jsonl"]);
    trace.wait_for("what is watched", |line| line.contains("link broker of device boiler"));
    let has = |device: &str, value: f64| {
        let polls = journal::polls(&site, device);
        polls.iter().flat_map(|set| set.readings()).any(|reading| reading.value == Value::Number(value))
    };
    hub.wait_until("messages of both devices", || {
        broker.publish("plant/no2", "1.5");
        broker.publish("street/no2", "99");
        has("boiler", 1.5) && has("street", 99.0)
    });
    // One that goes over the link after them, and so past whoever watches.
    hub.wait_until("a message after them", || {
        broker.publish("plant/no2", "2.5");
        has("boiler", 2.5)
    });
    trace.wait_until("all of them in the file", || site.read("t.jsonl").contains(": 2.5"));
    assert!(trace.interrupt().success());
    assert!(hub.interrupt().success());

    let driver = plugin("mqtt-json");
    let driver = driver.to_str().unwrap();
    let of = ["--config", "tutin.toml", "--device", "boiler", "--plugin", driver];
    let recorded = site.said(&[&["plugin", "record", "t.jsonl", "mine/cases/boiler"], &of[..]].concat());

    assert!(recorded.success && recorded.text.contains(r#""point":"no2","value":1.5"#), "{}", recorded.text);
    assert!(recorded.text.contains("the device's topics do not take them"), "{}", recorded.text);
    let case = site.read("mine/cases/boiler/case.toml");
    assert!(case.contains("plant/no2") && !case.contains("street/no2"), "{case}");
    notices_a_change(&site, driver, "mine/cases/boiler");

    site.configure(&site.read("tutin.toml").replace("\"plant/#\"", "\"lane/#\"").replace("plant/{id}", "lane/{id}"));
    let nothing = site.said(&[&["plugin", "record", "t.jsonl", "mine/cases/lane"], &of[..]].concat());
    assert!(!nothing.success && nothing.text.contains("no message in it is for the device"), "{}", nothing.text);
}

#[test]
fn a_driver_that_ran_beside_an_instrument_leaves_a_case() {
    let broker = Mosquitto::start();
    broker.publish_retained("plant/no2", "7.25");
    let site = Site::new("");
    let driver = plugin("mqtt-json");
    let driver = driver.to_str().unwrap();
    fs::write(site.path("settings.toml"), SETTINGS).unwrap();
    let link = format!("mqtt://127.0.0.1:{}", broker.port());
    let run =
        ["plugin", "run", driver, "--link", &link, "--settings", "settings.toml", "--device", "topics=[\"plant/#\"]"];
    let more = ["--every", "100ms", "--record", "mine/cases/boiler"];

    let mut running = site.start(&[&run[..], &more[..]].concat());
    // What the broker had kept may be of any age: this driver takes no value from it.
    running.wait_for("a poll", |line| line.contains("comm_error"));
    broker.publish("plant/no2", "8.25");
    running.wait_for("what came after it", |line| line.contains("8.25"));
    assert!(running.interrupt().success(), "{}", running.lines().text());

    let case = site.read("mine/cases/boiler/case.toml");
    assert!(case.contains("7.25") && case.contains("retained = true") && case.contains("8.25"), "{case}");
    notices_a_change(&site, driver, "mine/cases/boiler");
    let again = site.said(&[&run[..], &more[..]].concat());
    assert!(!again.success && again.text.contains("is there already"), "{}", again.text);
    let nowhere = site.said(&[&run[..], &["--record", "settings.toml/cases/boiler"]].concat());
    assert!(!nowhere.success && nowhere.text.contains("cannot write in settings.toml/cases"), "{}", nowhere.text);
}

#[test]
fn a_recording_of_nothing_says_so_and_one_without_a_case_is_kept() {
    let site = Site::new("");
    let driver = plugin("teledyne-t");
    let run =
        ["plugin", "run", driver.to_str().unwrap(), "--set", "model=T200", "--record", "mine/cases/north", "--link"];

    let absent = site.said(&[&run[..], &["tcp://127.0.0.1:9"]].concat());

    assert!(!absent.success && absent.text.contains("nothing went over the link"), "{}", absent.text);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let link = format!("tcp://{}?timeout=100ms", silent.local_addr().unwrap());
    let silent = site.said(&[&run[..], &[&link]].concat());
    assert!(!silent.success && silent.text.contains("not one sample came"), "{}", silent.text);
    let kept = silent.text.rsplit("what was seen is in ").next().unwrap().trim();
    assert!(fs::read_to_string(kept).unwrap().contains("\"out\""), "{kept}");
    fs::remove_file(kept).unwrap();
    assert!(!site.path("mine/cases/north").exists());
}

#[test]
fn an_analyser_with_a_server_of_its_own_becomes_a_case_with_its_nodes() {
    let mut server = Asyncua::start(Plant { items: 0, histories: 0, adi: true, ..Plant::default() });
    let site = Site::new("");
    let driver = plugin("opcua-adi");
    let driver = driver.to_str().unwrap();
    let link = format!("{}?policy=none", server.url());
    let limits = ["--device", "limits={ memory = \"64MiB\", call = \"2s\" }"];
    let run = [&["plugin", "run", driver, "--link", &link][..], &limits[..]].concat();

    let mut running = site.start(&[&run[..], &["--every", "100ms", "--record", "mine/cases/analyser"]].concat());
    running.wait_for("what it measures", |line| line.contains(" 200 ") && line.contains("suspect"));
    server.set(&format!("{STREAM}/ScaledData"), 250.5);
    running.wait_for("another value", |line| line.contains(" 250.5 ") && line.contains("suspect"));
    server.set_health(1);
    running.wait_for("a failure", |line| line.contains(" 250.5 ") && line.contains("fault"));
    assert!(running.interrupt().success(), "{}", running.lines().text());
    drop(server);

    let case = site.read("mine/cases/analyser/case.toml");
    assert!(case.contains("ScaledData") && case.contains("type_definition"), "{case}");
    let expected = site.read("mine/cases/analyser/expected.jsonl");
    for (value, state) in [("200.0", "suspect"), ("250.5", "suspect"), ("250.5", "fault")] {
        let part = format!("\"value\":{value},\"unit\":\"\",\"state\":\"{state}\"");
        assert!(expected.contains(&part), "{part} is not in {expected}");
    }
    notices_a_change(&site, driver, "mine/cases/analyser");
}

#[test]
fn items_that_a_hub_monitors_become_a_case() {
    let server = Asyncua::start(Plant { items: 2, histories: 0, ..Plant::default() });
    let site = Site::new(&analyser(&server.url(), "none", 2));
    let hub = site.run();
    hub.wait_until("readings", || !journal::polls(&site, "analyser").is_empty());
    let trace = ["trace", "--config", "tutin.toml", "analyser", "--to", "t.jsonl", "--for", "4s"];
    assert!(site.said(&trace).success);

    let driver = plugin("opcua-adi");
    let driver = driver.to_str().unwrap();
    let of = ["--config", "tutin.toml", "--device", "analyser", "--plugin", driver];
    let recorded = site.said(&[&["plugin", "record", "t.jsonl", "mine/cases/items"], &of[..]].concat());

    assert!(recorded.success && recorded.text.contains("\"point\":\"item_2\""), "{}", recorded.text);
    notices_a_change(&site, driver, "mine/cases/items");
}

/// A stream of the analyser in the address space of the standard.
const STREAM: &str = "DeviceSet/Analyser/Channel2/Stream1/ParameterSet";

/// Plays the case, alters what it expects, and plays it again.
fn notices_a_change(site: &Site, driver: &str, case: &str) {
    let test = || site.said(&["plugin", "test", "mine", "--plugin", driver]);
    let passed = test();
    assert!(passed.success && passed.text.contains("1 case, 0 failed"), "{}", passed.text);
    let file = format!("{case}/expected.jsonl");
    fs::write(site.path(&file), site.read(&file).replacen("\"valid\"", "\"fault\"", 1)).unwrap();
    let failed = test();
    let has = |sign| failed.text.contains(&format!("{sign} {{\"step\":"));
    assert!(!failed.success && has('-') && has('+'), "{}", failed.text);
    let blessed = site.said(&["plugin", "test", "mine", "--plugin", driver, "--bless"]);
    assert!(blessed.success && test().success, "{}", blessed.text);
}

/// Settings of mqtt-json that take plain numbers from `plant/no2`.
const SETTINGS: &str = r#"
stale_after_s = 3600
points = [{ id = "no2", unit = "[ppb]" }]
messages = [{ topic = "plant/{id}", format = "plain", values = [{ id = "{id}" }] }]
"#;

/// Another device on the broker of the boiler.
fn street() -> String {
    format!(
        "\n[devices.street]\nplugin = \"mqtt-json\"\nlink = \"broker\"\ntopics = [\"street/#\"]\ninterval = \"500ms\"\n\n\
         [devices.street.settings]\n{}",
        SETTINGS.replace("plant", "street")
    )
}

/// A site whose hub read a T200 for two seconds, with what went over the link in `t.jsonl`.
fn traced() -> Site {
    let peer = Pymodbus::start(instrument::map());
    let site = Site::new(&(with_plugin("teledyne-t") + &t200("no2-north", &peer.address())));
    let mut hub = site.run();
    hub.wait_until("readings", || !journal::polls(&site, "no2-north").is_empty());
    assert!(site.said(&["trace", "--config", "tutin.toml", "no2-north", "--to", "t.jsonl", "--for", "2s"]).success);
    assert!(hub.interrupt().success());
    site
}

/// What comes of making a case of a trace of that site.
fn record(site: &Site, trace: &str, case: &str) -> Said {
    let driver = plugin("teledyne-t");
    let of = ["--config", "tutin.toml", "--device", "no2-north", "--plugin", driver.to_str().unwrap()];
    site.said(&[&["plugin", "record", trace, case], &of[..]].concat())
}
