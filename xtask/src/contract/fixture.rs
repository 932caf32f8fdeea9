//! A component as somebody built it against one released version of a package: it imports every function of it and exports a driver.
//!
//! It is written once, when the version is released, as WebAssembly text in `tests/contract`, and never again: it stands for the plugins out
//! there. Its types are spelled out in it, so that nothing in `wit/` is needed to read it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi};

use super::Contract;
use crate::tidy::Fault;
use crate::tidy::fingerprints::RELEASED;

const FOLDER: &str = "tests/contract";
/// What every plugin exports.
const DRIVER: &str = "tutin:driver";

/// Where the component of a released version stands.
fn file(name: &str, version: &str) -> PathBuf {
    let short = name.split_once(':').map_or(name, |(_, short)| short);
    Path::new(FOLDER).join(format!("{short}-{version}.wat"))
}

/// Writes those of the released versions that are not there. What is there is frozen.
pub fn write(root: &Path) -> Result<()> {
    for (_, name, version) in released(root)? {
        let file = file(&name, &version);
        if root.join(&file).exists() {
            continue;
        }
        let text = text(&mut Contract::read(root)?, &name, &version).with_context(|| format!("{name}@{version}"))?;
        fs::create_dir_all(root.join(FOLDER)).with_context(|| format!("cannot make {FOLDER}"))?;
        fs::write(root.join(&file), text).with_context(|| format!("cannot write {}", file.display()))?;
        println!("{} stands for the plugins that are built against {name}@{version}", file.display());
    }
    Ok(())
}

/// Released versions without one.
pub fn check(root: &Path) -> Result<Vec<Fault>> {
    let is_missing = |(_, name, version): &(usize, String, String)| !root.join(file(name, version)).is_file();
    let missing = released(root)?.into_iter().filter(is_missing);
    let fault = |(line, name, version): (usize, String, String)| {
        let file = file(&name, &version);
        let rule = format!("{name}@{version} has no {}; run: cargo xtask tidy --write-fingerprints", file.display());
        Fault::new(RELEASED, line, rule)
    };
    Ok(missing.map(fault).collect())
}

/// Line, name and version of each release.
fn released(root: &Path) -> Result<Vec<(usize, String, String)>> {
    let text = fs::read_to_string(root.join(RELEASED)).with_context(|| format!("cannot read {RELEASED}"))?;
    let entries = text.lines().enumerate().filter(|(_, line)| !line.starts_with('#'));
    let words = entries.filter_map(|(number, line)| {
        let mut words = line.split(' ');
        Some((number + 1, words.next()?.to_owned(), words.next()?.to_owned()))
    });
    Ok(words.collect())
}

fn text(contract: &mut Contract, name: &str, version: &str) -> Result<String> {
    let package = contract.package(name, version)?;
    let Contract { resolve, packages } = contract;
    let interfaces: Vec<String> = resolve.packages[package].interfaces.keys().cloned().collect();
    let (mut imports, mut driver) = (String::new(), version.to_owned());
    if name != DRIVER {
        let import = |interface: &String| format!("import {}/{interface}@{version}; ", escaped(name));
        imports = interfaces.iter().map(import).collect();
        // The one that there was with it.
        let driver_package = packages.iter().map(|one| &resolve.packages[*one].name).filter(|one| one.name == "driver");
        let newest =
            driver_package.filter_map(|one| one.version.clone()).max().context("there is no driver package")?;
        driver = newest.to_string();
    }
    let world = format!("package tutin:fixture; world fixture {{ {imports}export {DRIVER}/driver@{driver}; }}");
    let fixture = resolve.push_str("fixture.wit", &world)?;
    let world = resolve.select_world(&[fixture], Some("fixture"))?;
    let mut module = dummy_module(resolve, world, ManglingAndAbi::Legacy(LiftLowerAbi::Sync));
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8)?;
    let component = ComponentEncoder::default().module(&module)?.validate(true).encode()?;
    let text = wasmprinter::print_bytes(component)?;
    Ok(format!(
        ";; Stands for the plugins that were built against {name}@{version}. Frozen with it; written by\n;; `cargo xtask tidy --write-fingerprints`.\n{text}"
    ))
}

/// A name that is also a keyword of the language needs a mark in front.
fn escaped(name: &str) -> String {
    name.replace(':', ":%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_uses_all_of_its_package_and_what_is_there_is_not_written_over() {
        let root = tempfile::tempdir().unwrap();
        let folder = |name: &str, text: &str| {
            fs::create_dir_all(root.path().join("wit").join(name)).unwrap();
            fs::write(root.path().join("wit").join(name).join("it.wit"), text).unwrap();
        };
        folder("driver", "package tutin:driver@0.1.0; interface driver { poll: func() -> u32; }");
        folder(
            "stream",
            "package tutin:%stream@0.2.0; interface client { send: func(bytes: list<u8>); wait: func(); }",
        );
        fs::write(root.path().join(RELEASED), "# remark\ntutin:stream 0.2.0 digest\n").unwrap();
        assert_eq!(check(root.path()).unwrap().len(), 1, "a release without a component");
        write(root.path()).unwrap();
        assert_eq!(check(root.path()).unwrap(), []);
        let written = root.path().join("tests/contract/stream-0.2.0.wat");
        let text = fs::read_to_string(&written).unwrap();
        for part in ["tutin:stream/client@0.2.0", "\"send\"", "\"wait\"", "tutin:driver/driver@0.1.0", "\"poll\""] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        fs::write(&written, "frozen").unwrap();
        write(root.path()).unwrap();
        assert_eq!(fs::read_to_string(&written).unwrap(), "frozen");
    }
}
