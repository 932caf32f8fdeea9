//! `tutin:mqtt` for plugins, over connections that the host owns.

mod functions;
mod link;

pub use link::{Connection, Link};

#[expect(missing_docs, reason = "generated from wit/mqtt")]
pub mod bindings {
    wasmtime::component::bindgen!({
        inline: "package tutin:host-mqtt; world host { import tutin:mqtt/client@0.1.0; import tutin:mqtt/control@0.1.0; }",
        path: ["../wit/mqtt"],
        imports: { default: async | trappable },
        with: { "tutin:mqtt/client.link": super::Link },
    });
}
