//! Tutin: an integration hub for automated emission monitoring.
//!
//! The modules stand in the order in which a reading passes them, the vocabulary first; `ARCHITECTURE.md` has the picture and the
//! invariants.

pub mod alarm;
pub mod average;
pub mod digest;
pub mod gap;
pub mod key;
pub mod method;
pub mod notation;
pub mod reading;
pub mod rounding;
pub mod status;
pub mod status_table;
pub mod time;
pub mod tls;

pub mod config;

pub mod capability;
pub mod plugin;

pub mod journal;

pub mod export;

pub mod pipeline;

pub mod sink;

pub mod hub;

pub mod cli;
pub mod kit;
pub mod simulator;
