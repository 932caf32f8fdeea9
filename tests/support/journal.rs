//! The hub's journal, read with the hub's own code: readings bit for bit.

use std::path::Path;

use tutin::journal::{self, Cursor};
use tutin::reading::PollSet;

use super::hub::Site;

/// Every poll set of a device that is durable now.
pub fn polls(site: &Site, device: &str) -> Vec<PollSet> {
    all(&site.path("state/journal.sqlite")).into_iter().filter(|set| set.catalog.device == device).collect()
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
