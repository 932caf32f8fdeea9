//! From a core module to a component in its place.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use wit_component::{ComponentEncoder, DecodedWasm};

use crate::error::{Error, at};

/// A component that is ready to be loaded.
#[derive(Debug)]
pub struct Built {
    /// Name of the driver.
    pub name: String,
    /// Where it is.
    pub file: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// The interfaces that it imports, as `tutin:modbus/client@0.1.0`: the permissions that it asks for.
    pub imports: Vec<String>,
}

impl fmt::Display for Built {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Built { name, file, size, imports } = self;
        write!(f, "{name}: {} ({} KiB), imports {}", file.display(), size / 1024, imports.join(" "))
    }
}

impl Built {
    /// Looks at a component that is there.
    pub fn read(name: &str, file: &Path) -> Result<Self, Error> {
        let bytes = fs::read(file).map_err(at("read", file))?;
        let imports = imports(&bytes).map_err(contract(file))?;
        Ok(Built { name: name.to_owned(), file: file.to_owned(), size: bytes.len() as u64, imports })
    }
}

/// Makes the component `file` of a core module that carries its types, unless it is newer than the module.
pub fn encode(name: &str, module: &Path, file: &Path) -> Result<Built, Error> {
    if !is_newer(file, module) {
        let core = fs::read(module).map_err(at("read", module))?;
        let encoded = ComponentEncoder::default().module(&core).and_then(|encoder| encoder.validate(true).encode());
        put(file, &encoded.map_err(contract(module))?)?;
    }
    Built::read(name, file)
}

/// Puts a component in its place. It is renamed into it, so that a hub which loads it meanwhile never sees half a file.
pub(crate) fn put(file: &Path, bytes: &[u8]) -> Result<(), Error> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(at("make", folder))?;
    }
    let partial = file.with_extension("partial");
    fs::write(&partial, bytes).map_err(at("write", &partial))?;
    fs::rename(&partial, file).map_err(at("write", file))
}

/// True when both are there and the first was written later.
pub(crate) fn is_newer(file: &Path, than: &Path) -> bool {
    let written = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified());
    matches!((written(file), written(than)), (Ok(file), Ok(than)) if file > than)
}

fn contract(path: &Path) -> impl FnOnce(anyhow::Error) -> Error + '_ {
    move |error| Error::Contract { path: path.to_owned(), reason: format!("no driver can be made of it: {error:#}") }
}

fn imports(component: &[u8]) -> anyhow::Result<Vec<String>> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component)? else {
        anyhow::bail!("a package of interfaces, not a component");
    };
    let world = resolve.worlds.get(world).ok_or_else(|| anyhow::anyhow!("the component has no world"))?;
    Ok(world.imports.keys().map(|key| resolve.name_world_key(key)).collect())
}
