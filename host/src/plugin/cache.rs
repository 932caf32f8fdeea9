//! Compiled components, so that a hub starts in milliseconds.
//!
//! One file per plugin digest and engine (version, settings, CPU features), in a folder that only the hub's user may read:
//!
//! ```text
//! | SHA-256 of the rest, 32 bytes | compiled component, as the engine serialized it |
//! ```
//!
//! A file's time is that of its last use. Whoever adds one removes those that nobody used for thirty days, other engines' too, and drafts
//! of which nothing became; what this process has in use stays, however long it runs.
//!
//! Invariant: compiled code is taken only from this folder and only when its digest holds. Nothing that comes from
//! outside is ever loaded as compiled code.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rustix::process::geteuid;
use sha2::{Digest, Sha256};
use tracing::{debug, info, warn};
use wasmtime::component::Component;

use super::compile::CompileError;
use super::fault::chain;

const DIGEST: usize = 32;
/// How long compiled code is kept that nobody uses.
const UNUSED: Duration = Duration::from_hours(30 * 24);
/// How old a draft is that nobody writes any more.
const ABANDONED: Duration = Duration::from_hours(1);

/// The folder, and which of its files this process uses.
#[derive(Clone)]
pub(super) struct Cache {
    folder: PathBuf,
    used: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl Cache {
    pub(super) fn new(folder: PathBuf) -> Self {
        Cache { folder, used: Arc::default() }
    }

    /// The compiled form of the plugin with this digest, from the folder if it is there, else compiled and put there. A folder
    /// that cannot be written, or that others can write to, costs time and nothing else.
    pub(super) fn load_or_compile(
        &self,
        engine: &wasmtime::Engine,
        digest: &str,
        compile: impl FnOnce() -> Result<Vec<u8>, CompileError>,
    ) -> Result<Component, CompileError> {
        let file = entry(engine, &self.folder, digest);
        self.used().insert(file.clone());
        if let Some(component) = load(engine, &file) {
            debug!("compiled plugin taken from {}", file.display());
            return Ok(component);
        }
        info!("compiling a plugin that is new on this machine, sha256 {digest}");
        let compiled = compile()?;
        match save(&file, &compiled) {
            Ok(()) => self.sweep(SystemTime::now()),
            Err(error) => warn!("compiled plugin not kept in {}: {error}", file.display()),
        }
        // SAFETY: the bytes are what this program's own compiler made a moment ago, for an engine with the same settings.
        #[expect(unsafe_code, reason = "loading code that this host compiled itself")]
        let component = unsafe { Component::deserialize(engine, &compiled) };
        component.map_err(|error| CompileError::Compiler(chain(&error)))
    }

    /// Removes what nobody uses any more. What cannot be removed stays.
    fn sweep(&self, now: SystemTime) {
        let used = self.used();
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let file = entry.path();
            let kept = match file.extension().and_then(OsStr::to_str) {
                Some("compiled") => UNUSED,
                Some(extension) if extension.starts_with("draft-") => ABANDONED,
                _ => continue,
            };
            let since = entry.metadata().and_then(|found| found.modified()).ok();
            let age = since.and_then(|since| now.duration_since(since).ok());
            if !used.contains(&file) && age.is_some_and(|age| age > kept) {
                debug!("{} is not used any more", file.display());
                let _ = fs::remove_file(file);
            }
        }
    }

    fn used(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    let mut open = fs::File::open(file).ok()?;
    let mut bytes = Vec::new();
    open.read_to_end(&mut bytes).ok()?;
    // Where that fails it is compiled anew one day, no more.
    let _ = open.set_modified(SystemTime::now());
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
        add(engine, &Cache::new(folder.to_owned()), "abc")
    }

    fn add(engine: &wasmtime::Engine, cache: &Cache, digest: &str) -> Component {
        let compile = || Ok(engine.precompile_component(&wat::parse_str("(component)").unwrap()).unwrap());
        cache.load_or_compile(engine, digest, compile).unwrap()
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

    /// A file that is so many days old.
    fn place(folder: &Path, name: &str, days: u64) {
        let open = fs::File::options().append(true).create(true).open(folder.join(name)).unwrap();
        open.set_modified(SystemTime::now() - Duration::from_hours(24 * days)).unwrap();
    }

    fn names(folder: &Path) -> BTreeSet<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn what_nobody_used_for_thirty_days_is_removed_when_something_is_added() {
        let folder = tempfile::tempdir().unwrap();
        let (engine, folder) = (wasmtime::Engine::default(), folder.path());
        let name = |digest: &str| entry(&engine, folder, digest).file_name().unwrap().to_str().unwrap().to_owned();
        let (used, added) = (name("used"), name("added"));
        add(&engine, &Cache::new(folder.to_owned()), "used");
        for old in [&used, "other-engine.compiled", "nothing.draft-1", "somebody-s.txt"] {
            place(folder, old, 31);
        }
        place(folder, "recent.compiled", 29);
        place(folder, "being-written.draft-2", 0);

        add(&engine, &Cache::new(folder.to_owned()), "used");
        add(&engine, &Cache::new(folder.to_owned()), "added");

        let expected = [&used, &added, "recent.compiled", "being-written.draft-2", "somebody-s.txt"];
        assert_eq!(names(folder), expected.into_iter().map(str::to_owned).collect());
    }

    #[test]
    fn what_a_hub_has_in_use_stays_however_long_it_runs() {
        let folder = tempfile::tempdir().unwrap();
        let (engine, folder) = (wasmtime::Engine::default(), folder.path());
        let cache = Cache::new(folder.to_owned());
        add(&engine, &cache, "used");
        let before = names(folder);
        place(folder, "other.compiled", 0);

        cache.sweep(SystemTime::now() + UNUSED * 2);

        assert_eq!(names(folder), before);
    }
}
