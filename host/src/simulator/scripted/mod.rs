//! The other ends of links as a case tells them: what an instrument says is written down beside the driver.

pub mod mqtt;
pub mod opcua;
