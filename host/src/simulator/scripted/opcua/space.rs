//! The nodes of a server and what they refer to.
//!
//! Source: OPC 10000-3, 5 (attributes), 7 (references); OPC 10000-5, 8.2 (the folders and the Server object).

use std::collections::HashMap;

use opcua::types::{
    Array, BrowseDescription, BrowseDirection, BrowseResult, DataTypeId, DataValue, DateTime, ExpandedNodeId,
    LocalizedText, NodeClass, NodeId, QualifiedName, ReferenceDescription, StatusCode, UAString, VariableId, Variant,
    VariantScalarTypeId,
};
use thiserror::Error;

use super::node::{Kind, Node, Reference};

/// Index of the first namespace that a case declares.
pub const FIRST_NAMESPACE: usize = 2;
/// Namespace 1.
pub(super) const OWN: &str = "urn:tutin:simulated-analyser";
const STANDARD: &str = "http://opcfoundation.org/UA/";
const ROOT: u32 = 84;
const OBJECTS: u32 = 85;
const SERVER: u32 = 2253;
const HAS_TYPE_DEFINITION: u32 = 40;
/// FolderType, BaseObjectType, BaseDataVariableType, ServerType.
const FOLDER_TYPE: u32 = 61;
const OBJECT_TYPE: u32 = 58;
const VARIABLE_TYPE: u32 = 63;
const SERVER_TYPE: u32 = 2004;
/// Reference types and what they derive from (OPC 10000-5, annex A).
const DERIVED: [(u32, u32); 12] = [
    (32, 31),
    (33, 31),
    (34, 33),
    (35, 33),
    (36, 33),
    (37, 32),
    (HAS_TYPE_DEFINITION, 32),
    (44, 34),
    (45, 34),
    (46, 44),
    (47, 44),
    (49, 47),
];

/// What is wrong with a node of a case.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NodeError {
    /// Its id, or one that it names.
    #[error(
        "node {id}: {named:?} is no id of a node in a namespace of this server (ns=2;s=NAME, nsu=URI;s=NAME or i=85)"
    )]
    Id {
        /// Of which node.
        id: String,
        /// What is no id.
        named: String,
    },
    /// What it is below.
    #[error("node {id}: there is no node {parent} for it to be below")]
    Parent {
        /// Of which node.
        id: String,
        /// What is not there.
        parent: String,
    },
    /// A new node without a type.
    #[error("node {0}: type is missing, and the server does not have the node yet")]
    Type(String),
    /// A value of another type.
    #[error("node {id}: {value} is no value of type {kind}")]
    Value {
        /// Of which node.
        id: String,
        /// What stands there.
        value: String,
        /// What should.
        kind: String,
    },
    /// A time that is none.
    #[error("node {id}: {time:?} is no time as RFC 3339 writes it")]
    Time {
        /// Of which node.
        id: String,
        /// What stands there.
        time: String,
    },
}

/// One node.
#[derive(Debug)]
pub(super) struct Entry {
    /// As the case names it.
    pub name: String,
    pub kind: Option<Kind>,
    class: NodeClass,
    browse_name: QualifiedName,
    type_definition: Option<NodeId>,
    data_type: NodeId,
    pub value: DataValue,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Space {
    namespaces: Vec<String>,
    entries: HashMap<NodeId, Entry>,
    /// From, by what, to; in the order in which they were made.
    references: Vec<(NodeId, NodeId, NodeId)>,
}

impl Space {
    /// What every server has.
    pub(super) fn new(declared: &[String]) -> Self {
        let own = [STANDARD.to_owned(), OWN.to_owned()];
        let namespaces: Vec<String> = own.into_iter().chain(declared.iter().cloned()).collect();
        let texts = |texts: &[String]| {
            let texts = texts.iter().map(|text| Variant::String(UAString::from(text))).collect::<Vec<_>>();
            Array::new(VariantScalarTypeId::String, texts).map_or(Variant::Empty, Variant::from)
        };
        let (uris, servers) = (texts(&namespaces), texts(&[OWN.to_owned()]));
        let mut space = Space { namespaces, entries: HashMap::new(), references: Vec::new() };
        space.folder(ROOT, "Root", FOLDER_TYPE);
        space.folder(OBJECTS, "Objects", FOLDER_TYPE);
        space.folder(SERVER, "Server", SERVER_TYPE);
        space.refer(ROOT, Reference::Organizes, OBJECTS);
        space.refer(OBJECTS, Reference::Organizes, SERVER);
        let property = Reference::HasProperty;
        let variables = [
            (SERVER, property, VariableId::Server_ServerArray, "ServerArray", DataTypeId::String, servers),
            (SERVER, property, VariableId::Server_NamespaceArray, "NamespaceArray", DataTypeId::String, uris),
            // Running.
            (
                SERVER,
                Reference::HasComponent,
                VariableId::Server_ServerStatus_State,
                "State",
                DataTypeId::ServerState,
                Variant::Int32(0),
            ),
        ];
        for (parent, reference, id, name, data_type, value) in variables {
            let node = NodeId::from(id);
            let value = DataValue { value: Some(value), status: Some(StatusCode::Good), ..DataValue::default() };
            space.entries.insert(
                node.clone(),
                Entry {
                    name: node.to_string(),
                    kind: None,
                    class: NodeClass::Variable,
                    browse_name: QualifiedName::from(name),
                    type_definition: Some(NodeId::new(0, VARIABLE_TYPE)),
                    data_type: data_type.into(),
                    value,
                },
            );
            space.references.push((NodeId::new(0, parent), reference.id(), node));
        }
        space
    }

