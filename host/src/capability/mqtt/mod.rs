//! `tutin:mqtt` for plugins, over sessions that the host holds.
//!
//! One [`Connection`] is one session with a broker, shared by the devices that name it. Its task (`session`) connects and connects
//! again; one connection is a `conversation`. Packets are read and written by the maintained forks of rumqttc (`packet`, the only
//! folder that names them). Their client is not used: it cannot take up a session that the broker kept across a restart of the hub
//! and still subscribe, it ends the connection over a message that is too large (and meets it again after each connection), and while it
//! is not polled it sends no signs of life, so that nobody could hold back reading.
//!
//! What can be lost, and what cannot:
//!
//! - Quality 1 and 2 in a session that the broker keeps (`session_expiry` over 0): nothing is lost between broker and journal. A
//!   message is acknowledged when every device that wants it has kept what it made of it. One that a device had no room for stays
//!   unacknowledged and is counted; what follows for that device is refused too, so that nothing overtakes it, and when the device has
//!   worked off half of its queue the hub connects again, whereupon the broker sends all of it once more. Reading does not stop for one
//!   device. What is given up on purpose is acknowledged and counted: a payload over `largest`, and a message that no poll could
//!   keep three times.
//! - The number of messages without acknowledgement is bounded by the broker (mosquitto: `max_inflight_messages`, 20) and in MQTT 5 by the
//!   hub, at the size of a device's queue (mosquitto 2.0 sends more all the same). A driver that does not poll holds up the other
//!   devices of its link when it fills that window; devices that must not share this fate get links with client identifiers of their own.
//! - A message comes again, marked, when a connection ends after its acknowledgement was sent and before the broker read it. While it is
//!   still here, or was kept without being acknowledged, it is recognized by its packet identifier and not handed out twice.
//! - Messages for a device whose driver has not subscribed yet are kept for it if they lie within its `topics`: the broker sends what it had kept
//!   as soon as the first device of the link has connected.
//! - Quality 0, and every quality with `session_expiry = "0s"`: a message that finds no room is lost and counted.
//! - Over `rate` messages a second nothing more is read until the second is over; nothing is dropped. The broker keeps what is not read,
//!   as far as its own limits go.
//! - An own message that was not confirmed is never sent again after a new connection: a command must not come late.

mod conversation;
mod device;
mod error;
mod frames;
mod functions;
mod ledger;
mod link;
mod message;
mod own;
mod packet;
mod session;
mod subscriptions;
mod topic;

#[cfg(test)]
mod tests;

pub use error::MqttError;
pub use link::{Connection, Link};
pub use topic::matches;

#[expect(missing_docs, reason = "generated from wit/mqtt")]
pub mod bindings {
    wasmtime::component::bindgen!({
        inline: "package tutin:host-mqtt; world host { import tutin:mqtt/client@0.1.0; import tutin:mqtt/control@0.1.0; }",
        path: ["../wit/mqtt"],
        imports: { default: async | trappable },
        with: { "tutin:mqtt/client.link": super::Link },
    });
}
