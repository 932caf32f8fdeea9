//! `tutin:stream` for plugins, over connections that the host owns.

mod functions;
mod link;

pub use link::{Connection, Link};

#[expect(missing_docs, reason = "generated from wit/stream")]
pub mod bindings {
    wasmtime::component::bindgen!({
        inline: "package tutin:host-stream; world host { import tutin:%stream/client@0.1.0; }",
        path: ["../wit/stream"],
        imports: { default: async | trappable },
        with: { "tutin:stream/client.link": super::Link },
    });
}
