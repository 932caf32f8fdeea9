//! The file on disk: rotation, torn tails, full disks, other writers.
//!
//! Apart from `store.rs` because they look at folders and not at one function.

use std::sync::Arc;

use super::*;

struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        Folder { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("out.jsonl")
    }

    fn store(&self, format: FileFormat, rotate_bytes: u64, keep: u32) -> Store {
        Store { path: self.path(), format, rotate_bytes, keep, open: None }
    }

    fn json_lines(&self) -> Store {
        self.store(FileFormat::JsonLines, u64::MAX, 0)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn batch(lines: &str) -> Batch {
    headed("", lines)
}

fn headed(header: &str, lines: &str) -> Batch {
    Batch { keys: vec![Arc::from("key")], header: header.into(), lines: lines.into() }
}

#[test]
fn lines_are_appended_to_what_is_there() {
    let folder = Folder::new();
    fs::write(folder.path(), "{\"n\":0}\n").unwrap();

    let written = folder.json_lines().append(&batch("{\"n\":1}\n")).unwrap();

    assert_eq!(folder.text("out.jsonl"), "{\"n\":0}\n{\"n\":1}\n");
    assert_eq!(written, Written::Synchronized { end: 16 });
}

#[test]
fn a_line_cut_short_by_a_crash_is_removed_before_the_next() {
    let folder = Folder::new();
    // Longer than one piece that is read from the end.
    let torn = format!("{{\"n\":0}}\n{{\"n\":\"{}", "x".repeat(200_000));
    fs::write(folder.path(), torn).unwrap();

    folder.json_lines().append(&batch("{\"n\":1}\n")).unwrap();

    assert_eq!(folder.text("out.jsonl"), "{\"n\":0}\n{\"n\":1}\n");
}

#[test]
fn a_file_that_is_one_torn_line_begins_anew() {
    let folder = Folder::new();
    fs::write(folder.path(), "{\"n\":").unwrap();
    folder.json_lines().append(&batch("{\"n\":1}\n")).unwrap();
    assert_eq!(folder.text("out.jsonl"), "{\"n\":1}\n");
}

#[test]
fn a_torn_csv_row_is_removed_even_if_it_tore_after_a_line_feed_in_quotes() {
    let folder = Folder::new();
    fs::write(folder.path(), "a,b\r\n1,\"two\nlines\"\r\n2,\"torn\n").unwrap();

    folder.store(FileFormat::Csv, u64::MAX, 0).append(&headed("a,b\r\n", "3,x\r\n")).unwrap();

    assert_eq!(folder.text("out.jsonl"), "a,b\r\n1,\"two\nlines\"\r\n3,x\r\n");
}

#[test]
fn the_header_stands_once_in_each_file() {
    let folder = Folder::new();
    let mut store = folder.store(FileFormat::Csv, 10, 0);
    for row in ["1,x\r\n", "2,y\r\n", "3,z\r\n"] {
        store.append(&headed("a,b\r\n", row)).unwrap();
    }
    drop(store);
    folder.store(FileFormat::Csv, 1000, 0).append(&headed("a,b\r\n", "4,w\r\n")).unwrap();

    assert_eq!(folder.names(), ["out.jsonl", "out.jsonl.1", "out.jsonl.2"]);
    assert_eq!(folder.text("out.jsonl.1"), "a,b\r\n1,x\r\n");
    assert_eq!(folder.text("out.jsonl.2"), "a,b\r\n2,y\r\n");
    assert_eq!(folder.text("out.jsonl"), "a,b\r\n3,z\r\n4,w\r\n");
}

#[test]
fn other_columns_begin_another_file() {
    let folder = Folder::new();
    let mut store = folder.store(FileFormat::Csv, u64::MAX, 0);
    store.append(&headed("a,b\r\n", "1,x\r\n")).unwrap();
    drop(store);

    let mut store = folder.store(FileFormat::Csv, u64::MAX, 0);
    store.append(&headed("a,c\r\n", "2,y\r\n")).unwrap();

    assert_eq!(folder.text("out.jsonl.1"), "a,b\r\n1,x\r\n");
    assert_eq!(folder.text("out.jsonl"), "a,c\r\n2,y\r\n");
}

#[test]
fn a_renamed_file_is_never_overwritten_and_the_oldest_go_first() {
    let folder = Folder::new();
    fs::write(folder.folder.path().join("out.jsonl.7"), "old\n").unwrap();
    fs::write(folder.folder.path().join("out.jsonl.notes"), "mine\n").unwrap();
    for line in ["1\n", "2\n", "3\n"] {
        folder.store(FileFormat::JsonLines, 1, 0).append(&batch(line)).unwrap();
    }
    assert_eq!(folder.names(), ["out.jsonl", "out.jsonl.7", "out.jsonl.8", "out.jsonl.9", "out.jsonl.notes"]);
    assert_eq!(folder.text("out.jsonl.7"), "old\n");
    assert_eq!(folder.text("out.jsonl.9"), "2\n");

    folder.store(FileFormat::JsonLines, 1, 2).append(&batch("4\n")).unwrap();

    assert_eq!(folder.names(), ["out.jsonl", "out.jsonl.10", "out.jsonl.9", "out.jsonl.notes"]);
}

#[test]
fn a_file_that_was_moved_away_is_made_again() {
    let folder = Folder::new();
    let mut store = folder.json_lines();
    store.append(&batch("1\n")).unwrap();
    fs::rename(folder.path(), folder.folder.path().join("moved")).unwrap();

    store.append(&batch("2\n")).unwrap();

    assert_eq!(folder.text("moved"), "1\n");
    assert_eq!(folder.text("out.jsonl"), "2\n");
}

#[test]
fn two_writers_of_one_file_are_told() {
    let folder = Folder::new();
    let mut first = folder.json_lines();
    first.append(&batch("1\n")).unwrap();

    let err = folder.json_lines().append(&batch("2\n")).unwrap_err();

    assert_eq!(err.to_string(), "another program or sink writes to it");
    assert_eq!(folder.text("out.jsonl"), "1\n");
}

#[test]
fn a_missing_folder_is_made() {
    let folder = Folder::new();
    let path = folder.folder.path().join("a/b/out.jsonl");
    let mut store = Store { path: path.clone(), ..folder.json_lines() };
    store.append(&batch("1\n")).unwrap();
    assert_eq!(fs::read_to_string(path).unwrap(), "1\n");
}
