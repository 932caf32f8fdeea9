//! Values of plugins, made into what a variable or an argument takes.
//!
//! Invariant: what does not fit is refused by name; nothing is cut off or wrapped round.

use opcua::types::variant::XmlElement;
use opcua::types::{
    Array, ByteString, DateTime, ExpandedNodeId, Guid, LocalizedText, QualifiedName, UAString, Variant,
    VariantScalarTypeId,
};

use super::bindings::tutin::opcua::client::Value;
use super::node::Namespaces;
use super::value::{nanos, show, tick_from};

/// What a variable takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Wanted {
    /// One value of this type.
    Scalar(Kind),
    /// Any number of values of this type.
    Array(Kind),
    /// Either.
    Either(Kind),
}

/// A type of values (OPC 10000-6, 5.1.2); the number is its NodeId in OPC UA's own namespace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// Exactly this one.
    Of(VariantScalarTypeId),
    /// Whatever the value is by itself.
    Any,
}

impl Wanted {
    /// A variable's value rank (OPC 10000-3, 5.6.2) says how many values it takes.
    pub(super) fn of(kind: Kind, rank: i32) -> Self {
        match rank {
            -1 => Wanted::Scalar(kind),
            -3 | -2 => Wanted::Either(kind),
            _ => Wanted::Array(kind),
        }
    }
}

impl Kind {
    /// The type of this number in OPC UA's own namespace; none when it is derived from another, or a structure.
    pub(super) fn of(number: u32) -> Option<Self> {
        use VariantScalarTypeId as Id;
        Some(Kind::Of(match number {
            1 => Id::Boolean,
            2 => Id::SByte,
            3 => Id::Byte,
            4 => Id::Int16,
            5 => Id::UInt16,
            6 => Id::Int32,
            7 => Id::UInt32,
            8 => Id::Int64,
            9 => Id::UInt64,
            10 => Id::Float,
            11 => Id::Double,
            12 => Id::String,
            13 => Id::DateTime,
            14 => Id::Guid,
            15 => Id::ByteString,
            16 => Id::XmlElement,
            17 => Id::NodeId,
            18 => Id::ExpandedNodeId,
            20 => Id::QualifiedName,
            21 => Id::LocalizedText,
            // BaseDataType, Number, Integer and UInteger leave the choice; an Enumeration is an Int32.
            24 | 26 | 27 | 28 => return Some(Kind::Any),
            29 => Id::Int32,
            _ => return None,
        }))
    }
}

/// The value as the server wants it, or a sentence that says why it cannot be.
pub(super) fn to_server(value: &Value, wanted: Wanted, namespaces: &Namespaces) -> Result<Variant, String> {
    let (Wanted::Scalar(kind) | Wanted::Array(kind) | Wanted::Either(kind)) = wanted;
    let many = matches!(value, Value::Numbers(_) | Value::Texts(_));
    match (wanted, many) {
        (Wanted::Scalar(_), true) => Err(format!("{} do not fit a single value", show(value))),
        (Wanted::Array(_), false) => Err(format!("{} does not fit an array", show(value))),
        (_, false) => scalar(value, kind, namespaces),
        (_, true) => array(value, kind, namespaces),
    }
}

fn array(value: &Value, kind: Kind, namespaces: &Namespaces) -> Result<Variant, String> {
    let (natural, elements): (_, Vec<Value>) = match value {
        Value::Numbers(numbers) => (VariantScalarTypeId::Double, numbers.iter().copied().map(Value::Double).collect()),
        Value::Texts(texts) => (VariantScalarTypeId::String, texts.iter().cloned().map(Value::Text).collect()),
        other => return Err(format!("{} is no array", show(other))),
    };
    let element = match kind {
        Kind::Of(element) => element,
        Kind::Any => natural,
    };
    let elements =
        elements.iter().map(|value| scalar(value, Kind::Of(element), namespaces)).collect::<Result<Vec<_>, _>>()?;
    let array = Array::new(element, elements).map_err(|error| error.to_string())?;
    Ok(Variant::Array(Box::new(array)))
}

