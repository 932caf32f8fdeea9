//! What a plugin may reach: one folder for each kind of link, the same file names in each.
//!
//! A capability is the host's side of one WIT package: `link.rs` talks to the world, `functions.rs` are the
//! functions that the guest calls, thin and suspicious of every argument. A guest is [`Guest`]: what it was given and
//! how much of its limits it has used. This module knows no devices and no configuration beyond the links'.
//!
//! Invariants: an interface that was not granted is not linked; every host call is counted; every wait has its own
//! timeout.

mod connection;
mod guest;
pub mod log;
mod meter;
pub mod modbus;
pub mod mqtt;
pub mod opcua;
pub mod stream;
mod usage;
pub mod wire;

pub use connection::{Addressing, Connection, Link, Plug, Surroundings, UNPLUGGED};
pub use guest::Guest;
pub use meter::{Figures, Meter};
pub use usage::{CallClock, Lane, LastWords, Overrun, TICK, Usage};
pub(crate) use usage::{aside, timed};
use wasmtime::component::{HasSelf, Linker};

/// One interface that the host offers to plugins.
pub struct Offer {
    /// `package/interface`, as in `tutin:modbus/client`.
    pub interface: &'static str,
    /// Version that the host speaks. A plugin may ask for this or an older one of the same major (for 0.x: minor) number.
    pub version: &'static str,
    /// What a plugin can do with it, in words for an administrator.
    pub permits: &'static str,
    /// Links its functions.
    pub link: fn(&mut Linker<Guest>) -> wasmtime::Result<()>,
}

/// What the interfaces that read a link are called; writing and commanding stand in others, which must be granted.
pub const READING: &str = "client";

/// Everything that a plugin may ask for. A new capability is one folder and its lines here.
pub const OFFERS: &[Offer] = &[
    Offer {
        interface: "tutin:log/log",
        version: "0.1.0",
        permits: "write to the hub's log",
        link: |linker| log::bindings::tutin::log::log::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest),
    },
    Offer {
        interface: "tutin:modbus/client",
        version: "0.1.0",
        permits: "read coils, discrete inputs and registers over the device's own link",
        link: |linker| {
            modbus::bindings::tutin::modbus::client::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)
        },
    },
    Offer {
        interface: "tutin:modbus/control",
        version: "0.1.0",
        permits: "write coils and registers of the device and call any Modbus function, over the device's own link",
        link: |linker| {
            modbus::bindings::tutin::modbus::control::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)
        },
    },
    Offer {
        interface: "tutin:mqtt/client",
        version: "0.1.0",
        permits: "receive messages of the topics granted to the device, over the device's own session with a broker",
        link: |linker| mqtt::bindings::tutin::mqtt::client::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest),
    },
    Offer {
        interface: "tutin:mqtt/control",
        version: "0.1.0",
        permits: "publish messages to the topics granted to the device, over the device's own session with a broker",
        link: |linker| mqtt::bindings::tutin::mqtt::control::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest),
    },
    Offer {
        interface: "tutin:opcua/client",
        version: "0.1.0",
        permits: "browse, read, monitor and read the history of an OPC UA server over the device's own link",
        link: |linker| opcua::bindings::tutin::opcua::client::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest),
    },
    Offer {
        interface: "tutin:opcua/control",
        version: "0.1.0",
        permits: "write variables and call methods of an OPC UA server over the device's own link",
        link: |linker| {
            opcua::bindings::tutin::opcua::control::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)
        },
    },
    Offer {
        interface: "tutin:stream/client",
        version: "0.1.0",
        permits: "send and receive bytes over the device's own link",
        link: |linker| {
            stream::bindings::tutin::stream::client::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)
        },
    },
];
