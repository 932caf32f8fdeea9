//! What an option may be: from a node of the tree to a value of the domain, or to what is wrong with it.
//!
//! A kind says in words what it expects; diagnostics, and the test that holds `configs/full.toml` to the truth, use the
//! same words.

mod address;
mod choice;
mod list;
mod map;
mod number;
mod reference;
mod secret;
mod table;
mod text;
mod time;
mod trust;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::config::mistake::Mistake;
use crate::config::place::Place;
use crate::config::tree::{Node, Table};

pub(crate) use address::{Address, Url};
pub(crate) use choice::{Choice, Flag};
pub(crate) use list::List;
pub(crate) use map::{Fields, Headers, Settings};
pub(crate) use number::{Real, Share, Size, Span, Whole};
pub(crate) use reference::Reference;
pub(crate) use secret::SecretReference;
pub(crate) use table::Members;
pub(crate) use text::{FilePath, Glob, Text};
pub(crate) use time::{Day, Zone};
pub(crate) use trust::{DigestText, TrustedKeys};

/// A mistake in a value, at the value's own place unless it says another.
pub(crate) struct Fault {
    pub mistake: Mistake,
    pub place: Option<Place>,
}

impl From<Mistake> for Fault {
    fn from(mistake: Mistake) -> Self {
        Fault { mistake, place: None }
    }
}

/// What a kind may look at besides the value.
pub(crate) struct Scope<'a> {
    /// The whole tree, for names of other sections.
    pub root: &'a Table,
    /// Environment, for secrets.
    pub environment: &'a BTreeMap<String, String>,
    /// Folder of the first file.
    pub home: &'a Path,
}

impl Scope<'_> {
    /// The path, taken from the folder of the file that names it.
    pub fn resolve(&self, path: &str, place: &Place) -> PathBuf {
        place.origin.folder().unwrap_or(self.home).join(path)
    }
}

/// One kind of value.
pub(crate) trait Kind {
    type Value;

    /// What a right value is, as in `a duration from 10ms to 1min`.
    fn expected(&self) -> String;

    /// The values between which it must lie, as in `10ms to 1min`; `None` when it has no range.
    fn range(&self) -> Option<String> {
        None
    }

    /// The valid words, when there are only a few.
    fn choices(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// True when an environment variable is the text itself rather than TOML.
    fn textual(&self) -> bool {
        true
    }

    /// Reads one node.
    fn read(&self, node: &Node, scope: &Scope<'_>) -> Result<Self::Value, Vec<Fault>>;

    /// True when a value of this kind must not be quoted, not even from a line with a mistake in its key.
    fn confidential(&self) -> bool {
        false
    }

    /// How the value is written down again.
    fn layout(&self) -> Layout {
        Layout::Line
    }

    /// The value as TOML in one spelling, so that `1000ms` and `1s` are the same configuration.
    fn shown(&self, _value: &Self::Value, node: &Node) -> toml::Value {
        node.to_toml()
    }
}

/// How a value is written in the effective configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One line.
    Line,
    /// A table whose members have lines of their own, by name.
    Members,
    /// A table whose members have lines of their own, in the order that they were written in.
    OrderedMembers,
}

/// The text of a node, or the complaint that it is none.
pub(crate) fn text_of<'n>(node: &'n Node, expected: &dyn Fn() -> String) -> Result<&'n str, Vec<Fault>> {
    node.as_text().ok_or_else(|| wrong_type(node, expected()))
}

/// The complaint that a value is of another type.
pub(crate) fn wrong_type(node: &Node, expected: String) -> Vec<Fault> {
    vec![Mistake::WrongType { expected, found: node.described(), advice: None }.into()]
}
