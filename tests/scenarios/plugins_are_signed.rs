//! A hub that names whom it trusts runs their plugins and no others; who answered for what is in the journal.

use std::fs;

use tutin::config::model::Config;
use tutin::hub::Hub;
use tutin::journal::{Event, SignedBy};
use tutin::plugin::Phase;
use tutin::reading::{PollSet, Reading};
use tutin::time::Timestamp;

use crate::support::hub::Site;
use crate::support::pymodbus::Pymodbus;
use crate::support::signing::{TRUST, alter, device, install, make_keys, refused, say, word_after};
use crate::support::{SOON, journal, t200};

#[test]
fn a_hub_runs_what_is_signed_and_refuses_the_rest_by_name_while_neighbours_poll_on() {
    let peer = Pymodbus::start(t200::map());
    let site = Site::new("");
    make_keys(&site);
    install(&site, "sound", Some("vendor.key"));
    install(&site, "unsigned", None);
    install(&site, "foreign", Some("stranger.key"));
    install(&site, "altered", Some("vendor.key"));
    alter(&site.path("altered.wasm"));
    let devices: String =
        ["sound", "unsigned", "foreign", "altered"].map(|name| device(name, &peer.address())).concat();
    site.configure(&format!("{TRUST}{devices}"));

    let checked = refused(&site, &["check", "tutin.toml", "--format", "short"]);
    // Without what other hubs compiled: it is counted below.
    let mut hub = site.start(&["run", "tutin.toml"]);
    let refusals = ["unsigned", "foreign", "altered"]
        .map(|name| hub.wait_for(name, |line| line.contains("parked") && line.contains(&format!("{name}.wasm"))));
    hub.wait_until("the sound device's polls", || journal::polls(&site, "sound").len() >= 20);
    assert!(hub.interrupt().success());

    let signers = ["signed by nobody", "a key that is not trusted", "not what vendor signed"];
    for ((refusal, name), signer) in refusals.iter().zip(["unsigned", "foreign", "altered"]).zip(signers) {
        for part in [name, "sha256:", signer, "signed by vendor"] {
            assert!(refusal.contains(part), "{part} is not in {refusal}");
        }
        let option = format!("plugins.{name}.file");
        let line = checked.lines().find(|line| line.contains(&option));
        assert!(line.is_some_and(|line| line.contains(signer)), "{option}: {signer} is not in {checked}");
        let polled = journal::polls(&site, name).len();
        assert_eq!(polled, 0, "{name} ran");
    }
    assert!(!checked.contains("plugins.sound"), "{checked}");
    journal::check_beat(&journal::polls(&site, "sound"));

    // One compiled file: what was refused was never compiled.
    let compiled = fs::read_dir(site.path("state/compiled")).unwrap().count();
    assert_eq!(compiled, 1, "plugins were compiled that may not run");
}

#[test]
fn the_journal_says_what_ran_and_who_answered_for_it() {
    let peer = Pymodbus::start(t200::map());
    let site = Site::new("");
    make_keys(&site);
    install(&site, "sound", Some("vendor.key"));
    install(&site, "unsigned", None);
    let devices = device("sound", &peer.address()) + &device("unsigned", &peer.address());
    site.configure(&format!("[trust]\nrequire = false\n{TRUST}{devices}"));

    let mut hub = site.run();
    let signed = hub.wait_for("the signer", |line| line.contains("loaded") && line.contains("sound.wasm"));
    hub.wait_for("nobody", |line| line.contains("loaded") && line.contains("unsigned.wasm") && line.contains("nobody"));
    hub.wait_until("polls", || !journal::polls(&site, "unsigned").is_empty());
    assert!(hub.interrupt().success());

    let verified = say(&site, &["plugin", "verify", "sound.wasm", "--config", "tutin.toml"]);
    let digest = word_after(&verified, "sha256:");
    let key = word_after(&verified, "key ");
    for part in ["teledyne-t 0.1.0", &format!("sha256:{digest}"), &format!("signed by vendor (key {key})")] {
        assert!(signed.contains(part), "{part} is not in {signed}");
    }
    let events = journal::events(&site);
    let of = |wanted: &str| {
        let mut found = events.iter().filter_map(|event| match event {
            Event::Plugin { plugin, digest, name, version, signer, .. } if plugin == wanted => {
                Some((digest.clone(), name.clone().unwrap(), version.clone().unwrap(), signer.clone()))
            }
            _ => None,
        });
        found.next().unwrap_or_else(|| panic!("{wanted} is not in the journal"))
    };
    let (name, version) = ("teledyne-t".to_owned(), "0.1.0".to_owned());
    let signer = Some(SignedBy { name: "vendor".to_owned(), key });
    assert_eq!(of("sound"), (digest.clone(), name.clone(), version.clone(), signer));
    assert_eq!(of("unsigned"), (digest, name, version, None));
    journal::check_chain(&site);
}

