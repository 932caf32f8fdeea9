//! A node as a case writes it.

use opcua::types::{DataTypeId, EUInformation, ExtensionObject, LocalizedText, NodeClass, NodeId, UAString, Variant};
use serde::Deserialize;

/// Namespace of engineering units with codes of UN/CEFACT (OPC 10000-8, 5.6.3).
const UNITS: &str = "http://www.opcfoundation.org/UA/units/un/cefact";

/// A node: `{ id = "ns=2;s=NO", name = "NO", type = "double", value = 12.5 }`.
///
/// When a node that is there is set, `value`, `status` and `time` count, and the rest may be left out.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// `ns=2;s=NO`, `nsu=http://vendor.example/;s=NO` or, in the namespace of OPC UA, `i=85`.
    pub id: String,
    /// Browse name, and the name that is shown. `3:ParameterSet` has a namespace of its own, else it is that of the id. Default: the id.
    pub name: Option<String>,
    /// What it is below. Default: the Objects folder.
    pub parent: Option<String>,
    /// By which reference it is below. Default: HasComponent, for what is directly below the Objects folder Organizes.
    pub reference: Option<Reference>,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: Option<Kind>,
    /// Node of its type definition.
    pub type_definition: Option<String>,
    /// Its value. Without one it has none.
    pub value: Option<Value>,
    /// Status code of the value. Default: good.
    pub status: Option<u32>,
    /// The value's source time (RFC 3339). Without one it has none.
    pub time: Option<String>,
}

/// References by which a node is below another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "the names are the standard's")]
pub enum Reference {
    HasComponent,
    HasOrderedComponent,
    HasProperty,
    HasSubtype,
    Organizes,
}

/// What a node is: an object, a method, a type, or a variable of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the standard's")]
pub enum Kind {
    Object,
    /// A type of objects, that a `type_definition` may name.
    ObjectType,
    /// Whatever it is called with is good.
    Method,
    Bool,
    Int16,
    #[serde(rename = "uint16")]
    UInt16,
    Int32,
    #[serde(rename = "uint32")]
    UInt32,
    Int64,
    #[serde(rename = "uint64")]
    UInt64,
    Float,
    Double,
    String,
    /// An engineering unit (EUInformation), by its display name.
    Unit,
}

/// A value as a case writes it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
#[allow(missing_docs, reason = "each is what it holds")]
pub enum Value {
    Bool(bool),
    Integer(i64),
    Number(f64),
    Text(String),
}

impl Kind {
    pub(super) fn class(self) -> NodeClass {
        match self {
            Kind::Object => NodeClass::Object,
            Kind::ObjectType => NodeClass::ObjectType,
            Kind::Method => NodeClass::Method,
            _ => NodeClass::Variable,
        }
    }

    /// The data type of a variable.
    pub(super) fn data_type(self) -> Option<DataTypeId> {
        Some(match self {
            Kind::Object | Kind::ObjectType | Kind::Method => return None,
            Kind::Bool => DataTypeId::Boolean,
            Kind::Int16 => DataTypeId::Int16,
            Kind::UInt16 => DataTypeId::UInt16,
            Kind::Int32 => DataTypeId::Int32,
            Kind::UInt32 => DataTypeId::UInt32,
            Kind::Int64 => DataTypeId::Int64,
            Kind::UInt64 => DataTypeId::UInt64,
            Kind::Float => DataTypeId::Float,
            Kind::Double => DataTypeId::Double,
            Kind::String => DataTypeId::String,
            Kind::Unit => DataTypeId::EUInformation,
        })
    }

    /// The value in this type; nothing when it is none of this type.
    pub(super) fn variant(self, value: &Value) -> Option<Variant> {
        Some(match (self, value) {
            (Kind::Bool, Value::Bool(bool)) => Variant::Boolean(*bool),
            (Kind::Int16, Value::Integer(number)) => Variant::Int16((*number).try_into().ok()?),
            (Kind::UInt16, Value::Integer(number)) => Variant::UInt16(*number as u16),
            (Kind::Int32, Value::Integer(number)) => Variant::Int32((*number).try_into().ok()?),
            (Kind::UInt32, Value::Integer(number)) => Variant::UInt32((*number).try_into().ok()?),
            (Kind::Int64, Value::Integer(number)) => Variant::Int64(*number),
            (Kind::UInt64, Value::Integer(number)) => Variant::UInt64((*number).try_into().ok()?),
            (Kind::Float, Value::Number(number)) => Variant::Float(*number as f32),
            (Kind::Float, Value::Integer(number)) => Variant::Float(*number as f32),
            (Kind::Double, Value::Number(number)) => Variant::Double(*number),
            (Kind::Double, Value::Integer(number)) => Variant::Double(*number as f64),
            (Kind::String, Value::Text(text)) => Variant::String(text.into()),
            (Kind::Unit, Value::Text(text)) => Variant::from(ExtensionObject::from_message(EUInformation {
                namespace_uri: UAString::from(UNITS),
                unit_id: -1,
                display_name: LocalizedText::new("", text),
                description: LocalizedText::new("", text),
            })),
            _ => return None,
        })
    }
}

impl Reference {
    pub(super) fn id(self) -> NodeId {
        NodeId::new(
            0,
            match self {
                Reference::HasComponent => 47_u32,
                Reference::HasOrderedComponent => 49,
                Reference::HasProperty => 46,
                Reference::HasSubtype => 45,
                Reference::Organizes => 35,
            },
        )
    }
}
