//! Lists of one kind of value.

use crate::config::kind::{Fault, Kind, Scope, wrong_type};
use crate::config::mistake::Mistake;
use crate::config::tree::{Node, Value};

/// A list whose items are all of one kind and all different.
pub(crate) struct List<K> {
    pub item: K,
    /// Fewest items, 0 or 1.
    pub least: usize,
}

impl<K> List<K> {
    /// A list that may be empty.
    pub const fn of(item: K) -> Self {
        List { item, least: 0 }
    }

    /// A list with at least one item.
    pub const fn some(item: K) -> Self {
        List { item, least: 1 }
    }
}

impl<K: Kind<Value: PartialEq>> Kind for List<K> {
    type Value = Vec<K::Value>;

    fn expected(&self) -> String {
        let least = if self.least > 0 { " with at least one item" } else { "" };
        format!("a list{least}, each item {}", self.item.expected())
    }

    fn range(&self) -> Option<String> {
        self.item.range()
    }

    fn choices(&self) -> Vec<&'static str> {
        self.item.choices()
    }

    fn textual(&self) -> bool {
        false
    }

    fn read(&self, node: &Node, scope: &Scope<'_>) -> Result<Vec<K::Value>, Vec<Fault>> {
        let Value::List(items) = &node.value else { return Err(wrong_type(node, self.expected())) };
        if items.len() < self.least {
            return Err(vec![Mistake::Empty { expected: self.expected() }.into()]);
        }
        let (mut values, mut faults) = (Vec::with_capacity(items.len()), Vec::new());
        for item in items {
            let located = |fault: Fault| Fault { place: fault.place.or_else(|| Some(item.place.clone())), ..fault };
            match self.item.read(item, scope) {
                Ok(value) if values.contains(&value) => {
                    let mistake = Mistake::Repeated { item: item.described() };
                    faults.push(located(mistake.into()));
                }
                Ok(value) => values.push(value),
                Err(found) => faults.extend(found.into_iter().map(located)),
            }
        }
        if faults.is_empty() { Ok(values) } else { Err(faults) }
    }
}
