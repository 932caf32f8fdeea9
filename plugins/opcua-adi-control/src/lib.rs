//! The component that reads analysers with an OPC UA server, calls the methods that the settings allow, and writes to the
//! nodes that they allow.
//!
//! The driver itself is `plugins/opcua-adi/reading`. This component imports `tutin:opcua/control`, which the configuration must
//! grant to a device.

pub use opcua_adi_reading::{ControllingAdi, settings};

tutin_sdk::export!(ControllingAdi<tutin_sdk::opcua::Link>);
