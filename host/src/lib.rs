//! Tutin: an integration hub for automated emission monitoring.
//!
//! The modules stand in the order in which a reading passes them; `ARCHITECTURE.md` has the picture and the invariants.

pub mod average;
pub mod cli;
pub mod config;
pub mod reading;
pub mod sink;
pub mod status;
pub mod time;
