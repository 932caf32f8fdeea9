//! From readings to averages, and what goes where.
//!
//! The way of a sample: `line` finds its `group` and `member` → `counting`, `gate` and `chain` (one sample, with `formula` and `units`) → `window` (one
//! open block, with what `track` knows of its companions) → `block` (the steps of a closed one) and `longer` (blocks of blocks) → an average → `route`.
//!
//! Invariant: everything here is a pure function of its arguments. No I/O, no task, no clock: time is an argument.

pub mod alarm;
mod block;
mod chain;
mod counting;
pub mod formula;
mod gate;
mod grid;
mod group;
mod line;
mod longer;
mod member;
mod outages;
#[cfg(test)]
mod property_tests;
mod recipe;
mod route;
mod rules;
mod trace;
mod track;
pub mod units;
mod window;

pub use chain::{Steps, Surroundings};
pub use gate::Code;
pub use grid::Grid;
pub use group::Closed;
pub use line::{LateBlock, Line, Standing, Stopped};
pub use outages::Outages;
pub use recipe::{Assignment, Input};
pub use route::{AlarmRoutes, AverageRoutes, ReadingRoute};
pub use rules::Rules;
pub use trace::{Trace, Traced};
