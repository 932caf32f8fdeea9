//! Whatever happens to the hub or its disk, a block closes on the readings of its time, and none is left out.

use rusqlite::Connection;

use crate::support::configuration::{averages_to, short_blocks, t200, with_plugin};
use crate::support::hub::{Hub, Site};
use crate::support::pymodbus::Pymodbus;
use crate::support::{store, t200};

fn configuration(peer: &Pymodbus) -> String {
    let file = averages_to("file", "type = \"file\"\npath = \"averages.jsonl\"");
    with_plugin("teledyne-t") + &t200("no2-north", &peer.address()) + &short_blocks("no2-north") + &file
}

fn closed(site: &Site) -> i64 {
    store::number_or_zero(&site.path("state/journal.sqlite"), "SELECT count(*) FROM average")
}

fn wait_for_closed(hub: &Hub, site: &Site, count: i64) {
    hub.wait_until("closed averages", || closed(site) >= count);
}

#[test]
fn a_store_that_stalls_makes_no_reading_late() {
    let peer = Pymodbus::start(t200::map());
    let site = Site::new(&configuration(&peer));
    let mut hub = site.run();
    wait_for_closed(&hub, &site, 2);
    let journal = site.path("state/journal.sqlite");
    let stalled = Connection::open(&journal).unwrap();
    stalled.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Said after five seconds, which is longer than two blocks with their lateness.
    hub.wait_for("the stall", |line| line.contains("nothing can be stored"));
    stalled.execute_batch("ROLLBACK").unwrap();
    let count = closed(&site);
    wait_for_closed(&hub, &site, count + 5);
    assert!(hub.interrupt().success());
    let first = "SELECT min(start) FROM average";
    let lost =
        store::number(&journal, &format!("SELECT count(*) FROM average WHERE state <> 'valid' AND start > ({first})"));
    assert_eq!(lost, 0, "blocks closed before their readings were stored");
}

#[test]
fn the_first_block_survives_the_death_of_its_hub() {
    let peer = Pymodbus::start(t200::map());
    let long = configuration(&peer).replace("block = \"2s\"", "block = \"8s\"");
    let site = Site::new(&long);
    let mut hub = site.run();
    let journal = site.path("state/journal.sqlite");
    hub.wait_until("stored readings", || {
        store::number_or_zero(&journal, "SELECT count(*) FROM entry WHERE kind = 2") > 0
    });
    hub.kill();
    assert_eq!(closed(&site), 0, "the block is not over yet");
    let begins = store::number(&journal, "SELECT min(begins) / 8000000000 * 8000000000 FROM stream");
    let hub = site.run();
    wait_for_closed(&hub, &site, 1);
    assert_eq!(store::number(&journal, "SELECT min(start) FROM average"), begins);
    assert!(store::number(&journal, "SELECT json_extract(body, '$.valid') FROM average ORDER BY start LIMIT 1") > 0);
}

#[test]
fn another_block_length_begins_without_a_hole() {
    let peer = Pymodbus::start(t200::map());
    let site = Site::new(&configuration(&peer));
    let mut hub = site.run();
    wait_for_closed(&hub, &site, 2);
    assert!(hub.interrupt().success());
    let before = closed(&site);
    site.configure(&configuration(&peer).replace("block = \"2s\"", "block = \"4s\""));
    let hub = site.run();
    wait_for_closed(&hub, &site, before + 2);
    let journal = site.path("state/journal.sqlite");
    let reached = "SELECT max(start + length_s * 1000000000) FROM average WHERE length_s = 2";
    let taken_up = "SELECT min(start) FROM average WHERE length_s = 4";
    assert!(store::number(&journal, taken_up) <= store::number(&journal, reached), "a hole between the lengths");
    let delivered = "SELECT count(*) FROM average a WHERE NOT EXISTS (SELECT 1 FROM delivery d WHERE d.start = a.start AND \
                     d.length_s = a.length_s)";
    assert_eq!(store::number(&journal, delivered), 0, "averages without a delivery");
}

#[test]
fn a_sink_that_gets_a_route_of_readings_later_begins_with_those_of_then() {
    let peer = Pymodbus::start(t200::map());
    let site = Site::new(&configuration(&peer));
    let mut hub = site.run();
    wait_for_closed(&hub, &site, 2);
    assert!(hub.interrupt().success());
    let journal = site.path("state/journal.sqlite");
    let last = store::number(&journal, "SELECT max(received) FROM (SELECT at AS received FROM entry WHERE kind = 2)");
    let readings = "\n[routes.readings]\ntake = \"readings\"\nto = [\"more\"]\n\n[sinks.more]\ntype = \"file\"\n\
                    path = \"readings.jsonl\"\nshape = \"poll\"\n";
    site.configure(&(configuration(&peer) + readings));
    let hub = site.run();
    hub.wait_until("readings in the file", || site.read("readings.jsonl").lines().count() >= 3);
    let first: serde_json::Value = serde_json::from_str(site.read("readings.jsonl").lines().next().unwrap()).unwrap();
    let at: tutin::time::Timestamp = first["at"].as_str().unwrap().parse().unwrap();
    assert!(at.0 > last, "{at} was read before the route was there");
}
