//! What was built against a released version of the contract runs here, or is told which versions there are.
//!
//! `tests/contract` has a component for each release, written with it and frozen: it imports every function of its package and exports a driver, with
//! the types that these had then.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use tutin::capability::{Guest, OFFERS};
use tutin::config::model::Limits;
use tutin::plugin::admission::{DRIVER, DRIVER_VERSION};
use tutin::plugin::{Engine, Instance, LoadError, Loader, Plugin};
use wit_component::DecodedWasm;
use wit_parser::{InterfaceId, Resolve, WorldItem};

use crate::support::test_file;

/// Releases that the hub does not offer any more, as in `tutin:modbus 0.1.0`. They are refused, and everything else must run.
const RETIRED: &[&str] = &[];

/// A released version: package, version.
type Release = (String, String);

fn releases() -> Vec<Release> {
    let text = fs::read_to_string(test_file("../wit/released.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let words = lines.map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
    let releases: Vec<Release> = words.map(|words| (words[0].clone(), words[1].clone())).collect();
    assert!(releases.len() >= 6, "{releases:?}");
    releases
}

/// Text of the component that stands for it.
fn fixture((package, version): &Release) -> String {
    let name = package.strip_prefix("tutin:").unwrap();
    let file = test_file(&format!("contract/{name}-{version}.wat"));
    let missing = format!("{} is missing; run: cargo xtask tidy --write-fingerprints", file.display());
    fs::read_to_string(file).expect(&missing)
}

fn load(component: &str) -> Result<Arc<Plugin>, LoadError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plugin.wasm");
    fs::write(&file, wat::parse_str(component).unwrap()).unwrap();
    Loader::new(Engine::new().unwrap(), folder.path().join("compiled")).load(&file)
}

/// Text of the refusal; fails when it is anything else.
fn refusal(component: &str) -> String {
    match load(component) {
        Err(error @ LoadError::Refused { .. }) => error.to_string(),
        Err(other) => panic!("{other} is no refusal"),
        Ok(_) => panic!("it was not refused"),
    }
}

#[tokio::test]
async fn what_was_built_against_a_released_version_runs_or_is_told_what_is_offered() {
    for release in releases() {
        let (package, version) = &release;
        let component = fixture(&release);
        if RETIRED.contains(&format!("{package} {version}").as_str()) {
            let said = refusal(&component);
            assert!(offered(package).iter().any(|offered| said.contains(offered)), "{said}");
            continue;
        }
        let plugin = load(&component).unwrap_or_else(|error| panic!("{package}@{version}: {error}"));
        // Functions that a driver exports are only compared with the contract here.
        let guest = Guest::new("test".into(), BTreeMap::new(), Limits::default(), Arc::default());
        Instance::new(&plugin, guest).await.map(drop).unwrap_or_else(|error| panic!("{package}@{version}: {error}"));
    }
}

/// What there is of a package, as in `tutin:modbus/client@0.1.0`.
fn offered(package: &str) -> Vec<String> {
    let offers = OFFERS.iter().map(|offer| format!("{}@{}", offer.interface, offer.version));
    let all = offers.chain([format!("{DRIVER}@{DRIVER_VERSION}")]);
    all.filter(|name| name.split_once('/').is_some_and(|(of, _)| of == package)).collect()
}

fn functions(resolve: &Resolve, interface: InterfaceId) -> BTreeSet<String> {
    resolve.interfaces[interface].functions.keys().cloned().collect()
}

/// The folders of the contract as they are.
fn contract() -> Resolve {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(test_file("../wit")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.is_dir());
    // Drivers may import what the others are.
    folders.sort_by_key(|folder| (folder.to_string_lossy().contains("/driver"), folder.clone()));
    let mut resolve = Resolve::default();
    folders.iter().for_each(|folder| drop(resolve.push_dir(folder).unwrap()));
    resolve
}

#[test]
fn the_component_of_a_release_uses_every_function_of_it() {
    let contract = contract();
    for release in releases() {
        let (package, version) = &release;
        let bytes = wat::parse_str(fixture(&release)).unwrap();
        let DecodedWasm::Component(resolve, world) = wit_component::decode(&bytes).unwrap() else {
            panic!("{package}")
        };
        let world = &resolve.worlds[world];
        let mut used = BTreeMap::new();
        for item in world.imports.values().chain(world.exports.values()) {
            let WorldItem::Interface { id, .. } = item else { continue };
            used.insert(resolve.id_of(*id).unwrap(), functions(&resolve, *id));
        }
        let is_it = |name: &wit_parser::PackageName| name.to_string() == format!("{package}@{version}");
        let (_, known) = contract.packages.iter().find(|(_, known)| is_it(&known.name)).unwrap();
        for (name, interface) in &known.interfaces {
            let name = format!("{package}/{name}@{version}");
            assert_eq!(used.get(&name), Some(&functions(&contract, *interface)), "{name}");
        }
    }
}

#[test]
fn a_version_that_is_not_offered_is_refused_in_a_sentence_that_names_what_is() {
    for release in releases() {
        let (package, version) = &release;
        let text = fixture(&release);
        for other in ["0.0.9", "0.2.0", "1.0.0"] {
            let renamed = |text: &str| -> String {
                let parts: Vec<&str> = text.split(&format!("@{version}")).collect();
                let last = parts.len() - 1;
                let join = |(place, part): (usize, &&str)| {
                    let is_of = part.rsplit(|c: char| c.is_whitespace() || c == '"' || c == '-').next();
                    let is_of = is_of.is_some_and(|name| name.trim_start_matches('$').starts_with(package.as_str()));
                    let version =
                        if place == last { String::new() } else { format!("@{}", if is_of { other } else { version }) };
                    format!("{part}{version}")
                };
                parts.iter().enumerate().map(join).collect()
            };
            let said = refusal(&renamed(&text));
            assert!(said.contains(&format!("@{other}")), "{package}@{other}: {said}");
            assert!(offered(package).iter().any(|offered| said.contains(offered)), "{package}@{other}: {said}");
            assert!(!said.contains('\n'), "{said} is no sentence");
        }
    }
}

#[test]
fn a_package_that_nobody_knows_is_refused_in_a_sentence_that_names_what_there_is() {
    let release = ("tutin:modbus".to_owned(), "0.1.0".to_owned());
    let said = refusal(&fixture(&release).replace("tutin:modbus", "acme:profinet"));
    assert!(said.contains("acme:profinet/"), "{said}");
    for offer in OFFERS {
        assert!(
            said.contains(&format!("{}@{}", offer.interface, offer.version)),
            "{} is not in {said}",
            offer.interface
        );
    }
}
