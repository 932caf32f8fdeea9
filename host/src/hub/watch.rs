//! Whether plugin files are others than those that were loaded.
//!
//! A look is cheap: size, time and identity of each file. A file is taken when two looks in a row see the same, so that half a copy is not;
//! whatever came of it, it is not taken again before it changes once more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Hub, HubError};
use crate::plugin::trust::signature_file;

/// What tells one version of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    component: Mark,
    /// Its signature may come after it.
    signature: Option<Mark>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    size: u64,
    modified: Option<SystemTime>,
    identity: u64,
}

/// Looks at plugin files.
#[derive(Debug, Default)]
pub struct Watch {
    /// Files that are not what is loaded, as the last look saw them.
    seen: BTreeMap<PathBuf, Stamp>,
}

impl Stamp {
    /// The file as it is now; `None`: there is none that can be looked at.
    pub(super) fn of(file: &Path) -> Option<Self> {
        Some(Stamp { component: Mark::of(file)?, signature: Mark::of(&signature_file(file)) })
    }
}

impl Mark {
    fn of(file: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(file).ok()?;
        #[cfg(unix)]
        let identity = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let identity = 0;
        Some(Mark { size: metadata.len(), modified: metadata.modified().ok(), identity })
    }
}

impl Watch {
    /// Those of the files that have changed and settled. Each comes with how it was when it was loaded.
    fn look(
        &mut self,
        files: BTreeMap<PathBuf, Option<Stamp>>,
        now: impl Fn(&Path) -> Option<Stamp>,
    ) -> BTreeSet<PathBuf> {
        let before = std::mem::take(&mut self.seen);
        let mut settled = BTreeSet::new();
        for (file, loaded) in files {
            let Some(stamp) = now(&file).filter(|stamp| Some(*stamp) != loaded) else { continue };
            if before.get(&file) == Some(&stamp) {
                settled.insert(file);
            } else {
                self.seen.insert(file, stamp);
            }
        }
        settled
    }
}

impl Hub {
    /// Looks at the plugin files; devices whose plugin changed go over to it. To be called once a second or so.
    pub async fn look(&mut self, watch: &mut Watch) -> Result<(), HubError> {
        let files = self.config.plugins.values().map(|plugin| (plugin.file.clone(), self.plugins.stamp(plugin)));
        let files: BTreeMap<PathBuf, Option<Stamp>> = files.collect();
        let mut looking = std::mem::take(watch);
        let looked = tokio::task::spawn_blocking(move || {
            let settled = looking.look(files, Stamp::of);
            (looking, settled)
        });
        let settled;
        (*watch, settled) = looked.await.map_err(HubError::Task)?;
        if settled.is_empty() { Ok(()) } else { self.take_files(&settled).await }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(size: u64) -> Option<Stamp> {
        Some(Stamp { component: Mark { size, modified: None, identity: 1 }, signature: None })
    }

    #[test]
    fn a_file_is_taken_once_when_it_has_settled() {
        let mut watch = Watch::default();
        let mut look =
            |loaded, now| !watch.look(BTreeMap::from([(PathBuf::from("a.wasm"), loaded)]), |_| now).is_empty();
        assert!(!look(stamp(9), stamp(9)), "it is what is loaded");
        assert!(!look(stamp(9), None), "it is away for a moment");
        for half in [1, 4] {
            assert!(!look(stamp(9), stamp(half)), "half a copy was taken");
        }
        assert!(!look(stamp(9), stamp(8)));
        assert!(look(stamp(9), stamp(8)), "it has settled");
        assert!(!look(stamp(8), stamp(8)), "it was taken, whatever came of it");
    }

    #[test]
    fn a_file_with_the_same_size_is_another_one_when_it_was_put_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&file, "one").unwrap();
        let before = Stamp::of(&file);
        std::fs::write(&other, "two").unwrap();
        std::fs::rename(&other, &file).unwrap();
        assert_ne!(Stamp::of(&file), before);
        assert_eq!(Stamp::of(&other), None);
    }
}
