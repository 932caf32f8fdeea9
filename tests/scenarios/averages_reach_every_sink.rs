//! From an analyzer that we did not write to each kind of sink, and nothing is lost or doubled when the far end goes away.

use serde_json::{Value, json};
use tutin::simulator::authority::{Authority, AuthorityHandle, Behaviour, Options};

use crate::support::configuration::{averages_to, short_blocks, t200, with_plugin};
use crate::support::hub::Site;
use crate::support::mosquitto::Mosquitto;
use crate::support::pymodbus::Pymodbus;
use crate::support::{SOON, store, t200};

const LOOPBACK: std::net::SocketAddr =
    std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

fn site(peer: &Pymodbus, sink: &str) -> Site {
    let device = t200("no2-north", &peer.address()) + &short_blocks("no2-north");
    Site::new(&(with_plugin("teledyne-t") + &device + &averages_to("far-end", sink)))
}

/// NO2 of the T200's map in mg/m3: ppb, 46.0055 g/mol, 22.414 L/mol.
fn expected_mean() -> f64 {
    f64::from(t200::value_at(t200::NO2_R1)) * 1e-3 * 46.0055 / 22.414
}

fn check_average(average: &Value) {
    let mean = average["mean"].as_f64().unwrap_or_else(|| panic!("no mean in {average}"));
    assert!((mean - expected_mean()).abs() < 1e-12, "{mean} instead of {}", expected_mean());
    assert_eq!(average["mean_raw"].as_f64(), Some(f64::from(t200::value_at(t200::NO2_R1))));
    assert_eq!(average["unit"], "mg/m3");
    assert_eq!(average["expected"], 20);
    assert_eq!(average["state"], "valid");
    assert_eq!(average["plant"], "operating");
}

fn is_valid(average: &Value) -> bool {
    average["state"] == "valid"
}

async fn authority(options: Options) -> AuthorityHandle {
    Authority::start(options, LOOPBACK).await.unwrap()
}

