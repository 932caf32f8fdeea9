//! Rules for files as a whole: how long they are, and which ones stand beside each other.

use std::collections::{BTreeMap, BTreeSet};

use super::{Fault, Source};

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

/// Folders below `parent` that hold an implementation of one thing, known by its folder's `mod.rs` that says `mark`: who
/// knows one shall know all. A file that most of them have, all have; what one needs besides is its own affair.
pub fn equal_folders(parent: &str, mark: &str, sources: &[Source]) -> Vec<Fault> {
    let inside = |source: &Source| -> Option<(String, String)> {
        let (folder, file) = source.path.strip_prefix(parent)?.strip_prefix('/')?.split_once('/')?;
        file.ends_with(".rs").then(|| (folder.to_owned(), file.to_owned()))
    };
    let marked = sources.iter().filter(|source| source.text.contains(mark)).filter_map(inside);
    let mut folders: BTreeMap<String, BTreeSet<String>> =
        marked.filter(|(_, file)| file == "mod.rs").map(|(folder, _)| (folder, BTreeSet::new())).collect();
    for (folder, file) in sources.iter().filter_map(inside) {
        if let Some(files) = folders.get_mut(&folder) {
            files.insert(file);
        }
    }
    let all: BTreeSet<&String> = folders.values().flatten().collect();
    let holders = |file: &String| folders.values().filter(|files| files.contains(file)).count();
    let common: Vec<&String> = all.into_iter().filter(|file| 2 * holders(file) > folders.len()).collect();
    let mut faults = Vec::new();
    for (folder, files) in &folders {
        for file in common.iter().filter(|file| !files.contains(**file)) {
            let rule = format!("no file {file}, which its neighbours have: who knows one folder here shall know all");
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

    fn sources(paths: &[&str]) -> Vec<Source> {
        let text = |path: &str| if path.contains("runner") { "//! Runs sinks.\n" } else { "impl Sink for X {}\n" };
        paths.iter().map(|path| Source { path: (*path).to_owned(), text: text(path).to_owned() }).collect()
    }

    #[test]
    fn a_sink_without_a_file_that_its_neighbours_have_is_named() {
        let paths = ["s/file/mod.rs", "s/file/encode.rs", "s/http/mod.rs", "s/http/encode.rs", "s/mqtt/mod.rs"];
        let faults = equal_folders("s", "Sink for ", &sources(&paths));
        let faults: Vec<_> = faults.iter().map(Fault::to_string).collect();
        assert_eq!(
            faults,
            ["s/mqtt:1: no file encode.rs, which its neighbours have: who knows one folder here shall know all"]
        );
    }

    #[test]
    fn what_is_no_sink_and_what_one_sink_has_besides_is_free() {
        let paths = ["s/file/mod.rs", "s/file/store.rs", "s/mqtt/mod.rs", "s/runner/mod.rs", "s/runner/backoff.rs"];
        assert_eq!(equal_folders("s", "Sink for ", &sources(&paths)), []);
        assert_eq!(equal_folders("another", "Sink for ", &sources(&paths)), []);
    }
}
