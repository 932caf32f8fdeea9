//! The session that the host holds.

use crate::bindings::tutin::mqtt::{client, control};
use crate::driver::Timestamp;
use crate::mqtt::{Error, Incoming, Message, Publisher, QoS, Subscriber};

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

impl Subscriber for Link {
    fn granted(&self) -> Vec<String> {
        self.0.granted()
    }

    fn subscribe(&self, filters: &[String], qos: QoS) -> Result<(), Error> {
        Ok(self.0.subscribe(filters, qos.code())?)
    }

    fn receive(&self, most: u32) -> Result<Incoming, Error> {
        let client::Incoming { messages, dropped, more, connected, connection } = self.0.receive(most)?;
        let message = |message: client::Message| Message {
            topic: message.topic,
            payload: message.payload,
            is_retained: message.retained,
            is_again: message.again,
            at: Timestamp(message.at),
        };
        let messages = messages.into_iter().map(message).collect();
        Ok(Incoming { messages, dropped, more, is_connected: connected, connection })
    }
}

impl Publisher for Link {
    fn publish(&self, topic: &str, payload: &[u8], qos: QoS) -> Result<(), Error> {
        Ok(control::publish(&self.0, topic, payload, qos.code(), false)?)
    }
}
