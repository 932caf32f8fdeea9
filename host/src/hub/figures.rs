//! How the plugins of a running hub are doing, device by device, for whoever asks over the hub's socket.

use serde::{Deserialize, Serialize};

use super::Hub;
use crate::capability::Figures;
use crate::plugin::Phase;

/// One device and what its plugin has used since the hub started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceFigures {
    /// The device.
    pub device: String,
    /// The member of `[plugins]` that reads it.
    pub plugin: String,
    /// SHA-256 of the plugin that runs, which after a return to the one before is not that of the file; empty when none could be loaded.
    pub digest: String,
    /// starting, running, failing, restarting or parked.
    pub phase: String,
    /// Why it is not running.
    pub reason: String,
    /// Polls.
    pub polls: u64,
    /// Beats that passed while a poll still ran.
    pub missed: u64,
    /// Times that the plugin was started again.
    pub restarts: u64,
    /// What it has used.
    pub used: Figures,
}

impl Hub {
    /// Figures of every device, by name.
    pub fn figures(&self) -> Vec<DeviceFigures> {
        let figures = |(name, unit): (&String, &super::DeviceUnit)| {
            let status = unit.status.borrow().clone();
            let (phase, reason) = match status.phase {
                Phase::Starting => ("starting", String::new()),
                Phase::Running => ("running", String::new()),
                Phase::Failing(reason) => ("failing", reason),
                Phase::Restarting(reason) => ("restarting", reason),
                Phase::Parked(reason) => ("parked", reason),
            };
            DeviceFigures {
                device: name.clone(),
                plugin: unit.last.key.device.plugin.clone(),
                digest: unit.running().digest.clone(),
                phase: phase.to_owned(),
                reason,
                polls: status.polls,
                missed: status.missed,
                restarts: status.restarts,
                used: unit.meter.read(),
            }
        };
        self.devices.iter().map(figures).collect()
    }
}
