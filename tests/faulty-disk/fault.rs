//! Which fault a file has now: asked anew at each call, because tests switch it and descriptors are used again.

use std::env;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::OnceLock;

use libc::c_int;

/// What the disk does wrong.
#[derive(Clone, Copy)]
pub enum Fault {
    /// It takes nothing more.
    Full,
    /// It takes half of what it is given, then nothing more.
    Short,
    /// It cannot be written.
    Write,
    /// It takes everything and promises nothing.
    Sync,
}

/// As the environment says.
struct Settings {
    folder: Vec<u8>,
    mode: PathBuf,
}

static SETTINGS: OnceLock<Option<Settings>> = OnceLock::new();

/// The fault of an open file; `None`: it is not in the folder, or all is well.
pub fn of(file: c_int) -> Option<Fault> {
    let settings = SETTINGS.get_or_init(read_settings).as_ref()?;
    let path = fs::read_link(format!("/proc/self/fd/{file}")).ok()?;
    let bytes = path.as_os_str().as_bytes();
    if !bytes.windows(settings.folder.len()).any(|part| part == settings.folder) {
        return None;
    }
    match fs::read_to_string(&settings.mode).ok()?.trim() {
        "full" => Some(Fault::Full),
        "short" => Some(Fault::Short),
        "write" => Some(Fault::Write),
        "sync" => Some(Fault::Sync),
        _ => None,
    }
}

fn read_settings() -> Option<Settings> {
    let folder = env::var_os("FAULTY_DISK_DIR").filter(|folder| !folder.is_empty())?;
    Some(Settings { folder: folder.as_bytes().to_vec(), mode: env::var_os("FAULTY_DISK_MODE")?.into() })
}
