//! Drivers in every language: the examples, and the folders that integrators begin with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::hub::{Site, binary};

const LINKS: [&str; 4] = ["modbus", "stream", "opcua", "mqtt"];

/// The folder of the examples.
fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/examples").canonicalize().unwrap()
}

/// Makes a driver's folder, builds it and plays its case.
fn begin(site: &Site, language: &str, link: &str) {
    let name = format!("{language}-{link}");
    for arguments in [
        ["plugin", "new", &name, "--link", link, "--lang", language].as_slice(),
        &["plugin", "build", &name],
        &["plugin", "test", &name],
    ] {
        let said = site.said(arguments);
        assert!(said.success, "{arguments:?}: {}", said.text);
    }
    assert!(site.path(&name).join("target").join(&name).with_added_extension("wasm").is_file());
}

#[test]
fn the_example_in_each_language_passes_its_cases() {
    let mut names: Vec<_> = fs::read_dir(examples()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert_eq!(names.len(), 4, "{names:?}");
    for example in names {
        let said = Site::new("").said(&["plugin", "test", example.to_str().unwrap()]);
        assert!(
            said.success,
            "{} (`cargo xtask setup` and `cargo xtask plugins` build it): {}",
            example.display(),
            said.text
        );
    }
}

#[test]
fn a_new_driver_in_rust_builds_and_passes_its_case_on_every_link() {
    let site = Site::new("");
    for link in LINKS {
        begin(&site, "rust", link);
    }
}

#[test]
fn a_new_driver_in_c_builds_and_passes_its_case_on_every_link() {
    let site = Site::new("");
    for link in LINKS {
        begin(&site, "c", link);
    }
}

/// One link each: an interpreter takes half a minute to build and as long to compile. The examples cover two more; `TUTIN_EVERY_SCAFFOLD=1`
/// tries all.
#[test]
fn a_new_driver_in_python_or_javascript_builds_and_passes_its_case() {
    let site = Site::new("");
    let is_all = std::env::var_os("TUTIN_EVERY_SCAFFOLD").is_some();
    for (language, usual) in [("python", "mqtt"), ("js", "opcua")] {
        for link in LINKS.into_iter().filter(|link| is_all || *link == usual) {
            begin(&site, language, link);
        }
    }
}

#[test]
fn what_cannot_be_made_or_built_is_told_and_nothing_is_left_behind() {
    let site = Site::new("");
    fs::create_dir(site.path("taken")).unwrap();
    let check = |arguments: &[&str], expected: &str| {
        let said = site.said(&[&["plugin"], arguments].concat());
        assert!(!said.success && said.text.contains(expected), "{expected:?} is not in {}", said.text);
    };
    check(&["new", "No2_Meter", "--link", "modbus"], "lower case letters, digits and dashes");
    check(&["new", "taken", "--link", "modbus"], "cannot make ./taken");
    check(&["new", "no2", "--link", "modbus", "--sdk", "nowhere"], "nowhere: no tutin-sdk here");
    check(&["new", "no2", "--link", "profibus"], "[possible values: modbus, stream, opcua, mqtt]");
    check(&["build", "taken"], "there is no Cargo.toml, driver.c, driver.py or driver.js");
    assert!(!site.path("no2").exists());
    assert_eq!(fs::read_dir(site.path("taken")).unwrap().count(), 0);
}

#[test]
fn a_missing_toolchain_is_named_with_the_command_that_installs_it() {
    let site = Site::new("");
    let made = site.said(&["plugin", "new", "no2", "--link", "stream", "--lang", "c"]);
    assert!(made.success, "{}", made.text);

    let build = ["plugin", "build", "no2"];
    let output =
        Command::new(binary()).args(build).current_dir(site.path("")).env("PATH", "/nowhere").output().unwrap();

    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("apt-get install clang-19 lld-19"), "{said}");
}
