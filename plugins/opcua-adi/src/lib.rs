//! The component that reads analysers with an OPC UA server. It cannot change anything in the server: it imports
//! `tutin:opcua/client` alone.
//!
//! The driver itself is `plugins/opcua-adi/reading`; `plugins/opcua-adi-control` is the component that also calls methods and writes.

pub use opcua_adi_reading::{OpcuaAdi, settings};

tutin_sdk::export!(OpcuaAdi<tutin_sdk::opcua::Link>);
