//! The component that reads what a map describes and carries out its writing parts: commands, setup, process values.
//!
//! The map language is `plugins/modbus-map/language`. This component imports `tutin:modbus/control`, which the configuration
//! must grant to a device.

pub use modbus_map_language::{WritingMap, settings};

tutin_sdk::export!(WritingMap<tutin_sdk::modbus::Link>);
