//! What stood in the way of readings, and when: told by the journal's events, asked when a block was lost.

use std::collections::HashMap;

use crate::gap::{Gap, GapCause};
use crate::status::InstrumentState;
use crate::time::Timestamp;

/// Outages that are remembered for each device, and for the hub as a whole; older ones are of blocks that have long closed.
const REMEMBERED: usize = 256;

/// A time in which something did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outage {
    from: Timestamp,
    /// `None`: it goes on.
    to: Option<Timestamp>,
    gap: Gap,
}

/// Outages of the hub and of its devices.
#[derive(Debug, Clone, Default)]
pub struct Outages {
    hub: Vec<Outage>,
    devices: HashMap<String, Vec<Outage>>,
}

impl Outages {
    /// Something that concerned all devices: no hub ran, or nothing could be stored.
    pub fn hub(&mut self, from: Timestamp, to: Timestamp, cause: GapCause, detail: String) {
        remember(&mut self.hub, Outage { from, to: Some(to), gap: Gap { cause, detail } });
    }

    /// Something that concerned one device, for a time that is known.
    pub fn device(&mut self, device: &str, from: Timestamp, to: Timestamp, cause: GapCause, detail: String) {
        let outages = self.devices.entry(device.to_owned()).or_default();
        remember(outages, Outage { from, to: Some(to), gap: Gap { cause, detail } });
    }

    /// Something began for one device; what had begun before ends.
    pub fn begin(&mut self, device: &str, from: Timestamp, cause: GapCause, detail: String) {
        self.end(device, from);
        let outages = self.devices.entry(device.to_owned()).or_default();
        remember(outages, Outage { from, to: None, gap: Gap { cause, detail } });
    }

    /// What had begun for a device is over.
    pub fn end(&mut self, device: &str, at: Timestamp) {
        for outage in self.devices.get_mut(device).into_iter().flatten().filter(|outage| outage.to.is_none()) {
            outage.to = Some(at);
        }
    }

    /// Why a block of a device's point was lost. `state` is what took most of its samples.
    pub fn cause(&self, device: &str, block: (Timestamp, Timestamp), state: InstrumentState) -> Gap {
        match state {
            InstrumentState::CommError => Gap {
                cause: GapCause::Link,
                detail: self.longest(device, block).map_or_else(String::new, |gap| gap.detail),
            },
            InstrumentState::Missing => self
                .longest(device, block)
                .unwrap_or_else(|| Gap { cause: GapCause::Device, detail: "no readings came".to_owned() }),
            state => Gap { cause: GapCause::Device, detail: state.name().to_owned() },
        }
    }

    /// The outage that covers most of the block.
    fn longest(&self, device: &str, (from, to): (Timestamp, Timestamp)) -> Option<Gap> {
        let all = self.hub.iter().chain(self.devices.get(device).into_iter().flatten());
        let overlap = |outage: &Outage| {
            let (begin, end) = (outage.from.max(from), outage.to.unwrap_or(to).min(to));
            end.0.saturating_sub(begin.0)
        };
        let longest = all.filter(|outage| overlap(outage) > 0).max_by_key(|outage| overlap(outage))?;
        Some(longest.gap.clone())
    }
}

fn remember(outages: &mut Vec<Outage>, outage: Outage) {
    if outages.len() >= REMEMBERED {
        outages.remove(0);
    }
    outages.push(outage);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn outages() -> Outages {
        let mut outages = Outages::default();
        outages.hub(at(0), at(100), GapCause::HubDown, "killed".into());
        outages.begin("a", at(100), GapCause::PluginParked, "trap".into());
        outages.end("a", at(700));
        outages.begin("a", at(900), GapCause::Link, "timeout".into());
        outages
    }

    fn check(device: &str, block: (i64, i64), state: InstrumentState, expected: (GapCause, &str)) {
        let gap = outages().cause(device, (at(block.0), at(block.1)), state);
        assert_eq!((gap.cause, gap.detail.as_str()), expected);
    }

    #[test]
    fn the_outage_that_took_most_of_a_silent_block_is_its_cause() {
        check("a", (0, 120), InstrumentState::Missing, (GapCause::HubDown, "killed"));
        check("a", (0, 600), InstrumentState::Missing, (GapCause::PluginParked, "trap"));
        check("b", (0, 600), InstrumentState::Missing, (GapCause::HubDown, "killed"));
        check("b", (600, 1200), InstrumentState::Missing, (GapCause::Device, "no readings came"));
    }

    #[test]
    fn an_outage_that_goes_on_counts_to_the_end_of_the_block() {
        check("a", (1200, 2400), InstrumentState::CommError, (GapCause::Link, "timeout"));
    }

    #[test]
    fn an_instrument_that_answered_is_its_own_cause() {
        check("a", (0, 600), InstrumentState::Calibration, (GapCause::Device, "calibration"));
    }
}
