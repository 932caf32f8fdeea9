//! The component that reads what a map describes, and cannot write.
//!
//! The map language is the crate beside it (`language/`), which `modbus-map-control` exports as another component. Each of
//! the two is a crate of its own because one crate exports one driver.
//!
//! Invariant: this component does not import `tutin:modbus/control`.

pub use modbus_map_language::{ModbusMap, settings};

tutin_sdk::export!(ModbusMap<tutin_sdk::modbus::Link>);
