//! What was received: each object once, by its key, with its receipt.
//!
//! A request draws one receipt for all its new objects. An object whose key is known keeps the receipt that it got first, and
//! counts as a duplicate; when its content differs from what was stored, that is counted too, because then
//! something was altered on the way. The remark `late` on an average does not count: it speaks of one delivery, and the one
//! before it may have been in time. With a file, every object is one JSON line there before it is acknowledged, and what
//! an earlier run stored is known again.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::request::Keyed;
use crate::time::Timestamp;

/// The remark on an average that is delivered later than its time allowed.
const LATE: &str = "late";

/// Which way an object came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// `POST /v1/averages`
    Averages,
    /// `POST /v1/readings`
    Readings,
}

/// One stored object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Received {
    /// What acknowledged it.
    pub receipt: String,
    /// Its idempotency key.
    pub key: String,
    /// Which way it came.
    pub stream: Stream,
    /// When it came first.
    pub arrived: Timestamp,
    /// The object itself, its members in the order they came in.
    pub object: Map<String, Value>,
}

/// All that was received, in order of arrival.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    received: Vec<Received>,
    by_key: HashMap<(Stream, String), usize>,
    requests_with_new: u64,
    file: Option<File>,
    pub(super) duplicates: u64,
    pub(super) differing: u64,
}

/// What a request is answered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Acknowledgement {
    /// That of the new objects; when there are none, that of the first object.
    pub(super) receipt: String,
    /// How many objects are safe here now.
    pub(super) accepted: usize,
    /// How many of them were here before.
    pub(super) duplicates: usize,
    /// Receipts by object.
    pub(super) receipts: Vec<String>,
}

impl Ledger {
    /// A ledger whose file is kept up, beginning with what is in it.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let mut ledger = Ledger::default();
        for (index, line) in BufReader::new(&file).lines().enumerate() {
            let received: Received = serde_json::from_str(&line?)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("line {}: {error}", index + 1)))?;
            ledger.remember(received);
        }
        ledger.requests_with_new = ledger.received.len() as u64;
        ledger.file = Some(file);
        Ok(ledger)
    }

    pub(super) fn received(&self) -> &[Received] {
        &self.received
    }

    /// Stores what is new and acknowledges all. When the file cannot be written, nothing is stored.
    pub(super) fn take(
        &mut self,
        stream: Stream,
        objects: Vec<Keyed>,
        arrived: Timestamp,
    ) -> io::Result<Acknowledgement> {
        let receipt = format!("R-{:06}", self.requests_with_new + 1);
        let mut new: Vec<Received> = Vec::new();
        let mut receipts = Vec::with_capacity(objects.len());
        let (mut duplicates, mut differing) = (0, 0);
        for Keyed { key, object } in objects {
            let here = self.find(stream, &key).or_else(|| new.iter().find(|received| received.key == key));
            if let Some(here) = here {
                duplicates += 1;
                differing += u64::from(!is_same(stream, &here.object, &object));
                receipts.push(here.receipt.clone());
            } else {
                receipts.push(receipt.clone());
                new.push(Received { receipt: receipt.clone(), key, stream, arrived, object });
            }
        }
        self.write(&new)?;
        self.requests_with_new += u64::from(!new.is_empty());
        self.duplicates += duplicates as u64;
        self.differing += differing;
        let answer = if new.is_empty() { receipts.first().cloned().unwrap_or_default() } else { receipt };
        new.into_iter().for_each(|received| self.remember(received));
        Ok(Acknowledgement { receipt: answer, accepted: receipts.len(), duplicates, receipts })
    }

    fn find(&self, stream: Stream, key: &str) -> Option<&Received> {
        self.received.get(*self.by_key.get(&(stream, key.to_owned()))?)
    }

    fn remember(&mut self, received: Received) {
        self.by_key.insert((received.stream, received.key.clone()), self.received.len());
        self.received.push(received);
    }

    fn write(&mut self, new: &[Received]) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut lines = Vec::new();
        for received in new {
            serde_json::to_writer(&mut lines, received)?;
            lines.push(b'\n');
        }
        file.write_all(&lines)?;
        file.sync_data()
    }
}

/// Whether two objects say the same, the delivery left aside.
fn is_same(stream: Stream, first: &Map<String, Value>, second: &Map<String, Value>) -> bool {
    match stream {
        Stream::Readings => first == second,
        Stream::Averages => {
            let is_in_second =
                |(name, value): (&String, &Value)| second.get(name).is_some_and(|other| is_same_member(value, other));
            first.len() == second.len() && first.iter().all(is_in_second)
        }
    }
}

