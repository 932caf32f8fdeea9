//! Devices on their way to another driver: each step goes into the journal, the last one decides which configuration is theirs.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::units::DeviceKey;
use super::{Applied, Hub, HubError};
use crate::config::model::Name;
use crate::journal::{Event, Journal, SwapStep};
use crate::plugin::swap::{News, Step};

/// Longest time that a change waits for devices to prove their drivers.
const WAIT: Duration = Duration::from_secs(10);

/// An order that a device was given.
pub(super) struct Order {
    pub device: Name,
    pub generation: u64,
    pub before: String,
    pub after: String,
    pub news: mpsc::Receiver<News>,
}

/// Which order of which device.
pub(super) type Ordered = (Name, u64);

/// What became of a device's change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    device: Name,
    generation: u64,
    step: Step,
}

/// All devices on their way. They are followed no longer than the hub lives: whoever follows holds the journal.
#[derive(Default)]
pub(super) struct Swaps {
    following: JoinSet<Option<Verdict>>,
}

impl Swaps {
    /// Follows a device on its way.
    pub(super) fn follow(&mut self, order: Order, journal: &Journal) -> Ordered {
        let ordered = (order.device.clone(), order.generation);
        self.following.spawn(follow(order, journal.clone()));
        ordered
    }

    /// The next one that arrives. Waits for ever when none is on its way. Cancel safe.
    async fn next(&mut self) -> Verdict {
        loop {
            match self.following.join_next().await {
                Some(Ok(Some(verdict))) => return verdict,
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Nobody is followed any more.
    pub(super) async fn end(&mut self) {
        self.following.shutdown().await;
    }
}

async fn follow(mut order: Order, journal: Journal) -> Option<Verdict> {
    while let Some(News { at, step }) = order.news.recv().await {
        let (name, reason) = match &step {
            Step::TookOver => (SwapStep::TookOver, ""),
            Step::Proven => (SwapStep::Proven, ""),
            Step::RolledBack(reason) => (SwapStep::RolledBack, reason.as_str()),
            Step::Refused(reason) => (SwapStep::Refused, reason.as_str()),
            Step::Superseded => (SwapStep::Superseded, ""),
        };
        let (device, before, after) = (order.device.clone(), order.before.clone(), order.after.clone());
        let event = Event::Swap { device, since: at, step: name, before, after, reason: reason.to_owned() };
        // A journal that has ended ends the hub.
        let _ = journal.event(event).await;
        if step != Step::TookOver {
            return Some(Verdict { device: order.device, generation: order.generation, step });
        }
    }
    None
}

impl Hub {
    /// The next device that has come to the end of its way to another driver. To be given to [`Hub::settle`]. Cancel safe.
    pub async fn verdict(&mut self) -> Verdict {
        self.swaps.next().await
    }

    /// Takes note of what became of a device's change. What was rolled back is recorded, with the configuration that it is not of.
    pub async fn settle(&mut self, verdict: Verdict) -> Result<(), HubError> {
        let mut applied = Applied::default();
        self.take_note(verdict, &mut applied).await?;
        if !applied.rolled_back.is_empty() {
            self.record(&applied).await?;
        }
        Ok(())
    }

    /// Waits a while for these devices.
    pub(super) async fn await_verdicts(
        &mut self,
        mut ordered: Vec<Ordered>,
        applied: &mut Applied,
    ) -> Result<(), HubError> {
        let deadline = Instant::now() + WAIT;
        while !ordered.is_empty() {
            let Ok(verdict) = timeout_at(deadline, self.swaps.next()).await else { break };
            ordered.retain(|(device, generation)| (device, *generation) != (&verdict.device, verdict.generation));
            self.take_note(verdict, applied).await?;
        }
        applied.trying.extend(ordered.into_iter().map(|(device, _)| format!("device {device}")));
        Ok(())
    }

    async fn take_note(&mut self, verdict: Verdict, applied: &mut Applied) -> Result<(), HubError> {
        let Verdict { device, generation, step } = verdict;
        let Some(unit) = self.devices.get_mut(&device) else { return Ok(()) };
        let running = unit.settle();
        match step {
            Step::Proven => applied.swapped.push(format!("device {device}")),
            Step::RolledBack(reason) | Step::Refused(reason) => {
                // A later order may be under way; then it decides.
                if unit.generation == generation {
                    unit.take_back(running.clone());
                    self.give_back(&device, running.key, applied).await?;
                }
                applied.note_rolled_back(&device, reason);
            }
            Step::TookOver | Step::Superseded => {}
        }
        Ok(())
    }

    /// The configuration is the one that runs: a device has what it had before, and so have the sources that depend on it.
    pub(super) async fn give_back(
        &mut self,
        device: &str,
        key: DeviceKey,
        applied: &mut Applied,
    ) -> Result<(), HubError> {
        let mut effective = self.config.clone();
        effective.plugins.insert(key.device.plugin.clone(), key.plugin);
        effective.devices.insert(device.to_owned(), key.device);
        let sources = self.withdraw_sources(&effective, applied);
        self.assign_sources(&effective, sources, applied).await?;
        self.config = effective;
        Ok(())
    }
}
