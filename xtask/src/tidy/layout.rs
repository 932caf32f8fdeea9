//! Rules for files as a whole: how long they are, and which ones stand beside each other.

use std::collections::{BTreeMap, BTreeSet};

use super::Fault;

const LONG: usize = 350;
const TOO_LONG: usize = 450;
const ARCHITECTURE: usize = 200;

/// Files that are longer than one sitting, below the length that is refused.
pub fn long_files(path: &str, text: &str) -> Option<Fault> {
    let lines = text.lines().count();
    let long = path.ends_with(".rs") && (LONG + 1..=TOO_LONG).contains(&lines);
    long.then(|| {
        Fault::new(path, lines, format!("{lines} lines; over {LONG} it is time to look for the second concept"))
    })
}

/// Files that are too long.
pub fn too_long(path: &str, text: &str) -> Option<Fault> {
    let lines = text.lines().count();
    let limit = if path.ends_with(".rs") {
        TOO_LONG
    } else if path == "ARCHITECTURE.md" {
        ARCHITECTURE
    } else {
        return None;
    };
    (lines > limit).then(|| Fault::new(path, lines, format!("{lines} lines; at most {limit}: one file is one concept")))
}

/// Folders below `parent` hold implementations of one thing, so that who knows one knows all: each has the same files.
pub fn equal_folders(parent: &str, paths: &[&str]) -> Vec<Fault> {
    let mut folders: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for path in paths {
        let inside = path.strip_prefix(parent).and_then(|rest| rest.strip_prefix('/'));
        if let Some((folder, file)) = inside.and_then(|rest| rest.split_once('/')) {
            folders.entry(folder).or_default().insert(file);
        }
    }
    let all: BTreeSet<&str> = folders.values().flatten().copied().filter(|file| file.ends_with(".rs")).collect();
    let mut faults = Vec::new();
    for (folder, files) in &folders {
        for missing in all.difference(files) {
            let others: Vec<_> =
                folders.iter().filter(|(_, files)| files.contains(missing)).map(|(name, _)| *name).collect();
            let rule =
                format!("no file {missing}, which {} has: each folder here has the same files", others.join(", "));
            faults.push(Fault::new(&format!("{parent}/{folder}"), 1, rule));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_many_lines_is_warned_of_and_then_refused() {
        let check = |lines: usize, warned: bool, refused: bool| {
            let text = "//! x\n".repeat(lines);
            assert_eq!(long_files("a.rs", &text).is_some(), warned, "{lines} lines");
            assert_eq!(too_long("a.rs", &text).is_some(), refused, "{lines} lines");
        };
        check(350, false, false);
        check(351, true, false);
        check(450, true, false);
        check(451, false, true);
    }

    #[test]
    fn the_architecture_fits_on_a_few_pages() {
        assert!(too_long("ARCHITECTURE.md", &"x\n".repeat(201)).is_some());
        assert!(too_long("ARCHITECTURE.md", &"x\n".repeat(200)).is_none());
        assert!(too_long("README.md", &"x\n".repeat(1000)).is_none());
    }

    #[test]
    fn a_sink_without_a_file_that_the_others_have_is_named() {
        let paths = ["s/mod.rs", "s/file/mod.rs", "s/file/format.rs", "s/mqtt/mod.rs", "s/mqtt/notes.md"];
        let faults = equal_folders("s", &paths);
        let faults: Vec<_> = faults.iter().map(Fault::to_string).collect();
        assert_eq!(faults, ["s/mqtt:1: no file format.rs, which file has: each folder here has the same files"]);
    }

    #[test]
    fn equal_folders_and_missing_ones_have_no_fault() {
        assert_eq!(equal_folders("s", &["s/file/mod.rs", "s/mqtt/mod.rs"]), []);
        assert_eq!(equal_folders("s", &["t/file/mod.rs"]), []);
    }
}