    /// Adds a node, or sets one that is there. Returns it when it has a value.
    pub(super) fn set(&mut self, node: &Node) -> Result<Option<NodeId>, NodeError> {
        let id = self.resolve(node, &node.id)?;
        let kind = match self.entries.get(&id) {
            Some(entry) => entry.kind,
            None => node.kind,
        };
        let kind = kind.ok_or_else(|| NodeError::Type(node.id.clone()))?;
        let value = value(node, kind)?;
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.value = value;
        } else {
            self.add(node, id.clone(), kind, value)?;
        }
        Ok(kind.data_type().map(|_| id))
    }

    /// Every variable that the case declares.
    pub(super) fn variables(&self) -> Vec<NodeId> {
        let declared = self.entries.iter().filter(|(_, entry)| entry.is_of_the_case());
        declared.map(|(id, _)| id.clone()).collect()
    }

    pub(super) fn entry(&self, id: &NodeId) -> Option<&Entry> {
        self.entries.get(id)
    }

    /// Takes what a client writes.
    pub(super) fn write(&mut self, id: &NodeId, value: &Variant) -> StatusCode {
        let Some(entry) = self.entries.get_mut(id) else { return StatusCode::BadNodeIdUnknown };
        let Some(data_type) = entry.kind.and_then(Kind::data_type) else { return StatusCode::BadNotWritable };
        if value.data_type().and_then(|of| of.node_id.as_data_type_id().ok()) != Some(data_type) || value.is_array() {
            return StatusCode::BadTypeMismatch;
        }
        entry.value = DataValue { value: Some(value.clone()), status: Some(StatusCode::Good), ..DataValue::default() };
        StatusCode::Good
    }

    /// An attribute, by its number (OPC 10000-6, annex A).
    pub(super) fn read(&self, id: &NodeId, attribute: u32) -> DataValue {
        let Some(entry) = self.entries.get(id) else { return refused(StatusCode::BadNodeIdUnknown) };
        let is_variable = entry.class == NodeClass::Variable;
        let is_method = entry.class == NodeClass::Method;
        let value = match attribute {
            1 => Variant::from(id.clone()),
            2 => Variant::Int32(entry.class as i32),
            3 => Variant::from(entry.browse_name.clone()),
            4 => Variant::from(entry.shown()),
            // Nothing of a node itself can be written.
            6 | 7 => Variant::UInt32(0),
            // It is not abstract.
            8 if entry.class == NodeClass::ObjectType => Variant::Boolean(false),
            // It has no events.
            12 if entry.class == NodeClass::Object => Variant::Byte(0),
            13 if is_variable => {
                return DataValue { server_timestamp: Some(DateTime::now()), ..entry.value.clone() };
            }
            14 if is_variable => Variant::from(entry.data_type.clone()),
            // One value, or a list of them.
            15 if is_variable => {
                Variant::Int32(if entry.value.value.as_ref().is_some_and(Variant::is_array) { 1 } else { -1 })
            }
            // It can be read and written; what is the server's own can be read.
            17 | 18 if is_variable => Variant::Byte(if entry.kind.is_some() { 3 } else { 1 }),
            19 if is_variable => Variant::Double(0.0),
            20 if is_variable => Variant::Boolean(false),
            21 | 22 if is_method => Variant::Boolean(true),
            _ => return refused(StatusCode::BadAttributeIdInvalid),
        };
        DataValue { value: Some(value), ..DataValue::default() }
    }

