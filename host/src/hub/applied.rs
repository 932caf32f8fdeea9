//! What a change of the configuration came to.

use serde::{Deserialize, Serialize};

use crate::config::model::Config;

/// What a change touched, as `device no2-north`, `source stack-1` …
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Units that were stopped.
    pub stopped: Vec<String>,
    /// Units that were started.
    pub started: Vec<String>,
    /// Devices that went over to another driver, or to other settings, while they ran.
    pub swapped: Vec<String>,
    /// Devices that are on probation with theirs: whether they stay is not known yet.
    pub trying: Vec<String>,
    /// Devices that run with what they had before, each with the reason.
    pub rolled_back: Vec<RolledBack>,
}

/// A device for which a change was not made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolledBack {
    /// Which, as `device no2-north`.
    pub unit: String,
    /// Why.
    pub reason: String,
}

impl Applied {
    pub(super) fn note_routes(&mut self, before: &Config, after: &Config) {
        let gone = before.routes.iter().filter(|(name, route)| after.routes.get(*name) != Some(route));
        self.stopped.extend(gone.map(|(name, _)| format!("route {name}")));
        let new = after.routes.iter().filter(|(name, route)| before.routes.get(*name) != Some(route));
        self.started.extend(new.map(|(name, _)| format!("route {name}")));
    }

    pub(super) fn note_rolled_back(&mut self, device: &str, reason: String) {
        self.rolled_back.push(RolledBack { unit: format!("device {device}"), reason });
    }

    /// One line for each unit: what happened to it.
    pub fn lines(&self) -> Vec<String> {
        let of = |verb: &'static str, units: &[String]| -> Vec<String> {
            units.iter().map(|unit| format!("{verb} {unit}")).collect()
        };
        let back = |one: &RolledBack| format!("rolled back {}, which runs as before: {}", one.unit, one.reason);
        let lines = [of("stopped", &self.stopped), of("started", &self.started), of("swapped", &self.swapped)];
        let mut lines: Vec<String> = lines.concat();
        lines.extend(of("on probation", &self.trying));
        lines.extend(self.rolled_back.iter().map(back));
        lines
    }
}
