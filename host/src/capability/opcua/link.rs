//! A connection as one device sees it.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::capability::wire::{Reporter, Trace};
use crate::capability::{Addressing, Surroundings};
use crate::config::model::OpcUaLink;

/// One connection of the configuration.
pub struct Connection {
    reporter: Reporter,
    trace: Trace,
}

/// A connection as one device sees it.
#[derive(Clone)]
pub struct Link {
    bell: Arc<Notify>,
}

impl Connection {
    /// A connection that is made when a device first uses it.
    pub fn new(name: &str, _settings: OpcUaLink, _surroundings: &Surroundings) -> Self {
        Connection { reporter: Reporter::new(name, ""), trace: Trace::new(name) }
    }

    /// How it is.
    pub fn reporter(&self) -> &Reporter {
        &self.reporter
    }

    /// What goes over it.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Says goodbye to the other end. Whoever still uses it is told that it is closed.
    pub async fn close(&self) {}
}

impl Link {
    /// A link for this device.
    pub fn new(_connection: Arc<Connection>, _device: &Addressing) -> Self {
        Link { bell: Arc::default() }
    }

    /// What wakes the device's poll.
    pub fn bell(&self) -> Arc<Notify> {
        Arc::clone(&self.bell)
    }

    /// Whether something was handed out that must be kept before the other end may forget it.
    pub fn is_in_hand(&self) -> bool {
        false
    }

    /// What was made of everything that was handed out is durable.
    pub fn kept(&self) {}

    /// Nothing could be kept of what was handed out.
    pub fn not_kept(&self) {}
}
