//! Values as the server sends them, made into values as plugins know them.
//!
//! Invariant: a number arrives bit for bit, or in words; it is never rounded.

use opcua::types::{Argument, Array, DataValue, DateTime, EUInformation, ExtensionObject, Range, StatusCode, Variant};

use super::bindings::tutin::opcua::client::{self as contract, Value};
use super::fault::status_text;
use super::node::Namespaces;

/// Ticks of 100 ns from 1601-01-01 to 1970-01-01 (OPC 10000-6, 5.2.2.5).
const EPOCH: i64 = 116_444_736_000_000_000;
const NANOS_PER_TICK: i64 = 100;
/// Most characters of what is told in words.
const LONGEST_WORDS: usize = 4096;
/// Largest whole number up to which a double has them all.
const EXACT: u64 = 1 << 53;
/// Info bits of a status: it belongs to a data value, and the server's queue overflowed (OPC 10000-4, 7.39.1).
const INFO_TYPE: u32 = 0x0c00;
const DATA_VALUE: u32 = 0x0400;
const OVERFLOW: u32 = 0x0080;

/// A data value with its status and times.
pub(super) fn data_value(value: &DataValue, namespaces: &Namespaces) -> contract::DataValue {
    let time = |time: Option<&DateTime>, picoseconds: Option<u16>| {
        let nanos = time.and_then(nanos).unwrap_or_default();
        // Intervals of 10 ps within the tick.
        if nanos == 0 { 0 } else { nanos.saturating_add(i64::from(picoseconds.unwrap_or_default() / 100)) }
    };
    contract::DataValue {
        value: value.value.as_ref().map_or(Value::Empty, |value| from_server(value, namespaces)),
        status: value.status.map_or(0, |status| status.bits()),
        source_time: time(value.source_timestamp.as_ref(), value.source_picoseconds),
        server_time: time(value.server_timestamp.as_ref(), value.server_picoseconds),
    }
}

/// A value without anything but a status.
pub(super) fn refused(status: StatusCode) -> contract::DataValue {
    contract::DataValue { value: Value::Empty, status: status.bits(), source_time: 0, server_time: 0 }
}

/// Whether the status says that the server dropped values before this one.
pub(super) fn is_overflow(status: u32) -> bool {
    status & INFO_TYPE == DATA_VALUE && status & OVERFLOW != 0
}

/// A value as plugins know it.
pub(super) fn from_server(value: &Variant, namespaces: &Namespaces) -> Value {
    match value {
        Variant::Empty => Value::Empty,
        Variant::Boolean(value) => Value::Boolean(*value),
        Variant::SByte(value) => Value::Integer((*value).into()),
        Variant::Int16(value) => Value::Integer((*value).into()),
        Variant::Int32(value) => Value::Integer((*value).into()),
        Variant::Int64(value) => Value::Integer(*value),
        Variant::Byte(value) => Value::Unsigned((*value).into()),
        Variant::UInt16(value) => Value::Unsigned((*value).into()),
        Variant::UInt32(value) => Value::Unsigned((*value).into()),
        Variant::UInt64(value) => Value::Unsigned(*value),
        Variant::Float(value) => Value::Float(*value),
        Variant::Double(value) => Value::Double(*value),
        Variant::DateTime(time) => match nanos(time) {
            Some(nanos) => Value::Time(nanos),
            None => Value::Other(time.to_rfc3339()),
        },
        Variant::ByteString(bytes) => Value::Bytes(bytes.as_ref().to_vec()),
        Variant::NodeId(id) => Value::Id(namespaces.to_plugin(id)),
        Variant::ExpandedNodeId(id) => Value::Id(namespaces.expanded(id)),
        Variant::Variant(inner) => from_server(inner, namespaces),
        Variant::DataValue(inner) => inner.value.as_ref().map_or(Value::Empty, |value| from_server(value, namespaces)),
        Variant::StatusCode(status) => Value::Other(status_text(status.bits())),
        Variant::ExtensionObject(object) => Value::Other(structure(object, namespaces)),
        Variant::DiagnosticInfo(info) => Value::Other(words(format!("{info:?}"))),
        Variant::Array(array) => from_array(array, namespaces),
        value => text(value).map_or(Value::Empty, Value::Text),
    }
}

/// Nanoseconds since 1970; none when the time lies outside of what they can say.
pub(super) fn nanos(time: &DateTime) -> Option<i64> {
    time.ticks().checked_sub(EPOCH)?.checked_mul(NANOS_PER_TICK)
}

