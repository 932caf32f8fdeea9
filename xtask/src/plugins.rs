//! `cargo xtask plugins`: plugin crates become components in `target/plugins/NAME.wasm`.
//!
//! A plugin crate is a folder with a `Cargo.toml` in `plugins/` (but not the SDK) or in `tests/plugins/`. All are built in
//! one run of cargo, which skips what has not changed; a component is encoded again only when its module is newer.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use wit_component::{ComponentEncoder, DecodedWasm};

use crate::wasm_toolchain::Toolchain;

/// A component that is ready to be loaded.
#[derive(Debug)]
pub struct Built {
    /// Name of the crate and of the plugin.
    pub name: String,
    /// `target/plugins/NAME.wasm`.
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

/// Builds all plugins of the workspace at `root`, by name. Sets up what the build needs, or says what to install.
pub fn build(root: &Path) -> anyhow::Result<Vec<Built>> {
    let names = plugin_crates(root)?;
    let target = target_dir(root);
    let modules = Toolchain::find_or_install()?.build(root, &target, &names)?;
    let components = target.join("plugins");
    fs::create_dir_all(&components).with_context(|| format!("cannot make {}", components.display()))?;
    names.iter().map(|name| component(name, &modules, &components)).collect()
}

/// Where cargo puts what it builds.
pub fn target_dir(root: &Path) -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root.join(folder),
        None => root.join("target"),
    }
}

fn plugin_crates(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for parent in [root.join("plugins"), root.join("tests/plugins")] {
        let entries = fs::read_dir(&parent).with_context(|| format!("cannot list {}", parent.display()))?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().into_string().ok().context("a plugin's folder has no readable name")?;
            if name != "sdk" && entry.path().join("Cargo.toml").is_file() {
                names.push(name);
            }
        }
    }
    names.sort();
    Ok(names)
}

fn component(name: &str, modules: &Path, components: &Path) -> anyhow::Result<Built> {
    let module = modules.join(format!("{}.wasm", name.replace('-', "_")));
    let file = components.join(format!("{name}.wasm"));
    if !is_newer(&file, &module)? {
        let core = fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
        let bytes = encode(&core).with_context(|| format!("{name} is not a plugin"))?;
        // Renamed into place, so that a hub which loads it meanwhile never sees half a file.
        let partial = components.join(format!("{name}.partial"));
        fs::write(&partial, bytes).with_context(|| format!("cannot write {}", partial.display()))?;
        fs::rename(&partial, &file).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Built { name: name.to_owned(), size: bytes.len() as u64, imports: imports(&bytes)?, file })
}

fn is_newer(file: &Path, than: &Path) -> anyhow::Result<bool> {
    let than = fs::metadata(than).with_context(|| format!("{} was not built", than.display()))?.modified()?;
    Ok(fs::metadata(file).and_then(|file| file.modified()).is_ok_and(|file| file > than))
}

fn encode(core: &[u8]) -> anyhow::Result<Vec<u8>> {
    ComponentEncoder::default().module(core)?.validate(true).encode()
}

fn imports(component: &[u8]) -> anyhow::Result<Vec<String>> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component)? else {
        bail!("a package of interfaces, not a component");
    };
    let world = resolve.worlds.get(world).context("the component has no world")?;
    Ok(world.imports.keys().map(|key| resolve.name_world_key(key)).collect())
}
