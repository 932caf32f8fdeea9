//! From a dotted path back to the line that somebody wrote.

use crate::config::path::split;
use crate::config::place::Place;
use crate::config::tree::{Entry, Table};

/// Places of all options and sections of a loaded configuration.
#[derive(Debug, Default)]
pub struct Places {
    root: Table,
    first: Option<Place>,
}

impl Places {
    pub(crate) fn new(root: Table, first: Option<Place>) -> Self {
        Places { root, first }
    }

    /// Place of the value at this path, or of the section's header; `None` when nobody wrote it. A key that is not
    /// plain stands in quotes: `sources.stack.parameters."PM2.5".point`.
    pub fn find(&self, path: &str) -> Option<Place> {
        let keys = split(path);
        let (reached, entry) = self.descend(&keys)?;
        (reached == keys.len()).then(|| entry.node.place.clone())
    }

    /// Place of the value, or of the nearest section around it that somebody wrote, or the start of the first file.
    pub fn nearest(&self, path: &str) -> Option<Place> {
        let found = self.descend(&split(path)).map(|(_, entry)| entry.node.place.clone());
        found.or_else(|| self.first.clone())
    }

    /// The deepest entry on the way to the keys, and how many of them it took.
    fn descend(&self, keys: &[String]) -> Option<(usize, &Entry)> {
        let mut table = &self.root;
        let mut found = None;
        for (depth, key) in keys.iter().enumerate() {
            let Some(entry) = table.get(key) else { break };
            found = Some((depth + 1, entry));
            match entry.node.as_table() {
                Some(below) => table = below,
                None => break,
            }
        }
        found
    }

    /// Names of the members of a section, wherever they were written, right or wrong.
    pub(crate) fn members(&self, section: &str) -> Vec<&str> {
        let entry = self.descend(&split(section)).filter(|(reached, _)| *reached == split(section).len());
        let table = entry.and_then(|(_, entry)| entry.node.as_table());
        table.map(|table| table.keys().map(String::as_str).collect()).unwrap_or_default()
    }

    /// The text of an option as written.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        let keys = split(path);
        let (reached, entry) = self.descend(&keys)?;
        entry.node.as_text().filter(|_| reached == keys.len())
    }
}
