//! JavaScript: componentize-js, which puts the engine and the driver into one component.
//!
//! Every feature that would import WASI is off. So a driver in JavaScript asks for no more than any other driver.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::component::Built;
use crate::contract::{self, copy, put};
use crate::error::{Error, at};
use crate::folder::{Folder, Places};
use crate::{checkout, fresh, tool};

/// What is installed, and its version.
pub const PACKAGE: &str = "@bytecodealliance/componentize-js@0.23.0";

/// Where npm puts it.
pub const PROGRAM: &str = "node_modules/@bytecodealliance/componentize-js/src/cli.js";

/// What drivers in JavaScript build on.
const RUNTIME: &str = include_str!("../runtime/js/tutin.js");

/// A componentize-js and what runs it.
#[derive(Debug)]
pub struct Toolchain {
    node: PathBuf,
    program: PathBuf,
}

impl Toolchain {
    /// That of the driver's own `node_modules`, of a folder around it, or of a checkout; else what to install.
    pub fn find(driver: &Path) -> Result<Self, Error> {
        let node = tool::find("node").ok_or_else(|| Error::Missing {
            what: String::from("node, which builds drivers in JavaScript,"),
            install: String::from("run `apt-get install nodejs npm` as root"),
        })?;
        let checkout = checkout::around(driver).or_else(checkout::here);
        let peers = checkout.map(|checkout| checkout::target(&checkout).join("peers/node"));
        let folders = driver.ancestors().map(Path::to_owned).chain(peers);
        let found = folders.map(|folder| folder.join(PROGRAM)).find(|file| file.is_file());
        found.map(|program| Toolchain { node, program }).ok_or_else(|| Error::Missing {
            what: String::from("componentize-js"),
            install: format!("run `npm install --no-save {PACKAGE}` in {}", driver.display()),
        })
    }
}

/// Builds the driver in JavaScript in a folder.
pub(crate) fn build(driver: &Folder, places: &Places) -> Result<Built, Error> {
    let wit = contract::lay_out(&driver.path, &places.scratch)?;
    let sources = places.scratch.join("js");
    for file in contract::files(&driver.path, "js")? {
        copy(&file, &sources.join(file.file_name().unwrap_or_default()))?;
    }
    put(&sources.join("tutin.js"), RUNTIME.as_bytes())?;
    if !fresh::is_fresh(&places.component, &[&sources, &wit])? {
        componentize(&Toolchain::find(&driver.path)?, places, &wit, &sources)?;
    }
    Built::read(&driver.name, &places.component)
}

fn componentize(toolchain: &Toolchain, places: &Places, wit: &Path, sources: &Path) -> Result<(), Error> {
    let made = places.scratch.join("driver.wasm");
    let mut command = Command::new(&toolchain.node);
    command.arg(&toolchain.program).arg("driver.js").arg("--wit").arg(wit).arg("--out").arg(&made);
    command.args(["--disable", "stdio", "random", "clocks", "http", "fetch-event"]).current_dir(sources);
    tool::run(&mut command)?;
    if let Some(folder) = places.component.parent() {
        fs::create_dir_all(folder).map_err(at("make", folder))?;
    }
    fs::rename(&made, &places.component).map_err(at("write", &places.component))
}
