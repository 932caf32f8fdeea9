//! How nodes are named.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The namespace of OPC UA itself.
const OPC_UA: &str = "http://opcfoundation.org/UA/";

/// A node: namespace URI and identifier. Written as in `nsu=http://vendor.example/;s=Stack1.NO2`; without a namespace it is
/// one of OPC UA itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Node {
    /// Namespace URI; empty for OPC UA itself.
    pub namespace: String,
    /// The identifier with its kind: `i=`, `s=`, `g=`, `b=`.
    pub identifier: String,
}

/// Why a text names no node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeError(String);

impl Node {
    /// A node of a namespace, with its identifier as in "s=Stack1".
    pub fn new(namespace: impl Into<String>, identifier: impl Into<String>) -> Self {
        let namespace = namespace.into();
        let namespace = if namespace == OPC_UA { String::new() } else { namespace };
        Node { namespace, identifier: identifier.into() }
    }

    /// A node of OPC UA itself.
    pub fn standard(number: u32) -> Self {
        Node { namespace: String::new(), identifier: format!("i={number}") }
    }
}

impl FromStr for Node {
    type Err = NodeError;

    fn from_str(text: &str) -> Result<Self, NodeError> {
        let (namespace, identifier) = match text.strip_prefix("nsu=") {
            Some(rest) => {
                rest.split_once(';').ok_or_else(|| NodeError(format!("no `;` after the namespace in {text:?}")))?
            }
            None => ("", text),
        };
        if identifier.starts_with("ns=") {
            let text = format!("{text:?} names its namespace by index, which belongs to one server: write nsu=URI;…");
            return Err(NodeError(text));
        }
        let kind_and_rest = identifier.split_once('=');
        let is_identifier = match kind_and_rest {
            Some(("i", number)) => number.parse::<u32>().is_ok(),
            Some(("s" | "g" | "b", rest)) => !rest.is_empty(),
            _ => false,
        };
        if is_identifier {
            Ok(Node::new(namespace, identifier))
        } else {
            let text =
                format!("{text:?} is no node: expected nsu=URI;s=NAME (or i=, g=, b=), or i=NUMBER for OPC UA's own");
            Err(NodeError(text))
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.identifier)
        } else {
            write!(f, "nsu={};{}", self.namespace, self.identifier)
        }
    }
}

impl TryFrom<String> for Node {
    type Error = NodeError;

    fn try_from(text: String) -> Result<Self, NodeError> {
        text.parse()
    }
}

impl From<Node> for String {
    fn from(node: Node) -> Self {
        node.to_string()
    }
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NodeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_written_with_its_namespace_uri_and_never_with_an_index() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let node = text.parse::<Node>().ok();
            let parts = node.as_ref().map(|node| (node.namespace.as_str(), node.identifier.as_str()));
            assert_eq!(parts, expected, "{text}");
        };
        check("i=85", Some(("", "i=85")));
        check("nsu=http://vendor.example/;s=Stack1.NO2=dry", Some(("http://vendor.example/", "s=Stack1.NO2=dry")));
        check("nsu=http://opcfoundation.org/UA/;i=85", Some(("", "i=85")));
        check("ns=2;s=Stack1", None);
        check("i=eighty", None);
        check("nsu=http://vendor.example/", None);
        check("Stack1", None);
        assert!("ns=2;s=x".parse::<Node>().unwrap_err().to_string().contains("nsu="));
    }
}
