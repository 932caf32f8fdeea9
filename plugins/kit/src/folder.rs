//! A driver's folder: what it is called and what it is written in.

use std::fs;
use std::path::{Path, PathBuf};

use crate::component::Built;
use crate::error::{Error, at};
use crate::language::Language;
use crate::{c, javascript, python, rust};

/// A folder with a driver.
#[derive(Debug)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// Its name, which is the driver's.
    pub name: String,
    /// What the driver is written in.
    pub language: Language,
}

/// Where a build puts what it makes.
#[derive(Debug)]
pub struct Places {
    /// The component.
    pub component: PathBuf,
    /// What is made on the way to it.
    pub scratch: PathBuf,
}

/// What is looked up in the manifest of a crate.
pub(crate) struct Manifest {
    pub(crate) package: String,
    pub(crate) sdk: Option<PathBuf>,
}

impl Folder {
    /// Recognises the driver in a folder.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let path = path.canonicalize().map_err(at("find", path))?;
        let has = |language: &&Language| path.join(language.mark()).is_file();
        let Some(language) = Language::ALL.iter().find(has).copied() else {
            return Err(Error::NoDriver { folder: path });
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Folder { path, name, language })
    }

    /// Where a driver that stands alone has what is built of it.
    pub fn own_places(&self) -> Places {
        let target = self.path.join("target");
        Places { component: target.join(format!("{}.wasm", self.name)), scratch: target.join("kit") }
    }

    /// Builds the component.
    pub fn build(&self, places: &Places) -> Result<Built, Error> {
        match self.language {
            Language::Rust => rust::build(self, places),
            Language::C => c::build(self, places),
            Language::Python => python::build(self, places),
            Language::JavaScript => javascript::build(self, places),
        }
    }

    pub(crate) fn manifest(&self) -> Result<Manifest, Error> {
        let file = self.path.join("Cargo.toml");
        let text = fs::read_to_string(&file).map_err(at("read", &file))?;
        let wrong = |reason: String| Error::Contract { path: file.clone(), reason };
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| wrong(error.message().to_owned()))?;
        let member = |names: &[&str]| {
            let first = table.get(*names.first()?);
            names.iter().skip(1).fold(first, |value, name| value?.get(name))?.as_str()
        };
        let package = member(&["package", "name"]).ok_or_else(|| wrong(String::from("no package.name")))?.to_owned();
        let sdk = member(&["dependencies", "tutin-sdk", "path"]).map(|sdk| self.path.join(sdk));
        Ok(Manifest { package, sdk })
    }
}
