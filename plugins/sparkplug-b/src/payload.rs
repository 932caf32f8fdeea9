//! The Sparkplug B payload: protobuf messages `Payload`, `Metric`, `PropertySet` and `PropertyValue`.
//!
//! ```text
//! field    = key value            key = varint: field number × 8 + wire type
//! varint   = 7 bits a byte, low ones first; bit 7 says that more follow        wire type 0
//! fixed64, fixed32 = little endian                                             wire types 1, 5
//! bytes    = length as varint, then so many bytes                              wire type 2
//!
//! Payload        1 timestamp  2 metrics  3 seq
//! Metric         1 name  2 alias  3 timestamp  4 datatype  5 is_historical  7 is_null  9 properties
//!                10 int  11 long  12 float  13 double  14 boolean  15 string  16 bytes  17 dataset  18 template
//! PropertySet    1 keys  2 values
//! PropertyValue  2 is_null  3 int  4 long  5 float  6 double  7 boolean  8 string
//! ```
//!
//! What is not listed is skipped, as protobuf asks. Source: Sparkplug 3.0, chapter 6, and its sparkplug_b.proto. Written by hand: these are four
//! messages, and a decoder of our own says what is wrong in words and has its own bounds.

/// Most metrics of one payload.
const MOST_METRICS: usize = 20_000;

/// What a message carries.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Payload {
    /// When it was sent, milliseconds since 1970.
    pub timestamp: Option<u64>,
    /// Its metrics.
    pub metrics: Vec<Metric>,
    /// Its sequence number.
    pub seq: Option<u64>,
}

/// A value with its name or alias.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metric {
    /// On births.
    pub name: Option<String>,
    /// In place of the name later.
    pub alias: Option<u64>,
    /// When it was measured, milliseconds since 1970.
    pub timestamp: Option<u64>,
    /// Code of its type.
    pub datatype: Option<u64>,
    /// It was measured earlier and is not the present value.
    pub is_historical: bool,
    /// It has no value.
    pub is_null: bool,
    /// The property `Quality`.
    pub quality: Option<u64>,
    /// Properties with a text.
    pub texts: Vec<(String, String)>,
    /// What it is.
    pub value: Value,
}

/// A value as it stands on the wire.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Value {
    /// None.
    #[default]
    Empty,
    /// `int_value`.
    Int(u32),
    /// `long_value`.
    Long(u64),
    /// `float_value`.
    Float(f32),
    /// `double_value`.
    Double(f64),
    /// `boolean_value`.
    Boolean(bool),
    /// `string_value`.
    Text(String),
    /// A set, a template, bytes.
    Other,
}

/// Why bytes are no payload.
pub type Wrong = String;

/// One field of a message.
enum Field<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    Fixed32([u8; 4]),
}

/// Reads a payload.
pub fn decode(bytes: &[u8]) -> Result<Payload, Wrong> {
    let mut payload = Payload::default();
    fields(bytes, |number, field| {
        match (number, field) {
            (1, Field::Varint(timestamp)) => payload.timestamp = Some(timestamp),
            (2, Field::Bytes(_)) if payload.metrics.len() >= MOST_METRICS => {
                return Err(format!("more than {MOST_METRICS} metrics"));
            }
            (2, Field::Bytes(bytes)) => payload.metrics.push(metric(bytes)?),
            (3, Field::Varint(seq)) => payload.seq = Some(seq),
            _ => {}
        }
        Ok(())
    })?;
    Ok(payload)
}

