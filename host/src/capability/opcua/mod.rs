//! `tutin:opcua` for plugins, over sessions that the host owns.
//!
//! The library carries the secure channel and the services; the session is kept here: endpoint and trust, sign-in, subscriptions with their message
//! numbers, silence, and making it again. Why: `docs/decisions/0012-opc-ua-client.md`.
//!
//! Invariants: nothing weaker than what the configuration names is spoken; a notification is delivered once, and one that is lost is counted.

mod browse;
pub mod certificate;
mod changing;
mod establish;
mod exploring;
mod fault;
mod functions;
mod identity;
mod keeper;
mod link;
mod node;
mod publishing;
mod reading;
mod seat;
mod seen;
mod session;
mod subscription;
mod transport;
pub mod trust;
mod value;
mod variant;

#[cfg(test)]
mod tests;

pub use bindings::tutin::opcua::client::Node;
pub use exploring::{Found, parse_node, show_node, show_value};
pub use fault::Fault;
pub use link::{Connection, Link};
pub use node::NodeError;

#[expect(missing_docs, reason = "generated from wit/opcua")]
pub mod bindings {
    wasmtime::component::bindgen!({
        inline: "package tutin:host-opcua; world host { import tutin:opcua/client@0.1.0; import tutin:opcua/control@0.1.0; }",
        path: ["../wit/opcua"],
        imports: { default: async | trappable },
        with: { "tutin:opcua/client.link": super::Link },
    });
}
