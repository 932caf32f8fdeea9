//! `cargo xtask plugins`: drivers become components in `target/plugins/NAME.wasm`.
//!
//! A driver is a folder in `plugins/`, in `plugins/examples/` or in `tests/plugins/`. Crates of the workspace are built in
//! one run of cargo, which skips what has not changed; a component is encoded again only when its module is newer. Examples in other
//! languages are built one by one; one whose toolchain is missing is named and left out.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tutin_kit::rust::Crates;
use tutin_kit::{Built, Error, Folder, Language, Places, component, rust};

use crate::setup;

/// Folders beside the drivers that are none.
const NO_DRIVERS: [&str; 3] = ["sdk", "kit", "examples"];

/// Builds all drivers of the workspace at `root`, by name. Sets up what those in Rust need, or says what to install.
pub fn build(root: &Path) -> anyhow::Result<Vec<Built>> {
    let mut drivers = Vec::new();
    for parent in ["plugins", "plugins/examples", "tests/plugins"] {
        drivers.extend(drivers_in(&root.join(parent))?);
    }
    drivers.sort_by(|a, b| a.name.cmp(&b.name));
    let target = target_dir(root);
    let components = target.join("plugins");
    let (crates, others): (Vec<_>, Vec<_>) = drivers.into_iter().partition(|driver| driver.language == Language::Rust);
    let packages: Vec<String> = crates.into_iter().map(|driver| driver.name).collect();
    let crates = Crates { folder: root, checkout: root, target: &target, packages: &packages };
    let modules = setup::wasm_toolchain()?.build(&crates)?;
    let file = |name: &str| components.join(format!("{name}.wasm"));
    let encoded = packages.iter().map(|name| component::encode(name, &rust::module(&modules, name), &file(name)));
    let mut built = encoded.collect::<Result<Vec<_>, _>>()?;
    for driver in others {
        let scratch = target.join("wasm").join(&driver.name);
        match driver.build(&Places { component: file(&driver.name), scratch }) {
            Ok(component) => built.push(component),
            Err(missing @ Error::Missing { .. }) => eprintln!("{}: not built: {missing}", driver.name),
            Err(error) => return Err(error).context(driver.name),
        }
    }
    Ok(built)
}

/// Where cargo puts what it builds.
pub fn target_dir(root: &Path) -> PathBuf {
    tutin_kit::checkout::target(root)
}

fn drivers_in(parent: &Path) -> anyhow::Result<Vec<Folder>> {
    let mut drivers = Vec::new();
    for entry in fs::read_dir(parent).with_context(|| format!("cannot list {}", parent.display()))? {
        let path = entry?.path();
        if NO_DRIVERS.iter().any(|name| path.ends_with(name)) || !path.is_dir() {
            continue;
        }
        match Folder::read(&path) {
            Ok(driver) => drivers.push(driver),
            Err(Error::NoDriver { .. }) => {}
            Err(error) => bail!(error),
        }
    }
    Ok(drivers)
}
