//! OPC UA as a client.
//!
//! [`Client`] and [`Control`] are what a driver asks of its link. [`Link`] is the real one; [`fake::Server`] is an address space in
//! memory for a driver's own tests. Namespaces are named by URI, never by index.

mod error;
#[cfg(not(target_arch = "wasm32"))]
pub mod fake;
mod link;
mod node;
mod status;

use crate::driver::Timestamp;

pub use error::Error;
pub use link::Link;
pub use node::{Node, NodeError};
pub use status::{status_name, status_state};

/// What a driver asks of its server.
pub trait Client {
    /// The server's namespace URIs, in its order.
    fn namespaces(&self) -> Result<Vec<String>, Error>;
    /// Forward hierarchical references of each node, with `Types::Too` also its type definition and subtypes; or the status code
    /// with which the server refused it.
    fn browse(&self, nodes: &[Node], types: Types) -> Result<Vec<Result<Vec<Reference>, u32>>, Error>;
    /// An attribute of nodes, one answer per node.
    fn read(&self, nodes: &[Node], attribute: Attribute) -> Result<Vec<DataValue>, Error>;
    /// Monitors the values of these nodes, and of no others, from now on.
    fn subscribe(&self, nodes: &[Node], rates: Rates) -> Result<(), Error>;
    /// Takes at most so many notifications. Never waits.
    fn receive(&self, most: u32) -> Result<Incoming, Error>;
    /// A page of the raw history of a node.
    fn history(&self, node: &Node, begin: Timestamp, end: Timestamp, most: u32, next: &[u8]) -> Result<History, Error>;
}

/// Changing. A driver that calls any of these imports `tutin:opcua/control`, which the configuration must grant.
pub trait Control {
    /// Calls a method of an object.
    fn call(&self, object: &Node, method: &Node, arguments: &[Value]) -> Result<Vec<Value>, Error>;
    /// Writes the value of a variable.
    fn write(&self, node: &Node, value: &Value) -> Result<(), Error>;
}

/// Whether browsing also follows references to types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Types {
    /// Only hierarchical references.
    Not,
    /// Also HasTypeDefinition and HasSubtype.
    Too,
}

/// What is read of a node (OPC 10000-6, annex A).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribute {
    /// BrowseName.
    BrowseName,
    /// DisplayName.
    DisplayName,
    /// Value.
    Value,
    /// DataType.
    DataType,
    /// AccessLevel.
    AccessLevel,
    /// Historizing.
    Historizing,
}

impl Attribute {
    /// Its number.
    pub fn code(self) -> u32 {
        match self {
            Attribute::BrowseName => 3,
            Attribute::DisplayName => 4,
            Attribute::Value => 13,
            Attribute::DataType => 14,
            Attribute::AccessLevel => 17,
            Attribute::Historizing => 20,
        }
    }
}

/// How often a subscription samples and reports, and how much the server keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Sampling interval, milliseconds.
    pub sampling_ms: u32,
    /// Publishing interval, milliseconds.
    pub publishing_ms: u32,
    /// Values that the server keeps per item between two publications.
    pub queue: u32,
}

/// A value. What has no case here arrives as `Other` in words.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// None.
    Empty,
    /// Boolean.
    Boolean(bool),
    /// A signed integer of any width.
    Integer(i64),
    /// An unsigned integer of any width.
    Unsigned(u64),
    /// Float.
    Float(f32),
    /// Double.
    Double(f64),
    /// A text of any kind.
    Text(String),
    /// DateTime.
    Time(Timestamp),
    /// ByteString.
    Bytes(Vec<u8>),
    /// An array of numbers.
    Numbers(Vec<f64>),
    /// An array of texts.
    Texts(Vec<String>),
    /// A NodeId.
    Id(Node),
    /// Anything else, in words.
    Other(String),
}

impl Value {
    /// As a number, when it is one (a boolean is 0 or 1).
    pub fn number(&self) -> Option<f64> {
        Some(match self {
            Value::Boolean(value) => f64::from(u8::from(*value)),
            Value::Integer(value) => *value as f64,
            Value::Unsigned(value) => *value as f64,
            Value::Float(value) => f64::from(*value),
            Value::Double(value) => *value,
            _ => return None,
        })
    }

    /// The bits as they stood on the wire, for numbers.
    pub fn bits(&self) -> Option<u64> {
        Some(match self {
            Value::Boolean(value) => u64::from(*value),
            Value::Integer(value) => value.cast_unsigned(),
            Value::Unsigned(value) => *value,
            Value::Float(value) => u64::from(value.to_bits()),
            Value::Double(value) => value.to_bits(),
            _ => return None,
        })
    }

    /// As a text, when it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// A value with what the server says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct DataValue {
    /// The value.
    pub value: Value,
    /// Status code, all 32 bits.
    pub status: u32,
    /// When the source measured, when the server says.
    pub source_time: Option<Timestamp>,
    /// When the server knew it, when it says.
    pub server_time: Option<Timestamp>,
}

/// Where a reference leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The node there.
    pub target: Node,
    /// Namespace URI of its browse name.
    pub browse_namespace: String,
    /// Its browse name.
    pub browse_name: String,
    /// Text for people.
    pub display_name: String,
    /// 1 object, 2 variable, 4 method, 8 object type, 16 variable type …
    pub node_class: u32,
    /// Its type, when it has one.
    pub type_definition: Option<Node>,
    /// Which kind of reference it is.
    pub reference_type: Node,
}

/// A value that changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// Position of the node in the list that was subscribed.
    pub item: usize,
    /// What it is now.
    pub value: DataValue,
}

/// What arrived.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Incoming {
    /// In the order of the server.
    pub notifications: Vec<Notification>,
    /// Notifications lost since the last call.
    pub lost: u64,
    /// There are more.
    pub more: bool,
    /// Whether there is a session now.
    pub is_connected: bool,
    /// Counts sessions.
    pub session: u64,
    /// Positions of items that the server refused, and with which status code.
    pub refused: Vec<(usize, u32)>,
}

/// A page of history.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct History {
    /// Oldest first.
    pub values: Vec<DataValue>,
    /// What to hand back for the next page; empty at the end.
    pub next: Vec<u8>,
}
