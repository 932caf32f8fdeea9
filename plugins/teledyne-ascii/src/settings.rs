//! What the administrator says about an instrument.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use tutin_sdk::clock::UtcOffset;
use tutin_sdk::settings::{within, wrong};
use tutin_sdk::{Failure, State};

/// A Teledyne API analyzer that speaks the ASCII protocol.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Names of the test values that are concentrations, as T LIST writes them: ["NOX", "NO"] of a T200. Calibration and warnings speak of these.
    pub concentrations: Vec<String>,
    /// How far the instrument's clock is ahead of UTC, as in "+05:00".
    pub utc_offset: UtcOffset,
    /// How warnings are learned: `asked` (the command W LIST in every poll) or `pushed` (what the instrument sends by itself holds for
    /// warning_hold). The sources have no list of commands, so that W LIST must be tried on the instrument.
    pub warnings: Warnings,
    /// Word in the line that tells the begin of a calibration; probably "START", but no source was read.
    pub calibration_start: String,
    /// Word in the line that tells its end; probably "FINISH", but no source was read.
    pub calibration_end: String,
    /// The instrument's id, up to four digits as in "0412", for lines that several share. Then it is sent, and lines of others are left alone. Default none.
    pub id: Option<String>,
    /// What ends a request: cr, lf (computer mode), crlf. Default cr.
    #[serde(default)]
    pub request_end: RequestEnd,
    /// Seconds that a pushed warning holds. Required with warnings = "pushed", 1 to 604800.
    #[schemars(range(min = 1, max = 604800))]
    pub warning_hold: Option<u32>,
    /// States that warnings lead to, by how they begin, as in "SYSTEM RESET" = "valid"; the longest match counts. Default: every warning is suspect.
    #[serde(default)]
    pub warning_states: BTreeMap<String, State>,
    /// UCUM codes of units that the driver does not know, as the instrument writes them: "CC/M" = "cm3/min". Default none.
    #[serde(default)]
    pub units: BTreeMap<String, String>,
    /// Channels of the instrument's logger to read back, with the names of their values in order, as in CONC = ["COCNC1 AVG"]. Values without a name
    /// are numbered. Default none.
    #[serde(default)]
    pub channels: BTreeMap<String, Vec<String>>,
    /// State of values of the logger: its records have no status. Default suspect.
    #[serde(default = "suspect")]
    pub record_state: State,
    /// Milliseconds of silence that end a list. Default 1500, 100 to 10000.
    #[serde(default = "list_silence_ms")]
    #[schemars(range(min = 100, max = 10000))]
    pub list_silence_ms: u32,
    /// Seconds that the instrument's clock may differ before its times are not taken. It shows whole minutes. Default 300, 60 to 86400.
    #[serde(default = "max_clock_difference")]
    #[schemars(range(min = 60, max = 86400))]
    pub max_clock_difference: u32,
}

/// How warnings are learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Warnings {
    /// By W LIST.
    Asked,
    /// From lines that nobody asked for.
    Pushed,
}

/// What ends a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestEnd {
    /// Carriage return.
    #[default]
    Cr,
    /// Line feed.
    Lf,
    /// Both.
    Crlf,
}

impl RequestEnd {
    pub(crate) fn text(self) -> &'static str {
        match self {
            RequestEnd::Cr => "\r",
            RequestEnd::Lf => "\n",
            RequestEnd::Crlf => "\r\n",
        }
    }
}

fn suspect() -> State {
    State::Suspect
}

fn list_silence_ms() -> u32 {
    1500
}

fn max_clock_difference() -> u32 {
    300
}

impl Settings {
    /// What the type cannot check.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.concentrations.is_empty() {
            return Err(wrong("concentrations", "must name at least one test value"));
        }
        for (at, name) in self.concentrations.iter().enumerate() {
            check_word(&format!("concentrations[{at}]"), name)?;
        }
        check_word("calibration_start", &self.calibration_start)?;
        check_word("calibration_end", &self.calibration_end)?;
        if let Some(id) = &self.id
            && !((1..=4).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit()))
        {
            return Err(wrong("id", "must be 1 to 4 digits"));
        }
        match (self.warnings, self.warning_hold) {
            (Warnings::Pushed, None) => return Err(wrong("warning_hold", "is required with warnings = \"pushed\"")),
            (_, Some(hold)) if !(1..=604_800).contains(&hold) => {
                return Err(wrong("warning_hold", "must be 1 to 604800"));
            }
            _ => {}
        }
        for channel in self.channels.keys() {
            check_word(&format!("channels.{channel}"), channel)?;
        }
        within("list_silence_ms", self.list_silence_ms, 100, 10_000)?;
        within("max_clock_difference", self.max_clock_difference, 60, 86_400)
    }

    /// The state that a warning leads to.
    pub(crate) fn warning_state(&self, warning: &str) -> State {
        let matching = self.warning_states.iter().filter(|(name, _)| warning.starts_with(name.as_str()));
        matching.max_by_key(|(name, _)| name.len()).map_or(State::Suspect, |(_, state)| *state)
    }
}

/// It is sent within a line, or looked for in one.
fn check_word(member: &str, text: &str) -> Result<(), Failure> {
    let is_word = (1..=40).contains(&text.len())
        && text.bytes().all(|byte| byte == b' ' || (byte.is_ascii_graphic() && byte != b'"'));
    if is_word { Ok(()) } else { Err(wrong(member, "must be 1 to 40 printable characters without quotes")) }
}
