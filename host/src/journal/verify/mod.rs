//! Checking a journal without the hub: that every entry is what was written, in its place, and that the tables say what the entries say.
//!
//! The walk recomputes every hash from the first entry on, checks every signature, and names what does not hold, the first entry
//! first. It reads in short transactions, so that it can run beside a hub; on a copy it needs nothing but the file.
//!
//! What it cannot see: a journal that was replaced as a whole by an older copy of itself, lock file included. An entry that is known
//! from elsewhere (a checkpoint that was written down, [`Options::expect`]) shows that too.

mod finding;
mod tables;
mod walk;

#[cfg(test)]
mod tests;

use std::path::Path;

pub use finding::{Fault, Finding};

use super::chain::{End, Hash};
use super::error::JournalError;
use super::schema;
use crate::key::PublicKey;

/// What a journal is checked against besides itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Every signature must be this key's. `None`: that of the key that the journal itself names.
    pub public_key: Option<PublicKey>,
    /// This entry must have this hash.
    pub expect: Option<(u64, Hash)>,
}

/// How far the walk is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Entries so far.
    pub entry: u64,
    /// Number of the last entry.
    pub last: u64,
    /// Readings so far.
    pub readings: u64,
}

/// What was checked, and what does not hold.
#[derive(Debug)]
pub struct Report {
    /// Entries that are there.
    pub entries: u64,
    /// Readings in them.
    pub readings: u64,
    /// Entries that were taken away as the journal itself says.
    pub pruned: u64,
    /// Signed places in the chain that hold.
    pub checkpoints: u64,
    /// Keys that the journal names, in their order.
    pub keys: Vec<PublicKey>,
    /// The last entry.
    pub end: End,
    /// What does not hold, by entry.
    pub findings: Vec<Finding>,
}

/// Walks through the whole journal. `progress` is called now and then.
pub fn verify(file: &Path, options: &Options, mut progress: impl FnMut(Progress)) -> Result<Report, JournalError> {
    let connection = schema::open_to_read(file)?;
    let mut walk = walk::Walk::begin(&connection, *options)?;
    while walk.some_entries(&connection)? {
        progress(walk.progress());
    }
    tables::leftovers(&connection, &mut walk)?;
    walk.finish(&connection)
}
