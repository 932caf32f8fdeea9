//! A block without enough valid data says why: whatever kept the readings away, and however the hub learned of it.

use std::collections::BTreeSet;
use std::time::Duration;

use rusqlite::types::Value;

use crate::support::configuration::{averages_to, misbehaving, short_blocks, t200, with_plugin};
use crate::support::hub::{Hub, Site};
use crate::support::pymodbus::Pymodbus;
use crate::support::{store, t200};

/// Long enough that a whole block of two seconds is lost, wherever in a block the hub ended.
const OUTAGE: Duration = Duration::from_secs(5);

fn configuration(peer: &Pymodbus) -> String {
    let file = averages_to("file", "type = \"file\"\npath = \"averages.jsonl\"");
    with_plugin("teledyne-t") + &t200("no2-north", &peer.address()) + &short_blocks("no2-north") + &file
}

/// Causes of the gaps, each with the beginning of its detail.
fn causes(site: &Site) -> BTreeSet<(String, String)> {
    let rows =
        store::try_query(&site.path("state/journal.sqlite"), "SELECT cause, detail FROM gap").unwrap_or_default();
    let text = |value: &Value| match value {
        Value::Text(text) => text.clone(),
        other => format!("{other:?}"),
    };
    rows.iter().map(|row| (text(&row[0]), text(&row[1]))).collect()
}

fn wait_for_cause(hub: &Hub, site: &Site, cause: &str, detail: &str) {
    hub.wait_until(cause, || causes(site).iter().any(|(name, what)| name == cause && what.contains(detail)));
}

fn wait_for_valid(hub: &Hub, site: &Site) {
    let valid = "SELECT count(*) FROM average WHERE state = 'valid'";
    let journal = site.path("state/journal.sqlite");
    let before = store::number_or_zero(&journal, valid);
    hub.wait_until("a valid block", || store::number_or_zero(&journal, valid) > before);
}

#[test]
fn an_instrument_a_link_and_a_stopped_hub_are_told_apart() {
    let mut peer = Pymodbus::start(t200::map());
    let site = Site::new(&configuration(&peer));
    let mut hub = site.run();
    wait_for_valid(&hub, &site);

    peer.set_discrete_inputs(t200::INVALID_CONC, &[true]);
    wait_for_cause(&hub, &site, "device", "fault");
    peer.set_discrete_inputs(t200::INVALID_CONC, &[false]);
    wait_for_valid(&hub, &site);

    peer.fall_silent();
    wait_for_cause(&hub, &site, "link", "timeout");
    peer.speak();
    wait_for_valid(&hub, &site);

    assert!(hub.interrupt().success());
    std::thread::sleep(OUTAGE);
    let mut hub = site.run();
    wait_for_cause(&hub, &site, "hub_down", "stopped");
    wait_for_valid(&hub, &site);

    hub.kill();
    std::thread::sleep(OUTAGE);
    let mut hub = site.run();
    wait_for_cause(&hub, &site, "hub_down", "killed");
    assert!(hub.interrupt().success());
    let mut listed = site.start(&["gaps", "--config", "tutin.toml", "--from", "2026-01-01"]);
    assert!(listed.wait().success());
    let text = listed.lines().text();
    for cause in ["device: fault", "link", "hub_down: the hub was killed", "hub_down: the hub was stopped", "valid, "] {
        assert!(text.contains(cause), "{cause} is not in\n{text}");
    }
}

#[test]
fn a_driver_that_falls_and_a_point_that_is_not_there_are_causes() {
    let peer = Pymodbus::start(t200::map());
    let source = short_blocks("broken").replace("point = \"no2\"\nunit = \"mg/m3\"", "point = \"polls\"");
    let wrong = "\n[sources.stack-2]\nrule_sets = [\"short\"]\n\n[sources.stack-2.parameters.NO2]\ndevice = \"no2-north\"\npoint = \"no2x\"\n";
    let text = with_plugin("teledyne-t") + &with_plugin("misbehaving") + &t200("no2-north", &peer.address());
    let site = Site::new(&(text + &misbehaving("broken", "trap") + &source + wrong));
    let hub = site.run();

    wait_for_cause(&hub, &site, "plugin_parked", "");
    wait_for_cause(&hub, &site, "configuration", "no point no2x");
}
