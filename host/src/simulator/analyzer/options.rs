//! How a simulated analyzer is set up.

use std::collections::BTreeSet;
use std::time::Duration;

use super::calibration::Cycle;
use super::fault::Fault;
use super::map::Fitting;

/// How a simulated analyzer is set up.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// How long a row of the recording, one hour of the source, holds. Zero holds `start_row` for ever. Default 1 s.
    pub step: Duration,
    /// Row to begin with; beyond the last it starts over. Default 0.
    pub start_row: usize,
    /// Share of NO2 in NOx by volume, 0 to 1. The recording does not tell; 5 % is usual for a gas turbine. Default 0.05.
    pub no2_share: f64,
    /// Time constant of the reading after a switch to zero or span gas and back. Default 3 s.
    pub response: Duration,
    /// Zero and span checks that repeat by themselves. Default none.
    pub cycle: Option<Cycle>,
    /// What it is fitted with besides the standard. Default nothing.
    pub fittings: BTreeSet<Fitting>,
    /// What is wrong from the beginning. Default nothing.
    pub faults: Vec<Fault>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            step: Duration::from_secs(1),
            start_row: 0,
            no2_share: 0.05,
            response: Duration::from_secs(3),
            cycle: None,
            fittings: BTreeSet::new(),
            faults: Vec::new(),
        }
    }
}
