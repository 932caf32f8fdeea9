//! Which rows are exported.

use std::collections::{BTreeMap, BTreeSet};

use crate::average::AverageKey;
use crate::time::Timestamp;

/// From a moment on, up to but without another. `None`: without that bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Period {
    /// The first moment.
    pub from: Option<Timestamp>,
    /// The moment after the last one.
    pub to: Option<Timestamp>,
}

impl Period {
    /// True when the moment is in the period.
    pub fn contains(&self, moment: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= moment) && self.to.is_none_or(|to| moment < to)
    }
}

/// Which readings. An empty list of names selects all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadingSelection {
    /// By the moment of the sample.
    pub period: Period,
    /// Names of devices.
    pub devices: Vec<String>,
    /// Ids of points.
    pub points: Vec<String>,
    /// Only these points of these devices. `None`: any.
    pub parameters: Option<BTreeMap<String, BTreeSet<String>>>,
}

impl ReadingSelection {
    /// True when some point of the device may be selected.
    pub fn has_device(&self, device: &str) -> bool {
        takes(&self.devices, device) && self.parameters.as_ref().is_none_or(|points| points.contains_key(device))
    }

    /// True when the point is selected, given that its device is.
    pub fn has_point(&self, device: &str, point: &str) -> bool {
        let of_a_parameter = |parameters: &BTreeMap<String, BTreeSet<String>>| {
            parameters.get(device).is_some_and(|points| points.contains(point))
        };
        takes(&self.points, point) && self.parameters.as_ref().is_none_or(of_a_parameter)
    }
}

/// Which averages. An empty list of names selects all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AverageSelection {
    /// By the start of the block.
    pub period: Period,
    /// Names of sources.
    pub sources: Vec<String>,
    /// Names of parameters.
    pub parameters: Vec<String>,
    /// Names of rule sets.
    pub rule_sets: Vec<String>,
}

impl AverageSelection {
    /// True when the average is selected.
    pub fn has(&self, key: &AverageKey) -> bool {
        self.period.contains(key.start)
            && takes(&self.sources, &key.source)
            && takes(&self.parameters, &key.parameter)
            && takes(&self.rule_sets, &key.rule_set)
    }
}

fn takes(names: &[String], name: &str) -> bool {
    names.is_empty() || names.iter().any(|wanted| wanted == name)
}
