//! Python: componentize-py, which puts the interpreter and the driver into one component.
//!
//! The interpreter is told that there is no system around it: whatever of WASI it would import becomes a trap. So a driver in Python asks
//! for no more than any other driver.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::component::Built;
use crate::contract::{self, put};
use crate::error::{Error, at};
use crate::folder::{Folder, Places};
use crate::{checkout, fresh, tool};

/// What is installed, and its version.
pub const PACKAGE: &str = "componentize-py==0.25.1";

/// What drivers in Python build on.
const RUNTIME: &str = include_str!("../runtime/python/tutin.py");

/// A componentize-py.
#[derive(Debug)]
pub struct Toolchain {
    program: PathBuf,
}

impl Toolchain {
    /// That of the driver's own `.venv`, of a checkout, or in PATH; else what to install.
    pub fn find(driver: &Path) -> Result<Self, Error> {
        let checkout = checkout::around(driver).or_else(checkout::here);
        let venvs =
            [Some(driver.join(".venv")), checkout.map(|checkout| checkout::target(&checkout).join("peers/venv"))];
        let programs = venvs.into_iter().flatten().map(|venv| venv.join("bin/componentize-py"));
        let found = programs.into_iter().find(|file| file.is_file()).or_else(|| tool::find("componentize-py"));
        found.map(|program| Toolchain { program }).ok_or_else(|| Error::Missing {
            what: String::from("componentize-py"),
            install: format!("run `python3 -m venv .venv && .venv/bin/pip install {PACKAGE}` in {}", driver.display()),
        })
    }
}

/// Builds the driver in Python in a folder.
pub(crate) fn build(driver: &Folder, places: &Places) -> Result<Built, Error> {
    let wit = contract::lay_out(&driver.path, &places.scratch)?;
    let runtime = places.scratch.join("python");
    put(&runtime.join("tutin.py"), RUNTIME.as_bytes())?;
    if !fresh::is_fresh(&places.component, &[&driver.path, &wit, &runtime])? {
        componentize(&Toolchain::find(&driver.path)?, driver, places, &wit, &runtime)?;
    }
    Built::read(&driver.name, &places.component)
}

fn componentize(
    toolchain: &Toolchain,
    driver: &Folder,
    places: &Places,
    wit: &Path,
    runtime: &Path,
) -> Result<(), Error> {
    let made = places.scratch.join("driver.wasm");
    let mut command = Command::new(&toolchain.program);
    command.arg("--quiet").arg("-d").arg(wit).args(["componentize", "driver", "--stub-wasi"]);
    command.arg("-p").arg(&driver.path).arg("-p").arg(runtime).arg("-o").arg(&made);
    tool::run(command.env_remove("VIRTUAL_ENV").env("PYTHONDONTWRITEBYTECODE", "1"))?;
    if let Some(folder) = places.component.parent() {
        fs::create_dir_all(folder).map_err(at("make", folder))?;
    }
    fs::rename(&made, &places.component).map_err(at("write", &places.component))
}