fn scalar(value: &Value, kind: Kind, namespaces: &Namespaces) -> Result<Variant, String> {
    use VariantScalarTypeId as Id;
    let misfit = || match kind {
        Kind::Of(id) => format!("{} does not fit {id:?}", show(value)),
        Kind::Any => format!("{} cannot be sent", show(value)),
    };
    let Kind::Of(id) = kind else { return natural(value, namespaces).ok_or_else(misfit) };
    let node = |node| namespaces.to_server(node).map_err(|error| error.to_string());
    match (id, value) {
        (Id::Boolean, Value::Boolean(value)) => Some(Variant::Boolean(*value)),
        (Id::SByte, value) => whole(value).map(Variant::SByte),
        (Id::Byte, value) => whole(value).map(Variant::Byte),
        (Id::Int16, value) => whole(value).map(Variant::Int16),
        (Id::UInt16, value) => whole(value).map(Variant::UInt16),
        (Id::Int32, value) => whole(value).map(Variant::Int32),
        (Id::UInt32, value) => whole(value).map(Variant::UInt32),
        (Id::Int64, value) => whole(value).map(Variant::Int64),
        (Id::UInt64, value) => whole(value).map(Variant::UInt64),
        (Id::Float, value) => single(value).map(Variant::Float),
        (Id::Double, value) => double(value).map(Variant::Double),
        (Id::String, Value::Text(text)) => Some(Variant::String(UAString::from(text.as_str()))),
        (Id::LocalizedText, Value::Text(text)) => Some(Variant::LocalizedText(Box::new(LocalizedText::new("", text)))),
        (Id::QualifiedName, Value::Text(text)) => {
            Some(Variant::QualifiedName(Box::new(QualifiedName::new(0, text.as_str()))))
        }
        (Id::XmlElement, Value::Text(text)) => Some(Variant::XmlElement(XmlElement::from(text.as_str()))),
        (Id::Guid, Value::Text(text)) => text.parse::<Guid>().ok().map(|guid| Variant::Guid(Box::new(guid))),
        (Id::DateTime, Value::Time(at)) => time(*at).map(|time| Variant::DateTime(Box::new(time))),
        (Id::ByteString, Value::Bytes(bytes)) => Some(Variant::ByteString(ByteString::from(bytes.clone()))),
        (Id::NodeId, Value::Id(id)) => Some(Variant::NodeId(Box::new(node(id)?))),
        (Id::ExpandedNodeId, Value::Id(id)) => Some(Variant::ExpandedNodeId(Box::new(ExpandedNodeId::from(node(id)?)))),
        _ => None,
    }
    .ok_or_else(misfit)
}

/// The variant that says most of what the value is.
fn natural(value: &Value, namespaces: &Namespaces) -> Option<Variant> {
    Some(match value {
        Value::Empty => Variant::Empty,
        Value::Boolean(value) => Variant::Boolean(*value),
        Value::Integer(value) => Variant::Int64(*value),
        Value::Unsigned(value) => Variant::UInt64(*value),
        Value::Float(value) => Variant::Float(*value),
        Value::Double(value) => Variant::Double(*value),
        Value::Text(text) => Variant::String(UAString::from(text.as_str())),
        Value::Time(at) => Variant::DateTime(Box::new(time(*at)?)),
        Value::Bytes(bytes) => Variant::ByteString(ByteString::from(bytes.clone())),
        Value::Id(node) => Variant::NodeId(Box::new(namespaces.to_server(node).ok()?)),
        Value::Numbers(_) | Value::Texts(_) => array(value, Kind::Any, namespaces).ok()?,
        Value::Other(_) => return None,
    })
}

/// A whole number that the type can hold.
fn whole<T: TryFrom<i128>>(value: &Value) -> Option<T> {
    let number = match value {
        Value::Integer(value) => i128::from(*value),
        Value::Unsigned(value) => i128::from(*value),
        Value::Float(value) if value.fract() == 0.0 => *value as i128,
        Value::Double(value) if value.fract() == 0.0 => *value as i128,
        _ => return None,
    };
    T::try_from(number).ok()
}

/// A double that is the number itself.
fn double(value: &Value) -> Option<f64> {
    match value {
        Value::Double(value) => Some(*value),
        Value::Float(value) => Some((*value).into()),
        Value::Integer(number) => Some(*number as f64).filter(|value| *value as i128 == i128::from(*number)),
        Value::Unsigned(number) => Some(*number as f64).filter(|value| *value as i128 == i128::from(*number)),
        _ => None,
    }
}

/// A float: rounded as any decimal number is, but never to infinity, and whole numbers not at all.
fn single(value: &Value) -> Option<f32> {
    match value {
        Value::Float(value) => Some(*value),
        Value::Double(value) => Some(*value as f32).filter(|single| single.is_finite() || !value.is_finite()),
        Value::Integer(number) => Some(*number as f32).filter(|value| *value as i128 == i128::from(*number)),
        Value::Unsigned(number) => Some(*number as f32).filter(|value| *value as i128 == i128::from(*number)),
        _ => None,
    }
}

/// A moment that ticks of 100 ns can say.
fn time(at: i64) -> Option<DateTime> {
    Some(tick_from(at)).filter(|time| nanos(time) == Some(at))
}
