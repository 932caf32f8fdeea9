//! `tutin:modbus`: a Modbus master for plugins, over connections that the host owns.

mod frame;
mod functions;
mod line;
mod link;
mod meaning;
mod pdu;
mod request;
mod tap;
mod tcp;
mod unit;

#[cfg(test)]
mod line_tests;
#[cfg(test)]
mod tests;

pub use link::{Connection, Link};
pub use request::RequestError;

#[expect(missing_docs, reason = "generated from wit/modbus")]
pub mod bindings {
    wasmtime::component::bindgen!({
        inline: "package tutin:host-modbus; world host { import tutin:modbus/client@0.1.0; import tutin:modbus/control@0.1.0; }",
        path: ["../wit/modbus"],
        imports: { default: async | trappable },
        with: { "tutin:modbus/client.link": super::Link },
    });
}
