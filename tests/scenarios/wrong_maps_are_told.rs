//! A map that does not fit the instrument is told clearly, and nothing is invented from it.

use tutin::reading::{InstrumentState, Value};

use crate::support::configuration::with_plugin;
use crate::support::hub::Site;
use crate::support::journal;
use crate::support::pymodbus::{Map, Pymodbus, f32_high_first};

fn site(peer: &Pymodbus, points: &str) -> Site {
    let device = format!(
        r#"
[links.line]
type = "modbus_tcp"
address = "{}"

[devices.analyzer]
plugin = "modbus-map"
link = "line"
interval = "100ms"

[devices.analyzer.settings]
max_gap = 0
points = [{points}]
"#,
        peer.address()
    );
    Site::new(&(with_plugin("modbus-map") + &device))
}

#[test]
fn an_address_that_the_device_does_not_have_is_a_fault_and_names_itself() {
    let peer = Pymodbus::start(Map::default().input_registers(0, &f32_high_first(&[12.5])));
    let points = r#"
        { id = "co", table = "input", address = 0, type = "f32", word_order = "high_first" },
        { id = "no", table = "input", address = 4000, type = "f32", word_order = "high_first" }"#;
    let site = site(&peer, points);
    let hub = site.run();
    let line = hub.wait_for("the wrong address", |line| line.contains("4000"));
    assert!(line.contains("illegal data address") && line.contains("analyzer"), "{line}");
    hub.wait_until("a stored poll", || !journal::polls(&site, "analyzer").is_empty());
    let set = journal::polls(&site, "analyzer").remove(0);
    let reading = |id: &str| set.readings().find(|reading| reading.point.id == id).unwrap();
    assert!(matches!(reading("no").state, InstrumentState::Fault | InstrumentState::CommError), "{:?}", reading("no"));
    assert_ne!(reading("no").value, Value::Number(0.0));
    assert_eq!((reading("co").value, reading("co").state), (Value::Number(12.5), InstrumentState::Valid));
}

#[test]
fn a_wrong_word_order_is_a_fault_that_names_the_right_one_and_keeps_the_bits() {
    // 12.34 read with its words exchanged is 4.07e29 (published vectors, float_word_order.json).
    let peer = Pymodbus::start(Map::default().input_registers(0, &f32_high_first(&[12.34])));
    let point =
        r#"{ id = "co", table = "input", address = 0, type = "f32", word_order = "low_first", range = [-5, 1000] }"#;
    let site = site(&peer, point);
    let hub = site.run();
    let line = hub.wait_for("the doubt", |line| line.contains("word_order"));
    assert!(
        line.contains("co") && line.contains("4.06") && line.contains("high_first") && line.contains("analyzer"),
        "{line}"
    );
    hub.wait_until("a stored poll", || !journal::polls(&site, "analyzer").is_empty());
    let set = journal::polls(&site, "analyzer").remove(0);
    let reading = set.reading(0).unwrap();
    assert_eq!(reading.raw, Some(0x70a4_4145));
    assert_eq!(reading.value, Value::Number(f64::from(f32::from_bits(0x70a4_4145))));
    assert_eq!(reading.state, InstrumentState::Fault);
}

#[test]
fn a_word_order_that_nobody_knows_is_asked_for() {
    let peer = Pymodbus::start(Map::default().input_registers(0, &[0, 0]));
    let site = site(&peer, r#"{ id = "co", table = "input", address = 0, type = "f32" }"#);
    let mut check = site.start(&["check", "tutin.toml", "--format", "short"]);
    assert_eq!(check.wait().code(), Some(1));
    let said = check.lines().text();
    assert!(said.contains("word_order") && said.contains("devices.analyzer"), "{said}");
}
