//! Smaller tests: of real peers, and of what two sides must agree on.

mod contract;
mod frozen;
mod guide;
mod hostile;
mod hub;
mod kit_conform;
mod kit_languages;
mod loader_fuzz;
mod peers;
mod peers_hj212;
mod peers_modbus;
mod peers_mqtt;
mod peers_opcua;
mod swaps;
