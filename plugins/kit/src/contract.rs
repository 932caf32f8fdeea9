//! The interfaces that a driver in another language than Rust is built against.
//!
//! A driver's folder says in `wit/` what it wants: one world. The packages of the contract that it names come from `wit/deps` when they
//! lie there, which is how a driver stays with the contract that it was written for, and from this program when they do not.

use std::fs;
use std::path::{Path, PathBuf};

use wit_bindgen_core::wit_parser::{Resolve, WorldId};

use crate::error::{Error, at};

/// A package of the contract.
#[derive(Debug)]
pub struct Package {
    /// Its folder, as in "modbus".
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// The contract of this version.
pub const PACKAGES: [Package; 6] = [
    Package { name: "driver", text: include_str!("../../../wit/driver/driver.wit") },
    Package { name: "log", text: include_str!("../../../wit/log/log.wit") },
    Package { name: "modbus", text: include_str!("../../../wit/modbus/modbus.wit") },
    Package { name: "mqtt", text: include_str!("../../../wit/mqtt/mqtt.wit") },
    Package { name: "opcua", text: include_str!("../../../wit/opcua/opcua.wit") },
    Package { name: "stream", text: include_str!("../../../wit/stream/stream.wit") },
];

impl Package {
    /// Puts it into a folder of packages. A file that says the same already is left as it is.
    pub fn put(&self, deps: &Path) -> Result<(), Error> {
        put(&deps.join(self.name).join(format!("{}.wit", self.name)), self.text.as_bytes())
    }
}

/// Writes a file unless it says the same already, so that what was made of it stays newer.
pub(crate) fn put(file: &Path, content: &[u8]) -> Result<(), Error> {
    if fs::read(file).is_ok_and(|old| old == content) {
        return Ok(());
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(at("make", folder))?;
    }
    fs::write(file, content).map_err(at("write", file))
}

/// Lays out in `scratch` all that the driver in this folder is built against, and returns the folder.
pub(crate) fn lay_out(driver: &Path, scratch: &Path) -> Result<PathBuf, Error> {
    let wanted = driver.join("wit");
    let folder = scratch.join("wit");
    for file in files(&wanted, "wit")? {
        copy(&file, &folder.join(file.file_name().unwrap_or_default()))?;
    }
    let deps = folder.join("deps");
    for package in &PACKAGES {
        let own = wanted.join("deps").join(package.name);
        match own.is_dir() {
            false => package.put(&deps)?,
            true => {
                for file in files(&own, "wit")? {
                    copy(&file, &deps.join(package.name).join(file.file_name().unwrap_or_default()))?;
                }
            }
        }
    }
    Ok(folder)
}

/// Reads the one world of a folder of interfaces.
pub(crate) fn world(folder: &Path) -> Result<(Resolve, WorldId), Error> {
    let mut resolve = Resolve::default();
    let read = resolve.push_path(folder).and_then(|(package, _)| resolve.select_world(&[package], None));
    match read {
        Ok(world) => Ok((resolve, world)),
        Err(error) => Err(Error::Contract { path: folder.to_owned(), reason: format!("{error:#}") }),
    }
}

/// Files of a folder that end so, in order.
pub(crate) fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(at("list", folder))? {
        let path = entry.map_err(at("list", folder))?.path();
        if path.extension().is_some_and(|end| end == extension) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    put(to, &fs::read(from).map_err(at("read", from))?)
}
