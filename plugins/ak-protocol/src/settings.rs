//! What the administrator says about an AK instrument. The protocol leaves codes, order, names and units of values to the instrument, so they
//! all come from here.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use tutin_sdk::{PointKind, State};

/// One AK instrument, or a system of several that answers under several channels.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The character after STX in requests, which some instruments take for a station number (Testo and TEOM: "0" or the station). One printable
    /// character. Default a blank.
    #[serde(default = "filler")]
    pub filler: String,
    /// Which commands are sent in each poll, in order, and what is taken from the answers; at least one.
    #[schemars(length(min = 1))]
    pub reads: Vec<Read>,
    /// Where the running function (ASTZ) and the errors (ASTF) are asked for: `by_channel` of every channel that is read, `device` of channel 0 only,
    /// `none`. Default by_channel.
    #[serde(default)]
    pub status: StatusFrom,
    /// State of values while the instrument says STBY (standby). No default, needed unless status is none: CAI and Emerson measure in standby
    /// when no function was asked for (`valid`), Testo does not (`maintenance`).
    pub standby: Option<State>,
    /// States that other running functions lead to, by code, in place of the plugin's own table or besides it; `valid` for no effect. Default none.
    #[serde(default)]
    pub functions: BTreeMap<String, State>,
    /// States that error numbers of ASTF lead to; the numbers are the instrument's own. `valid` for no effect. Default none.
    #[serde(default)]
    pub errors: BTreeMap<String, State>,
    /// State that an error leads to which `errors` does not list or whose number is not to be had. Any state but valid. Default fault.
    #[serde(default = "other_errors")]
    pub other_errors: State,
}

/// One command of a poll.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// Four characters, the first an A: AKON (concentrations), AREG (TEOM registers), AKEN (identification) …
    pub code: String,
    /// The number after K. Default 0.
    #[serde(default)]
    #[schemars(range(max = 999))]
    pub channel: u16,
    /// What follows, as a register's number. Default nothing.
    #[serde(default)]
    pub data: String,
    /// What is taken from the answer; at least one.
    #[schemars(length(min = 1))]
    pub points: Vec<PointSettings>,
}

/// One field of an answer.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PointSettings {
    /// Lower case letters, digits and `_`, starting with a letter, at most 64.
    pub id: String,
    /// What it is, in words. Default: the id.
    pub label: Option<String>,
    /// UCUM code of the unit that the instrument is set to. Default empty: nobody said.
    #[serde(default)]
    pub unit: String,
    /// Which field after the error digit, from 1. Default: the place in this list.
    pub field: Option<u8>,
    /// `number`, or `text`: this field and all after it. Default number.
    #[serde(rename = "type", default)]
    pub kind: PointKind,
    /// Lowest and highest number that the instrument can show. What is outside is kept but is at fault: the protocol has no check sum. Default any.
    pub range: Option<[f64; 2]>,
    /// Whether running functions and errors leave this number as it is, as with a temperature of the instrument itself. Default false.
    #[serde(default)]
    pub diagnostic: bool,
}

/// Where the status is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatusFrom {
    /// Of every channel that is read.
    #[default]
    ByChannel,
    /// Of channel 0, for all.
    Device,
    /// Nowhere: the instrument has no ASTZ and ASTF. An error digit then leads to `other_errors`.
    None,
}

fn filler() -> String {
    " ".to_owned()
}

fn other_errors() -> State {
    State::Fault
}
