//! Nodes by namespace URI, as plugins name them, and by index, as one server does.
//!
//! Invariant: an index never leaves this module's maps; it is worth nothing after the session.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opcua::types::{ByteString, ExpandedNodeId, Guid, Identifier, NodeId, UAString};
use thiserror::Error;

use super::bindings::tutin::opcua::client::Node;

/// The namespace of OPC UA itself. A plugin may leave it out.
const OPC_UA: &str = "http://opcfoundation.org/UA/";
/// Longest identifier that is taken (OPC 10000-3, 8.2.4).
const LONGEST: usize = 4096;

/// Why a node is none of this server's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NodeError {
    /// Its text breaks the contract.
    #[error("node {0:?}: {1}")]
    Malformed(String, &'static str),
    /// The server does not have its namespace.
    #[error("the server has no namespace {0:?}")]
    UnknownNamespace(String),
}

/// A server's namespaces in its order.
#[derive(Debug, Clone, Default)]
pub(super) struct Namespaces {
    uris: Vec<String>,
    indexes: HashMap<String, u16>,
}

impl Namespaces {
    pub(super) fn new(uris: Vec<String>) -> Self {
        let indexes = uris.iter().enumerate();
        let indexes = indexes.filter_map(|(at, uri)| Some((uri.clone(), u16::try_from(at).ok()?))).collect();
        Namespaces { uris, indexes }
    }

    pub(super) fn uris(&self) -> &[String] {
        &self.uris
    }

    /// As the server names it.
    pub(super) fn to_server(&self, node: &Node) -> Result<NodeId, NodeError> {
        let identifier = identifier(&node.identifier)?;
        let namespace = match node.namespace.as_str() {
            "" | OPC_UA => 0,
            uri => *self.indexes.get(uri).ok_or_else(|| NodeError::UnknownNamespace(uri.to_owned()))?,
        };
        Ok(NodeId { namespace, identifier })
    }

    /// As plugins name it.
    pub(super) fn to_plugin(&self, id: &NodeId) -> Node {
        Node { namespace: self.uri(id.namespace), identifier: written(&id.identifier) }
    }

    /// As plugins name it, when the server says more than the index.
    pub(super) fn expanded(&self, id: &ExpandedNodeId) -> Node {
        match id.namespace_uri.as_ref() {
            "" => self.to_plugin(&id.node_id),
            OPC_UA => Node { namespace: String::new(), identifier: written(&id.node_id.identifier) },
            uri => Node { namespace: uri.to_owned(), identifier: written(&id.node_id.identifier) },
        }
    }

    /// The URI of an index; empty for OPC UA's own.
    pub(super) fn uri(&self, index: u16) -> String {
        match (index, self.uris.get(usize::from(index))) {
            (0, _) => String::new(),
            (_, Some(uri)) => uri.clone(),
            (_, None) => format!("urn:tutin:unknown-namespace:{index}"),
        }
    }

    /// Whether the list has this index.
    pub(super) fn has(&self, index: u16) -> bool {
        usize::from(index) < self.uris.len()
    }
}

/// Whether a node is written as the contract says, whatever server it belongs to.
pub(super) fn check(node: &Node) -> Result<(), NodeError> {
    identifier(&node.identifier).map(drop)
}

/// A node as people write it: `nsu=URI;IDENTIFIER`, or an identifier of OPC UA's own namespace.
pub(super) fn parse(text: &str) -> Result<Node, NodeError> {
    let wrong = |what| NodeError::Malformed(text.to_owned(), what);
    let (namespace, identifier) = match text.strip_prefix("nsu=") {
        Some(rest) => rest.split_once(';').ok_or_else(|| wrong("a ; must follow the namespace"))?,
        None if text.starts_with("ns=") => return Err(wrong("a namespace is named by its URI, as in nsu=URI;…")),
        None => ("", text),
    };
    let node = Node { namespace: namespace.to_owned(), identifier: identifier.to_owned() };
    check(&node)?;
    Ok(node)
}

/// A node for people, as in `nsu=http://vendor.example/;s=Stack1`.
pub(super) fn show(node: &Node) -> String {
    if node.namespace.is_empty() {
        node.identifier.clone()
    } else {
        format!("nsu={};{}", node.namespace, node.identifier)
    }
}

fn identifier(text: &str) -> Result<Identifier, NodeError> {
    let shown: String = text.chars().take(80).collect();
    let wrong = |what| NodeError::Malformed(shown.clone(), what);
    if text.len() > LONGEST + 2 {
        return Err(wrong("longer than 4096 characters"));
    }
    match text.split_once('=') {
        Some(("i", number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
            number.parse().map(Identifier::Numeric).map_err(|_| wrong("a number up to 4294967295 must follow i="))
        }
        Some(("i", _)) => Err(wrong("a number up to 4294967295 must follow i=")),
        Some(("s", name)) if !name.is_empty() => Ok(Identifier::String(UAString::from(name))),
        Some(("g", guid)) => guid.parse::<Guid>().map(Identifier::Guid).map_err(|_| wrong("a GUID must follow g=")),
        Some(("b", bytes)) => match STANDARD.decode(bytes) {
            Ok(bytes) => Ok(Identifier::ByteString(ByteString::from(bytes))),
            Err(_) => Err(wrong("base64 must follow b=")),
        },
        _ => Err(wrong("an identifier begins with i=, s=, g= or b=")),
    }
}

/// An identifier with its kind in front.
fn written(identifier: &Identifier) -> String {
    match identifier {
        Identifier::Numeric(number) => format!("i={number}"),
        Identifier::String(name) => format!("s={}", name.as_ref()),
        Identifier::Guid(guid) => format!("g={guid}"),
        Identifier::ByteString(bytes) => format!("b={}", STANDARD.encode(bytes.as_ref())),
    }
}
