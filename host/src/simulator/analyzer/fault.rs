//! What can be wrong with a simulated analyzer, on demand.

use std::convert::Infallible;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One thing that is wrong. As JSON: `{"kind": "slow", "ms": 500}`; as text: `slow:500`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// A discrete input is on; `system_is_ok` goes off when it is a warning. Text: the id alone.
    Warning {
        /// Id of the discrete input, as in `invalid_conc`.
        id: String,
    },
    /// Requests are taken and never answered.
    Silent,
    /// It does not listen and all connections are closed: the device has vanished. It comes back on the same
    /// port when the fault is cleared.
    Refuse,
    /// Answers come late.
    Slow {
        /// By how much, in milliseconds.
        ms: u64,
    },
    /// Every request is answered with this exception code.
    Exception {
        /// The code, 1 to 255.
        code: u8,
    },
    /// Numbers come low word first.
    WrongWordOrder,
    /// Input registers keep what they held when the fault began; status bits go on.
    Frozen,
}

/// A warning that the model does not have, or is not fitted for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{model} has no status bit {id} that can be set; the nearest is {nearest}")]
pub struct UnknownWarning {
    /// Which model.
    pub model: String,
    /// What was asked for.
    pub id: String,
    /// What it does have.
    pub nearest: String,
}

/// The faults that hold now: at most one of a kind, and any number of warnings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn set(&mut self, fault: Fault) {
        self.0.retain(|held| !held.is_replaced_by(&fault));
        self.0.push(fault);
    }

    pub(super) fn clear(&mut self, fault: &Fault) {
        self.0.retain(|held| held != fault);
    }

    pub(super) fn holds(&self, fault: &Fault) -> bool {
        self.0.contains(fault)
    }

    pub(super) fn warns(&self, wanted: &str) -> bool {
        self.0.iter().any(|fault| matches!(fault, Fault::Warning { id } if id == wanted))
    }

    /// How long answers are held back.
    pub(super) fn delay(&self) -> Duration {
        let delay = |fault: &Fault| match fault {
            Fault::Slow { ms } => Some(Duration::from_millis(*ms)),
            _ => None,
        };
        self.0.iter().find_map(delay).unwrap_or_default()
    }

    pub(super) fn exception(&self) -> Option<u8> {
        self.0.iter().find_map(|fault| match fault {
            Fault::Exception { code } => Some(*code),
            _ => None,
        })
    }

    pub(super) fn list(&self) -> &[Fault] {
        &self.0
    }
}

impl Fault {
    fn is_replaced_by(&self, newer: &Fault) -> bool {
        match (self, newer) {
            (Fault::Warning { id: old }, Fault::Warning { id: new }) => old == new,
            _ => std::mem::discriminant(self) == std::mem::discriminant(newer),
        }
    }
}

impl FromStr for Fault {
    /// Whatever names no other fault is taken as the id of a warning; the analyzer knows whether it has it.
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let (kind, argument) = text.split_once(':').unwrap_or((text, ""));
        let warning = Fault::Warning { id: text.to_owned() };
        Ok(match kind {
            "silent" => Fault::Silent,
            "refuse" => Fault::Refuse,
            "wrong_word_order" => Fault::WrongWordOrder,
            "frozen" => Fault::Frozen,
            "slow" => argument.parse().map_or(warning, |ms| Fault::Slow { ms }),
            "exception" => argument.parse().map_or(warning, |code| Fault::Exception { code }),
            _ => warning,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_reads_the_same_from_text_and_from_json() {
        let check = |text: &str, json: &str| {
            let from_text: Fault = text.parse().unwrap();
            let from_json: Fault = serde_json::from_str(json).unwrap();
            assert_eq!(from_text, from_json, "{text}");
        };

        check("silent", r#"{"kind": "silent"}"#);
        check("refuse", r#"{"kind": "refuse"}"#);
        check("slow:500", r#"{"kind": "slow", "ms": 500}"#);
        check("exception:4", r#"{"kind": "exception", "code": 4}"#);
        check("wrong_word_order", r#"{"kind": "wrong_word_order"}"#);
        check("frozen", r#"{"kind": "frozen"}"#);
        check("invalid_conc", r#"{"kind": "warning", "id": "invalid_conc"}"#);
    }

    #[test]
    fn what_describes_no_fault_is_refused() {
        for json in [r#"{"kind": "slow", "seconds": 1}"#, r#"{"kind": "slow"}"#, r#"{"kind": "tired"}"#] {
            assert!(serde_json::from_str::<Fault>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_fault_replaces_the_former_of_its_kind_and_warnings_add_up() {
        let mut faults = Faults::default();

        for text in ["slow:500", "invalid_conc", "slow:20", "box_temp_warn", "invalid_conc"] {
            faults.set(text.parse().unwrap());
        }

        assert_eq!(faults.delay(), Duration::from_millis(20));
        assert_eq!(faults.list().len(), 3);
        faults.clear(&"invalid_conc".parse().unwrap());
        assert!(!faults.warns("invalid_conc"));
        assert!(faults.warns("box_temp_warn"));
    }
}
