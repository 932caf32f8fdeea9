//! What an OPC UA server said of its nodes: what it said first of each is there when the driver comes, and what changed afterwards is set in
//! steps.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde_json::Value as Json;
use toml::{Table, Value};

use super::{RecordError, Scenes, grouped, left_out, poll};
use crate::capability::wire::{Content, Said, SeenNode};
use crate::simulator::replay::frames;
use crate::simulator::scripted::opcua::FIRST_NAMESPACE;
use crate::time::Timestamp;

/// Nodes of the standard that every server of a case has: Root, Objects, Server.
const THERE: [&str; 3] = ["i=84", "i=85", "i=2253"];
/// References by which a node of a case can be below another.
const REFERENCES: [(&str, &str); 5] = [
    ("i=47", "HasComponent"),
    ("i=49", "HasOrderedComponent"),
    ("i=46", "HasProperty"),
    ("i=45", HAS_SUBTYPE),
    ("i=35", ORGANIZES),
];
const HAS_SUBTYPE: &str = "HasSubtype";
const ORGANIZES: &str = "Organizes";
/// Node classes (OPC 10000-3, 8.29).
const OBJECT: u32 = 1;
const VARIABLE: u32 = 2;
const METHOD: u32 = 4;
const OBJECT_TYPE: u32 = 8;
/// Types of values that a case can have, as the standard and as a case names them.
const TYPES: [(&str, &str); 11] = [
    ("Boolean", "bool"),
    ("Int16", "int16"),
    ("UInt16", "uint16"),
    ("Int32", "int32"),
    ("UInt32", "uint32"),
    ("Int64", "int64"),
    ("UInt64", "uint64"),
    ("Float", "float"),
    ("Double", "double"),
    ("String", "string"),
    ("EUInformation", "unit"),
];
/// Type of a variable of which no value was seen.
const UNSEEN: &str = "double";
/// Nanoseconds of a tick (OPC 10000-6, 5.2.2.5).
const TICK: i64 = 100;
/// BadNodeIdUnknown.
const NO_SUCH_NODE: u32 = 0x8034_0000;

/// What is known of a node.
#[derive(Debug, Default)]
struct Known {
    place: Option<Place>,
    /// Type of its values, as a case names it.
    kind: Option<&'static str>,
    first: Option<State>,
    last: Option<State>,
}

/// Where it is.
#[derive(Debug)]
struct Place {
    parent: String,
    reference: &'static str,
    namespace: String,
    name: String,
    class: u32,
    type_definition: Option<String>,
}

/// How it is.
#[derive(Debug, Clone, PartialEq)]
struct State {
    /// As the trace has it: a number that is none is equal to itself.
    value: Option<Json>,
    kind: &'static str,
    status: u32,
    time: Timestamp,
}

/// A node that changed.
struct Change {
    at: Timestamp,
    id: String,
    state: State,
}

/// Everything that was said, sorted.
#[derive(Default)]
struct Seen {
    nodes: HashMap<String, Known>,
    /// In which they were first seen.
    order: Vec<String>,
    changes: Vec<Change>,
    begin: Option<Timestamp>,
    /// When the last node was first seen to have a value.
    told: Option<Timestamp>,
    /// Nodes that had no value yet when others changed already.
    unknown: usize,
    /// Nodes with values of types that a case cannot have.
    strange: HashSet<String>,
    /// Nodes of classes that a case cannot have.
    others: HashSet<String>,
    /// References that a case cannot have: of other types, or a second one to a node.
    references: HashSet<(String, String)>,
}

/// Nodes of the trace, and what became of them.
pub(super) fn scenes(trace: &Path) -> Result<Scenes, RecordError> {
    let mut seen = Seen::default();
    for (frame, _) in frames(trace)? {
        seen.begin.get_or_insert(frame.at);
        let Some(Content::Nodes(nodes)) = frame.content else { continue };
        nodes.into_iter().for_each(|node| seen.take(frame.at, node));
    }
    if !seen.nodes.values().any(|known| known.first.is_some()) {
        let what = "no value of a node was seen in it: a driver that monitors is told after its first poll".to_owned();
        return Err(RecordError::Empty { path: trace.to_owned(), what });
    }
    Ok(seen.scenes())
}

impl Seen {
    fn take(&mut self, at: Timestamp, SeenNode { id, said }: SeenNode) {
        match said {
            Said::Below { parent, reference, namespace, name, class, type_definition } => {
                // A node of the standard is the standard's.
                if !id.starts_with("i=") {
                    self.below(
                        id,
                        &reference,
                        Place { parent, reference: "", namespace, name, class, type_definition },
                    );
                }
            }
            Said::Value { data_type, value, status, time } => self.value(at, id, &data_type, value, status, time),
        }
    }

