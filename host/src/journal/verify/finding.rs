//! What does not hold, in words.

use std::fmt;

/// What is wrong with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Its content or its hash was changed.
    Edited,
    /// It is not there.
    Deleted,
    /// It changed places with another one.
    Swapped,
    /// It was put in.
    Inserted,
    /// The end of the journal is not there.
    Truncated,
    /// It says that it is older than the one before.
    BackDated,
    /// A signature does not hold.
    Signature,
    /// A table says something else than the entries.
    Table,
    /// It was lost before, and the hub recorded that when it found out.
    Lost,
    /// It is not what it is known to be from elsewhere.
    Unexpected,
}

/// One thing that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The entry; the first of several.
    pub entry: u64,
    /// What is wrong.
    pub fault: Fault,
    /// More of it in words.
    pub what: String,
}

impl Fault {
    /// The fault's name.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Edited => "edited",
            Fault::Deleted => "deleted",
            Fault::Swapped => "swapped",
            Fault::Inserted => "inserted",
            Fault::Truncated => "truncated",
            Fault::BackDated => "back-dated",
            Fault::Signature => "signature",
            Fault::Table => "table",
            Fault::Lost => "lost",
            Fault::Unexpected => "unexpected",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {}: {}: {}", self.entry, self.fault.name(), self.what)
    }
}
