//! From readings to averages, and what goes where.
//!
//! Invariant: everything here is a pure function of its arguments. No I/O, no task, no clock: time is an argument.

mod averager;
mod line;
mod outages;
mod route;
pub mod units;

pub use averager::{Averager, Rules};
pub use line::{Assignment, Closed, Line};
pub use outages::Outages;
pub use route::{AverageRoutes, ReadingRoute};