fn metric(bytes: &[u8]) -> Result<Metric, Wrong> {
    let mut metric = Metric::default();
    fields(bytes, |number, field| {
        match (number, &field) {
            (1, Field::Bytes(name)) => metric.name = Some(text(name)?),
            (2, Field::Varint(alias)) => metric.alias = Some(*alias),
            (3, Field::Varint(timestamp)) => metric.timestamp = Some(*timestamp),
            (4, Field::Varint(datatype)) => metric.datatype = Some(*datatype),
            (5, Field::Varint(flag)) => metric.is_historical = *flag != 0,
            (7, Field::Varint(flag)) => metric.is_null = *flag != 0,
            (9, Field::Bytes(bytes)) => properties(bytes, &mut metric)?,
            (10..=18, _) => metric.value = value(number - 10, &field)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(metric)
}

/// The alternatives of a value, by their place after the first.
fn value(alternative: u64, field: &Field) -> Result<Value, Wrong> {
    Ok(match (alternative, field) {
        // A negative number may be written with all ten bytes: the low 32 bits are the value.
        (0, Field::Varint(value)) => Value::Int(*value as u32),
        (1, Field::Varint(value)) => Value::Long(*value),
        (2, Field::Fixed32(bytes)) => Value::Float(f32::from_le_bytes(*bytes)),
        (3, Field::Fixed64(bytes)) => Value::Double(f64::from_le_bytes(*bytes)),
        (4, Field::Varint(value)) => Value::Boolean(*value != 0),
        (5, Field::Bytes(bytes)) => Value::Text(text(bytes)?),
        _ => Value::Other,
    })
}

fn properties(bytes: &[u8], metric: &mut Metric) -> Result<(), Wrong> {
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    fields(bytes, |number, field| {
        match (number, field) {
            (1, Field::Bytes(key)) => keys.push(text(key)?),
            (2, Field::Bytes(bytes)) => values.push(property(bytes)?),
            _ => {}
        }
        Ok(())
    })?;
    for (key, value) in keys.into_iter().zip(values) {
        match value {
            Value::Int(code) if key == "Quality" => metric.quality = Some(code.into()),
            Value::Long(code) if key == "Quality" => metric.quality = Some(code),
            Value::Text(text) => metric.texts.push((key, text)),
            _ => {}
        }
    }
    Ok(())
}

fn property(bytes: &[u8]) -> Result<Value, Wrong> {
    let mut found = Value::Empty;
    fields(bytes, |number, field| {
        if (3..=8).contains(&number) {
            found = value(number - 3, &field)?;
        }
        Ok(())
    })?;
    Ok(found)
}

fn text(bytes: &[u8]) -> Result<String, Wrong> {
    Ok(std::str::from_utf8(bytes).map_err(|_| "a text that is no UTF-8")?.to_owned())
}

/// Goes through the fields of a message.
fn fields<'a>(bytes: &'a [u8], mut take: impl FnMut(u64, Field<'a>) -> Result<(), Wrong>) -> Result<(), Wrong> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        let field = match key & 7 {
            0 => Field::Varint(varint(&mut rest)?),
            1 => Field::Fixed64(fixed(&mut rest)?),
            2 => {
                let length = varint(&mut rest)?;
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                let Some((inside, after)) = rest.split_at_checked(length) else {
                    return Err(format!("a field of {length} bytes, and {} are left", rest.len()));
                };
                rest = after;
                Field::Bytes(inside)
            }
            5 => Field::Fixed32(fixed(&mut rest)?),
            other => return Err(format!("wire type {other} of field {}", key >> 3)),
        };
        take(key >> 3, field)?;
    }
    Ok(())
}

fn varint(rest: &mut &[u8]) -> Result<u64, Wrong> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let Some((byte, after)) = rest.split_first() else { return Err("it ends within a number".into()) };
        *rest = after;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a number of more than ten bytes".into())
}

fn fixed<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Wrong> {
    let Some((bytes, after)) = rest.split_first_chunk() else { return Err("it ends within a number".into()) };
    *rest = after;
    Ok(*bytes)
}

/// The payload of the command that asks an edge node for its births: `Node Control/Rebirth` = true.
pub fn rebirth(timestamp_ms: u64) -> Vec<u8> {
    let mut metric = Vec::new();
    put_bytes(&mut metric, 1, b"Node Control/Rebirth");
    put_varint(&mut metric, 3, timestamp_ms);
    put_varint(&mut metric, 4, 11);
    put_varint(&mut metric, 14, 1);
    let mut payload = Vec::new();
    put_varint(&mut payload, 1, timestamp_ms);
    put_bytes(&mut payload, 2, &metric);
    payload
}

fn put_bytes(to: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put(to, field << 3 | 2);
    put(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

fn put_varint(to: &mut Vec<u8>, field: u64, value: u64) {
    put(to, field << 3);
    put(to, value);
}

fn put(to: &mut Vec<u8>, mut value: u64) {
    while value > 0x7F {
        to.push(value as u8 & 0x7F | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}
