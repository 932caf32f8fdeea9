//! The merged layers: TOML values that remember their place.
//!
//! Nothing here knows an option. A value from the environment stays [`Value::Loose`] until a reader asks for a type,
//! because `3` is a number for one option and a name for another.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use crate::config::place::{Origin, Place};

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub value: Value,
    pub place: Place,
}

/// A TOML value.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(String),
    /// Text of an environment variable or of a default: a TOML value, or a text without its quotes.
    Loose(String),
    Integer(i64),
    /// An integer that 64 bits do not hold, as written.
    Huge(String),
    Float(f64),
    Flag(bool),
    DateTime(String),
    List(Vec<Node>),
    Table(Table),
}

/// Keys and values.
pub(crate) type Table = BTreeMap<String, Entry>;

/// What stands under a key.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Place of the key itself.
    pub key: Place,
    pub node: Node,
}

impl Node {
    /// A text that stands somewhere.
    pub fn text(text: &str, place: Place) -> Node {
        Node { value: Value::Text(text.to_owned()), place }
    }

    /// The same value with loose text settled: taken as it is for an option that wants text, else read as TOML.
    pub fn settled(&self, textual: bool) -> Cow<'_, Node> {
        let Value::Loose(text) = &self.value else { return Cow::Borrowed(self) };
        let parsed = if textual { None } else { DeValue::parse(text.trim()).ok() };
        let value = match parsed {
            Some(value) => anchored(from_toml(value.get_ref(), 0..0, &self.place.origin), &self.place).value,
            None => Value::Text(text.clone()),
        };
        Cow::Owned(Node { value, place: self.place.clone() })
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) | Value::Loose(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// What it is, in words for a diagnostic.
    pub fn described(&self) -> String {
        match &self.value {
            Value::Text(text) | Value::Loose(text) => format!("the text {text:?}"),
            Value::Integer(number) => format!("the integer {number}"),
            Value::Huge(text) => format!("the integer {text}"),
            Value::Float(number) => format!("the number {number:?}"),
            Value::Flag(flag) => format!("{flag}"),
            Value::DateTime(text) => format!("the date-time {text}"),
            Value::List(_) => "a list".to_owned(),
            Value::Table(_) => "a table".to_owned(),
        }
    }

    /// As a TOML value, for showing it again.
    pub fn to_toml(&self) -> toml::Value {
        match &self.value {
            Value::Integer(number) => toml::Value::Integer(*number),
            Value::Float(number) => toml::Value::Float(*number),
            Value::Flag(flag) => toml::Value::Boolean(*flag),
            Value::DateTime(text) => {
                text.parse().map_or_else(|_| toml::Value::String(text.clone()), toml::Value::Datetime)
            }
            Value::Text(text) | Value::Loose(text) | Value::Huge(text) => toml::Value::String(text.clone()),
            Value::List(items) => toml::Value::Array(items.iter().map(Node::to_toml).collect()),
            Value::Table(table) => {
                toml::Value::Table(table.iter().map(|(key, entry)| (key.clone(), entry.node.to_toml())).collect())
            }
        }
    }
}

/// The tree of a parsed document.
pub(crate) fn from_document(document: &DeTable<'_>, origin: &Arc<Origin>) -> Table {
    document
        .iter()
        .map(|(key, value)| {
            let place = Place { origin: origin.clone(), span: key.span() };
            let node = from_toml(value.get_ref(), value.span(), origin);
            (key.get_ref().to_string(), Entry { key: place, node })
        })
        .collect()
}

fn from_toml(value: &DeValue<'_>, span: std::ops::Range<usize>, origin: &Arc<Origin>) -> Node {
    let value = match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::Huge(number.to_string()),
        },
        DeValue::Float(number) => {
            number.as_str().parse().map_or_else(|_| Value::Huge(number.to_string()), Value::Float)
        }
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Datetime(moment) => Value::DateTime(moment.to_string()),
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| from_toml(item.get_ref(), item.span(), origin)).collect())
        }
        DeValue::Table(table) => Value::Table(from_document(table, origin)),
    };
    Node { value, place: Place { origin: origin.clone(), span } }
}

/// Gives every part of a value the place of the whole: spans inside an environment variable would count from nowhere.
fn anchored(mut node: Node, place: &Place) -> Node {
    node.place = place.clone();
    node.value = match node.value {
        Value::List(items) => Value::List(items.into_iter().map(|item| anchored(item, place)).collect()),
        Value::Table(table) => {
            let entry = |entry: Entry| Entry { key: place.clone(), node: anchored(entry.node, place) };
            Value::Table(table.into_iter().map(|(key, value)| (key, entry(value))).collect())
        }
        other => other,
    };
    node
}

/// Lays one layer over another. Tables are merged key by key; everything else, lists included, is replaced.
pub(crate) fn merge(base: &mut Table, over: Table) {
    for (key, entry) in over {
        match (base.get_mut(&key), entry) {
            (
                Some(Entry { node: Node { value: Value::Table(old), place: old_place }, key: old_key }),
                Entry { node: Node { value: Value::Table(new), place }, key },
            ) => {
                // An environment variable has no line to show, so the header in a file stays the section's place.
                if place.line_column().is_some() {
                    *old_place = place;
                    *old_key = key;
                }
                merge(old, new);
            }
            (_, entry) => {
                base.insert(key, entry);
            }
        }
    }
}
