//! The session that the host holds.

use crate::bindings::tutin::opcua::{client, control};
use crate::driver::Timestamp;
use crate::opcua::{
    Attribute, Client, Control, DataValue, Error, History, Incoming, Node, Notification, Rates, Reference, Types, Value,
};

/// A session that the configuration gave to this device. Only inside the host: in a native build every call panics,
/// because there is nobody to call.
#[derive(Debug)]
pub struct Link(client::Link);

impl Link {
    /// The link that the description asked for by this name.
    pub fn open(name: &str) -> Result<Self, Error> {
        Ok(Link(client::Link::open(name)?))
    }
}

impl Client for Link {
    fn namespaces(&self) -> Result<Vec<String>, Error> {
        Ok(self.0.namespaces()?)
    }

    fn browse(&self, nodes: &[Node], types: Types) -> Result<Vec<Result<Vec<Reference>, u32>>, Error> {
        let answers = self.0.browse(&to_contract(nodes), types == Types::Too)?;
        let list = |references: Vec<client::Reference>| references.into_iter().map(Reference::from).collect();
        Ok(answers.into_iter().map(|answer| answer.map(list)).collect())
    }

    fn read(&self, nodes: &[Node], attribute: Attribute) -> Result<Vec<DataValue>, Error> {
        let values = self.0.read(&to_contract(nodes), attribute.code())?;
        Ok(values.into_iter().map(DataValue::from).collect())
    }

    fn subscribe(&self, nodes: &[Node], rates: Rates) -> Result<(), Error> {
        let Rates { sampling_ms, publishing_ms, queue } = rates;
        Ok(self.0.subscribe(&to_contract(nodes), sampling_ms, publishing_ms, queue)?)
    }

    fn receive(&self, most: u32) -> Result<Incoming, Error> {
        let client::Incoming { notifications, lost, more, connected, session, refused } = self.0.receive(most)?;
        let notification = |notification: client::Notification| Notification {
            item: position(notification.item),
            value: notification.value.into(),
        };
        Ok(Incoming {
            notifications: notifications.into_iter().map(notification).collect(),
            lost,
            more,
            is_connected: connected,
            session,
            refused: refused.into_iter().map(|(item, status)| (position(item), status)).collect(),
        })
    }

    fn history(&self, node: &Node, begin: Timestamp, end: Timestamp, most: u32, next: &[u8]) -> Result<History, Error> {
        let client::History { values, next } = self.0.history(&node.into(), begin.0, end.0, most, next)?;
        Ok(History { values: values.into_iter().map(DataValue::from).collect(), next })
    }
}

impl Control for Link {
    fn call(&self, object: &Node, method: &Node, arguments: &[Value]) -> Result<Vec<Value>, Error> {
        let arguments: Vec<client::Value> = arguments.iter().map(client::Value::from).collect();
        let values = control::call(&self.0, &object.into(), &method.into(), &arguments)?;
        Ok(values.into_iter().map(Value::from).collect())
    }

    fn write(&self, node: &Node, value: &Value) -> Result<(), Error> {
        Ok(control::write(&self.0, &node.into(), &value.into())?)
    }
}

fn position(item: u32) -> usize {
    usize::try_from(item).unwrap_or(usize::MAX)
}

fn to_contract(nodes: &[Node]) -> Vec<client::Node> {
    nodes.iter().map(client::Node::from).collect()
}

impl From<&Node> for client::Node {
    fn from(node: &Node) -> Self {
        client::Node { namespace: node.namespace.clone(), identifier: node.identifier.clone() }
    }
}

impl From<client::Node> for Node {
    fn from(node: client::Node) -> Self {
        Node::new(node.namespace, node.identifier)
    }
}

impl From<client::Reference> for Reference {
    fn from(reference: client::Reference) -> Self {
        Reference {
            target: reference.target.into(),
            browse_namespace: reference.browse_namespace,
            browse_name: reference.browse_name,
            display_name: reference.display_name,
            node_class: reference.node_class,
            type_definition: Some(reference.type_definition).filter(|node| !node.identifier.is_empty()).map(Node::from),
            reference_type: reference.reference_type.into(),
        }
    }
}

impl From<client::DataValue> for DataValue {
    fn from(value: client::DataValue) -> Self {
        let time = |nanos: i64| (nanos != 0).then_some(Timestamp(nanos));
        DataValue {
            value: value.value.into(),
            status: value.status,
            source_time: time(value.source_time),
            server_time: time(value.server_time),
        }
    }
}

impl From<client::Value> for Value {
    fn from(value: client::Value) -> Self {
        match value {
            client::Value::Empty => Value::Empty,
            client::Value::Boolean(value) => Value::Boolean(value),
            client::Value::Integer(value) => Value::Integer(value),
            client::Value::Unsigned(value) => Value::Unsigned(value),
            client::Value::Float(value) => Value::Float(value),
            client::Value::Double(value) => Value::Double(value),
            client::Value::Text(value) => Value::Text(value),
            client::Value::Time(value) => Value::Time(Timestamp(value)),
            client::Value::Bytes(value) => Value::Bytes(value),
            client::Value::Numbers(values) => Value::Numbers(values),
            client::Value::Texts(values) => Value::Texts(values),
            client::Value::Id(node) => Value::Id(node.into()),
            client::Value::Other(text) => Value::Other(text),
        }
    }
}

impl From<&Value> for client::Value {
    fn from(value: &Value) -> Self {
        match value {
            Value::Empty => client::Value::Empty,
            Value::Boolean(value) => client::Value::Boolean(*value),
            Value::Integer(value) => client::Value::Integer(*value),
            Value::Unsigned(value) => client::Value::Unsigned(*value),
            Value::Float(value) => client::Value::Float(*value),
            Value::Double(value) => client::Value::Double(*value),
            Value::Text(value) => client::Value::Text(value.clone()),
            Value::Time(value) => client::Value::Time(value.0),
            Value::Bytes(value) => client::Value::Bytes(value.clone()),
            Value::Numbers(values) => client::Value::Numbers(values.clone()),
            Value::Texts(values) => client::Value::Texts(values.clone()),
            Value::Id(node) => client::Value::Id(node.into()),
            Value::Other(text) => client::Value::Other(text.clone()),
        }
    }
}
