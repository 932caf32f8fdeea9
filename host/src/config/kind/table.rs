//! Tables whose keys are names of other sections or codes of an instrument, each with one plain value.

use std::collections::BTreeMap;

use crate::config::kind::{Fault, Kind, Layout, Reference, Scope, wrong_type};
use crate::config::tree::{Entry, Node};

/// Names or codes, each with a value of one kind.
pub(crate) struct Members<K> {
    /// What a table of them is.
    pub what: &'static str,
    /// Where the names must stand; `None`: anywhere.
    pub name: Option<Reference>,
    /// What each value may be.
    pub value: K,
}

impl<K: Kind> Kind for Members<K> {
    type Value = BTreeMap<String, K::Value>;

    fn expected(&self) -> String {
        self.what.to_owned()
    }

    fn textual(&self) -> bool {
        false
    }

    fn layout(&self) -> Layout {
        Layout::Members
    }

    /// All mistakes are told, each at its own place.
    fn read(&self, node: &Node, scope: &Scope<'_>) -> Result<Self::Value, Vec<Fault>> {
        let table = node.as_table().ok_or_else(|| wrong_type(node, self.expected()))?;
        let (mut values, mut faults) = (BTreeMap::new(), Vec::new());
        for (name, entry) in table {
            match self.member(name, entry, scope) {
                Ok(value) => drop(values.insert(name.clone(), value)),
                Err(found) => faults.extend(at(found, entry.node.place.clone())),
            }
        }
        if faults.is_empty() { Ok(values) } else { Err(faults) }
    }
}

impl<K: Kind> Members<K> {
    fn member(&self, name: &str, entry: &Entry, scope: &Scope<'_>) -> Result<K::Value, Vec<Fault>> {
        if let Some(reference) = &self.name {
            let key = Node::text(name, entry.key.clone());
            reference.read(&key, scope).map_err(|faults| at(faults, entry.key.clone()))?;
        }
        self.value.read(&entry.node.settled(self.value.textual()), scope)
    }
}

fn at(faults: Vec<Fault>, place: crate::config::place::Place) -> Vec<Fault> {
    let placed = |fault: Fault| Fault { place: fault.place.or_else(|| Some(place.clone())), ..fault };
    faults.into_iter().map(placed).collect()
}
