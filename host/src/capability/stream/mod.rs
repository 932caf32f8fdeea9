//! `tutin:stream` for plugins: bytes over lines that the host owns.
//!
//! `link.rs` is what a device has of a line; `actor.rs` is the task that owns it, `exchange.rs` its requests; `framing.rs`, `reply.rs`,
//! `turn.rs` and `audience.rs` decide what bytes mean, whose turn it is and who hears what; `opening.rs` and `transport.rs`
//! are the way to the outside.

mod actor;
mod audience;
mod exchange;
mod framing;
mod functions;
mod link;
mod opening;
mod reply;
mod rule;
mod seat;
mod transport;
mod turn;

#[cfg(test)]
mod tests;

pub use actor::Presence;
pub use framing::Frame;
pub use link::{Connection, Link};
pub use rule::{Echo, Exchange, Framing, Length, Notation, StreamError};
pub use seat::{Incoming, Unasked};

#[expect(missing_docs, reason = "generated from wit/stream")]
pub mod bindings {
    wasmtime::component::bindgen!({
        inline: "package tutin:host-stream; world host { import tutin:%stream/client@0.1.0; }",
        path: ["../wit/stream"],
        imports: { default: async | trappable },
        with: { "tutin:stream/client.link": super::Link },
    });
}
