//! Teledyne T200 (NO, NO2, NOx) and T300 (CO) as Modbus TCP servers.
//!
//! [`Analyzer`] is the instrument as a function of time: registers, status bits, zero and span. [`Analyzer::start`] puts it
//! behind a socket and returns the [`AnalyzerHandle`] that changes its faults while it runs.
//!
//! The recording's stack concentrations are served as they are. A T200 measures up to 20 ppm, so that a real one would
//! stand behind a dilution; the simulator has no such limit.

mod calibration;
mod control;
mod fault;
mod handle;
mod instrument;
mod map;
mod options;
mod quantity;
mod server;
mod t200;
mod t300;

pub use calibration::{Cycle, CycleError, Phase, Range};
pub use fault::{Fault, UnknownWarning};
pub use handle::{AnalyzerHandle, State};
pub use instrument::{Analyzer, Refusal};
pub use map::{Fitting, Model};
pub use options::Options;
