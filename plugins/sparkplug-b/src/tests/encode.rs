//! Payloads as an edge node writes them, for what no frame file has.

use tutin_sdk::mqtt::Message;

use super::at;

/// A metric under construction.
#[derive(Clone, Default)]
pub struct Fields(Vec<u8>);

impl Fields {
    pub fn varint(mut self, field: u64, value: u64) -> Self {
        put(&mut self.0, field << 3);
        put(&mut self.0, value);
        self
    }

    pub fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        put(&mut self.0, field << 3 | 2);
        put(&mut self.0, bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    pub fn double(mut self, field: u64, value: f64) -> Self {
        put(&mut self.0, field << 3 | 1);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub fn done(self) -> Vec<u8> {
        self.0
    }
}

fn put(to: &mut Vec<u8>, mut value: u64) {
    while value > 0x7F {
        to.push(value as u8 & 0x7F | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

/// A double with a name.
pub fn double(name: &str, value: f64) -> Fields {
    Fields::default().bytes(1, name.as_bytes()).varint(4, 10).double(13, value)
}

/// A birth's or death's number.
pub fn bd_seq(number: u64) -> Fields {
    Fields::default().bytes(1, b"bdSeq").varint(4, 8).varint(11, number)
}

/// A message at this second.
pub fn message(topic: &str, seq: Option<u64>, second: f64, metrics: &[Fields]) -> Message {
    let mut payload = Fields::default().varint(1, (at(second).0 / 1_000_000) as u64);
    for metric in metrics {
        payload = payload.bytes(2, &metric.0);
    }
    if let Some(seq) = seq {
        payload = payload.varint(3, seq);
    }
    let payload = payload.done();
    Message { topic: format!("spBv1.0/plant/{topic}"), payload, is_retained: false, is_again: false, at: at(second) }
}
