//! The configuration: TOML layers in, valid types and precise diagnostics out.

pub mod model;
pub mod secret;
