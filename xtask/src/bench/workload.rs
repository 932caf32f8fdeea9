//! What is measured: how many devices with how many registers, and how often.

use std::time::Duration;

/// One load, the same for the native loop and for the hub.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    /// What `--workload` calls it.
    pub name: &'static str,
    /// Devices, each with a connection of its own.
    pub devices: usize,
    /// Registers of a device, read in one request.
    pub registers: u16,
    /// From one poll to the next; zero is as fast as the device answers.
    pub interval: Duration,
}

/// The four loads for which figures are promised.
pub const ALL: [Workload; 4] = [
    Workload { name: "ten", devices: 10, registers: 100, interval: Duration::from_secs(1) },
    Workload { name: "hundred", devices: 100, registers: 100, interval: Duration::from_millis(100) },
    Workload { name: "one", devices: 1, registers: 100, interval: Duration::ZERO },
    Workload { name: "thousand", devices: 1_000, registers: 10, interval: Duration::from_secs(1) },
];

impl Workload {
    /// In words, for the report.
    pub fn describe(&self) -> String {
        let Workload { devices, registers, interval, .. } = self;
        let every = if interval.is_zero() { "as fast as it answers".to_owned() } else { format!("every {interval:?}") };
        format!("{devices} x {registers} {every}")
    }
}
