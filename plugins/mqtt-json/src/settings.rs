//! What the administrator says about the messages.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tutin_sdk::{PointKind, State};

use crate::path::Path;
use crate::time::TimeFormat;
use crate::topic::{Template, TopicPattern};

/// Messages of an MQTT broker whose payloads are JSON or one plain value.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Rules for a known sender, before those of `messages`: neuron, thingsboard, homie. Default none.
    pub preset: Option<Preset>,
    /// What the preset's topics begin with, without a slash at the end. Default is the preset's own: /neuron, v1, homie.
    pub base: Option<String>,
    /// In place of a preset's own proposal: device state words to states, as in {"sleeping" = "valid"}. Default none.
    #[serde(default)]
    pub state_words: BTreeMap<String, State>,
    /// How messages become values. Default none besides the preset's.
    #[serde(default)]
    pub messages: Vec<MessageRule>,
    /// Messages that speak of the state of a whole device. Default none besides the preset's.
    #[serde(default)]
    pub device_states: Vec<DeviceStateRule>,
    /// Points that are there from the beginning, with label and unit. Default none: all are found in the messages.
    #[serde(default)]
    pub points: Vec<KnownPoint>,
    /// Most points that are found besides those in `points`, 0 to 60,000. Names above are ignored with a line in the log. Default 256.
    #[serde(default = "most_discovered")]
    #[schemars(range(max = 60_000))]
    pub most_discovered: u32,
    /// Units as messages write them, to UCUM codes, as in `{"ppb" = "[ppb]"}`. A unit that is not here is not taken over. Default none.
    #[serde(default)]
    pub units: BTreeMap<String, String>,
    /// Seconds after which a point without a new value is comm_error, 1 to 604,800. No default: it is twice the interval at which
    /// the sender publishes, which only the administrator knows.
    #[schemars(range(min = 1, max = 604_800))]
    pub stale_after_s: u32,
    /// State of a retained message whose payload tells no time: its age is unknown. `suspect` keeps its value. Default comm_error.
    #[serde(default = "comm_error")]
    pub retained_without_time: State,
    /// Seconds that a message's time may be ahead of the host's; beyond, the time of arrival counts. Default 300.
    #[serde(default = "max_clock_difference")]
    pub max_clock_difference_s: u32,
    /// Days after which a value is too old to be recorded; the message's clock is taken to be wrong. Default 30.
    #[serde(default = "oldest")]
    #[schemars(range(min = 1))]
    pub oldest_days: u32,
    /// Quality of service of the subscription, 0 to 2. Default 1.
    #[serde(default = "qos")]
    #[schemars(range(max = 2))]
    pub qos: u8,
}

/// Senders whose messages are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// EMQX Neuron, formats "values" and "tags".
    Neuron,
    /// What devices and gateways send to ThingsBoard.
    Thingsboard,
    /// Homie convention 4; 5 with `base = "homie/5"`.
    Homie,
}

/// How the messages of some topics become values.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageRule {
    /// Topic with placeholders, as in plant/{device}/telemetry; + and # as in a filter.
    pub topic: TopicPattern,
    /// json, or plain: the payload is one value as text. Default json.
    #[serde(default)]
    pub format: Format,
    /// Only payloads in which each of these paths leads somewhere. Default every payload.
    #[serde(default)]
    pub when: Vec<Path>,
    /// Only payloads in which none of these paths leads somewhere. Default every payload.
    #[serde(default)]
    pub unless: Vec<Path>,
    /// Path to the records of a payload, each with its own time. Default $: the payload is one record.
    #[serde(default = "Path::root")]
    pub records: Path,
    /// Path to the time, within the record. Default none: the time of arrival.
    pub time: Option<Path>,
    /// How the time is written: unix_s, unix_ms, unix_us, unix_ns, rfc3339. Needed with `time`.
    pub time_format: Option<TimeFormat>,
    /// More placeholders: name = path within the record. Default none.
    #[serde(default)]
    pub captures: BTreeMap<String, Path>,
    /// The values within a record.
    pub values: Vec<ValueRule>,
}

/// The values that a path selects.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValueRule {
    /// Path within the record to what belongs to one value, as in values.{key}. Default $: the record.
    #[serde(default = "Path::root")]
    pub select: Path,
    /// Name of the point: text with placeholders, as in {device}_{key}. It becomes the point's id with all but lower case letters and
    /// digits turned to _.
    pub id: Template,
    /// More placeholders: name = path within the selected place. Default none.
    #[serde(default)]
    pub captures: BTreeMap<String, Path>,
    /// Path to the value, within the selected place. Default $.
    #[serde(default = "Path::root")]
    pub value: Path,
    /// True when a text that is a number counts as one ("12.5"). Default false.
    #[serde(default)]
    pub text_numbers: bool,
    /// True when a record may lack the value. Default false: its point is then at fault.
    #[serde(default)]
    pub optional: bool,
    /// Path to the unit, within the selected place; see `units`. Default none.
    pub unit: Option<Path>,
    /// Where the sender says how good the value is. Default none: it does not say.
    pub quality: Option<Quality>,
    /// Path to an error, within the selected place. What is there, and neither null, false nor 0, means that there is no value. Default none.
    pub error: Option<Path>,
    /// States for errors, by the error as text. Default none; an error that is not here is a fault.
    #[serde(default)]
    pub error_states: BTreeMap<String, State>,
}

/// Words of quality, and what they mean.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quality {
    /// Path to the word or number, within the selected place.
    pub path: Path,
    /// States by word, as in {"192" = "valid"}.
    pub states: BTreeMap<String, State>,
    /// State for words that are not in `states`. Default suspect.
    #[serde(default = "suspect")]
    pub otherwise: State,
    /// State when there is no word. Default suspect.
    #[serde(default = "suspect")]
    pub absent: State,
}

/// Messages that speak of the state of a device: of all points that met the same placeholders.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceStateRule {
    /// Topic with placeholders, as in homie/{device}/$state.
    pub topic: TopicPattern,
    /// json or plain. Default json.
    #[serde(default)]
    pub format: Format,
    /// Path to the word. Default $.
    #[serde(default = "Path::root")]
    pub value: Path,
    /// States by word, as in {"Online" = "valid", "Offline" = "comm_error"}.
    pub states: BTreeMap<String, State>,
    /// State for words that are not in `states`. Default suspect.
    #[serde(default = "suspect")]
    pub otherwise: State,
}

/// How a payload is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A JSON document.
    #[default]
    Json,
    /// One value as UTF-8 text: true, false, a number, or any text.
    Plain,
}

/// A point that is there from the beginning.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KnownPoint {
    /// Lower case letters, digits and _, at most 64.
    pub id: String,
    /// Name as the rules make it. Default the id.
    pub name: Option<String>,
    /// What it is, for people. Default the name.
    pub label: Option<String>,
    /// UCUM code. Default empty: nobody said.
    #[serde(default)]
    pub unit: String,
    /// number or text. Default number.
    #[serde(default)]
    pub kind: PointKind,
}

fn most_discovered() -> u32 {
    256
}

fn comm_error() -> State {
    State::CommError
}

fn suspect() -> State {
    State::Suspect
}

fn max_clock_difference() -> u32 {
    300
}

fn oldest() -> u32 {
    30
}

fn qos() -> u8 {
    1
}
