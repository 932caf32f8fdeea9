//! What somebody has to be told: limits, coverage, silence, calibration, drift.
//!
//! A condition (`watch`) holds or ends; an alarm (`key`, `state`) is raised, acknowledged and cleared. Drift is judged by control charts
//! (`chart`, `verdict`) from the zero and span readings that are found among the recorded samples (`cycle`).
//!
//! Invariant: everything here is a pure function of its arguments, so that the same samples and events lead to the same alarms
//! whenever they are gone through again.

mod chart;
mod cycle;
mod guard;
mod key;
mod state;
mod verdict;
pub mod watch;

pub use chart::{ChartSettings, ControlChart};
pub use cycle::{CycleFinder, CycleKind, CycleReading, CycleSettings};
pub use guard::{Guard, Told, Watched};
pub use key::{AlarmKey, AlarmKind};
pub use state::{Acknowledgement, Alarms, NoSuchAlarm, Standing};
pub use verdict::{ChartVerdict, Finding, Level, Rule};
pub use watch::Condition;
