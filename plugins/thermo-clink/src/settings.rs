//! What the administrator says about an instrument.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use tutin_sdk::clock::UtcOffset;
use tutin_sdk::settings::wrong;
use tutin_sdk::{Failure, State};

pub use crate::model::Model;

/// A Thermo Scientific analyzer that speaks C-Link.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The model on the front plate.
    pub model: Model,
    /// The instrument's id, 0 to 127, as set in its menu; a 42i comes with 42. With 0 no id is sent.
    #[schemars(range(max = 127))]
    pub id: u8,
    /// How far the instrument's clock is ahead of UTC, as in "+05:00". Its records carry local time.
    pub utc_offset: UtcOffset,
    /// Whether the instrument is set to answer with a sum (format 01). Then an answer without one, or with another one, is refused.
    /// Default false.
    #[serde(default)]
    pub sum: bool,
    /// Commands for values to read besides the concentrations, as in "pres", in place of the driver's own list for the model. The sources tell
    /// such a list for 49i and 49c only. Default the driver's own.
    pub diagnostics: Option<Vec<String>>,
    /// Commands whose answer is text, as in "program no" or "range mode". Default none.
    #[serde(default)]
    pub texts: Vec<String>,
    /// Whether the gas mode is asked for: zero and span make the concentrations calibration. Default true. Without it, what the flags say is all.
    #[serde(default = "yes")]
    pub gas_mode: bool,
    /// States that bits of the flags lead to, by the bit as in "0x20000000" = "maintenance"; `valid` means no effect. Required but for 49i and
    /// 49c, where it changes the driver's own table. A bit without a meaning makes the concentrations suspect.
    pub flag_states: Option<BTreeMap<String, State>>,
    /// Bits of the flags that are the remark above_limit, as in ["0x80000000"]. Default: that of the driver's own table, if any.
    #[serde(default)]
    pub limit_flags: Vec<String>,
    /// Seconds that the instrument's clock may differ before its records are refused: their times could not be trusted. Default 300, 1 to
    /// 86400.
    #[serde(default = "max_clock_difference")]
    #[schemars(range(min = 1, max = 86400))]
    pub max_clock_difference: u32,
}

fn yes() -> bool {
    true
}

fn max_clock_difference() -> u32 {
    300
}

impl Settings {
    /// What the type cannot check.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.id > 127 {
            return Err(wrong("id", "must be 0 to 127"));
        }
        if !(1..=86_400).contains(&self.max_clock_difference) {
            return Err(wrong("max_clock_difference", "must be 1 to 86400"));
        }
        if self.model.flags().is_none() && self.flag_states.is_none() {
            return Err(wrong(
                "flag_states",
                "the sources tell the flags of 49i and 49c only; give those of this model from its manual, or {} if none",
            ));
        }
        check_commands("diagnostics", self.diagnostics.as_deref().unwrap_or_default())?;
        check_commands("texts", &self.texts)
    }

    /// Commands for numbers, the concentrations first.
    pub(crate) fn numbers(&self) -> Vec<String> {
        let own = || self.model.diagnostics().iter().map(|command| (*command).to_owned()).collect();
        let diagnostics = self.diagnostics.clone().unwrap_or_else(own);
        self.model.gases().iter().map(|gas| (*gas).to_owned()).chain(diagnostics).collect()
    }
}

/// A command that reads has a name and no arguments; one that sets is none of those.
fn check_commands(member: &str, commands: &[String]) -> Result<(), Failure> {
    for (at, command) in commands.iter().enumerate() {
        let is_name = (1..=40).contains(&command.len())
            && command.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b' ')
            && command.starts_with(|first: char| first.is_ascii_lowercase());
        let is_twice = commands.iter().take(at).any(|other| other == command);
        if !is_name || command.starts_with("set ") || is_twice {
            let why = format_args!("{command:?} is no command that reads, or there twice");
            return Err(wrong(&format!("{member}[{at}]"), why));
        }
    }
    Ok(())
}
