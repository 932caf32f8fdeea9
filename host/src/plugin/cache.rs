//! Compiled components, so that a hub starts in milliseconds.
//!
//! One file per plugin digest and engine (version, settings, CPU features), in a folder that only the hub's user may read:
//!
//! ```text
//! | SHA-256 of the rest, 32 bytes | compiled component, as the engine serialized it |
//! ```
//!
//! Invariant: compiled code is taken only from this folder and only when its digest holds. Nothing that comes from
//! outside is ever loaded as compiled code.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tracing::{debug, info, warn};
use wasmtime::component::Component;

const DIGEST: usize = 32;

/// The compiled form of `wasm`, from the folder if it is there, else compiled and put there. A folder
/// that cannot be written costs time and nothing else.
pub fn load_or_compile(
    engine: &wasmtime::Engine,
    folder: &Path,
    wasm: &[u8],
    digest: &str,
) -> wasmtime::Result<Component> {
    let file = entry(engine, folder, digest);
    if let Some(component) = load(engine, &file) {
        debug!("compiled plugin taken from {}", file.display());
        return Ok(component);
    }
    info!("compiling a plugin that is new on this machine, sha256 {digest}");
    let component = Component::from_binary(engine, wasm)?;
    if let Err(error) = save(&file, &component.serialize()?) {
        warn!("compiled plugin not kept in {}: {error}", file.display());
    }
    Ok(component)
}

fn entry(engine: &wasmtime::Engine, folder: &Path, digest: &str) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    folder.join(format!("{digest}-{:016x}.compiled", hasher.finish()))
}

fn load(engine: &wasmtime::Engine, file: &Path) -> Option<Component> {
    let bytes = fs::read(file).ok()?;
    let (digest, compiled) = bytes.split_at_checked(DIGEST)?;
    if Sha256::digest(compiled).as_slice() != digest {
        warn!("{} is damaged and is made anew", file.display());
        return None;
    }
    // SAFETY: the bytes are what `save` wrote for an engine with the same compatibility hash (the file's name), in a folder that only
    // the hub's user can write, and their digest holds.
    #[expect(unsafe_code, reason = "loading code that this host compiled itself")]
    let component = unsafe { Component::deserialize(engine, compiled) };
    component.inspect_err(|error| warn!("{} does not load and is made anew: {error}", file.display())).ok()
}

fn save(file: &Path, compiled: &[u8]) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    #[cfg(unix)]
    fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    let draft = file.with_extension(format!("draft-{}", std::process::id()));
    let mut written = fs::File::create(&draft)?;
    written.write_all(&Sha256::digest(compiled))?;
    written.write_all(compiled)?;
    written.sync_all()?;
    fs::rename(&draft, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_entry_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let engine = wasmtime::Engine::default();
        let wasm = wat::parse_str("(component)").unwrap();
        load_or_compile(&engine, folder.path(), &wasm, "abc").unwrap();
        let file = entry(&engine, folder.path(), "abc");
        assert!(load(&engine, &file).is_some());

        let mut bytes = fs::read(&file).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&file, bytes).unwrap();

        assert!(load(&engine, &file).is_none());
        load_or_compile(&engine, folder.path(), &wasm, "abc").unwrap();
        assert!(load(&engine, &file).is_some());
    }
}