    fn below(&mut self, id: String, reference: &str, place: Place) {
        if ![OBJECT, VARIABLE, METHOD, OBJECT_TYPE].contains(&place.class) {
            self.others.insert(id);
            return;
        }
        let pair = (place.parent.clone(), id.clone());
        let Some((_, reference)) = REFERENCES.iter().find(|(known, _)| *known == reference) else {
            self.references.insert(pair);
            return;
        };
        let place = Place { reference, ..place };
        match &mut self.known(&id).place {
            Some(known) if known.parent == place.parent => {}
            // Where it is a part is where it is; what only organizes it refers to it.
            Some(known) if known.reference == ORGANIZES && place.reference != ORGANIZES => {
                let pair = (known.parent.clone(), id);
                *known = place;
                self.references.insert(pair);
            }
            Some(_) => drop(self.references.insert(pair)),
            known => *known = Some(place),
        }
    }

    fn known(&mut self, id: &str) -> &mut Known {
        if !self.nodes.contains_key(id) {
            self.order.push(id.to_owned());
        }
        self.nodes.entry(id.to_owned()).or_default()
    }

    fn value(
        &mut self,
        at: Timestamp,
        id: String,
        data_type: &str,
        value: Option<Json>,
        status: u32,
        time: Option<Timestamp>,
    ) {
        if id.starts_with("i=") {
            return;
        }
        let kind = TYPES.iter().find(|(name, _)| *name == data_type).map(|(_, kind)| *kind);
        let is_written = value.as_ref().is_some_and(|value| kind.is_some_and(|kind| written(kind, value).is_some()));
        if !data_type.is_empty() && !is_written {
            self.strange.insert(id);
            return;
        }
        if status == NO_SUCH_NODE && !self.nodes.contains_key(&id) {
            return;
        }
        let tick = Timestamp(at.0 - at.0.rem_euclid(TICK));
        let is_begun = !self.changes.is_empty();
        let known = self.known(&id);
        known.kind = known.kind.or(kind);
        // A value without a time of its own is of that at which it came, in ticks of OPC UA; the same without a time is no news.
        let state = State { value, kind: known.kind.unwrap_or(UNSEEN), status, time: time.unwrap_or(tick) };
        let before = known.last.replace(state.clone());
        match before {
            // After the first change it cannot be said how the others were before.
            None if is_begun => {
                self.unknown += 1;
                self.changes.push(Change { at, id, state });
            }
            None => {
                known.first = Some(state);
                self.told = Some(at);
            }
            Some(before) => {
                let is_later = time.is_some_and(|time| time != before.time);
                if is_later || (&before.value, before.status) != (&state.value, state.status) {
                    self.changes.push(Change { at, id, state });
                }
            }
        }
    }

    fn scenes(self) -> Scenes {
        let mut namespaces: Vec<String> = Vec::new();
        let mut there: HashSet<&str> = THERE.into();
        let mut nodes = Vec::new();
        let mut rest: Vec<(&String, &Known)> =
            self.order.iter().filter_map(|id| self.nodes.get_key_value(id)).collect();
        // Whatever was seen first: a node comes after what it is below.
        loop {
            let (ready, waiting): (Vec<_>, Vec<_>) = rest.iter().partition(|(_, known)| known.is_ready(&there));
            for (id, known) in &ready {
                there.insert(id);
                nodes.push(Value::Table(known.table(id, known.place.as_ref(), &mut namespaces)));
            }
            rest = waiting;
            if ready.is_empty() {
                break;
            }
        }
        // Of what the others are below nothing was seen. Those with a value may be what the driver was told to read.
        let (valued, nowhere): (Vec<_>, Vec<_>) = rest.into_iter().partition(|(_, known)| known.last.is_some());
        for (id, known) in valued {
            there.insert(id);
            nodes.push(Value::Table(known.table(id, None, &mut namespaces)));
        }
        let changes: Vec<Change> =
            self.changes.into_iter().filter(|change| there.contains(change.id.as_str())).collect();
        // The driver looks around in the first step, and is told in the second, before anything changes.
        let told = self.told.into_iter().chain(changes.first().map(|change| change.at)).min();
        let (changed, later) = steps(changes);
        let steps = [poll(self.begin), poll(told)].into_iter().chain(changed).collect();
        let left_out = left_out([
            (nowhere.len(), "node", "for nothing was seen of what it is below, nor a value"),
            (self.others.len(), "node", "which is neither object nor variable, method or type of objects"),
            (self.references.len(), "reference", "of a type that no case knows, or not the first to its node"),
            (self.strange.len(), "value", "of a type that no case knows"),
            (
                self.unknown,
                "value",
                "that of a node before its first change; a trace that begins with the driver has it",
            ),
            (later, "change", "the last, for it would be too long"),
        ]);
        let instrument = [
            ("namespaces", Value::Array(namespaces.into_iter().map(Value::String).collect())),
            ("nodes", Value::Array(nodes)),
        ];
        Scenes {
            instrument: instrument.map(|(name, value)| (name.to_owned(), value)).into_iter().collect(),
            steps,
            left_out,
        }
    }
}

