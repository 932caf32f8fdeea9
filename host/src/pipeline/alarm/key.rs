//! What alarms are called.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What an alarm is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmKind {
    /// A value above its limit.
    Limit,
    /// A block that is about to lose too many samples.
    Coverage,
    /// No valid sample for too long.
    Stale,
    /// A calibration that is due.
    CalibrationDue,
    /// Zero or span readings out of control.
    Drift,
    /// A value that was stopped before it was delivered.
    Gate,
}

/// What makes an alarm unique. Its text is its name, in the journal and in commands: `limit/stack-1/NO2/kz-20min`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AlarmKey {
    /// What it is about.
    pub kind: AlarmKind,
    /// The emission source.
    pub source: String,
    /// The parameter of the source.
    pub parameter: String,
    /// Which of several: the rule set of a limit, `zero` or `span`. Empty where there is only one.
    pub qualifier: String,
}

impl AlarmKind {
    /// Its name, the first part of an alarm's.
    pub fn name(self) -> &'static str {
        match self {
            AlarmKind::Limit => "limit",
            AlarmKind::Coverage => "coverage",
            AlarmKind::Stale => "stale",
            AlarmKind::CalibrationDue => "calibration_due",
            AlarmKind::Drift => "drift",
            AlarmKind::Gate => "gate",
        }
    }
}

impl fmt::Display for AlarmKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind.name(), self.source, self.parameter)?;
        if self.qualifier.is_empty() { Ok(()) } else { write!(f, "/{}", self.qualifier) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: AlarmKind, qualifier: &str, expected: &str) {
        let key = AlarmKey { kind, source: "stack-1".into(), parameter: "NO2".into(), qualifier: qualifier.into() };
        assert_eq!(key.to_string(), expected);
    }

    #[test]
    fn the_name_says_kind_source_parameter_and_which() {
        check(AlarmKind::Limit, "kz-20min", "limit/stack-1/NO2/kz-20min");
        check(AlarmKind::Stale, "", "stale/stack-1/NO2");
        check(AlarmKind::Drift, "zero", "drift/stack-1/NO2/zero");
    }

    #[test]
    fn kinds_have_the_names_of_the_journal() {
        use AlarmKind::*;
        for kind in [Limit, Coverage, Stale, CalibrationDue, Drift, Gate] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}
