//! Alarms reach who has to act, and what is implausible waits for a person where that is ordered.

use tutin::journal::Event;
use tutin::simulator::Authority;
use tutin::simulator::authority::Options;

use crate::support::configuration::{averages_to, short_blocks, t200, with_plugin};
use crate::support::hub::Site;
use crate::support::pymodbus::{Pymodbus, f32_high_first};
use crate::support::{SOON, journal, store, t200};

fn said(site: &Site, arguments: &[&str], expected: &str) {
    let mut command = site.start(arguments);
    let success = command.wait().success();
    let text = command.lines().text();
    assert!(success && text.contains(expected), "{arguments:?} did not say {expected:?}:\n{text}");
}

/// The lines that a sink of alarms has written: name and state.
fn told(site: &Site) -> Vec<(String, String)> {
    let text = site.read("alarms.jsonl");
    let of = |line: &str| -> (String, String) {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        (object["alarm"].as_str().unwrap().to_owned(), object["state"].as_str().unwrap().to_owned())
    };
    text.lines().map(of).collect()
}

#[test]
fn an_alarm_is_raised_delivered_acknowledged_outlives_the_hub_and_is_cleared() {
    let mut peer = Pymodbus::start(t200::map());
    let source = short_blocks("no2-north") + "limits = { short = 0.004 }\n";
    let routes = averages_to("file", "type = \"file\"\npath = \"averages.jsonl\"")
        + "[routes.alarms]\ntake = \"alarms\"\nto = [\"alarms\"]\nkinds = [\"limit\"]\n[sinks.alarms]\ntype = \"file\"\npath = \"alarms.jsonl\"\n";
    let site = Site::new(&(with_plugin("teledyne-t") + &t200("no2-north", &peer.address()) + &source + &routes));
    let name = "limit/stack-1/NO2/short";
    let is = |state: &str| (name.to_owned(), state.to_owned());

    let mut hub = site.run();
    hub.wait_until("the alarm", || told(&site) == [is("raised")]);
    said(&site, &["alarms", "--config", "tutin.toml"], &format!("raised       {name} since "));
    said(
        &site,
        &["alarms", "--config", "tutin.toml", "--acknowledge", name, "--by", "shift leader"],
        "acknowledged by shift leader",
    );
    hub.wait_until("the acknowledgement", || told(&site) == [is("raised"), is("acknowledged")]);
    assert!(hub.interrupt().success());

    let mut hub = site.run();
    hub.wait_until("a block of the new hub", || {
        store::number_or_zero(&site.path("state/journal.sqlite"), "SELECT count(*) FROM average WHERE state = 'valid'")
            > 4
    });
    assert_eq!(told(&site), [is("raised"), is("acknowledged")], "it stood already");
    peer.set_input_registers(t200::NO2_R1, &f32_high_first(&[0.5]));
    hub.wait_until("the end of the alarm", || told(&site).last() == Some(&is("cleared")));
    said(&site, &["verify", "state/journal.sqlite"], "everything holds");
    assert!(hub.interrupt().success());
    let changes =
        journal::events(&site).into_iter().filter(|event| matches!(event, Event::Alarm { alarm, .. } if alarm == name));
    assert_eq!(changes.count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_implausible_block_is_held_until_a_person_lets_it_go_and_is_marked() {
    let authority = Authority::start(Options::default(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let mut peer = Pymodbus::start(t200::map());
    let sink = format!("type = \"http_json\"\nurl = \"{}/v1/averages\"", authority.url());
    let source = short_blocks("no2-north") + "gate = { high = 1.0, action = \"hold\" }\n";
    let text =
        with_plugin("teledyne-t") + &t200("no2-north", &peer.address()) + &source + &averages_to("authority", &sink);
    let site = Site::new(&text);
    let mut hub = site.run();
    authority.wait_for(2, SOON).await.unwrap();

    // 1e9 ppb are more than all of the gas.
    peer.set_input_registers(t200::NO2_R1, &f32_high_first(&[1e9]));
    let file = site.path("state/journal.sqlite");
    hub.wait_until("a block that is held", || {
        store::number_or_zero(&file, "SELECT count(*) FROM delivery WHERE state = 'held'") >= 2
    });
    peer.set_input_registers(t200::NO2_R1, &f32_high_first(&[2.0]));
    let is_held =
        |object: &serde_json::Map<String, serde_json::Value>| object["qualifiers"].to_string().contains("implausible");
    assert!(!authority.received().iter().any(|received| is_held(&received.object)), "a held block went out");
    said(&site, &["deliveries", "--config", "tutin.toml", "--state", "held"], "implausible: bounds (");
    said(&site, &["alarms", "--config", "tutin.toml"], "");
    let stopped = journal::events(&site)
        .into_iter()
        .any(|event| matches!(event, Event::Implausible { code, value, .. } if code == "bounds" && value == Some(1e9)));
    assert!(stopped, "no event tells of it");
    said(&site, &["verify", "state/journal.sqlite"], "everything holds");

    let period = ["--from", "2026-01-01", "--to", "2100-01-01"];
    let release = [&["release", "--config", "tutin.toml", "--reason", "checked by hand"], &period[..]].concat();
    said(&site, &release, "deliveries are queued");
    hub.wait_until("the held blocks", || {
        authority.received().iter().filter(|received| is_held(&received.object)).count() >= 2
    });
    let value = authority.received().into_iter().find(|received| is_held(&received.object)).unwrap().object;
    assert!(value["value"].is_null(), "nothing was put in its place: {value:?}");
    assert!(hub.interrupt().success());
    said(&site, &["verify", "state/journal.sqlite"], "everything holds");
}
