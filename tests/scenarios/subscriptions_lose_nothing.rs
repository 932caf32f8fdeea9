//! What a broker or a server sends is not forgotten there before it is kept here, over every interruption.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Duration;

use tutin::journal::{Event, LinkState};
use tutin::reading::{InstrumentState, Value};

use crate::support::asyncua::{Asyncua, Plant};
use crate::support::certificates::Certificates;
use crate::support::configuration::{analyser, boiler};
use crate::support::disk::Disk;
use crate::support::hub::{Site, binary};
use crate::support::journal;
use crate::support::mosquitto::{ClientCertificate, Mosquitto, PASSWORD, USER};

/// A number that is published until it arrives.
const PROBE: f64 = 999.0;

/// The numbers of a point that came, in their order.
fn values(site: &Site, device: &str, point: &str) -> Vec<f64> {
    let polls = journal::polls(site, device);
    let readings = polls.iter().flat_map(|set| set.readings());
    let numbers = readings.filter(|reading| reading.point.id == point && reading.state == InstrumentState::Valid);
    numbers.filter_map(|reading| if let Value::Number(value) = reading.value { Some(value) } else { None }).collect()
}

fn link_states(site: &Site, link: &str) -> Vec<(LinkState, String)> {
    // A hub that is still starting has none, or one without tables.
    if tutin::journal::read(&journal::file(site)).is_err() {
        return Vec::new();
    }
    let events = journal::events(site).into_iter();
    let of_link = events.filter_map(|event| match event {
        Event::Link { link: name, state, reason, .. } if name == link => Some((state, reason)),
        _ => None,
    });
    of_link.collect()
}

#[test]
fn what_was_published_while_the_hub_was_away_or_the_broker_restarted_arrives_in_order() {
    let mut broker = Mosquitto::start_persistent();
    let site = Site::new(&boiler(broker.port(), ""));
    let mut hub = site.run();
    hub.wait_until("a session", || {
        link_states(&site, "broker").iter().any(|(state, _)| *state == LinkState::Connected)
    });
    let mut sent = Vec::new();
    let publish = |broker: &Mosquitto, sent: &mut Vec<f64>| {
        let value = f64::from(u16::try_from(sent.len()).unwrap()) + 0.5;
        broker.publish("plant/no2", value.to_string());
        sent.push(value);
    };
    (0..20).for_each(|_| publish(&broker, &mut sent));
    hub.wait_until("the first twenty", || values(&site, "boiler", "no2") == sent);

    assert!(hub.interrupt().success());
    (0..20).for_each(|_| publish(&broker, &mut sent));
    let mut hub = site.run();
    hub.wait_until("what the broker kept meanwhile", || values(&site, "boiler", "no2") == sent);

    // A broker that was killed may have forgotten the session, so that what it gets before the hub is back is nobody's, and
    // what was acknowledged, which it sends once more.
    broker.restart();
    hub.wait_until("the session after the broker's restart", || {
        broker.publish("plant/no2", PROBE.to_string());
        values(&site, "boiler", "no2").contains(&PROBE)
    });
    (0..20).for_each(|_| publish(&broker, &mut sent));
    hub.wait_until("what came after the broker's restart", || {
        let mut known: Vec<f64> = Vec::new();
        for value in values(&site, "boiler", "no2") {
            if value != PROBE && !known.contains(&value) {
                known.push(value);
            }
        }
        known == sent
    });
    assert!(hub.interrupt().success());
    journal::check_chain(&site);
}

#[test]
fn a_message_whose_readings_are_not_on_disk_is_not_acknowledged() {
    let broker = Mosquitto::start_persistent();
    let site = Site::new(&boiler(broker.port(), ""));
    let disk = Disk::of(&site);
    let mut hub = site.run_on(&disk);
    hub.wait_until("a session", || {
        link_states(&site, "broker").iter().any(|(state, _)| *state == LinkState::Connected)
    });
    broker.publish("plant/no2", "1.5");
    hub.wait_until("the first", || values(&site, "boiler", "no2") == [1.5]);

    disk.fail("full");
    broker.publish("plant/no2", "2.5");
    hub.wait_for("a disk that takes nothing", |line| line.contains("journal: nothing can be stored"));
    hub.kill();
    assert_eq!(values(&site, "boiler", "no2"), [1.5], "it was stored on a full disk");

    disk.heal();
    let hub = site.run_on(&disk);
    hub.wait_until("the second, once more", || values(&site, "boiler", "no2") == [1.5, 2.5]);
}

