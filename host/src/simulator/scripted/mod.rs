//! Instruments that answer as a case tells them to, over loopback TCP, so that a driver is tried over the hub's real links.

pub mod between;
pub mod frame;
pub mod line;
pub mod modbus;
pub mod mqtt;
pub mod opcua;
