//! Links of any kind, as the hub and the device's task see them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::wire::{Memory, Reporter, Trace};
use super::{modbus, mqtt, opcua, stream};
use crate::config::model;

/// A connection of the configuration, shared by the devices that name it.
#[derive(Clone)]
pub enum Connection {
    /// `tutin:modbus`
    Modbus(Arc<modbus::Connection>),
    /// `tutin:stream`
    Stream(Arc<stream::Connection>),
    /// `tutin:mqtt`
    Mqtt(Arc<mqtt::Connection>),
    /// `tutin:opcua`
    OpcUa(Arc<opcua::Connection>),
}

/// A connection as one device sees it.
#[derive(Clone)]
pub enum Link {
    /// `tutin:modbus`
    Modbus(modbus::Link),
    /// `tutin:stream`
    Stream(stream::Link),
    /// `tutin:mqtt`
    Mqtt(mqtt::Link),
    /// `tutin:opcua`
    OpcUa(opcua::Link),
}

/// How a device is reached over its link, and what it may do there.
#[derive(Debug, Clone, PartialEq)]
pub struct Addressing {
    /// The device's name, for people.
    pub device: Arc<str>,
    /// Modbus unit.
    pub unit: u8,
    /// Further Modbus units.
    pub more_units: Vec<u8>,
    /// Longest wait for an answer, when it is not the link's.
    pub timeout: Option<Duration>,
    /// Topic filters that it may subscribe to.
    pub topics: Vec<String>,
    /// Topic filters that it may publish to.
    pub publish_topics: Vec<String>,
}

/// What connections need of the hub that they are in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// Folder of certificates: the hub's own, those that are trusted, those that were refused.
    pub pki: PathBuf,
    /// Name of the hub, by which it introduces itself.
    pub hub: String,
    /// Whether anything may be connected at all.
    pub plug: Plug,
}

/// Whether anything may be connected at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plug {
    /// As the configuration says.
    In,
    /// Nothing: for checking a configuration without touching anything. Every request fails at once.
    Out,
}

/// What a link without a plug says of itself.
pub const UNPLUGGED: &str = "nothing is connected while checking";

impl Connection {
    /// A connection that is made when a device first needs it.
    pub fn new(name: &str, settings: &model::Link, surroundings: &Surroundings) -> Self {
        match settings {
            model::Link::ModbusTcp(settings) => {
                Connection::Modbus(Arc::new(modbus::Connection::tcp(name, settings.clone(), surroundings.plug)))
            }
            model::Link::ModbusLine(settings) => {
                Connection::Modbus(Arc::new(modbus::Connection::line(name, settings.clone(), surroundings.plug)))
            }
            model::Link::Stream(settings) => {
                Connection::Stream(Arc::new(stream::Connection::new(name, settings.clone(), surroundings)))
            }
            model::Link::Mqtt(settings) => {
                Connection::Mqtt(Arc::new(mqtt::Connection::new(name, settings.clone(), surroundings)))
            }
            model::Link::OpcUa(settings) => {
                Connection::OpcUa(Arc::new(opcua::Connection::new(name, settings.clone(), surroundings)))
            }
        }
    }

    /// The connection for one device.
    pub fn link(&self, device: &Addressing) -> Link {
        match self {
            Connection::Modbus(connection) => Link::Modbus(modbus::Link::new(Arc::clone(connection), device)),
            Connection::Stream(connection) => Link::Stream(stream::Link::new(Arc::clone(connection), device)),
            Connection::Mqtt(connection) => Link::Mqtt(mqtt::Link::new(Arc::clone(connection), device)),
            Connection::OpcUa(connection) => Link::OpcUa(opcua::Link::new(Arc::clone(connection), device)),
        }
    }

    /// How it is.
    pub fn reporter(&self) -> &Reporter {
        match self {
            Connection::Modbus(connection) => connection.reporter(),
            Connection::Stream(connection) => connection.reporter(),
            Connection::Mqtt(connection) => connection.reporter(),
            Connection::OpcUa(connection) => connection.reporter(),
        }
    }

    /// What goes over it.
    pub fn trace(&self) -> &Trace {
        match self {
            Connection::Modbus(connection) => connection.trace(),
            Connection::Stream(connection) => connection.trace(),
            Connection::Mqtt(connection) => connection.trace(),
            Connection::OpcUa(connection) => connection.trace(),
        }
    }

    /// Says goodbye to the other end, for connections that have somebody to say it to.
    pub async fn close(&self) {
        match self {
            Connection::Modbus(_) => {}
            Connection::Stream(connection) => connection.close().await,
            Connection::Mqtt(connection) => connection.close().await,
            Connection::OpcUa(connection) => connection.close().await,
        }
    }
}

impl Link {
    /// The same link for another driver of the device, which waits to take over. It has nothing of it before it steps in.
    pub fn understudy(&self) -> Self {
        match self {
            // Nothing stays at a line between two requests.
            Link::Modbus(link) => Link::Modbus(link.clone()),
            Link::Stream(link) => Link::Stream(link.understudy()),
            Link::Mqtt(link) => Link::Mqtt(link.understudy()),
            Link::OpcUa(link) => Link::OpcUa(link.understudy()),
        }
    }

    /// The driver of this link has it from now on, with what it said about it, and nobody else.
    pub fn step_in(&self, memory: Memory) {
        match self {
            Link::Modbus(_) => {}
            Link::Stream(link) => link.step_in(memory),
            Link::Mqtt(link) => link.step_in(memory),
            Link::OpcUa(link) => link.step_in(memory),
        }
    }

    /// What wakes the device's poll, for links over which something may come unasked.
    pub fn bell(&self) -> Option<Arc<Notify>> {
        match self {
            Link::Modbus(_) => None,
            Link::Stream(link) => Some(link.bell()),
            Link::Mqtt(link) => Some(link.bell()),
            Link::OpcUa(link) => Some(link.bell()),
        }
    }

    /// Whether something was handed out that must be kept before the other end may forget it.
    pub fn is_in_hand(&self) -> bool {
        match self {
            Link::Modbus(_) => false,
            Link::Stream(link) => link.is_in_hand(),
            Link::Mqtt(link) => link.is_in_hand(),
            Link::OpcUa(link) => link.is_in_hand(),
        }
    }

    /// What was made of everything that was handed out is durable.
    pub fn kept(&self) {
        match self {
            Link::Modbus(_) => {}
            Link::Stream(link) => link.kept(),
            Link::Mqtt(link) => link.kept(),
            Link::OpcUa(link) => link.kept(),
        }
    }

    /// Nothing could be kept of what was handed out: it is handed out once more.
    pub fn not_kept(&self) {
        match self {
            Link::Modbus(_) => {}
            Link::Stream(link) => link.not_kept(),
            Link::Mqtt(link) => link.not_kept(),
            Link::OpcUa(link) => link.not_kept(),
        }
    }
}
