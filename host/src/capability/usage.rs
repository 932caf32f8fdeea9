//! How much of its limits a guest has used in the call that runs now.

use std::time::Duration;

use thiserror::Error;

use crate::config::model::Limits;

/// How often the engine's epoch advances. A call's computing time is counted in these.
pub const TICK: Duration = Duration::from_millis(10);

/// The limit that a guest broke. Its text is what an administrator reads beside the parked device.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Overrun {
    /// Computing without end.
    #[error("computed for more than {} ms in one call (limits.call)", .0.as_millis())]
    Call(Duration),
    /// Asking for too much memory.
    #[error("asked for {asked} bytes of memory where {limit} are allowed (limits.memory)")]
    Memory {
        /// What it would have had.
        asked: u64,
        /// What it may have.
        limit: u64,
    },
    /// Asking the host too often.
    #[error("made more than {0} host calls in one call (limits.host_calls)")]
    HostCalls(u32),
    /// Returning too much.
    #[error("returned {returned} samples in one poll where {limit} are allowed (limits.samples)")]
    Samples {
        /// What it returned.
        returned: usize,
        /// What it may return.
        limit: usize,
    },
    /// Waiting without end.
    #[error("took longer than {} s for one call, waiting included (limits.wait)", .0.as_secs_f64())]
    Wait(Duration),
}

/// Counters of the call that runs now, and the limits that they are held against.
#[derive(Debug)]
pub struct Usage {
    limits: Limits,
    ticks: u32,
    waited: bool,
    host_calls: u32,
}

impl Usage {
    /// Nothing used yet.
    pub fn new(limits: Limits) -> Self {
        Usage { limits, ticks: 0, waited: false, host_calls: 0 }
    }

    /// The limits themselves.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// A call into the guest begins.
    pub fn begin(&mut self) {
        (self.ticks, self.waited, self.host_calls) = (0, false, 0);
    }

    /// The guest calls the host.
    pub fn host_call(&mut self) -> Result<(), Overrun> {
        self.host_calls = self.host_calls.saturating_add(1);
        if self.host_calls > self.limits.host_calls { Err(Overrun::HostCalls(self.limits.host_calls)) } else { Ok(()) }
    }

    /// The guest has waited for the outside world; the tick that it sees next is not its own.
    pub fn waited(&mut self) {
        self.waited = true;
    }

    /// The engine's epoch advanced while the guest computed. Only ticks that the guest itself ran through count, so that a
    /// machine under load does not condemn a plugin that had no turn.
    pub fn tick(&mut self) -> Result<(), Overrun> {
        if std::mem::take(&mut self.waited) {
            return Ok(());
        }
        self.ticks = self.ticks.saturating_add(1);
        if TICK.saturating_mul(self.ticks) > self.limits.call { Err(Overrun::Call(self.limits.call)) } else { Ok(()) }
    }

    /// The guest wants its memory to be this large.
    pub fn memory(&self, asked: u64) -> Result<(), Overrun> {
        let limit = self.limits.memory;
        if asked > limit { Err(Overrun::Memory { asked, limit }) } else { Ok(()) }
    }
}
