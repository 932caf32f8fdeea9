//! What hubs of earlier tests have compiled, so that the next one starts at once. A hub of a plant does this once for each plugin; here each
//! test has a hub of its own.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Where it is in a hub's state.
const FOLDER: &str = "state/compiled";
/// What is larger is compiled by whoever needs it: it may have to be copied.
const LARGEST: u64 = 16 << 20;

fn shared() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled")
}

/// Puts what there is into the folder of a hub that has not started yet.
pub fn lay_out(site: &Path) {
    share(&shared(), &site.join(FOLDER));
}

/// Takes what a hub has compiled for those that come after it.
pub fn take(site: &Path) {
    share(&site.join(FOLDER), &shared());
}

/// Gives one folder the files of another. What cannot be given costs time and nothing else.
fn share(from: &Path, to: &Path) {
    let Ok(entries) = fs::read_dir(from) else { return };
    // As a hub wants it: nobody else may put anything there.
    if DirBuilder::new().recursive(true).mode(0o700).create(to).is_err() {
        return;
    }
    for entry in entries.flatten() {
        let (file, target) = (entry.path(), to.join(entry.file_name()));
        let is_whole = file.extension().is_some_and(|extension| extension == "compiled");
        let is_small = entry.metadata().is_ok_and(|file| file.len() <= LARGEST);
        if is_whole && is_small && !target.exists() && fs::hard_link(&file, &target).is_err() {
            // On another disk. Whoever looks meanwhile sees no file, or the whole.
            let draft = target.with_extension(format!("draft-{:?}", std::thread::current().id()));
            if fs::copy(&file, &draft).is_ok() {
                let _ = fs::rename(&draft, &target);
            }
        }
    }
}
