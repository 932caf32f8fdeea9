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
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;
use sha2::{Digest, Sha256};
use tracing::{debug, info, warn};
use wasmtime::component::Component;

use super::compile::CompileError;
use super::fault::chain;

const DIGEST: usize = 32;

/// The compiled form of the plugin with this digest, from the folder if it is there, else compiled and put there. A folder
/// that cannot be written, or that others can write to, costs time and nothing else.
pub(super) fn load_or_compile(
    engine: &wasmtime::Engine,
    folder: &Path,
    digest: &str,
    compile: impl FnOnce() -> Result<Vec<u8>, CompileError>,
) -> Result<Component, CompileError> {
    let file = entry(engine, folder, digest);
    if let Some(component) = load(engine, &file) {
        debug!("compiled plugin taken from {}", file.display());
        return Ok(component);
    }
    info!("compiling a plugin that is new on this machine, sha256 {digest}");
    let compiled = compile()?;
    if let Err(error) = save(&file, &compiled) {
        warn!("compiled plugin not kept in {}: {error}", file.display());
    }
    // SAFETY: the bytes are what this program's own compiler made a moment ago, for an engine with the same settings.
    #[expect(unsafe_code, reason = "loading code that this host compiled itself")]
    let component = unsafe { Component::deserialize(engine, &compiled) };
    component.map_err(|error| CompileError::Compiler(chain(&error)))
}

fn entry(engine: &wasmtime::Engine, folder: &Path, digest: &str) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    folder.join(format!("{digest}-{:016x}.compiled", hasher.finish()))
}

fn load(engine: &wasmtime::Engine, file: &Path) -> Option<Component> {
    if !is_private(file.parent()?) {
        return None;
    }
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

/// Whether nobody else can have put anything into the folder.
fn is_private(folder: &Path) -> bool {
    let is_own = |found: fs::Metadata| found.is_dir() && found.uid() == geteuid().as_raw() && found.mode() & 0o022 == 0;
    fs::symlink_metadata(folder).is_ok_and(is_own)
}

fn save(file: &Path, compiled: &[u8]) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    if !is_private(folder) {
        return Err(std::io::Error::other("the folder is another user's"));
    }
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

    fn made(engine: &wasmtime::Engine, folder: &Path) -> Component {
        let compile = || Ok(engine.precompile_component(&wat::parse_str("(component)").unwrap()).unwrap());
        load_or_compile(engine, folder, "abc", compile).unwrap()
    }

    #[test]
    fn a_damaged_entry_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let engine = wasmtime::Engine::default();
        made(&engine, folder.path());
        let file = entry(&engine, folder.path(), "abc");
        assert!(load(&engine, &file).is_some());

        let mut bytes = fs::read(&file).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&file, bytes).unwrap();

        assert!(load(&engine, &file).is_none());
        made(&engine, folder.path());
        assert!(load(&engine, &file).is_some());
    }

    #[test]
    fn nothing_is_taken_from_a_folder_that_others_can_write_to() {
        let folder = tempfile::tempdir().unwrap();
        let engine = wasmtime::Engine::default();
        made(&engine, folder.path());
        let file = entry(&engine, folder.path(), "abc");

        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();

        assert!(load(&engine, &file).is_none());
    }
}
