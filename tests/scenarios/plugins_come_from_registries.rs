//! A plugin comes out of a registry as it was put in, with its signature, or does not come at all.

use std::fs;
use std::path::Path;

use crate::support::hub::Site;
use crate::support::pymodbus::Pymodbus;
use crate::support::registry::{PASSWORD, Registry, USER};
use crate::support::signing::{TRUST, alter, device, install, make_keys, refused, say, word_after};
use crate::support::{journal, t200};

/// A site whose `t.wasm` is signed by the vendor, with a folder for what comes.
fn integrator() -> Site {
    let site = Site::new("");
    make_keys(&site);
    install(&site, "t", Some("vendor.key"));
    fs::create_dir(site.path("drivers")).unwrap();
    site
}

/// Stores `t.wasm` and returns the reference that is exactly this.
fn push(site: &Site, reference: &str) -> String {
    let said = say(site, &["plugin", "push", "t.wasm", reference, "--insecure-http"]);
    said.lines().last().unwrap().to_owned()
}

fn pull(reference: &str) -> [&str; 6] {
    ["plugin", "pull", reference, "--to", "drivers", "--insecure-http"]
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_plugin_comes_with_its_signature_and_a_hub_runs_it_pinned() {
    let (registry, peer) = (Registry::start(), Pymodbus::start(t200::map()));
    let site = integrator();
    let reference = registry.reference("vendor/no2-north:0.1.0");
    push(&site, &reference);

    let said = say(&site, &pull(&reference));

    let pin = said.lines().find(|line| line.starts_with("digest = ")).unwrap();
    for (came, put) in [("drivers/no2-north.wasm", "t.wasm"), ("drivers/no2-north.wasm.sig", "t.wasm.sig")] {
        assert_eq!(fs::read(site.path(came)).unwrap(), fs::read(site.path(put)).unwrap(), "{came}");
    }
    assert_eq!(files(&site.path("drivers")), ["no2-north.wasm", "no2-north.wasm.sig"]);
    let device = device("no2-north", &peer.address());
    let file = "file = \"no2-north.wasm\"";
    let pinned = device.replace(file, &format!("file = \"drivers/no2-north.wasm\"\n{pin}"));
    site.configure(&format!("{TRUST}{pinned}"));
    let mut hub = site.run();
    hub.wait_until("polls", || journal::polls(&site, "no2-north").len() >= 5);
    assert!(hub.interrupt().success());
}

#[test]
fn a_reference_with_a_digest_gets_exactly_that() {
    let registry = Registry::start();
    let site = integrator();
    let tag = registry.reference("vendor/t:stable");
    let first = push(&site, &tag);
    let before = fs::read(site.path("t.wasm")).unwrap();
    alter(&site.path("t.wasm"));
    say(&site, &["plugin", "sign", "t.wasm", "--key", "vendor.key"]);
    let second = push(&site, &tag);
    assert_ne!(first, second);

    let said = say(&site, &pull(&tag));
    assert!(said.contains(&second), "{second} is not in {said}");
    assert_eq!(fs::read(site.path("drivers/t.wasm")).unwrap(), fs::read(site.path("t.wasm")).unwrap());
    say(&site, &pull(&first));
    assert_eq!(fs::read(site.path("drivers/t.wasm")).unwrap(), before);
    say(&site, &["plugin", "verify", "drivers/t.wasm", "--trusted", "vendor.pub"]);

    // The registry puts another manifest in the place of the one that is asked for.
    let manifest = |reference: &str| registry.blob(reference.split_once('@').unwrap().1);
    fs::copy(manifest(&second), manifest(&first)).unwrap();
    let said = refused(&site, &pull(&first));
    assert!(said.contains("the manifest is sha256:") && said.contains(&first), "{said}");
    assert_eq!(fs::read(site.path("drivers/t.wasm")).unwrap(), before);
}

#[test]
fn an_altered_blob_is_refused_and_what_was_there_stays() {
    let registry = Registry::start();
    let site = integrator();
    let reference = registry.reference("vendor/t:0.1.0");
    push(&site, &reference);
    let digest = tutin::digest::Digest::of(&fs::read(site.path("t.wasm")).unwrap()).to_string();
    let blob = registry.blob(&digest);
    let whole = fs::read(&blob).unwrap();
    let mut altered = whole.clone();
    altered[whole.len() / 2] ^= 1;

    for bytes in [altered.as_slice(), &whole[..whole.len() - 1], &[whole.as_slice(), b"more"].concat()] {
        fs::write(&blob, bytes).unwrap();
        let said = refused(&site, &pull(&reference));
        assert!(said.contains(&reference), "{said}");
        assert_eq!(files(&site.path("drivers")), Vec::<String>::new(), "{said}");
    }
    fs::write(site.path("drivers/t.wasm"), "the version before").unwrap();
    refused(&site, &pull(&reference));
    assert_eq!(site.read("drivers/t.wasm"), "the version before");

    fs::write(&blob, &whole).unwrap();
    say(&site, &pull(&reference));
    assert_eq!(fs::read(site.path("drivers/t.wasm")).unwrap(), whole);
}

#[test]
fn a_plugin_without_a_signature_leaves_none_of_another_beside_it() {
    let registry = Registry::start();
    let site = integrator();
    let (signed, unsigned) = (registry.reference("vendor/t:signed"), registry.reference("vendor/t:unsigned"));
    push(&site, &signed);
    alter(&site.path("t.wasm"));
    let said = refused(&site, &["plugin", "push", "t.wasm", &unsigned, "--insecure-http"]);
    assert!(said.contains("another file"), "{said}");
    fs::remove_file(site.path("t.wasm.sig")).unwrap();
    push(&site, &unsigned);

    say(&site, &pull(&signed));
    assert_eq!(files(&site.path("drivers")), ["t.wasm", "t.wasm.sig"]);
    assert!(say(&site, &pull(&unsigned)).contains("no signature"));
    assert_eq!(files(&site.path("drivers")), ["t.wasm"]);
}

#[test]
fn what_no_trusted_key_signed_does_not_take_the_place_of_what_runs() {
    let registry = Registry::start();
    let site = integrator();
    let [ours, foreign, unsigned] =
        ["ours", "foreign", "unsigned"].map(|tag| registry.reference(&format!("v/t:{tag}")));
    push(&site, &ours);
    alter(&site.path("t.wasm"));
    say(&site, &["plugin", "sign", "t.wasm", "--key", "stranger.key"]);
    push(&site, &foreign);
    fs::remove_file(site.path("t.wasm.sig")).unwrap();
    push(&site, &unsigned);
    let trusting = |reference| [pull(reference).as_slice(), &["--trusted", "vendor.pub"]].concat();
    let placed = || ["drivers/t.wasm", "drivers/t.wasm.sig"].map(|file| fs::read(site.path(file)).unwrap());

    assert!(say(&site, &trusting(&ours)).contains("of vendor.pub"));
    let before = placed();
    for (reference, expected) in [(&foreign, "a key that is not trusted"), (&unsigned, "came without a signature")] {
        let said = refused(&site, &trusting(reference));
        for part in [reference, expected, "trusted: vendor.pub", "nothing was placed"] {
            assert!(said.contains(part), "{part} is not in {said}");
        }
        assert_eq!(placed(), before, "{said}");
    }

    say(&site, &[trusting(&foreign).as_slice(), &["--trusted", "stranger.pub"]].concat());
    assert_ne!(placed(), before);
}

#[test]
fn a_closed_registry_is_opened_by_a_password_that_nobody_sees() {
    let registry = Registry::start_closed();
    let site = integrator();
    let reference = registry.reference("vendor/t:0.1.0");
    fs::write(site.path("password"), format!("{PASSWORD}\n")).unwrap();
    fs::write(site.path("wrong"), "another\n").unwrap();
    let as_user = |mut arguments: Vec<&'static str>, file: &'static str| {
        arguments.extend(["--user", USER, "--password-file", file]);
        arguments
    };
    let reference: &'static str = Box::leak(reference.into_boxed_str());
    let push = vec!["plugin", "push", "t.wasm", reference, "--insecure-http", "--log", "trace"];

    refused(&site, &push);
    let wrong = refused(&site, &as_user(push.clone(), "wrong"));
    let mut right = site.start(&as_user(push, "password"));
    assert!(right.wait().success(), "{}", right.lines().text());
    say(&site, &as_user(pull(reference).to_vec(), "password"));
    assert_eq!(word_after(&site.read("drivers/t.wasm.sig"), "plugin: "), "teledyne");

    assert!(!wrong.contains("another"), "{wrong}");
    // As it is, and as the header of a request has it.
    for secret in [PASSWORD, "aW50ZWdyYXRvcjpjb3JyZWN0IGhvcnNl"] {
        assert!(!right.lines().text().contains(secret), "{}", right.lines().text());
    }
}

#[test]
fn a_registry_that_is_not_there_is_told_in_a_sentence() {
    let site = integrator();
    let said = refused(&site, &pull("127.0.0.1:9/vendor/t:1"));
    assert!(said.contains("127.0.0.1:9/vendor/t:1") && said.contains("refused"), "{said}");
    let said = refused(&site, &pull("vendor/t"));
    assert!(said.contains("registry's host"), "{said}");
}
