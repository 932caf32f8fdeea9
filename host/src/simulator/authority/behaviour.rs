//! How the authority treats what it is sent, on demand.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What happens to requests. As JSON: `{"behaviour": "refuse", "reason": "…"}`; as text: its name alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "behaviour", rename_all = "snake_case", deny_unknown_fields)]
pub enum Behaviour {
    /// Checked, stored, acknowledged.
    Accept,
    /// 422: it will never take them. Tokens are still checked.
    Refuse {
        /// What it says.
        #[serde(default = "default_reason")]
        reason: String,
    },
    /// 503: not now.
    Unavailable,
    /// Taken from the line, not stored, never answered.
    Stall,
    /// Checked and stored, but the answer is never sent: the same will come again, as a duplicate.
    StoreAndStall,
    /// Not listening, all connections closed. Listens again on the same port with any other behaviour.
    Vanish,
}

impl FromStr for Behaviour {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "accept" => Behaviour::Accept,
            "refuse" => Behaviour::Refuse { reason: default_reason() },
            "unavailable" => Behaviour::Unavailable,
            "stall" => Behaviour::Stall,
            "store_and_stall" => Behaviour::StoreAndStall,
            "vanish" => Behaviour::Vanish,
            _ => {
                let names = "accept, refuse, unavailable, stall, store_and_stall, vanish";
                return Err(format!("no behaviour is called {text}; there are {names}"));
            }
        })
    }
}

fn default_reason() -> String {
    "this authority refuses everything now".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_behaviour_reads_the_same_from_text_and_from_json() {
        for name in ["accept", "refuse", "unavailable", "stall", "store_and_stall", "vanish"] {
            let from_json: Behaviour = serde_json::from_str(&format!(r#"{{"behaviour": "{name}"}}"#)).unwrap();
            assert_eq!(name.parse(), Ok(from_json));
        }
        assert!("sleep".parse::<Behaviour>().unwrap_err().contains("unavailable"));
    }
}
