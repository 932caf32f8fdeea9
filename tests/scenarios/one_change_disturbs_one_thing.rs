//! A change of the configuration touches the units whose part of it changed, and no other.

use tutin::config::model::Config;
use tutin::hub::{Applied, Hub};

use crate::support::configuration::{averages_to, readings_to_stdout, short_blocks, t200, with_plugin};
use crate::support::hub::Site;
use crate::support::pymodbus::Pymodbus;
use crate::support::{SOON, journal, store, t200};

fn load(site: &Site, text: &str) -> Config {
    site.configure(text);
    let loaded = tutin::config::load(&[site.path("tutin.toml")], std::iter::empty());
    loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.problems))
}

async fn wait_for_polls(hub: &Hub, site: &Site, count: usize) {
    let mut written = hub.journal().written();
    while journal::polls(site, "no2-north").len() < count {
        tokio::time::timeout(SOON, written.changed()).await.expect("no poll came").unwrap();
    }
}

fn applied(stopped: &[&str], started: &[&str]) -> Applied {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Applied { stopped: owned(stopped), started: owned(started), ..Applied::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_stops_and_starts_only_what_it_names() {
    let mut peer = Pymodbus::start(t200::map());
    let file = averages_to("file", "type = \"file\"\npath = \"averages.jsonl\"");
    let base = with_plugin("teledyne-t") + &t200("no2-north", &peer.address()) + &short_blocks("no2-north") + &file;
    let site = Site::new("");
    let (mut hub, _) = Hub::start(load(&site, &base)).await.unwrap();
    wait_for_polls(&hub, &site, 3).await;

    let unchanged = hub.apply(load(&site, &format!("{base}\n# a remark\n"))).await.unwrap();
    assert_eq!(unchanged, Applied::default());

    let extra = "\n[routes.extra]\ntake = \"readings\"\npath = \"live\"\nto = [\"file\"]\n";
    let shared = hub.apply(load(&site, &(base.clone() + extra))).await.unwrap();
    assert_eq!(shared, applied(&[], &["route extra"]), "the sink that the new route shares was restarted");
    let alone = hub.apply(load(&site, &base)).await.unwrap();
    assert_eq!(alone, applied(&["route extra"], &[]));

    let with_route = base.clone() + &readings_to_stdout().replace("path = \"-\"", "path = \"live.jsonl\"");
    let added = hub.apply(load(&site, &with_route)).await.unwrap();
    assert_eq!(added, applied(&[], &["sink screen", "route live"]));

    let coverage = with_route.replace("plant = \"operating\"", "plant = \"standby\"");
    let changed = hub.apply(load(&site, &coverage)).await.unwrap();
    assert_eq!(changed, applied(&["source stack-1"], &["source stack-1"]));

    let narrower = coverage.replace("path = \"live\"\n", "path = \"live\"\npoints = [\"no2\"]\n");
    let changed = hub.apply(load(&site, &narrower)).await.unwrap();
    assert_eq!(changed, applied(&["route live"], &["route live"]));

    let removed = hub.apply(load(&site, &base.replace("plant = \"operating\"", "plant = \"standby\""))).await.unwrap();
    assert_eq!(removed, applied(&["sink screen", "route live"], &[]));

    let so_far = journal::polls(&site, "no2-north").len();
    wait_for_polls(&hub, &site, so_far + 3).await;
    // Nothing above touched the device: it was polled at its beat all the time, over one connection.
    journal::check_beat(&journal::polls(&site, "no2-north"));
    assert!(!peer.requests().is_empty());
    hub.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_reaches_the_instrument_and_the_record() {
    let mut peer = Pymodbus::start(t200::map());
    let site = Site::new("");
    let text = with_plugin("teledyne-t") + &t200("no2-north", &peer.address());
    let (hub, _) = Hub::start(load(&site, &text)).await.unwrap();
    wait_for_polls(&hub, &site, 2).await;
    peer.requests();
    hub.command("no2-north", "zero-start", "{\"range\": 1}").await.unwrap();
    assert!(
        peer.requests().iter().any(|(function, address, _)| (*function, *address) == (5, 20)),
        "coil 20 was not written"
    );
    let refused = hub.command("no2-north", "self-destruct", "").await.unwrap_err();
    assert!(refused.to_string().contains("self-destruct"), "{refused}");
    hub.stop().await.unwrap();
    let events = "SELECT count(*) FROM entry WHERE kind = 4 AND payload LIKE '%\"event\":\"command\"%'";
    assert_eq!(store::number(&site.path("state/journal.sqlite"), events), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_link_restarts_its_devices_and_leaves_the_others() {
    let (first, second) = (Pymodbus::start(t200::map()), Pymodbus::start(t200::map()));
    let text = |address: &str| with_plugin("teledyne-t") + &t200("a", address) + &t200("b", &second.address());
    let site = Site::new("");
    let (mut hub, _) = Hub::start(load(&site, &text(&first.address()))).await.unwrap();
    let changed = hub.apply(load(&site, &text(&second.address()))).await.unwrap();
    assert_eq!(changed, applied(&["device a"], &["device a"]));
    hub.stop().await.unwrap();
}