/// The first tick at or after this moment.
pub(super) fn tick_from(nanos: i64) -> DateTime {
    let ticks = nanos.div_euclid(NANOS_PER_TICK) + i64::from(nanos.rem_euclid(NANOS_PER_TICK) > 0);
    DateTime::from(ticks.saturating_add(EPOCH))
}

fn from_array(array: &Array, namespaces: &Namespaces) -> Value {
    if let Some(numbers) = array.values.iter().map(exact).collect::<Option<Vec<f64>>>() {
        return Value::Numbers(numbers);
    }
    match array.values.iter().map(text).collect::<Option<Vec<String>>>() {
        Some(texts) => Value::Texts(texts),
        None => {
            let shown = array.values.iter().map(|value| show(&from_server(value, namespaces))).collect::<Vec<_>>();
            Value::Other(words(format!("[{}]", shown.join(", "))))
        }
    }
}

/// A number that a double says exactly.
fn exact(value: &Variant) -> Option<f64> {
    match value {
        Variant::SByte(value) => Some((*value).into()),
        Variant::Int16(value) => Some((*value).into()),
        Variant::Int32(value) => Some((*value).into()),
        Variant::Byte(value) => Some((*value).into()),
        Variant::UInt16(value) => Some((*value).into()),
        Variant::UInt32(value) => Some((*value).into()),
        Variant::Float(value) => Some((*value).into()),
        Variant::Double(value) => Some(*value),
        Variant::Boolean(value) => Some(f64::from(u8::from(*value))),
        Variant::Int64(value) => (value.unsigned_abs() <= EXACT).then_some(*value as f64),
        Variant::UInt64(value) => (*value <= EXACT).then_some(*value as f64),
        _ => None,
    }
}

/// What is a text, or must become one in an array.
fn text(value: &Variant) -> Option<String> {
    Some(match value {
        Variant::String(text) => text.as_ref().to_owned(),
        Variant::LocalizedText(text) => text.text.as_ref().to_owned(),
        Variant::QualifiedName(name) => name.name.as_ref().to_owned(),
        Variant::Guid(guid) => guid.to_string(),
        Variant::XmlElement(xml) => xml.to_string(),
        Variant::DateTime(time) => time.to_rfc3339(),
        Variant::SByte(value) => value.to_string(),
        Variant::Int16(value) => value.to_string(),
        Variant::Int32(value) => value.to_string(),
        Variant::Int64(value) => value.to_string(),
        Variant::UInt64(value) => value.to_string(),
        _ => return None,
    })
}

/// A structure in words. Those that describe a measurement are told so that a driver can read them.
fn structure(object: &ExtensionObject, namespaces: &Namespaces) -> String {
    if let Some(unit) = object.inner_as::<EUInformation>() {
        return format!(
            "EUInformation namespace={} id={} name={} description={}",
            unit.namespace_uri.as_ref(),
            unit.unit_id,
            unit.display_name.text.as_ref(),
            unit.description.text.as_ref()
        );
    }
    if let Some(range) = object.inner_as::<Range>() {
        return format!("Range low={} high={}", range.low, range.high);
    }
    if let Some(argument) = object.inner_as::<Argument>() {
        let data_type = super::node::show(&namespaces.to_plugin(&argument.data_type));
        return format!("Argument name={} type={data_type}", argument.name.as_ref());
    }
    match object.type_name() {
        // The library's name of the type has its module in front.
        Some(name) => format!("structure {}", name.rsplit("::").next().unwrap_or(name)),
        None => String::from("structure"),
    }
}

fn words(mut text: String) -> String {
    if text.len() > LONGEST_WORDS {
        let end = (0..=LONGEST_WORDS).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

/// A value for people.
pub(super) fn show(value: &Value) -> String {
    match value {
        Value::Empty => String::from("nothing"),
        Value::Boolean(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Unsigned(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Double(value) => value.to_string(),
        Value::Text(text) => format!("{text:?}"),
        Value::Time(nanos) => crate::time::Timestamp(*nanos).to_string(),
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Value::Numbers(values) => format!("{} numbers", values.len()),
        Value::Texts(values) => format!("{} texts", values.len()),
        Value::Id(node) => super::node::show(node),
        Value::Other(text) => text.clone(),
    }
}
