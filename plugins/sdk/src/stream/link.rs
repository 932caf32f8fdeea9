//! The line that the host holds.

use crate::bindings::tutin::stream::client;
use crate::driver::Timestamp;
use crate::stream::{Echo, Error, Exchange, Frame, Framing, Incoming, Length, Notation, Stream, Unasked};

/// A line that the configuration gave to this device. Only inside the host: in a native build every call panics,
/// because there is nobody to call.
#[derive(Debug)]
pub struct Link(client::Link);

impl Stream for Link {
    fn open(name: &str) -> Result<Self, Error> {
        Ok(Link(client::Link::open(name)?))
    }

    fn frames(&self, rule: &Framing, unasked: Unasked) -> Result<(), Error> {
        Ok(self.0.frames(&rule.clone().into(), unasked == Unasked::Wakes)?)
    }

    fn request(&self, bytes: &[u8], reply: &Exchange) -> Result<Vec<Vec<u8>>, Error> {
        Ok(self.0.request(bytes, &reply.clone().into())?)
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Error> {
        Ok(self.0.send(bytes)?)
    }

    fn send_when_kept(&self, bytes: &[u8]) -> Result<(), Error> {
        Ok(self.0.send_when_kept(bytes)?)
    }

    fn receive(&self, most: u32) -> Result<Incoming, Error> {
        Ok(self.0.receive(most)?.into())
    }
}

impl From<Framing> for client::Framing {
    fn from(rule: Framing) -> Self {
        let Framing { starts, ends, trailer, length, gap_ms, longest } = rule;
        client::Framing { starts, ends, trailer, length: length.map(Into::into), gap_ms, longest }
    }
}

impl From<Length> for client::LengthRule {
    fn from(length: Length) -> Self {
        let notation = match length.notation {
            Notation::BigEndian => 0,
            Notation::LittleEndian => 1,
            Notation::Decimal => 2,
            Notation::Hexadecimal => 3,
        };
        client::LengthRule { offset: length.offset, width: length.width, notation, extra: length.extra }
    }
}

impl From<Exchange> for client::Exchange {
    fn from(reply: Exchange) -> Self {
        let echo = match reply.echo {
            Echo::No => 0,
            Echo::Exact => 1,
            Echo::Perhaps => 2,
        };
        let Exchange { begins, frames, quiet_ms, timeout_ms, .. } = reply;
        client::Exchange { echo, begins, frames, quiet_ms, timeout_ms }
    }
}

impl From<client::Incoming> for Incoming {
    fn from(incoming: client::Incoming) -> Self {
        let client::Incoming { frames, dropped, more, connected, connection } = incoming;
        let frame = |frame: client::Frame| Frame { bytes: frame.bytes, at: Timestamp(frame.at) };
        let frames = frames.into_iter().map(frame).collect();
        Incoming { frames, dropped, more, is_connected: connected, connection }
    }
}
