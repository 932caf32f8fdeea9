//! What an OPC UA server said of its nodes: what it said first of each is there when the driver comes, and what changed afterwards is set in
//! steps.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde_json::Value as Json;
use toml::{Table, Value};

use super::{RecordError, Scenes, grouped, poll};
use crate::capability::wire::{Content, Said, SeenNode};
use crate::notation::counted;
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
        let what =
            "no value of a node was seen in it; record from the begin on, with tutin plugin run --record".to_owned();
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
        let known = self.known(&id);
        known.kind = known.kind.or(kind);
        // A value without a time of its own is of that at which it came; the same without a time is no news.
        let state = State { value, kind: known.kind.unwrap_or(UNSEEN), status, time: time.unwrap_or(at) };
        let before = known.last.replace(state.clone());
        match before {
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
        let (valued, nowhere): (Vec<_>, Vec<_>) = rest.into_iter().partition(|(_, known)| known.first.is_some());
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
        let left_out = [
            (nowhere.len(), "node", ", for nothing was seen of what it is below, nor a value"),
            (self.others.len(), "node", ", which is neither object nor variable, method or type of objects"),
            (self.references.len(), "reference", ", of a type that no case knows, or not the first to its node"),
            (self.strange.len(), "value", ", of a type that no case knows"),
            (later, "change", ", the last, for it would be too long"),
        ];
        let left_out = left_out.iter().filter(|(count, ..)| *count > 0);
        let instrument = [
            ("namespaces", Value::Array(namespaces.into_iter().map(Value::String).collect())),
            ("nodes", Value::Array(nodes)),
        ];
        Scenes {
            instrument: instrument.map(|(name, value)| (name.to_owned(), value)).into_iter().collect(),
            steps,
            left_out: left_out
                .map(|(count, what, why)| format!("not in the case: {} of the trace{why}", counted(*count, what)))
                .collect(),
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
mod tests {
    use super::*;
    use crate::kit::case::Case;

    /// A trace of these nodes, a frame each, a second apart.
    fn of(nodes: &[&str]) -> Result<Scenes, RecordError> {
        let line = |(second, node): (usize, &&str)| {
            format!(
                r#"{{"at":"2026-11-01T00:00:{second:02}Z","link":"l","direction":"in","hex":"","text":"","content":{{"nodes":[{node}]}}}}"#
            )
        };
        let file = tempfile::NamedTempFile::new().unwrap();
        let lines: Vec<String> = nodes.iter().enumerate().map(line).collect();
        std::fs::write(file.path(), lines.join("\n")).unwrap();
        scenes(file.path())
    }

    fn value(id: &str, data_type: &str, value: &str, status: u32, time: &str) -> String {
        format!(
            r#"{{"id":"{id}","value":{{"data_type":"{data_type}","value":{value},"status":{status},"time":{time}}}}}"#
        )
    }

    fn below(parent: &str, reference: &str, id: &str, name: &str, class: u32) -> String {
        format!(
            r#"{{"id":"{id}","below":{{"parent":"{parent}","reference":"{reference}","namespace":"urn:a","name":"{name}","class":{class},"type_definition":null}}}}"#
        )
    }

    #[test]
    fn what_was_seen_first_is_there_and_what_changed_comes_in_steps() {
        let time = r#""2026-10-31T23:00:00Z""#;
        let seen = [
            below("i=85", "i=35", "nsu=urn:a;s=Gas", "Gas", OBJECT),
            below("nsu=urn:a;s=Gas", "i=47", "nsu=urn:a;s=NO", "NO", VARIABLE),
            below("nsu=urn:a;s=NO", "i=46", "nsu=urn:a;s=Unit", "Unit", VARIABLE),
            value("nsu=urn:a;s=NO", "Float", "12.5", 0, time),
            value("nsu=urn:a;s=NO", "Float", "12.5", 0, time),
            value("nsu=urn:a;s=NO", "Float", "\"NaN\"", 0, time),
            value("nsu=urn:a;s=Unit", "EUInformation", "\"ppb\"", 0, "null"),
            value("nsu=urn:a;s=Unit", "EUInformation", "\"ppb\"", 0, "null"),
            value("nsu=urn:a;s=NO", "", "null", 0x8031_0000, "null"),
        ];
        let scenes = of(&seen.each_ref().map(String::as_str)).unwrap();

        assert_eq!(scenes.left_out, Vec::<String>::new());
        let case: Case = toml::from_str(&super::super::text(&super::super::Source::default(), &scenes)).unwrap();
        let names: Vec<_> = case.instrument.nodes.iter().map(|node| node.name.clone().unwrap()).collect();
        assert_eq!(names, ["2:Gas", "2:NO", "2:Unit"]);
        assert_eq!(case.instrument.namespaces, ["urn:a"]);
        let polls: Vec<_> = case.steps.iter().map(|step| (step.poll.clone().unwrap(), step.nodes.len())).collect();
        let at = |second: u32, nodes| (format!("2026-11-01T00:00:0{second}Z"), nodes);
        assert_eq!(polls, [at(0, 0), at(5, 0), at(5, 1), at(8, 1)]);
        let changed: Vec<_> = case.steps.iter().flat_map(|step| &step.nodes).map(|node| node.status).collect();
        assert_eq!(changed, [None, Some(0x8031_0000)]);
    }

    #[test]
    fn a_node_is_where_it_is_a_part_whatever_was_seen_first() {
        let seen = [
            value("nsu=urn:b;s=NO", "Double", "1.5", 0, "null"),
            value("nsu=urn:b;s=NO", "Double", "\"NaN\"", 0, "null"),
            value("nsu=urn:b;s=NO", "Double", "\"NaN\"", 0, "null"),
            below("nsu=urn:a;s=Group", "i=35", "nsu=urn:b;s=NO", "NO", VARIABLE),
            below("nsu=urn:a;s=Set", "i=47", "nsu=urn:b;s=NO", "NO", VARIABLE),
            below("nsu=urn:c;i=1", "i=45", "nsu=urn:a;i=2", "Derived", OBJECT_TYPE),
            below("i=85", "i=47", "nsu=urn:a;s=Set", "Set", OBJECT),
        ];
        let scenes = of(&seen.each_ref().map(String::as_str)).unwrap();

        let case: Case = toml::from_str(&super::super::text(&super::super::Source::default(), &scenes)).unwrap();
        let nodes = case.instrument.nodes.iter().map(|node| (node.id.as_str(), node.parent.as_deref().unwrap()));
        let expected =
            [("nsu=urn:a;i=2", "nsu=urn:c;i=1"), ("nsu=urn:a;s=Set", "i=85"), ("nsu=urn:b;s=NO", "nsu=urn:a;s=Set")];
        assert_eq!(nodes.collect::<Vec<_>>(), expected);
        assert_eq!(case.instrument.namespaces, ["urn:a", "urn:c", "urn:b"]);
        assert_eq!(case.steps.len(), 3, "what is no number is the same as before");
        assert_eq!(scenes.left_out.len(), 1, "that it is in the group, too: {:?}", scenes.left_out);
    }

    #[test]
    fn what_no_case_can_have_is_told() {
        let seen = [
            below("nsu=urn:a;s=Elsewhere", "i=47", "nsu=urn:a;s=Child", "Child", VARIABLE),
            below("i=85", "nsu=urn:a;i=9", "nsu=urn:a;s=Odd", "Odd", OBJECT),
            below("i=85", "i=35", "nsu=urn:a;s=Type", "Type", 16),
            below("i=85", "i=35", "i=2253", "Server", OBJECT),
            value("nsu=urn:a;s=List", "Array", "null", 0, "null"),
            value("nsu=urn:a;s=Gone", "", "null", NO_SUCH_NODE, "null"),
            value("nsu=urn:a;s=NO", "Double", "1.5", 0, "null"),
        ];
        let scenes = of(&seen.each_ref().map(String::as_str)).unwrap();

        assert_eq!(
            scenes.left_out,
            [
                "not in the case: 1 node of the trace, for nothing was seen of what it is below, nor a value",
                "not in the case: 1 node of the trace, which is neither object nor variable, method or type of objects",
                "not in the case: 1 reference of the trace, of a type that no case knows, or not the first to its node",
                "not in the case: 1 value of the trace, of a type that no case knows",
            ]
        );
        let nodes = scenes.instrument.get("nodes").and_then(Value::as_array).unwrap();
        let ids: Vec<_> = nodes.iter().filter_map(|node| node.get("id")?.as_str()).collect();
        assert_eq!(ids, ["nsu=urn:a;s=NO"]);
        let nothing = of(&seen[..4].iter().map(String::as_str).collect::<Vec<_>>()).map(|_| ()).unwrap_err();
        assert!(nothing.to_string().contains("no value of a node was seen in it"), "{nothing}");
    }
}