async fn wait_for_valid(authority: &AuthorityHandle) -> Value {
    for count in 1.. {
        let received = authority.wait_for(count, SOON).await.unwrap();
        let objects = received.into_iter().map(|received| Value::Object(received.object));
        if let Some(average) = objects.into_iter().find(is_valid) {
            return average;
        }
    }
    unreachable!("wait_for fails first")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_average_reaches_an_authority_over_http_with_its_receipt_kept() {
    let peer = Pymodbus::start(t200::map());
    let authority = authority(Options { token: Some("secret-token".into()), ..Options::default() }).await;
    let sink = format!(
        "type = \"http_json\"\nurl = \"{}/v1/averages\"\nbearer = {{ file = \"token\" }}\n\
         acknowledge = {{ pointer = \"/receipt\" }}",
        authority.url()
    );
    let site = site(&peer, &sink);
    std::fs::write(site.path("token"), "secret-token\n").unwrap();
    let hub = site.run();
    check_average(&wait_for_valid(&authority).await);
    let journal = site.path("state/journal.sqlite");
    hub.wait_until("the receipt in the journal", || {
        store::number(&journal, "SELECT count(*) FROM delivery WHERE state = 'acknowledged' AND answer LIKE '%R-%'") > 0
    });
    assert!(!hub.lines().text().contains("secret-token"), "the log holds the secret");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_stalls_refuses_or_vanishes_loses_nothing_and_gets_nothing_twice() {
    let peer = Pymodbus::start(t200::map());
    let authority = authority(Options { behaviour: Behaviour::Stall, ..Options::default() }).await;
    let sink = format!(
        "type = \"http_json\"\nurl = \"{}/v1/averages\"\nacknowledge = {{ pointer = \"/receipt\" }}\n\
         timeout = \"300ms\"\nretry_min = \"50ms\"\nretry_max = \"200ms\"",
        authority.url()
    );
    let site = site(&peer, &sink);
    let mut hub = site.run();
    let journal = site.path("state/journal.sqlite");
    let closed = || store::number_or_zero(&journal, "SELECT count(*) FROM average");
    hub.wait_until("two closed averages", || closed() >= 2);
    for behaviour in [Behaviour::Unavailable, Behaviour::Vanish, Behaviour::StoreAndStall, Behaviour::Accept] {
        let before = closed();
        authority.set_behaviour(behaviour).await.unwrap();
        hub.wait_until("another closed average", || closed() > before);
    }
    hub.wait_until("an empty queue", || {
        store::number(&journal, "SELECT count(*) FROM delivery WHERE state = 'queued'") == 0
    });
    assert!(hub.interrupt().success());

    let keys: Vec<String> = authority.received().into_iter().map(|received| received.key).collect();
    let stored: Vec<String> = store::query(&journal, "SELECT key FROM delivery ORDER BY id")
        .into_iter()
        .map(|row| match &row[0] {
            rusqlite::types::Value::Text(key) => key.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(keys, stored, "received in order, each once, none missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_authority_will_never_take_is_put_aside_with_its_words() {
    let peer = Pymodbus::start(t200::map());
    let authority = authority(Options { behaviour: "refuse".parse().unwrap(), ..Options::default() }).await;
    let site = site(&peer, &format!("type = \"http_json\"\nurl = \"{}/v1/averages\"", authority.url()));
    let hub = site.run();
    let journal = site.path("state/journal.sqlite");
    hub.wait_until("a rejected delivery", || {
        let sql = "SELECT count(*) FROM delivery WHERE state = 'rejected' AND answer LIKE '%422%'";
        store::number_or_zero(&journal, sql) > 0
    });
}

#[test]
fn an_average_reaches_a_file() {
    let peer = Pymodbus::start(t200::map());
    let site = site(&peer, "type = \"file\"\npath = \"averages.jsonl\"");
    let mut hub = site.run();
    let averages = || -> Vec<Value> {
        let text = site.read("averages.jsonl");
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    hub.wait_until("a valid average in the file", || averages().iter().any(is_valid));
    assert!(hub.interrupt().success());
    let averages = averages();
    check_average(averages.iter().find(|average| is_valid(average)).unwrap());
    let mut starts: Vec<_> = averages.iter().map(|average| average["start"].to_string()).collect();
    let count = starts.len();
    starts.dedup();
    assert_eq!(starts.len(), count, "a block came twice");
}

#[test]
fn an_average_reaches_a_broker_and_survives_its_restart() {
    let peer = Pymodbus::start(t200::map());
    let mut broker = Mosquitto::start();
    let sink = format!(
        "type = \"mqtt\"\nurl = \"{}\"\ntimeout = \"1s\"\nretry_min = \"50ms\"\nretry_max = \"200ms\"",
        broker.url()
    );
    let site = site(&peer, &sink);
    let mut subscriber = broker.subscribe("tutin/#");
    let mut hub = site.run();
    let first = subscriber.next();
    assert_eq!(first.topic, "tutin/hub/averages/stack-1/NO2");

    broker.kill();
    let journal = site.path("state/journal.sqlite");
    let closed = || store::number_or_zero(&journal, "SELECT count(*) FROM average");
    let before = closed();
    hub.wait_until("two averages without a broker", || closed() >= before + 2);
    broker.restart();
    subscriber = broker.subscribe("tutin/#");
    // The subscription may be younger than the first messages after the restart, the newest ones are seen.
    let average: Value = loop {
        let average = serde_json::from_slice(&subscriber.next().payload).unwrap();
        if is_valid(&average) {
            break average;
        }
    };
    check_average(&average);
    hub.wait_until("an empty queue", || {
        store::number(&journal, "SELECT count(*) FROM delivery WHERE state = 'queued'") == 0
    });
    assert!(hub.interrupt().success());
}

#[test]
fn readings_go_to_a_file_one_object_for_each_poll() {
    let peer = Pymodbus::start(t200::map());
    let readings = "\n[routes.readings]\ntake = \"readings\"\npoints = [\"no\", \"no2\"]\nto = [\"file\"]\n\
                    \n[sinks.file]\ntype = \"file\"\npath = \"readings.jsonl\"\nshape = \"poll\"\n";
    let site = Site::new(&(with_plugin("teledyne-t") + &t200("no2-north", &peer.address()) + readings));
    let mut hub = site.run();
    hub.wait_until("five polls in the file", || site.read("readings.jsonl").lines().count() >= 5);
    assert!(hub.interrupt().success());
    let line: Value = serde_json::from_str(site.read("readings.jsonl").lines().nth(1).unwrap()).unwrap();
    let members: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["device", "at", "no", "no2"]);
    assert_eq!(line["no2"], json!(f64::from(t200::value_at(t200::NO2_R1))));

    let stored = store::number(&site.path("state/journal.sqlite"), "SELECT count(*) FROM cursor WHERE sink = 'file'");
    assert_eq!(stored, 1);
}

#[test]
fn a_hub_that_was_killed_goes_on_where_its_journal_ends() {
    let peer = Pymodbus::start(t200::map());
    let site = site(&peer, "type = \"file\"\npath = \"averages.jsonl\"");
    let journal = site.path("state/journal.sqlite");
    for round in 1..=3 {
        let mut hub = site.run();
        hub.wait_until("delivered averages", || {
            let sql = "SELECT count(*) FROM delivery WHERE state = 'acknowledged'";
            store::number_or_zero(&journal, sql) >= 2 * round
        });
        hub.kill();
    }
    // Blocks follow each other without a hole, whether a hub ran or not.
    let holes = "SELECT count(*) FROM average a WHERE start < (SELECT max(start) FROM average) AND NOT EXISTS \
                 (SELECT 1 FROM average b WHERE b.start = a.start + a.length_s * 1000000000)";
    assert_eq!(store::number(&journal, holes), 0);
    let doubled = "SELECT count(*) - count(DISTINCT key) FROM delivery";
    assert_eq!(store::number(&journal, doubled), 0);
    // No pause between rounds is longer than a block, so every delivered line is of a block of its own.
    let lines = site.read("averages.jsonl");
    let keys: std::collections::BTreeSet<String> = lines
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .map(|average| average["key"].to_string())
        .collect();
    let acknowledged = store::number(&journal, "SELECT count(*) FROM delivery WHERE state = 'acknowledged'");
    assert!(keys.len() as i64 >= acknowledged, "{acknowledged} acknowledged, {} in the file", keys.len());
}
