//! A file as a far end: it vanishes when its folder turns into something else.

use std::fs;
use std::path::PathBuf;

use super::{FarEnd, averages, build, contract, is_accepted, is_retry};
use crate::config::model::{FieldMap, File, FileFormat, Shape, SinkKind};
use crate::sink::samples::{average_record, poll_record};
use crate::sink::{Built, Record, Sink};

struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    fn place(&self) -> PathBuf {
        self.folder.path().join("place")
    }

    fn path(&self) -> PathBuf {
        self.place().join("out.jsonl")
    }
}

fn file(path: PathBuf, format: FileFormat) -> SinkKind {
    let fields = FieldMap::default();
    SinkKind::File(File { path, format, shape: Shape::Reading, fields, rotate_bytes: 1 << 20, keep: 0 })
}

impl FarEnd for Disk {
    async fn start() -> Self {
        Disk { folder: tempfile::tempdir().unwrap() }
    }

    fn kind(&self) -> SinkKind {
        file(self.path(), FileFormat::JsonLines)
    }

    async fn vanish(&mut self) {
        let away = self.folder.path().join("away");
        if self.place().exists() {
            fs::rename(self.place(), away).unwrap();
        }
        fs::write(self.place(), "not a folder").unwrap();
    }

    async fn come_back(&mut self) {
        let away = self.folder.path().join("away");
        fs::remove_file(self.place()).unwrap();
        if away.exists() {
            fs::rename(away, self.place()).unwrap();
        }
    }

    async fn objects(&mut self, count: usize) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(self.path()).unwrap();
        let objects: Vec<_> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(objects.len() >= count, "{objects:?}");
        objects
    }
}

fn pipe_in(folder: &tempfile::TempDir) -> PathBuf {
    let path = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

/// An attempt that finds nobody who reads.
async fn give_up(sink: &mut Built, records: &[Record]) {
    let attempt = tokio::time::timeout(std::time::Duration::from_millis(50), sink.deliver(records));
    assert!(attempt.await.is_err());
}

contract!(Disk);

#[tokio::test]
async fn a_full_disk_means_retry() {
    // The operating system's own full disk.
    let mut sink = build(file("/dev/full".into(), FileFormat::JsonLines));
    let outcomes = sink.deliver(&[average_record(0)]).await;
    assert!(outcomes.iter().all(is_retry), "{outcomes:?}");
    assert!(format!("{outcomes:?}").contains("No space left on device"), "{outcomes:?}");
}

#[tokio::test]
async fn csv_holds_readings_and_averages_in_files_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.csv");
    let mut sink = build(file(path.clone(), FileFormat::Csv));

    let outcomes = sink.deliver(&[poll_record(0), average_record(0)]).await;

    assert!(outcomes.iter().all(is_accepted), "{outcomes:?}");
    let readings = fs::read_to_string(folder.path().join("out.csv.1")).unwrap();
    let lines: Vec<&str> = readings.split_terminator("\r\n").collect();
    assert_eq!(lines[0], "key,hub,device,point,at,received_at,value,unit,state,qualifiers,status,raw");
    let row = "poll-0/0,north,no2-north,a,1970-01-01T00:00:00Z,1970-01-01T00:00:00Z,0.5,[ppb],valid,,,";
    assert_eq!((lines[1], lines.len()), (row, 3));
    let averages = fs::read_to_string(path).unwrap();
    assert!(averages.starts_with("key,hub,source,parameter,"), "{averages}");
    assert_eq!(averages.lines().count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_after_all_is_not_written_again_in_other_batches() {
    let folder = tempfile::tempdir().unwrap();
    let path = pipe_in(&folder);
    let mut sink = build(file(path.clone(), FileFormat::JsonLines));
    let records = averages(0..5);
    give_up(&mut sink, &records[..3]).await;
    let reader = tokio::task::spawn_blocking(move || fs::read_to_string(path).unwrap());

    // A probe with one record, then a full batch that begins with what is written.
    for batch in [&records[..1], &records[1..5]] {
        let outcomes = sink.deliver(batch).await;
        assert!(outcomes.len() == batch.len() && outcomes.iter().all(is_accepted), "{outcomes:?}");
    }

    sink.close().await;
    let text = reader.await.unwrap();
    assert_eq!(text.lines().count(), 5, "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stops_again_and_again_gets_each_record_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = pipe_in(&folder);
    let mut sink = build(file(path.clone(), FileFormat::JsonLines));
    let (read_tx, may_read) = std::sync::mpsc::channel::<()>();
    // More than a pipe holds: the second attempt stops in the middle, after it was told that the first arrived.
    let records = averages(0..1000);
    give_up(&mut sink, &records[..1]).await;
    let reader = tokio::task::spawn_blocking(move || {
        let pipe = fs::File::open(path).unwrap();
        may_read.recv().unwrap();
        std::io::read_to_string(pipe).unwrap()
    });
    give_up(&mut sink, &records).await;
    read_tx.send(()).unwrap();

    let outcomes = sink.deliver(&records).await;

    assert!(outcomes.len() == 1000 && outcomes.iter().all(is_accepted));
    sink.close().await;
    assert_eq!(reader.await.unwrap().lines().count(), 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipe_is_written_as_soon_as_somebody_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = pipe_in(&folder);
    let mut sink = build(file(path.clone(), FileFormat::JsonLines));

    // Nobody reads: the runner gives up waiting.
    let records = [average_record(0)];
    give_up(&mut sink, &records).await;

    let reader = tokio::task::spawn_blocking(move || fs::read_to_string(path).unwrap());
    assert!(sink.deliver(&records).await.iter().all(is_accepted));
    sink.close().await;
    let text = reader.await.unwrap();
    assert_eq!(text.lines().count(), 1, "written once although it was tried twice: {text}");
}
