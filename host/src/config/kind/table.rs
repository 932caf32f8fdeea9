//! Tables whose keys are names of other sections or codes of an instrument, each with one plain value.

use std::collections::BTreeMap;

use crate::config::kind::{Choice, Fault, Kind, Layout, Real, Reference, Scope, wrong_type};
use crate::config::tree::{Entry, Node};

/// Codes and the word that each means.
pub(crate) struct Words<T: 'static> {
    /// What a table of them is.
    pub what: &'static str,
    /// What a code may mean.
    pub word: Choice<T>,
}

/// Names of another section's members, each with a number.
pub(crate) struct Numbers {
    /// What a table of them is.
    pub what: &'static str,
    /// Where the names must stand; `None`: anywhere.
    pub name: Option<Reference>,
    /// What each number may be.
    pub number: Real,
}

impl<T: Copy> Kind for Words<T> {
    type Value = Vec<(String, T)>;

    fn expected(&self) -> String {
        self.what.to_owned()
    }

    fn textual(&self) -> bool {
        false
    }

    fn layout(&self) -> Layout {
        Layout::Members
    }

    fn read(&self, node: &Node, scope: &Scope<'_>) -> Result<Self::Value, Vec<Fault>> {
        members(node, self.what, |_, entry| self.word.read(&entry.node, scope)).map(|words| words.into_iter().collect())
    }
}

impl Kind for Numbers {
    type Value = BTreeMap<String, f64>;

    fn expected(&self) -> String {
        self.what.to_owned()
    }

    fn textual(&self) -> bool {
        false
    }

    fn layout(&self) -> Layout {
        Layout::Members
    }

    fn read(&self, node: &Node, scope: &Scope<'_>) -> Result<Self::Value, Vec<Fault>> {
        members(node, self.what, |name, entry| {
            if let Some(reference) = &self.name {
                let key = Node::text(name, entry.key.clone());
                reference.read(&key, scope).map_err(|faults| at(faults, entry.key.clone()))?;
            }
            self.number.read(&entry.node.settled(false), scope)
        })
    }
}

/// Reads each member; all mistakes are told, each at its own place.
fn members<T>(
    node: &Node,
    what: &str,
    read: impl Fn(&str, &Entry) -> Result<T, Vec<Fault>>,
) -> Result<BTreeMap<String, T>, Vec<Fault>> {
    let table = node.as_table().ok_or_else(|| wrong_type(node, what.to_owned()))?;
    let (mut values, mut faults) = (BTreeMap::new(), Vec::new());
    for (name, entry) in table {
        match read(name, entry) {
            Ok(value) => drop(values.insert(name.clone(), value)),
            Err(found) => faults.extend(at(found, entry.node.place.clone())),
        }
    }
    if faults.is_empty() { Ok(values) } else { Err(faults) }
}

fn at(faults: Vec<Fault>, place: crate::config::place::Place) -> Vec<Fault> {
    let placed = |fault: Fault| Fault { place: fault.place.or_else(|| Some(place.clone())), ..fault };
    faults.into_iter().map(placed).collect()
}
