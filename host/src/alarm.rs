//! What became of an alarm: what the journal records, what sinks are given, and what a person is shown.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What became of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmState {
    /// Its condition holds, and nobody has seen it.
    Raised,
    /// Its condition holds, and somebody has seen it.
    Acknowledged,
    /// Its condition has ended.
    Cleared,
}

/// One alarm went into another state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The alarm's name, as in `limit/stack-1/NO2/kz-20min`: what it is about, the source, the parameter, and which of several.
    pub name: String,
    /// What became of it.
    pub state: AlarmState,
    /// When.
    pub at: Timestamp,
    /// More of it in words.
    pub detail: String,
    /// Who acknowledged it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

impl AlarmState {
    /// Its name, as in the journal and in payloads.
    pub fn name(self) -> &'static str {
        match self {
            AlarmState::Raised => "raised",
            AlarmState::Acknowledged => "acknowledged",
            AlarmState::Cleared => "cleared",
        }
    }
}

impl Change {
    /// What it is about: `limit`, `coverage`, `stale`, `calibration_due`, `drift`, `gate`.
    pub fn kind(&self) -> &str {
        self.part(0)
    }

    /// The emission source.
    pub fn source(&self) -> &str {
        self.part(1)
    }

    /// The parameter of the source.
    pub fn parameter(&self) -> &str {
        self.part(2)
    }

    fn part(&self, at: usize) -> &str {
        self.name.split('/').nth(at).unwrap_or_default()
    }
}
