//! What a server said of its nodes, for a trace of which a case can be made.

use opcua::types::{DataValue, EUInformation, Variant};
use serde_json::Value as Json;

use super::bindings::tutin::opcua::client::{Node, Reference};
use super::node;
use super::value::nanos;
use crate::capability::wire::{Said, SeenNode};
use crate::time::Timestamp;

/// What is below a node.
pub(super) fn below(parent: &Node, references: &[Reference]) -> Vec<SeenNode> {
    let parent = node::show(parent);
    let one = |reference: &Reference| SeenNode {
        id: node::show(&reference.target),
        said: Said::Below {
            parent: parent.clone(),
            reference: node::show(&reference.reference_type),
            namespace: reference.browse_namespace.clone(),
            name: reference.browse_name.clone(),
            class: reference.node_class,
            type_definition: Some(node::show(&reference.type_definition)).filter(|id| !id.is_empty()),
        },
    };
    references.iter().map(one).collect()
}

/// The value of a node.
pub(super) fn value(node: &Node, value: &DataValue) -> SeenNode {
    let (data_type, json) = value.value.as_ref().map(typed).unwrap_or_default();
    let time = value.source_timestamp.as_ref().and_then(nanos).filter(|nanos| *nanos != 0);
    let said = Said::Value {
        data_type: data_type.to_owned(),
        value: json,
        status: value.status.map_or(0, |status| status.bits()),
        time: time.map(Timestamp),
    };
    SeenNode { id: node::show(node), said }
}

/// A value with the name of its type, where it is one of those that a case can have.
fn typed(value: &Variant) -> (&'static str, Option<Json>) {
    let real = |number: f64| {
        if number.is_finite() { Json::from(number) } else { Json::from(number.to_string()) }
    };
    let (data_type, json) = match value {
        Variant::Boolean(value) => ("Boolean", Json::from(*value)),
        Variant::SByte(value) => ("Int16", Json::from(*value)),
        Variant::Byte(value) => ("UInt16", Json::from(*value)),
        Variant::Int16(value) => ("Int16", Json::from(*value)),
        Variant::UInt16(value) => ("UInt16", Json::from(*value)),
        Variant::Int32(value) => ("Int32", Json::from(*value)),
        Variant::UInt32(value) => ("UInt32", Json::from(*value)),
        Variant::Int64(value) => ("Int64", Json::from(*value)),
        Variant::UInt64(value) => ("UInt64", Json::from(*value)),
        Variant::Float(value) => ("Float", real((*value).into())),
        Variant::Double(value) => ("Double", real(*value)),
        Variant::String(text) => ("String", Json::from(text.as_ref())),
        // A driver is told texts of any kind alike.
        Variant::LocalizedText(text) => ("String", Json::from(text.text.as_ref())),
        Variant::QualifiedName(name) => ("String", Json::from(name.name.as_ref())),
        Variant::ExtensionObject(object) => match object.inner_as::<EUInformation>() {
            Some(unit) => ("EUInformation", Json::from(unit.display_name.text.as_ref())),
            None => return ("ExtensionObject", None),
        },
        Variant::Empty => return ("", None),
        Variant::Array(_) => return ("Array", None),
        _ => return ("Other", None),
    };
    (data_type, Some(json))
}