impl Known {
    /// Whether what it is below is there. Types of the models need not be.
    fn is_ready(&self, there: &HashSet<&str>) -> bool {
        self.place.as_ref().is_none_or(|place| place.reference == HAS_SUBTYPE || there.contains(place.parent.as_str()))
    }

    fn table(&self, id: &str, place: Option<&Place>, namespaces: &mut Vec<String>) -> Table {
        let mut index = |uri: &str| {
            let at = namespaces.iter().position(|known| known == uri).unwrap_or_else(|| {
                namespaces.push(uri.to_owned());
                namespaces.len() - 1
            });
            at + FIRST_NAMESPACE
        };
        let named = place.map(|place| [Some(place.parent.as_str()), place.type_definition.as_deref()]);
        for node in [Some(id)].into_iter().chain(named.unwrap_or_default()).flatten() {
            if let Some((uri, _)) = node.strip_prefix("nsu=").and_then(|rest| rest.split_once(';')) {
                index(uri);
            }
        }
        let name = place.map(|place| match place.namespace.as_str() {
            "" => format!("0:{}", place.name),
            uri => format!("{}:{}", index(uri), place.name),
        });
        let class = place.map_or(VARIABLE, |place| place.class);
        let kind = match class {
            OBJECT => "object",
            METHOD => "method",
            OBJECT_TYPE => "object_type",
            _ => self.kind.unwrap_or(UNSEEN),
        };
        let text = |text: &str| Value::String(text.to_owned());
        let members = [
            ("id", Some(text(id))),
            ("name", name.as_deref().map(text)),
            ("type", Some(text(kind))),
            ("parent", place.map(|place| text(&place.parent))),
            ("reference", place.map(|place| text(place.reference))),
            ("type_definition", place.and_then(|place| place.type_definition.as_deref()).map(text)),
        ];
        let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        members.chain(self.first.iter().flat_map(State::members)).collect()
    }
}

impl State {
    fn members(&self) -> impl Iterator<Item = (String, Value)> {
        let members = [
            ("value", self.value.as_ref().and_then(|value| written(self.kind, value))),
            ("status", Some(self.status).filter(|status| *status != 0).map(|status| Value::Integer(status.into()))),
            ("time", Some(Value::String(self.time.to_string()))),
        ];
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)))
    }
}

/// A step for what changed at once, each node once, with a poll at the end of it; and how many changes there were after the last.
fn steps(changes: Vec<Change>) -> (Vec<Table>, usize) {
    let is_once = |group: &[Change], change: &Change| group.iter().all(|other| other.id != change.id);
    let (groups, later) = grouped(changes, |change| change.at, is_once);
    let node = |change: &Change| {
        let id = ("id".to_owned(), Value::String(change.id.clone()));
        Value::Table([id].into_iter().chain(change.state.members()).collect())
    };
    let step = |group: &Vec<Change>| {
        let mut step = poll(group.last().map(|last| last.at));
        step.insert("nodes".to_owned(), Value::Array(group.iter().map(node).collect()));
        step
    };
    (groups.iter().map(step).collect(), later)
}

/// A value as a case writes it; nothing when it cannot.
fn written(kind: &str, value: &Json) -> Option<Value> {
    Some(match (kind, value) {
        ("float" | "double", Json::Number(number)) => Value::Float(number.as_f64()?),
        ("float" | "double", Json::String(text)) => Value::Float(text.parse().ok()?),
        (_, Json::Number(number)) => Value::Integer(number.as_i64()?),
        (_, Json::Bool(is)) => Value::Boolean(*is),
        (_, Json::String(text)) => Value::String(text.clone()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
