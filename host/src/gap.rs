//! A block without enough valid data, and why.
//!
//! The state of an average says what the instrument said; the cause of a gap says whose fault it was that there is nothing: an instrument in
//! maintenance and a hub that did not run both leave an empty block.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who or what cost a block its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapCause {
    /// The instrument answered, and said that its values do not count: calibration, fault, out of range …
    Device,
    /// The instrument could not be reached.
    Link,
    /// No hub ran.
    HubDown,
    /// The disk of the journal was full.
    DiskFull,
    /// The journal could not be written for another reason.
    Storage,
    /// The driver fell, or was parked.
    PluginParked,
    /// The plausibility gate did not let count what the instrument said.
    Gate,
    /// The plant did something in which the rule set does not count.
    Plant,
    /// The configuration did not yet, or no longer, say where the values come from, or named a point that is not there.
    Configuration,
}

/// The cause of one lost block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Who or what.
    pub cause: GapCause,
    /// More of it in words: the instrument's state, the reason of the parking.
    pub detail: String,
}

impl GapCause {
    /// The cause's name, as in the journal and in listings.
    pub fn name(self) -> &'static str {
        match self {
            GapCause::Device => "device",
            GapCause::Link => "link",
            GapCause::HubDown => "hub_down",
            GapCause::DiskFull => "disk_full",
            GapCause::Storage => "storage",
            GapCause::PluginParked => "plugin_parked",
            GapCause::Gate => "gate",
            GapCause::Plant => "plant",
            GapCause::Configuration => "configuration",
        }
    }
}

impl fmt::Display for GapCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