#[test]
fn a_pinned_file_must_be_that_file() {
    let peer = Pymodbus::start(t200::map());
    let site = Site::new("");
    install(&site, "pinned", None);
    install(&site, "sound", None);
    let inspected = say(&site, &["plugin", "inspect", "pinned.wasm"]);
    let pin = format!("sha256:{}", word_after(&inspected, "sha256:"));
    let devices = device("pinned", &peer.address()) + &device("sound", &peer.address());
    site.configure(&devices.replace("\"pinned.wasm\"", &format!("\"pinned.wasm\"\ndigest = {pin:?}")));
    say(&site, &["check", "tutin.toml"]);
    alter(&site.path("pinned.wasm"));

    let checked = refused(&site, &["check", "tutin.toml", "--format", "short"]);
    let mut hub = site.run();
    let refusal = hub.wait_for("the refusal", |line| line.contains("parked"));
    hub.wait_until("the neighbour's polls", || journal::polls(&site, "sound").len() >= 10);
    assert!(hub.interrupt().success());

    let found = tutin::digest::Digest::of(&fs::read(site.path("pinned.wasm")).unwrap()).to_string();
    for said in [&refusal, &checked] {
        for part in [pin.as_str(), &found, "pinned"] {
            assert!(said.contains(part), "{part} is not in {said}");
        }
    }
    assert!(checked.contains("plugins.pinned.digest"), "{checked}");
}

#[test]
fn verify_says_in_a_sentence_why_nobody_answers_for_a_file() {
    let site = Site::new("");
    make_keys(&site);
    install(&site, "t", Some("vendor.key"));
    let verify = ["plugin", "verify", "t.wasm", "--trusted", "vendor.pub"];
    assert!(say(&site, &verify).contains("of vendor.pub at 20"));
    let keys_first = ["plugin", "verify", "--trusted", "stranger.pub", "--trusted", "vendor.pub", "t.wasm"];
    assert!(say(&site, &keys_first).contains("of vendor.pub at 20"));
    let signature = site.read("t.wasm.sig");

    let again = refused(&site, &["plugin", "keys", "new", "vendor.key"]);
    assert!(again.contains("never written over"), "{again}");
    let stranger = refused(&site, &["plugin", "verify", "t.wasm", "--trusted", "stranger.pub"]);
    assert!(stranger.contains("not trusted"), "{stranger}");
    fs::write(site.path("t.wasm.sig"), signature.replace("version: 0.1.0", "version: 0.2.0")).unwrap();
    assert!(refused(&site, &verify).contains("did not sign what stands there"));
    fs::write(site.path("t.wasm.sig"), &signature[..signature.len() / 2]).unwrap();
    assert!(refused(&site, &verify).contains("damaged"));
    fs::remove_file(site.path("t.wasm.sig")).unwrap();
    assert!(refused(&site, &verify).contains("signed by nobody"));
    fs::write(site.path("t.wasm.sig"), &signature).unwrap();
    alter(&site.path("t.wasm"));
    assert!(refused(&site, &verify).contains("not what vendor.pub signed"));
}

fn load(site: &Site, text: &str) -> Config {
    site.configure(text);
    let loaded = tutin::config::load(&[site.path("tutin.toml")], std::iter::empty());
    loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.problems))
}

async fn wait_for_polls(hub: &Hub, site: &Site, device: &str, more: usize) {
    let count = journal::polls(site, device).len() + more;
    let mut written = hub.journal().written();
    while journal::polls(site, device).len() < count {
        tokio::time::timeout(SOON, written.changed()).await.expect("no poll came").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_withdrawn_takes_its_plugins_along_and_no_others() {
    let peer = Pymodbus::start(t200::map());
    let site = Site::new("");
    make_keys(&site);
    install(&site, "sound", Some("vendor.key"));
    install(&site, "withdrawn", Some("stranger.key"));
    let devices = device("sound", &peer.address()) + &device("withdrawn", &peer.address());
    let both = format!("{TRUST}plant = {{ file = \"stranger.pub\" }}\n{devices}");
    let (mut hub, _) = Hub::start(load(&site, &both)).await.unwrap();
    wait_for_polls(&hub, &site, "withdrawn", 3).await;
    let phase = |hub: &Hub| hub.devices().find(|(name, _)| *name == "withdrawn").unwrap().1.phase;

    hub.apply(load(&site, &format!("{TRUST}{devices}"))).await.unwrap();
    let withdrawn_at = Timestamp::now();

    let Phase::Parked(reason) = phase(&hub) else { panic!("it runs on: {:?}", phase(&hub)) };
    assert!(reason.contains("withdrawn.wasm") && reason.contains("not trusted"), "{reason}");
    wait_for_polls(&hub, &site, "sound", 5).await;
    // What was read just before may come into the journal after it.
    let polls = journal::polls(&site, "withdrawn");
    let is_late = |reading: Reading<'_>| reading.received_at > withdrawn_at;
    assert!(!polls.iter().flat_map(PollSet::readings).any(is_late), "it was polled after its key was withdrawn");

    hub.apply(load(&site, &both)).await.unwrap();
    wait_for_polls(&hub, &site, "withdrawn", 3).await;
    hub.stop().await.unwrap();
    journal::check_beat(&journal::polls(&site, "sound"));
    journal::check_chain(&site);
}
