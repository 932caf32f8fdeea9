//! A broker for one purpose: the one an instrument publishes to, in a case.
//!
//! The [`Broker`] is told what the instrument publishes and tells what the driver publishes. Clients are real ones, over TCP, of MQTT 3.1.1
//! or 5. Packets are read and written by the same codec as the hub's own (`packet`, the only folder that names it); who gets what is
//! decided in `state`, without sockets and without a clock.
//!
//! Everything of a session is here, because the hub relies on it: a session that is kept gets what was published while its client was away,
//! and what was sent and not acknowledged comes again, marked. What is simpler than in a broker for plants:
//!
//! - A session that is kept is kept for as long as the broker lives, whatever expiry the client asked for. A will is published at once.
//! - Anybody may connect, subscribe and publish. There are no shared subscriptions, no topic aliases and no messages that expire, and no
//!   topics that begin with `$`.
//! - At most [`MOST`] messages wait for a session or to be told; what comes then is left out, and logged.

mod broker;
mod connection;
mod message;
mod packet;
mod session;
mod state;

#[cfg(test)]
mod tests;

pub use broker::Broker;
pub use message::Message;

/// Most messages that wait for a session, and most that wait to be told.
pub const MOST: usize = 100_000;
