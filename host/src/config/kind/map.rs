//! Tables whose keys the writer chooses: a payload's members, request headers, a driver's settings.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::config::kind::{Fault, Kind, Layout, Reference, Scope, SecretReference, wrong_type};
use crate::config::mistake::Mistake;
use crate::config::model::{Field, FieldMap, FieldSource};
use crate::config::secret::Secret;
use crate::config::tree::{Entry, Node, Table, Value};

/// Names in the payload and where their values come from, in the order that they are written in.
pub(crate) struct Fields;

impl Kind for Fields {
    type Value = FieldMap;

    fn expected(&self) -> String {
        "a table of payload names, each with a member such as \"mean\", a code such as \"code.hj212\" or a fixed text such as \"= KZ-01\"".to_owned()
    }

    fn textual(&self) -> bool {
        false
    }

    fn layout(&self) -> Layout {
        Layout::OrderedMembers
    }

    fn read(&self, node: &Node, scope: &Scope<'_>) -> Result<FieldMap, Vec<Fault>> {
        let table = node.as_table().ok_or_else(|| wrong_type(node, self.expected()))?;
        let mut entries: Vec<(&String, &Entry)> = table.iter().collect();
        entries.sort_by_key(|(_, entry)| entry.key.order());
        let (mut fields, mut faults) = (Vec::new(), Vec::new());
        for (name, entry) in entries {
            match field_source(&entry.node, scope) {
                Ok(from) => fields.push(Field { name: name.clone(), from }),
                Err(mistake) => faults.push(Fault { mistake, place: Some(entry.node.place.clone()) }),
            }
        }
        if faults.is_empty() { Ok(FieldMap(fields)) } else { Err(faults) }
    }
}

fn field_source(node: &Node, scope: &Scope<'_>) -> Result<FieldSource, Mistake> {
    let expected = || "a member of the record, as in \"mean\", or a fixed text, as in \"= KZ-01\"".to_owned();
    let text = node.as_text().ok_or_else(|| Mistake::WrongType {
        expected: expected(),
        found: node.described(),
        advice: None,
    })?;
    if let Some(fixed) = text.strip_prefix('=') {
        return Ok(FieldSource::Fixed(fixed.trim().to_owned()));
    }
    if let Some(name) = text.strip_prefix("code.") {
        let reference = Reference { section: "status_tables", member: "status table" };
        return match reference.read(&Node::text(name, node.place.clone()), scope) {
            Ok(name) => Ok(FieldSource::Code { name, table: Arc::default() }),
            Err(mut faults) => Err(faults.remove(0).mistake),
        };
    }
    let is_member = !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if is_member {
        return Ok(FieldSource::Member(text.to_owned()));
    }
    let advice = Some(format!("a fixed text begins with \"= \": \"= {text}\""));
    Err(Mistake::Malformed { found: text.to_owned(), expected: expected(), advice })
}

/// Request headers: plain texts, or secrets by reference.
pub(crate) struct Headers;

impl Kind for Headers {
    type Value = Vec<(String, Secret)>;

    fn expected(&self) -> String {
        "a table of header names, each with a text or a secret's reference".to_owned()
    }

    fn textual(&self) -> bool {
        false
    }

    fn layout(&self) -> Layout {
        Layout::Members
    }

    fn read(&self, node: &Node, scope: &Scope<'_>) -> Result<Self::Value, Vec<Fault>> {
        let table = node.as_table().ok_or_else(|| wrong_type(node, self.expected()))?;
        let (mut headers, mut faults) = (Vec::new(), Vec::new());
        for (name, entry) in table {
            if let Err(mistake) = check_header_name(name) {
                faults.push(Fault { mistake, place: Some(entry.key.clone()) });
            }
            match header_value(name, &entry.node, scope) {
                Ok(value) => headers.push((name.clone(), value)),
                Err(found) => faults.extend(
                    found
                        .into_iter()
                        .map(|fault| Fault { place: fault.place.or_else(|| Some(entry.node.place.clone())), ..fault }),
                ),
            }
        }
        if faults.is_empty() { Ok(headers) } else { Err(faults) }
    }
}

fn check_header_name(name: &str) -> Result<(), Mistake> {
    let kind = crate::config::kind::Text::HEADER;
    if !name.is_empty() && (kind.accepts)(name) {
        return Ok(());
    }
    Err(Mistake::Malformed { found: name.to_owned(), expected: kind.expected(), advice: None })
}

fn header_value(name: &str, node: &Node, scope: &Scope<'_>) -> Result<Secret, Vec<Fault>> {
    const ALWAYS_SECRET: [&str; 3] = ["authorization", "proxy-authorization", "cookie"];
    match node.as_text() {
        Some(_) if ALWAYS_SECRET.contains(&name.to_lowercase().as_str()) => Err(vec![Mistake::PlainSecret.into()]),
        Some(text) if text.chars().any(char::is_control) => {
            let expected = "a text of one line".to_owned();
            Err(vec![Mistake::Malformed { found: text.to_owned(), expected, advice: None }.into()])
        }
        Some(text) => Ok(Secret::new("the configuration", text)),
        None => SecretReference.read(node, scope),
    }
}

/// A driver's own settings, passed on as JSON: the driver knows what they mean.
pub(crate) struct Settings;

impl Kind for Settings {
    type Value = Json;

    fn expected(&self) -> String {
        "a table of the driver's own settings".to_owned()
    }

    fn textual(&self) -> bool {
        false
    }

    fn layout(&self) -> Layout {
        Layout::Members
    }

    fn read(&self, node: &Node, _scope: &Scope<'_>) -> Result<Json, Vec<Fault>> {
        let table = node.as_table().ok_or_else(|| wrong_type(node, self.expected()))?;
        let mut faults = Vec::new();
        let settings = json_object(table, &mut faults);
        if faults.is_empty() { Ok(settings) } else { Err(faults) }
    }
}

fn json_object(table: &Table, faults: &mut Vec<Fault>) -> Json {
    Json::Object(table.iter().map(|(key, entry)| (key.clone(), json(&entry.node, faults))).collect())
}

/// Integers stay integers and floats floats; a date-time becomes its text, which is all that JSON has for it.
fn json(node: &Node, faults: &mut Vec<Fault>) -> Json {
    let mut refuse = |expected: &str| {
        let mistake = Mistake::WrongType { expected: expected.to_owned(), found: node.described(), advice: None };
        faults.push(Fault { mistake, place: Some(node.place.clone()) });
        Json::Null
    };
    match &node.value {
        Value::Text(text) | Value::DateTime(text) => Json::String(text.clone()),
        Value::Integer(number) => Json::from(*number),
        Value::Flag(flag) => Json::Bool(*flag),
        Value::Float(number) => match serde_json::Number::from_f64(*number) {
            Some(number) => Json::Number(number),
            None => refuse("a finite number: JSON has no other"),
        },
        Value::Huge(_) => refuse("an integer of 64 bits"),
        Value::Loose(_) => json(&node.settled(false), faults),
        Value::List(items) => Json::Array(items.iter().map(|item| json(item, faults)).collect()),
        Value::Table(table) => json_object(table, faults),
    }
}
