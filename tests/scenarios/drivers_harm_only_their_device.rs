//! Whatever a plugin does, it ends at a limit with a name, and its neighbour's readings have no gap.

use tutin::reading::InstrumentState;

use crate::support::configuration::{misbehaving, t200, with_plugin};
use crate::support::hub::Site;
use crate::support::pymodbus::Pymodbus;
use crate::support::{journal, t200};

/// Runs a misbehaving device beside a good one until the bad one was stopped for `reason`; then looks at the good one.
fn check(behaviour: &str, reason: &str) {
    let peer = Pymodbus::start(t200::map());
    let plugins = with_plugin("teledyne-t") + &with_plugin("misbehaving");
    let devices = t200("good", &peer.address()) + &misbehaving("bad", behaviour);
    let site = Site::new(&(plugins + &devices));
    let mut hub = site.run();
    hub.wait_for(reason, |line| line.contains(reason) && line.contains("bad"));
    let polls = journal::polls(&site, "good").len();
    hub.wait_until("the good device's next polls", || journal::polls(&site, "good").len() >= polls + 10);
    hub.wait_for("a restart", |line| line.contains("answers again") && line.contains("bad"));
    assert!(hub.interrupt().success());

    let good = journal::polls(&site, "good");
    let valid = |state: InstrumentState| state == InstrumentState::Valid;
    assert!(good.iter().flat_map(|set| set.readings()).all(|reading| valid(reading.state)), "{behaviour}");
    journal::check_beat(&good);
    let bad = journal::polls(&site, "bad");
    let missing = bad.iter().flat_map(|set| set.readings()).filter(|reading| reading.state == InstrumentState::Missing);
    assert!(missing.count() > 0, "{behaviour}: the time without a driver is not recorded");
}

#[test]
fn a_trap_is_the_device_s_own_affair() {
    check("trap", "plugin trapped");
}

#[test]
fn a_panic_is_the_device_s_own_affair() {
    // What it panicked about comes by its log, and is told with the trap.
    check("panic", "; it said: panicked at ");
}

#[test]
fn an_endless_loop_is_stopped_at_its_limit() {
    check("loop", "limits.call");
}

#[test]
fn a_memory_bomb_is_stopped_at_its_limit() {
    check("grow", "limits.memory");
}

#[test]
fn a_flood_of_log_lines_is_stopped_at_its_limit() {
    let devices = misbehaving("bad", "flood_log");
    let site = Site::new(&(with_plugin("misbehaving") + &devices));
    let mut hub = site.run();
    hub.wait_for("the limit", |line| line.contains("limits.host_calls"));
    hub.wait_until("polls", || journal::polls(&site, "bad").len() >= 10);
    assert!(hub.interrupt().success());
    let lines = hub.lines().count();
    assert!(lines < 400, "{lines} lines in the log");
}

#[test]
fn an_import_that_was_not_granted_is_refused_by_name() {
    let configuration = with_plugin("teledyne-t") + &t200("no2-north", "127.0.0.1:9");
    let site = Site::new(&configuration.replace("grants = [\"tutin:modbus/control\"]\n", ""));
    let hub = site.run();
    let line = hub.wait_for("the refusal", |line| line.contains("parked"));
    for part in ["tutin:modbus/control@0.1.0", "no2-north", "grants"] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    let mut check = site.start(&["check", "tutin.toml", "--format", "short"]);
    assert_eq!(check.wait().code(), Some(1));
    let said = check.lines().text();
    assert!(said.contains("tutin:modbus/control@0.1.0") && said.contains("devices.no2-north"), "{said}");
}

#[test]
fn a_component_for_another_contract_is_refused_in_words() {
    let check = |component: &str, expected: &[&str]| {
        let site = Site::new("");
        std::fs::write(site.path("other.wasm"), wat::parse_str(component).unwrap()).unwrap();
        let mut inspect = site.start(&["plugin", "inspect", "other.wasm"]);
        assert_eq!(inspect.wait().code(), Some(1));
        let said = inspect.lines().text();
        for part in expected {
            assert!(said.contains(part), "{part} is not in {said}");
        }
    };
    check(
        r#"(component (instance $i) (export "tutin:driver/driver@9.0.0" (instance $i)))"#,
        &["tutin:driver/driver@9.0.0", "tutin:driver/driver@0.1.0"],
    );
    check(
        r#"(component (import "tutin:modbus/client@0.9.0" (instance)) (instance $i)
            (export "tutin:driver/driver@0.1.0" (instance $i)))"#,
        &["tutin:modbus/client@0.9.0", "tutin:modbus/client@0.1.0"],
    );
    check(
        r#"(component (import "wasi:sockets/tcp@0.2.0" (instance)) (instance $i)
            (export "tutin:driver/driver@0.1.0" (instance $i)))"#,
        &["wasi:sockets/tcp@0.2.0", "does not offer"],
    );
    check("(component)", &["not a driver"]);
}

#[test]
fn a_file_that_is_no_component_is_told_as_such() {
    let site = Site::new("");
    std::fs::write(site.path("other.wasm"), b"MZ this is something else").unwrap();
    let mut inspect = site.start(&["plugin", "inspect", "other.wasm"]);
    assert_eq!(inspect.wait().code(), Some(1));
    let said = inspect.lines().text();
    assert!(said.contains("other.wasm") && said.contains("no WebAssembly component"), "{said}");
}
