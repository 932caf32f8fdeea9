//! Smaller tests against real peers.

mod hub;
mod peers;
