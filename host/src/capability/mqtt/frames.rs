//! Bytes of a connection taken apart into packets.
//!
//! A message that is too large is not held in memory: its topic and packet identifier are read, the rest is passed over as it arrives.
//!
//! ```text
//! byte 0        type (high four bits), flags: PUBLISH is 3, its flags are dup 8, quality of service 6, retain 1
//! byte 1 to 4   remaining length, seven bits a byte, the lowest first
//! then          length of the topic (2), topic, packet identifier (2, when the quality is 1 or 2), … payload
//! ```
//!
//! Source: "MQTT Version 5.0", 2.1 and 3.3; 3.1.1 is the same there.

use tokio_util::bytes::{Buf, BytesMut};

use super::packet::{self, Incoming};
use crate::config::model::MqttVersion;

/// Most bytes of a packet besides its payload.
const BESIDES: usize = 128 << 10;
const PUBLISH: u8 = 3;

/// What is taken from a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// A packet.
    Packet(Incoming),
    /// A message that is too large.
    TooLarge { topic: String, qos: u8, packet: u16, bytes: usize },
}

/// Bytes that were not taken yet.
#[derive(Debug)]
pub(super) struct Frames {
    pub input: BytesMut,
    version: MqttVersion,
    largest: usize,
    /// Bytes of a message that is too large that have not arrived.
    skip: usize,
}

impl Frames {
    pub(super) fn new(version: MqttVersion, largest: u64) -> Self {
        let largest = usize::try_from(largest).unwrap_or(usize::MAX);
        Frames { input: BytesMut::new(), version, largest, skip: 0 }
    }

    /// The next packet; nothing when it is not whole yet.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, String> {
        let skipped = self.skip.min(self.input.len());
        self.input.advance(skipped);
        self.skip -= skipped;
        if self.skip > 0 {
            return Ok(None);
        }
        let Some((header, remaining)) = length(&self.input)? else { return Ok(None) };
        if remaining > self.largest.saturating_add(BESIDES) {
            return self.too_large(header, remaining);
        }
        match packet::read(self.version, &mut self.input)? {
            Some(Incoming::Publish(publish)) if publish.payload.len() > self.largest => Ok(Some(Frame::TooLarge {
                topic: publish.topic,
                qos: publish.qos,
                packet: publish.packet,
                bytes: publish.payload.len(),
            })),
            packet => Ok(packet.map(Frame::Packet)),
        }
    }

    fn too_large(&mut self, header: usize, remaining: usize) -> Result<Option<Frame>, String> {
        let first = self.input.first().copied().unwrap_or_default();
        let qos = first >> 1 & 3;
        if first >> 4 != PUBLISH || qos == 3 {
            return Err(format!("a packet of {remaining} bytes that is no message"));
        }
        let Some(length) = self.input.get(header..header + 2) else { return Ok(None) };
        let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        let identifier = if qos == 0 { 0 } else { 2 };
        let Some(body) = self.input.get(header + 2..header + 2 + length + identifier) else { return Ok(None) };
        let (topic, identifier) = body.split_at(length);
        let topic = String::from_utf8_lossy(topic).into_owned();
        let packet = identifier.iter().fold(0, |packet, byte| packet << 8 | u16::from(*byte));
        self.skip = header + remaining;
        Ok(Some(Frame::TooLarge { topic, qos, packet, bytes: remaining }))
    }
}

/// Length of the fixed header, and what it says of the rest.
fn length(input: &[u8]) -> Result<Option<(usize, usize)>, String> {
    let mut remaining = 0;
    for (index, byte) in input.iter().skip(1).take(4).enumerate() {
        remaining |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((index + 2, remaining)));
        }
    }
    if input.len() >= 5 { Err("the length of a packet cannot be read".into()) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_too_large_is_passed_over_as_it_arrives() {
        let mut frames = Frames::new(MqttVersion::V3, 10);
        let remaining = 2 + 3 + 2 + BESIDES + 20;
        let head =
            [0x32, (remaining & 0x7f) as u8 | 0x80, (remaining >> 7 & 0x7f) as u8 | 0x80, (remaining >> 14) as u8];
        frames.input.extend_from_slice(&head);
        frames.input.extend_from_slice(&[0, 3, b'a']);
        assert_eq!(frames.next(), Ok(None), "the topic has not arrived");
        frames.input.extend_from_slice(&[b'/', b'b', 1, 2]);
        let expected = Frame::TooLarge { topic: "a/b".into(), qos: 1, packet: 0x102, bytes: remaining };
        assert_eq!(frames.next(), Ok(Some(expected)));
        for _ in 0..BESIDES + 20 {
            frames.input.extend_from_slice(&[7]);
            assert_eq!(frames.next(), Ok(None));
            assert!(frames.input.len() < 8, "it is held");
        }
        frames.input.extend_from_slice(&[0xd0, 0]);
        assert_eq!(frames.next(), Ok(Some(Frame::Packet(Incoming::PingResp))));
    }

    #[test]
    fn what_is_no_packet_ends_the_connection() {
        let mut frames = Frames::new(MqttVersion::V5, 10);
        frames.input.extend_from_slice(&[0x30, 0xff, 0xff, 0xff, 0xff, 1]);
        assert!(frames.next().is_err());
        let mut frames = Frames::new(MqttVersion::V5, 10);
        frames.input.extend_from_slice(&[0x40, 0xff, 0xff, 0x7f]);
        assert!(frames.next().is_err(), "an acknowledgement of two megabytes");
    }
}
