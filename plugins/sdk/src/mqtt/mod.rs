//! Subscriptions of an MQTT broker.
//!
//! [`Subscriber`] and [`Publisher`] are what a driver asks of its link. [`Link`] is the real one; [`fake::Broker`] is a broker in
//! memory for a driver's own tests. A message is acknowledged to the broker when the samples of the poll that took it
//! are durable.

mod error;
#[cfg(not(target_arch = "wasm32"))]
pub mod fake;
mod link;

use crate::driver::Timestamp;

pub use error::Error;
pub use link::Link;

/// Receiving.
pub trait Subscriber {
    /// The topic filters that the configuration grants this device.
    fn granted(&self) -> Vec<String>;
    /// Takes messages of these filters from now on; each must lie within a granted one.
    fn subscribe(&self, filters: &[String], qos: QoS) -> Result<(), Error>;
    /// Takes at most so many messages. Never waits.
    fn receive(&self, most: u32) -> Result<Incoming, Error>;
}

/// Publishing. A driver that calls this imports `tutin:mqtt/control`, which the configuration must grant.
pub trait Publisher {
    /// Publishes one message, not retained.
    fn publish(&self, topic: &str, payload: &[u8], qos: QoS) -> Result<(), Error>;
}

/// Quality of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QoS {
    /// May be lost.
    AtMostOnce,
    /// May come twice.
    AtLeastOnce,
    /// Comes once.
    ExactlyOnce,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it was published.
    pub topic: String,
    /// What was published.
    pub payload: Vec<u8>,
    /// The broker had kept it: it may be old.
    pub is_retained: bool,
    /// It may have been handed out before.
    pub is_again: bool,
    /// When it arrived.
    pub at: Timestamp,
}

/// What arrived.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Incoming {
    /// In the order of arrival.
    pub messages: Vec<Message>,
    /// Messages refused since the last call.
    pub dropped: u64,
    /// There are more.
    pub more: bool,
    /// Whether there is a connection now.
    pub is_connected: bool,
    /// Counts connections.
    pub connection: u64,
}

impl QoS {
    /// As the contract counts it.
    pub fn code(self) -> u8 {
        match self {
            QoS::AtMostOnce => 0,
            QoS::AtLeastOnce => 1,
            QoS::ExactlyOnce => 2,
        }
    }
}
