//! An integrator tries a driver beside a real instrument, without a hub's configuration.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use crate::support::hub::{Site, plugin};
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
fn a_case_that_cannot_be_read_fails_alone() {
    let site = Site::new("");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/thermo-clink/cases/measuring");
    for case in ["good", "bad"] {
        fs::create_dir_all(site.path(&format!("mine/cases/{case}"))).unwrap();
    }
    for file in ["case.toml", "expected.jsonl"] {
        fs::copy(shipped.join(file), site.path(&format!("mine/cases/good/{file}"))).unwrap();
    }
    fs::write(site.path("mine/cases/bad/case.toml"), "about = 'bad'\nsteps = 1\n").unwrap();

    let said = site.said(&["plugin", "test", "mine", "--plugin", plugin("thermo-clink").to_str().unwrap()]);

    assert!(!said.success && said.text.contains("2 cases, 1 failed"), "{}", said.text);
    let line = |name: &str| said.text.lines().find(|line| line.trim_start().starts_with(name)).unwrap_or_default();
    assert!(line("good").contains("passed") && line("bad").contains("FAILED"), "{}", said.text);
    assert!(said.text.contains("unknown field `steps`"), "{}", said.text);
}
