//! The journal's commands, beside a running hub and without one.

use std::fs;

use tutin::simulator::Authority;
use tutin::simulator::authority::{AuthorityHandle, Behaviour, Options};

use crate::support::configuration::{averages_to, short_blocks, t200, with_plugin};
use crate::support::hub::Site;
use crate::support::pymodbus::Pymodbus;
use crate::support::{SOON, store, t200};

/// Runs a command to its end; returns whether it succeeded, and what it said.
fn tutin(site: &Site, arguments: &[&str]) -> (bool, String) {
    let mut command = site.start(arguments);
    let status = command.wait();
    (status.success(), command.lines().text())
}

fn said(site: &Site, arguments: &[&str], expected: &str) {
    let (success, text) = tutin(site, arguments);
    assert!(success && text.contains(expected), "{arguments:?} did not say {expected:?}:\n{text}");
}

async fn authority() -> AuthorityHandle {
    Authority::start(Options::default(), "127.0.0.1:0".parse().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_hub_s_journal_is_verified_recomputed_copied_and_sent_again() {
    let authority = authority().await;
    let peer = Pymodbus::start(t200::map());
    let sink = format!("type = \"http_json\"\nurl = \"{}/v1/averages\"", authority.url());
    let text = with_plugin("teledyne-t") + &t200("no2-north", &peer.address()) + &short_blocks("no2-north");
    let site = Site::new(&(text + &averages_to("authority", &sink)));
    let mut hub = site.run();
    authority.wait_for(3, SOON).await.unwrap();

    said(&site, &["verify", "state/journal.sqlite"], "everything holds");
    said(&site, &["backup", "--config", "tutin.toml", "copy.sqlite"], "copy.sqlite");
    said(&site, &["verify", "copy.sqlite"], "everything holds");
    let (_, key) = tutin(&site, &["public-key", "--config", "tutin.toml"]);
    let pem: Vec<&str> = key.lines().filter_map(|line| line.split_once("out | ")).map(|(_, line)| line).collect();
    fs::write(site.path("public.pem"), pem.join("\n")).unwrap();
    said(&site, &["verify", "copy.sqlite", "--public-key", "public.pem"], "everything holds");

    let before = authority.report();
    said(
        &site,
        &["resend", "--config", "tutin.toml", "--sink", "authority", "--from", "2026-01-01", "--to", "2100-01-01"],
        "queued again",
    );
    hub.wait_until("the duplicates", || authority.report().duplicates >= before.duplicates + 3);
    assert_eq!(authority.report().differing, 0);
    let (success, text) = tutin(
        &site,
        &["resend", "--config", "tutin.toml", "--sink", "autority", "--from", "2026-01-01", "--to", "2100-01-01"],
    );
    assert!(!success && text.contains("sink autority"), "{text}");
    said(&site, &["command", "--config", "tutin.toml", "no2-north", "zero-start", "{\"range\": 1}"], "");

    assert!(hub.interrupt().success());
    let commands = "SELECT count(*) FROM entry WHERE kind = 4 AND payload LIKE '%\"command\":\"zero-start\"%'";
    assert_eq!(store::number(&site.path("state/journal.sqlite"), commands), 1);
    let period = ["recompute", "--config", "tutin.toml", "--from", "2026-01-01", "--to", "2100-01-01"];
    said(&site, &period, "came out as they stand, to the byte");
    said(&site, &["deliveries", "--config", "tutin.toml"], "authority: ");
    said(&site, &["export", "--config", "tutin.toml", "--what", "averages", "--format", "csv"], "stack-1,NO2,short");

    // An average that somebody changed is found by deriving it again, and by its entry.
    let changed = rusqlite::Connection::open(site.path("state/journal.sqlite")).unwrap();
    changed.execute("UPDATE average SET body = replace(body, '\"valid\":', '\"valid\":1')", []).unwrap();
    drop(changed);
    let (success, text) = tutin(&site, &period);
    assert!(!success && text.contains("came out otherwise"), "{text}");
    let (success, text) = tutin(&site, &["verify", "state/journal.sqlite"]);
    assert!(!success && text.contains("DOES NOT HOLD"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_becomes_a_revision_that_is_delivered_with_its_reason() {
    let authority = authority().await;
    let peer = Pymodbus::start(t200::map());
    let sink = format!("type = \"http_json\"\nurl = \"{}/v1/averages\"", authority.url());
    let text = with_plugin("teledyne-t") + &t200("no2-north", &peer.address()) + &short_blocks("no2-north");
    let text = text + &averages_to("authority", &sink);
    let site = Site::new(&text);
    let mut hub = site.run();
    authority.wait_for(3, SOON).await.unwrap();
    assert!(hub.interrupt().success());
    let first = authority.received().len();

    site.configure(&text.replace("unit = \"mg/m3\"", "unit = \"mg/m3\"\nmolar_mass = 30.006"));
    let period = ["recompute", "--config", "tutin.toml", "--corrected", "--from", "2026-01-01", "--to", "2100-01-01"];
    let (success, told) = tutin(&site, &period);
    assert!(!success && told.contains("came out otherwise"), "{told}");
    let mut with_reason = period.to_vec();
    with_reason.extend(["--reason", "wrong molar mass", "--author", "chief engineer"]);
    said(&site, &with_reason, "revisions are recorded");

    let hub = site.run();
    hub.wait_until("the revisions", || {
        let received = authority.received();
        received.iter().filter(|received| received.key.ends_with("/1")).count() >= 2
    });
    let revised = authority.received().into_iter().find(|received| received.key.ends_with("/1")).unwrap();
    let stood =
        authority.received().into_iter().find(|received| received.key == revised.key.replace("s/1", "s/0")).unwrap();
    assert_ne!(revised.object["mean"], stood.object["mean"]);
    assert!(authority.received().len() > first);
    let reasons = "SELECT count(*) FROM averages WHERE reason = 'wrong molar mass' AND latest";
    assert!(store::number(&site.path("state/journal.sqlite"), reasons) >= 2);
    said(&site, &["verify", "state/journal.sqlite"], "everything holds");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_far_end_refuses_is_kept_with_its_reason() {
    let authority = authority().await;
    authority.set_behaviour(Behaviour::Refuse { reason: "unknown station".into() }).await.unwrap();
    let peer = Pymodbus::start(t200::map());
    let sink = format!("type = \"http_json\"\nurl = \"{}/v1/averages\"", authority.url());
    let text = with_plugin("teledyne-t") + &t200("no2-north", &peer.address()) + &short_blocks("no2-north");
    let site = Site::new(&(text + &averages_to("authority", &sink)));
    let hub = site.run();
    let journal = site.path("state/journal.sqlite");
    hub.wait_until("a refusal", || {
        store::number_or_zero(&journal, "SELECT count(*) FROM delivery WHERE state = 'rejected'") > 0
    });
    said(&site, &["deliveries", "--config", "tutin.toml", "--state", "rejected"], "unknown station");
}
