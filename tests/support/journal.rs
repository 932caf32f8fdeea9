//! The hub's journal, read with the hub's own code: readings bit for bit, averages and events as the chain has them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tutin::average::Average;
use tutin::journal::verify::{self, Options};
use tutin::journal::{self, Cursor, Event};
use tutin::reading::PollSet;
use tutin::time::Timestamp;

use super::hub::Site;

/// Where a site's hub keeps its journal.
pub fn file(site: &Site) -> PathBuf {
    site.path("state/journal.sqlite")
}

/// Every poll set of a device that is durable now.
pub fn polls(site: &Site, device: &str) -> Vec<PollSet> {
    let sets = places(site).into_iter().map(|(_, set)| set);
    sets.filter(|set| set.catalog.device == device).collect()
}

/// Every poll set that is durable now, each with its place.
pub fn places(site: &Site) -> Vec<(Cursor, PollSet)> {
    all(&file(site))
}

/// Every average in the chain.
pub fn averages(site: &Site) -> Vec<Average> {
    let averages = journal::read(&file(site)).unwrap().averages_after(0).unwrap();
    averages.into_iter().map(|(_, average)| average).collect()
}

/// Everything that happened.
pub fn events(site: &Site) -> Vec<Event> {
    let mut events = Vec::new();
    let always = Timestamp(i64::MIN)..Timestamp(i64::MAX);
    journal::read(&file(site)).unwrap().events(always, |_, event| events.push(event)).unwrap();
    events
}

/// Fails unless every entry and every table is what was written.
pub fn check_chain(site: &Site) {
    let report = verify::verify(&file(site), &Options::default(), |_| {}).unwrap();
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    assert!(report.entries > 0, "an empty journal proves nothing");
}

/// Fails unless a device that is polled every 100 ms was polled at its beat all the time. A busy machine may stretch one pause, but not
/// most of them, and none for long.
pub fn check_beat(polls: &[PollSet]) {
    let mut pauses: Vec<Duration> =
        polls.windows(2).map(|pair| pair[1].received_at.since(pair[0].received_at)).collect();
    pauses.sort();
    let (middle, longest) = (pauses[pauses.len() / 2], pauses[pauses.len() - 1]);
    assert!(middle < Duration::from_millis(200), "{middle:?} from one poll to the next");
    assert!(longest < Duration::from_secs(2), "{longest:?} without a poll");
}

fn all(file: &Path) -> Vec<(Cursor, PollSet)> {
    let Ok(mut reader) = journal::read(file) else { return Vec::new() };
    let mut sets = Vec::new();
    let mut place = Cursor { entry: 0, item: 0 };
    loop {
        let found = reader.readings_after(place).unwrap();
        let Some((last, _)) = found.last() else { return sets };
        place = *last;
        sets.extend(found);
    }
}
