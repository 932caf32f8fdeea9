//! The hub's journal, read with the hub's own code: readings bit for bit.

use std::path::Path;
use std::time::Duration;

use tutin::journal::{self, Cursor};
use tutin::reading::PollSet;

use super::hub::Site;

/// Every poll set of a device that is durable now.
pub fn polls(site: &Site, device: &str) -> Vec<PollSet> {
    all(&site.path("state/journal.sqlite")).into_iter().filter(|set| set.catalog.device == device).collect()
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

fn all(file: &Path) -> Vec<PollSet> {
    let Ok(mut reader) = journal::read(file) else { return Vec::new() };
    let mut sets = Vec::new();
    let mut place = Cursor { entry: 0, item: 0 };
    loop {
        let found = reader.readings_after(place).unwrap();
        let Some((last, _)) = found.last() else { return sets };
        place = *last;
        sets.extend(found.into_iter().map(|(_, set)| set));
    }
}