    /// Whether this object has this method.
    pub(super) fn has_method(&self, object: &NodeId, method: &NodeId) -> bool {
        let is_method = self.entries.get(method).is_some_and(|entry| entry.class == NodeClass::Method);
        is_method && self.references.iter().any(|(from, _, to)| from == object && to == method)
    }

    pub(super) fn browse(&self, wanted: &BrowseDescription) -> BrowseResult {
        let node = &wanted.node_id;
        let is_known = self.entries.contains_key(node) || self.references.iter().any(|(from, _, _)| from == node);
        if !is_known {
            return BrowseResult { status_code: StatusCode::BadNodeIdUnknown, ..BrowseResult::default() };
        }
        let is_kind = |kind: &NodeId| {
            let is_any = wanted.reference_type_id.is_null();
            is_any
                || *kind == wanted.reference_type_id
                || wanted.include_subtypes && derives(kind, &wanted.reference_type_id)
        };
        let mut references = Vec::new();
        for (from, kind, to) in self.references.iter().filter(|(_, kind, _)| is_kind(kind)) {
            if from == node && wanted.browse_direction != BrowseDirection::Inverse {
                references.push(self.described(kind, BrowseDirection::Forward, to));
            }
            if to == node && wanted.browse_direction != BrowseDirection::Forward {
                references.push(self.described(kind, BrowseDirection::Inverse, from));
            }
        }
        let mask = wanted.node_class_mask;
        references.retain(|reference| mask == 0 || mask & reference.node_class as u32 != 0);
        BrowseResult { status_code: StatusCode::Good, references: Some(references), ..BrowseResult::default() }
    }

    fn described(&self, kind: &NodeId, direction: BrowseDirection, target: &NodeId) -> ReferenceDescription {
        let entry = self.entries.get(target);
        let type_definition = entry.and_then(|entry| entry.type_definition.clone());
        ReferenceDescription {
            reference_type_id: kind.clone(),
            is_forward: direction == BrowseDirection::Forward,
            node_id: ExpandedNodeId::new(target.clone()),
            browse_name: entry.map(|entry| entry.browse_name.clone()).unwrap_or_default(),
            display_name: entry.map(Entry::shown).unwrap_or_default(),
            // What is referred to and is not here is a type of a model.
            node_class: entry.map_or(NodeClass::ObjectType, |entry| entry.class),
            type_definition: type_definition.map(ExpandedNodeId::new).unwrap_or_default(),
        }
    }

    fn add(&mut self, node: &Node, id: NodeId, kind: Kind, value: DataValue) -> Result<(), NodeError> {
        let parent = node.parent.as_ref().map(|parent| self.resolve(node, parent)).transpose()?;
        let parent = parent.unwrap_or_else(|| NodeId::new(0, OBJECTS));
        let is_top = parent == NodeId::new(0, OBJECTS);
        let usual = if is_top { Reference::Organizes } else { Reference::HasComponent };
        let reference = node.reference.unwrap_or(usual);
        // Types of the models need not be there to be derived from.
        if reference != Reference::HasSubtype && !self.entries.contains_key(&parent) {
            return Err(NodeError::Parent { id: node.id.clone(), parent: node.parent.clone().unwrap_or_default() });
        }
        let named = node.type_definition.as_ref().map(|of| self.resolve(node, of)).transpose()?;
        let usual = match kind.class() {
            NodeClass::Object => Some(NodeId::new(0, OBJECT_TYPE)),
            NodeClass::Variable => Some(NodeId::new(0, VARIABLE_TYPE)),
            _ => None,
        };
        let type_definition = named.or(usual);
        if let Some(of) = &type_definition {
            self.references.push((id.clone(), NodeId::new(0, HAS_TYPE_DEFINITION), of.clone()));
        }
        let entry = Entry {
            name: node.id.clone(),
            kind: Some(kind),
            class: kind.class(),
            browse_name: browse_name(node, &id),
            type_definition,
            data_type: kind.data_type().map(NodeId::from).unwrap_or_default(),
            value,
        };
        self.references.push((parent, reference.id(), id.clone()));
        self.entries.insert(id, entry);
        Ok(())
    }