/// A hub may call the list of remarks what it likes, so every list is compared without the mark.
fn is_same_member(first: &Value, second: &Value) -> bool {
    match (first, second) {
        (Value::Array(first), Value::Array(second)) => {
            let is_of_the_content = |remark: &&Value| remark.as_str() != Some(LATE);
            first.iter().filter(is_of_the_content).eq(second.iter().filter(is_of_the_content))
        }
        _ => first == second,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn objects(keys_and_values: &[(&str, i32)]) -> Vec<Keyed> {
        let object = |value: &i32| Map::from_iter([("value".to_owned(), json!(value))]);
        keys_and_values.iter().map(|(key, value)| Keyed { key: (*key).to_owned(), object: object(value) }).collect()
    }

    fn take(ledger: &mut Ledger, keys_and_values: &[(&str, i32)]) -> Acknowledgement {
        ledger.take(Stream::Averages, objects(keys_and_values), Timestamp::from_seconds(7)).unwrap()
    }

    #[test]
    fn a_second_copy_gets_the_first_receipt_and_is_not_stored() {
        let mut ledger = Ledger::default();

        let first = take(&mut ledger, &[("a", 1), ("b", 2)]);
        let again = take(&mut ledger, &[("a", 1), ("b", 2)]);

        assert_eq!((first.accepted, first.duplicates), (2, 0));
        assert_eq!((again.accepted, again.duplicates), (2, 2));
        assert_eq!(again.receipt, first.receipt);
        assert_eq!(ledger.received().len(), 2);
        assert_eq!((ledger.duplicates, ledger.differing), (2, 0));
    }

    #[test]
    fn new_objects_beside_known_ones_get_a_new_receipt() {
        let mut ledger = Ledger::default();
        let first = take(&mut ledger, &[("a", 1)]);

        let mixed = take(&mut ledger, &[("a", 1), ("b", 2), ("b", 2)]);

        assert_ne!(mixed.receipt, first.receipt);
        assert_eq!(mixed.receipts, [first.receipt, mixed.receipt.clone(), mixed.receipt.clone()]);
        assert_eq!(ledger.received().len(), 2);
    }

    #[test]
    fn a_known_key_with_other_content_is_noticed() {
        let mut ledger = Ledger::default();
        take(&mut ledger, &[("a", 1)]);

        take(&mut ledger, &[("a", 2)]);

        assert_eq!((ledger.duplicates, ledger.differing), (1, 1));
        assert_eq!(ledger.received()[0].object["value"], json!(1));
    }

    #[test]
    fn a_copy_that_differs_only_by_the_late_mark_is_a_duplicate() {
        let object = |mean: f64, remarks: &[&str]| {
            let members = [("mean".to_owned(), json!(mean)), ("remarks".to_owned(), json!(remarks))];
            vec![Keyed { key: "a".into(), object: Map::from_iter(members) }]
        };
        let check = |stream, again: Vec<Keyed>, differing: u64| {
            let mut ledger = Ledger::default();
            ledger.take(stream, object(1.5, &["derived"]), Timestamp::from_seconds(7)).unwrap();
            ledger.take(stream, again.clone(), Timestamp::from_seconds(8)).unwrap();
            assert_eq!((ledger.duplicates, ledger.differing), (1, differing), "{stream:?} {again:?}");
        };
        check(Stream::Averages, object(1.5, &["derived", "late"]), 0);
        check(Stream::Averages, object(2.5, &["derived", "late"]), 1);
        check(Stream::Averages, object(1.5, &["late"]), 1);
        check(Stream::Averages, object(1.5, &["derived", "test"]), 1);
        // Of a reading the remark is the device's own.
        check(Stream::Readings, object(1.5, &["derived", "late"]), 1);
    }

    #[test]
    fn the_same_key_on_the_other_way_is_another_object() {
        let mut ledger = Ledger::default();
        take(&mut ledger, &[("a", 1)]);

        ledger.take(Stream::Readings, objects(&[("a", 1)]), Timestamp::from_seconds(8)).unwrap();

        assert_eq!(ledger.received().len(), 2);
    }

    #[test]
    fn a_ledger_with_a_file_knows_its_objects_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("received.jsonl");
        let mut before = Ledger::open(&path).unwrap();
        let first = take(&mut before, &[("a", 1), ("b", 2)]);
        drop(before);

        let mut after = Ledger::open(&path).unwrap();
        let again = take(&mut after, &[("b", 2)]);
        let new = take(&mut after, &[("c", 3)]);

        assert_eq!((again.duplicates, &again.receipt), (1, &first.receipt));
        assert_ne!(new.receipt, first.receipt);
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 3);
    }

    #[test]
    fn a_damaged_file_is_refused_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("received.jsonl");
        take(&mut Ledger::open(&path).unwrap(), &[("a", 1)]);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"receipt\": \"R-0").unwrap();

        let refused = Ledger::open(&path).unwrap_err();

        assert!(refused.to_string().starts_with("line 2:"), "{refused}");
    }
}
