//! A server's address space for people, without a plugin.

use super::bindings::tutin::opcua::client::{DataValue, Node};
use super::browse::{Types, browse};
use super::fault::Fault;
use super::link::Connection;
use super::node::{self, NodeError};
use super::reading::read;
use super::session::VALUE;
use super::{fault, value};

/// A node below another.
#[derive(Debug)]
pub struct Found {
    /// Its name for people.
    pub name: String,
    /// The node.
    pub node: Node,
    /// Its node class (OPC 10000-3, 8.29).
    pub class: u32,
}

impl Connection {
    /// The nodes below a node, by forward hierarchical references.
    pub async fn below(&self, node: &Node) -> Result<Vec<Found>, Fault> {
        let session = self.session().await?;
        let answers = browse(&session, std::slice::from_ref(node), Types::Not).await?;
        let references = answers.into_iter().next().unwrap_or(Ok(Vec::new())).map_err(Fault::Status)?;
        let found = references.into_iter().map(|reference| {
            let name = if reference.display_name.is_empty() { reference.browse_name } else { reference.display_name };
            Found { name, node: reference.target, class: reference.node_class }
        });
        Ok(found.collect())
    }

    /// The value of a variable, with its status.
    pub async fn value(&self, node: &Node) -> Result<DataValue, Fault> {
        let session = self.session().await?;
        let mut values = read(&session, std::slice::from_ref(node), VALUE).await?;
        values.pop().ok_or_else(|| Fault::Other(String::from("no value")))
    }
}

/// A node as people write it, as in `nsu=http://vendor.example/;s=Stack1`.
pub fn parse_node(text: &str) -> Result<Node, NodeError> {
    node::parse(text)
}

/// A node for people.
pub fn show_node(node: &Node) -> String {
    node::show(node)
}

/// A value for people, with its status unless that is good.
pub fn show_value(value: &DataValue) -> String {
    match value.status {
        0 => value::show(&value.value),
        status => format!("{} ({})", value::show(&value.value), fault::status_text(status)),
    }
}