    fn folder(&mut self, id: u32, name: &str, of: u32) {
        let id = NodeId::new(0, id);
        self.references.push((id.clone(), NodeId::new(0, HAS_TYPE_DEFINITION), NodeId::new(0, of)));
        let entry = Entry {
            name: id.to_string(),
            kind: None,
            class: NodeClass::Object,
            browse_name: QualifiedName::from(name),
            type_definition: Some(NodeId::new(0, of)),
            data_type: NodeId::null(),
            value: DataValue::default(),
        };
        self.entries.insert(id, entry);
    }

    fn refer(&mut self, from: u32, by: Reference, to: u32) {
        self.references.push((NodeId::new(0, from), by.id(), NodeId::new(0, to)));
    }

    /// The id that is written so.
    fn resolve(&self, node: &Node, named: &str) -> Result<NodeId, NodeError> {
        let id = match named.strip_prefix("nsu=").and_then(|rest| rest.split_once(';')) {
            Some((uri, rest)) => self.namespaces.iter().position(|namespace| namespace == uri).and_then(|index| {
                let id = rest.parse::<NodeId>().ok().filter(|id| id.namespace == 0)?;
                Some(NodeId::new(u16::try_from(index).ok()?, id.identifier))
            }),
            None => named.parse::<NodeId>().ok().filter(|id| usize::from(id.namespace) < self.namespaces.len()),
        };
        id.ok_or_else(|| NodeError::Id { id: node.id.clone(), named: named.to_owned() })
    }
}

impl Entry {
    pub(super) fn is_variable(&self) -> bool {
        self.class == NodeClass::Variable
    }

    /// Whether it is a variable that the case declares; the others are the server's own.
    pub(super) fn is_of_the_case(&self) -> bool {
        self.is_variable() && self.kind.is_some()
    }

    fn shown(&self) -> LocalizedText {
        LocalizedText::new("", self.browse_name.name.as_ref())
    }
}

fn value(node: &Node, kind: Kind) -> Result<DataValue, NodeError> {
    let wrong = |value: &super::Value| NodeError::Value {
        id: node.id.clone(),
        value: format!("{value:?}"),
        kind: format!("{kind:?}").to_lowercase(),
    };
    let value = node.value.as_ref().map(|value| kind.variant(value).ok_or_else(|| wrong(value))).transpose()?;
    let time = node.time.as_ref().map(|time| {
        let parsed = DateTime::parse_from_rfc3339(time);
        parsed.map_err(|_| NodeError::Time { id: node.id.clone(), time: time.clone() })
    });
    Ok(DataValue {
        value,
        status: Some(StatusCode::from(node.status.unwrap_or_default())),
        source_timestamp: time.transpose()?,
        ..DataValue::default()
    })
}

/// `3:ParameterSet`, or a name in the namespace of the id.
fn browse_name(node: &Node, id: &NodeId) -> QualifiedName {
    let Some(name) = &node.name else {
        let name = id.identifier.to_string();
        let name = name.split_once('=').map_or(name.as_str(), |(_, name)| name);
        return QualifiedName { namespace_index: id.namespace, name: UAString::from(name) };
    };
    let own = name.split_once(':').and_then(|(index, rest)| Some((index.parse().ok()?, rest)));
    let (namespace_index, name) = own.unwrap_or((id.namespace, name.as_str()));
    QualifiedName { namespace_index, name: UAString::from(name) }
}

fn derives(kind: &NodeId, wanted: &NodeId) -> bool {
    let mut kind = kind.clone();
    while let Some((_, parent)) = DERIVED.iter().find(|(derived, _)| kind == NodeId::new(0, *derived)) {
        kind = NodeId::new(0, *parent);
        if kind == *wanted {
            return true;
        }
    }
    false
}

fn refused(status: StatusCode) -> DataValue {
    DataValue { status: Some(status), ..DataValue::default() }
}
