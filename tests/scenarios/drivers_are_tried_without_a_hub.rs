//! An integrator tries a driver beside a real instrument, keeps what the instrument said, and plays it back, without a hub's configuration.

use std::fs;
use std::net::TcpListener;

use crate::support::configuration::{t200, with_plugin};
use crate::support::hub::{Said, Site, plugin};
use crate::support::journal;
use crate::support::pymodbus::Pymodbus;
use crate::support::t200::{self as instrument, NO2_R1, value_at};

const RUN: [&str; 4] = ["plugin", "run", "driver.wasm", "--link"];

/// A site with a driver of the T200 in `driver.wasm`.
fn site() -> Site {
    let site = Site::new("");
    fs::copy(plugin("teledyne-t"), site.path("driver.wasm")).unwrap();
    site
}

#[test]
fn one_poll_of_a_real_peer_is_shown_with_units_states_and_frames() {
    let peer = Pymodbus::start(instrument::map());
    let site = site();
    let link = format!("tcp://{}", peer.address());

    let said = site.said(&[&RUN[..], &[&link, "--set", "model=T200", "--trace"]].concat());

    assert!(said.success, "{}", said.text);
    let no2 = said.text.lines().find(|line| line.contains("  no2_r1 ")).unwrap_or_else(|| panic!("{}", said.text));
    for part in [&value_at(NO2_R1).to_string()[..5], "[ppb]", "valid", "status 0x"] {
        assert!(no2.contains(part), "{part} is not in {no2:?}");
    }
    assert!(said.text.contains(" -> ") && said.text.contains("read input registers"), "{}", said.text);
}

#[test]
fn what_is_wrong_is_told_and_fails_the_command() {
    let site = site();
    let check = |arguments: &[&str], expected: &str| {
        let said = site.said(&[&RUN[..], arguments].concat());
        assert!(!said.success && said.text.contains(expected), "{expected:?} is not in {}", said.text);
    };
    check(&["tcp://127.0.0.1:9", "--set", "model=T200"], "no readings: ");
    check(&["tcp://127.0.0.1:9", "--set", "model=T2000"], "did you mean `T200`?");
    check(&["tcp://127.0.0.1:9?timeot=2s", "--set", "model=T200"], "did you mean \"timeout\"?");
    check(&["127.0.0.1:9"], "it begins with one of tcp://");
    check(&["tcp://127.0.0.1:9", "--device", "unit=400"], "unit");
    fs::write(site.path("null.json"), r#"{"model": "T200", "points": [{"unit": null}]}"#).unwrap();
    check(&["tcp://127.0.0.1:9", "--settings", "null.json"], "null.json: .points[0].unit is null");
}

#[test]
fn a_component_that_is_not_there_is_told_as_such() {
    let site = site();
    fs::create_dir(site.path("no2")).unwrap();
    let check = |arguments: &[&str], expected: &str| {
        let said = site.said(&[&["plugin"], arguments].concat());
        assert!(!said.success && said.text.contains(expected), "{expected:?} is not in {}", said.text);
    };
    check(&["conform", "drivr.wasm"], "there is no file and no folder drivr.wasm");
    check(&["test", "nowhere"], "there is no file and no folder nowhere");
    check(&["conform", "no2"], "no2 is not built: run `tutin plugin build ");
    check(&["run", "no2", "--link", "tcp://127.0.0.1:9"], "no2 is not built");
}

#[test]
fn a_poll_that_waits_for_a_silent_instrument_ends_when_somebody_ends_it() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    silent.set_nonblocking(true).unwrap();
    let site = site();
    let link = format!("tcp://{}?timeout=60s", silent.local_addr().unwrap());
    let mut running = site.start(&[&RUN[..], &[&link, "--set", "model=T200"]].concat());
    let mut asked = None;
    running.wait_until("a connection", || {
        asked = asked.take().or_else(|| silent.accept().ok());
        asked.is_some()
    });

    assert_eq!(running.interrupt().code(), Some(130));
}

#[test]
fn a_component_that_is_built_anew_is_taken_up_and_a_broken_one_is_not() {
    let peer = Pymodbus::start(instrument::map());
    let site = site();
    let link = format!("tcp://{}", peer.address());
    let mut running = site.start(&[&RUN[..], &[&link, "--set", "model=T200", "--every", "100ms"]].concat());
    running.wait_for("readings", |line| line.contains("no2_r1"));

    fs::write(site.path("driver.wasm"), "half a file").unwrap();
    running.wait_for("the refusal", |line| line.contains("the old one goes on"));
    let before = running.lines().count();
    running.wait_for_after(before, "readings of the old one", |line| line.contains("no2_r1"));

    let mut component = fs::read(plugin("teledyne-t")).unwrap();
    // A custom section of no meaning: the same driver with another digest.
    component.extend(b"\x00\x05\x04note");
    fs::write(site.path("driver.wasm"), component).unwrap();
    running.wait_for("the new one", |line| line.contains("built anew: teledyne-t"));
    let before = running.lines().count();
    running.wait_for_after(before, "readings of the new one", |line| line.contains("no2_r1"));
    assert!(running.interrupt().success());
}

#[test]
fn a_trace_of_a_running_hub_becomes_a_case_that_passes_and_that_notices_a_change() {
    let site = traced();

    let case = "mine/cases/north";
    let recorded = record(&site, "t.jsonl", case);
    assert!(recorded.success && recorded.text.contains("\"point\":\"no2_r1\""), "{}", recorded.text);
    let driver = plugin("teledyne-t");
    let driver = driver.to_str().unwrap();
    let test = || site.said(&["plugin", "test", "mine", "--plugin", driver]);
    let passed = test();
    assert!(passed.success && passed.text.contains("1 cases, 0 failed"), "{}", passed.text);
    let options_of_a_hub = [("TUTIN__DEVICES__DEVICE__UNIT", "9"), ("TUTIN__LINKS__LINK__TIMEOUT", "no time")];
    let passed = site.said_with(&options_of_a_hub, &["plugin", "test", "mine", "--plugin", driver]);
    assert!(passed.success, "{}", passed.text);

    let again = record(&site, "t.jsonl", case);
    assert!(!again.success && again.text.contains("is there already"), "{}", again.text);
    let file = format!("{case}/expected.jsonl");
    fs::write(site.path(&file), site.read(&file).replacen("\"valid\"", "\"fault\"", 1)).unwrap();
    let failed = test();
    assert!(
        !failed.success && failed.text.contains("- {\"step\":1") && failed.text.contains("+ {\"step\":1"),
        "{}",
        failed.text
    );
    let blessed = site.said(&["plugin", "test", "mine", "--plugin", driver, "--bless"]);
    assert!(blessed.success && test().success, "{}", blessed.text);
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
    assert!(shared.success && shared.text.contains("1 exchanges of the trace are not in the case"), "{}", shared.text);
    for file in ["case.toml", "expected.jsonl"] {
        let of = |case: &str| site.read(&format!("mine/cases/{case}/{file}"));
        assert_eq!(of("shared"), of("alone"), "{file}");
    }
    assert!(!site.read("mine/cases/shared/trace.jsonl").contains(ask_of_unit_9));
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