#[test]
fn encryption_that_was_asked_for_and_cannot_be_had_means_no_connection() {
    let broker = Mosquitto::start_tls(ClientCertificate::NotAsked);
    let other = Certificates::make();
    let login = format!("user = {USER:?}\npassword = {{ file = \"password\" }}\n");
    let tls = |ca: &Certificates| format!("{login}[links.broker.tls]\nca_file = {:?}\n", ca.authority());
    let site = Site::new(&boiler(broker.port(), &tls(&other)));
    fs::write(site.path("password"), PASSWORD).unwrap();
    let mut hub = site.run();
    hub.wait_until("a refusal", || {
        link_states(&site, "broker").iter().any(|(state, reason)| *state == LinkState::Waiting && !reason.is_empty())
    });
    assert!(!hub.lines().text().contains(PASSWORD));
    assert!(hub.interrupt().success());
    assert!(link_states(&site, "broker").iter().all(|(state, _)| *state == LinkState::Waiting));

    site.configure(&boiler(broker.port(), &tls(broker.certificates())));
    let hub = site.run();
    hub.wait_until("a session with the right authority", || {
        link_states(&site, "broker").iter().any(|(state, _)| *state == LinkState::Connected)
    });
}

/// The numbers that each item had at the times of the server, without those that a poll repeats.
fn ticks(site: &Site) -> BTreeMap<String, Vec<u64>> {
    let mut ticks: BTreeMap<String, BTreeMap<i64, u64>> = BTreeMap::new();
    for set in journal::polls(site, "analyser") {
        for reading in set.readings().filter(|reading| reading.state == InstrumentState::Valid) {
            let Value::Number(value) = reading.value else { continue };
            ticks.entry(reading.point.id.clone()).or_default().entry(value as i64).or_insert(value as u64);
        }
    }
    ticks.into_iter().map(|(id, ticks)| (id, ticks.into_values().collect())).collect()
}

#[test]
fn a_thousand_items_lose_nothing_over_a_reconnect() {
    const ITEMS: usize = 1000;
    let mut server = Asyncua::start(Plant { items: ITEMS, histories: 0, ..Plant::default() });
    let site = Site::new(&analyser(&server.url(), "none", ITEMS));
    let mut hub = site.run();
    let newest = |site: &Site| {
        let ticks = ticks(site);
        let last = ticks.values().filter_map(|ticks| ticks.last().copied()).min().unwrap_or_default();
        if ticks.len() == ITEMS { last } else { 0 }
    };
    let start = server.tick();
    hub.wait_until("all items", || newest(&site) > start + 2);
    server.drop_connections();
    let dropped = server.tick();
    hub.wait_until("all items after the connection was lost", || newest(&site) > dropped + 5);
    assert!(hub.interrupt().success());

    for (item, ticks) in ticks(&site) {
        let gaps: Vec<_> = ticks.windows(2).filter(|pair| pair[1] != pair[0] + 1).collect();
        assert!(gaps.is_empty(), "{item} has gaps: {gaps:?}");
    }
    let states: Vec<LinkState> = link_states(&site, "server").into_iter().map(|(state, _)| state).collect();
    assert_eq!(states.first(), Some(&LinkState::Connected));
}

#[test]
fn a_server_that_restarts_or_publishes_nothing_delivers_again_by_itself() {
    let mut server = Asyncua::start(Plant { histories: 0, ..Plant::default() });
    let site = Site::new(&analyser(&server.url(), "none", 3));
    let hub = site.run();
    let newest = || ticks(&site).get("item_1").and_then(|ticks| ticks.last().copied()).unwrap_or_default();
    hub.wait_until("values", || newest() > 0);

    server.restart();
    let restarted = server.tick();
    hub.wait_until("values after the restart", || newest() > restarted);

    server.stop_publishing();
    let silent = server.tick();
    std::thread::sleep(Duration::from_secs(1));
    server.publish();
    hub.wait_until("values after the silence", || newest() > silent + 2);
}

#[test]
fn a_server_is_refused_until_it_is_trusted() {
    let server = Asyncua::start_secure(Plant { histories: 0, only_secure: true, ..Plant::default() });
    let site = Site::new(&analyser(&server.url(), "aes256_sha256_rsa_pss", 3));
    let tutin = |arguments: &[&str]| {
        let output = Command::new(binary()).args(arguments).current_dir(site.path("")).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {text}");
        text
    };
    tutin(&["opcua", "certificate", "--config", "tutin.toml"]);
    let own = fs::read_dir(site.path("state/opcua/own")).unwrap().map(|entry| entry.unwrap().path());
    let own = own.into_iter().find(|file| file.extension().is_some_and(|kind| kind == "der")).unwrap();
    server.trust(&own);

    let mut hub = site.run();
    let told = hub.wait_for("what to do", |line| line.contains("tutin opcua trust"));
    assert!(ticks(&site).is_empty(), "values of a server that nobody trusts");
    let rejected = fs::read_dir(site.path("state/opcua/rejected")).unwrap().next().unwrap().unwrap().path();
    assert!(told.contains(rejected.file_name().unwrap().to_str().unwrap()), "{told} does not name {rejected:?}");
    tutin(&["opcua", "trust", rejected.to_str().unwrap(), "--config", "tutin.toml"]);
    hub.wait_until("values of a trusted server", || ticks(&site).len() == 3);
    assert!(hub.interrupt().success());
}
