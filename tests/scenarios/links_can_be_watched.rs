//! What goes over a link can be seen, kept and played back; what people may do to an instrument is said in the configuration.

use std::net::SocketAddr;

use tutin::journal::Event;
use tutin::reading::InstrumentState;

use crate::support::asyncua::{Asyncua, Plant};
use crate::support::configuration::{t200, with_plugin};
use crate::support::hub::{Hub, Site};
use crate::support::pymodbus::Pymodbus;
use crate::support::{journal, ports, t200};

/// Whether a command in the site's folder succeeded, and all that it said.
fn tutin(site: &Site, arguments: &[&str]) -> (bool, String) {
    let said = site.said(arguments);
    (said.success, said.text)
}

/// NO2 of the last poll, when it is valid.
fn no2(site: &Site, device: &str) -> Option<u64> {
    let polls = journal::polls(site, device);
    let reading = polls.last()?.readings().find(|reading| reading.point.id == "no2")?;
    (reading.state == InstrumentState::Valid).then_some(reading.raw)?
}

#[test]
fn a_trace_of_a_device_is_played_back_as_that_device() {
    let peer = Pymodbus::start(t200::map());
    let site = Site::new(&(with_plugin("teledyne-t") + &t200("no2-north", &peer.address())));
    let mut hub = site.run();
    hub.wait_until("valid readings", || no2(&site, "no2-north").is_some());
    let (shown, text) = tutin(&site, &["trace", "--config", "tutin.toml", "no2-north", "--for", "1s"]);
    assert!(shown, "{text}");
    assert!(text.contains("-> ") && text.contains("<- ") && text.contains("read input registers"), "{text}");
    let arguments = ["trace", "--config", "tutin.toml", "no2-north", "--to", "t200.trace", "--for", "2s"];
    let (written, text) = tutin(&site, &arguments);
    assert!(written, "{text}");
    assert!(hub.interrupt().success());
    let measured = no2(&site, "no2-north");
    drop(peer);

    let address = format!("127.0.0.1:{}", ports::free());
    let replayed = site.start(&["simulate", "replay", "t200.trace", "--listen", &address]);
    replayed.wait_for("its address", |line| line.contains("listens on"));
    let again = Site::new(&(with_plugin("teledyne-t") + &t200("no2-north", &address)));
    let hub = again.run();
    hub.wait_until("the readings of the trace", || no2(&again, "no2-north").is_some());
    assert_eq!(no2(&again, "no2-north"), measured, "bit for bit");
}

#[test]
fn nobody_is_shown_a_link_that_does_not_exist() {
    let site = Site::new(&(with_plugin("teledyne-t") + &t200("no2-north", "127.0.0.1:9")));
    let (shown, text) = tutin(&site, &["trace", "--config", "tutin.toml", "no2-north"]);
    assert!(!shown && text.contains("no hub runs"), "{text}");
    let hub: Hub = site.run();
    hub.wait_for("a running hub", |line| line.contains("running; Ctrl-C ends it"));
    let (shown, text) = tutin(&site, &["trace", "--config", "tutin.toml", "no2-south"]);
    assert!(!shown && text.contains("no2-north"), "{text}");
}

#[test]
fn a_command_that_the_configuration_does_not_list_is_refused_and_recorded() {
    let mut peer = Pymodbus::start(t200::map());
    let listed = t200("no2-north", &peer.address()).replace("commands = [\"*\"]", "commands = [\"zero-*\"]");
    let site = Site::new(&(with_plugin("teledyne-t") + &listed));
    let mut hub = site.run();
    hub.wait_until("valid readings", || no2(&site, "no2-north").is_some());
    peer.requests();

    let command = |name| tutin(&site, &["command", "--config", "tutin.toml", "no2-north", name, "{\"range\": 1}"]);
    let (done, text) = command("span-start");
    assert!(!done && text.contains("commands = [\"span-start\"]"), "{text}");
    assert!(peer.requests().iter().all(|(function, ..)| *function < 5), "something was written");
    let (done, text) = command("zero-start");
    assert!(done, "{text}");
    assert!(hub.interrupt().success());

    let events = journal::events(&site).into_iter();
    let commands: Vec<(String, bool)> = events
        .filter_map(|event| match event {
            Event::Command { command, refusal, .. } => Some((command, refusal.is_some())),
            _ => None,
        })
        .collect();
    assert_eq!(commands, [("span-start".to_owned(), true), ("zero-start".to_owned(), false)]);
}

#[test]
fn ten_thousand_nodes_are_browsed_without_a_hub() {
    let server = Asyncua::start(Plant { histories: 0, browse: 10_000, ..Plant::default() });
    let link = format!("\n[links.server]\ntype = \"opcua\"\nurl = \"{}\"\npolicy = \"none\"\n", server.url());
    let address: SocketAddr = "127.0.0.1:9".parse().unwrap();
    let site = Site::new(&(with_plugin("teledyne-t") + &t200("no2-north", &address.to_string()) + &link));
    let (done, text) = tutin(&site, &["opcua", "browse", "--config", "tutin.toml", "server", "--depth", "6"]);
    assert!(done, "{}", text.lines().rev().take(5).collect::<Vec<_>>().join("\n"));
    let found = text.lines().filter(|line| line.contains("urn:tutin:test:nodes")).count();
    assert!(found >= 10_000, "{found} nodes");
}
