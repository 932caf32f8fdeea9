//! `tutin:opcua` for plugins, over connections that the host owns.

mod functions;
mod link;

pub use link::{Connection, Link};

#[expect(missing_docs, reason = "generated from wit/opcua")]
pub mod bindings {
    wasmtime::component::bindgen!({
        inline: "package tutin:host-opcua; world host { import tutin:opcua/client@0.1.0; import tutin:opcua/control@0.1.0; }",
        path: ["../wit/opcua"],
        imports: { default: async | trappable },
        with: { "tutin:opcua/client.link": super::Link },
    });
}
