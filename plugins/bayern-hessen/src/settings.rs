//! What the administrator says about a line with Bayern-Hessen instruments.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use tutin_sdk::State;

/// One instrument, or several of one maker behind one line.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Whose bits the two status bytes are. No default: a bit means something else from maker to maker.
    pub dialect: Dialect,
    /// The values, by the address that stands before each in the reply; at least one. Where replies have no addresses and
    /// `by_position` is set, they are in the order of the reply.
    #[schemars(length(min = 1, max = 99))]
    pub channels: Vec<Channel>,
    /// Addresses that are asked one after the other. Default none: one request without an address, which every instrument on the line
    /// answers; right where there is only one.
    #[serde(default)]
    #[schemars(length(max = 99), inner(range(max = 999)))]
    pub ask: Vec<u16>,
    /// How requests end: `check` (ETX and a block check) or `cr` (carriage return, no check). Default check.
    #[serde(default)]
    pub request: Terminator,
    /// How replies are framed, for instruments that are set to one form: `check`, `cr`, `text` (no STX; Teledyne's TEXT). Default: as the request
    /// (Teledyne's CMD).
    pub reply: Option<ReplyForm>,
    /// How an address is brought to three characters in requests: `zeros` or `blanks` (Thermo knows both). Default zeros.
    #[serde(default)]
    pub padding: Padding,
    /// True when values without addresses belong to the channels in their order. Default false: then only a single value without an address
    /// is taken.
    #[serde(default)]
    pub by_position: bool,
    /// What becomes of a value with an address that no channel has: `publish` as a point `address_N` without unit, or `ignore`. Default publish.
    #[serde(default)]
    pub unlisted: Unlisted,
    /// Bits of the status word (operation byte × 256 + error byte) that differ from the dialect's, or that it does not know, by name:
    /// where they are and what they say. Default none.
    #[serde(default)]
    pub flags: BTreeMap<String, FlagSettings>,
    /// State of a value that is exactly 0: some instruments send 0.0 for a value that is not valid, and nothing in the reply tells it from a
    /// measured one. Any state but valid. Default suspect.
    #[serde(default = "exact_zero")]
    pub exact_zero: State,
    /// Whether a value is at fault when the status says that it is in another unit than the channel's (serinus, teledyne, teledyne_t360).
    /// Default true.
    #[serde(default = "check_units")]
    pub check_units: bool,
}

/// One value of the reply.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// Address that stands before the value, 0 to 999.
    #[schemars(range(max = 999))]
    pub address: u16,
    /// Id of the point: lower case letters, digits and `_`, starting with a letter, at most 64.
    pub id: String,
    /// What it is, in words. Default: the id.
    pub label: Option<String>,
    /// UCUM code of the unit that the instrument is set to: `"[ppb]"`, `"mg/m3"`. Default empty: nobody said.
    #[serde(default)]
    pub unit: String,
}

/// Where a flag is and what it says.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlagSettings {
    /// Its bits in the status word, any of which will do; 0 when it is assigned to none. Default: the dialect's.
    pub mask: Option<u16>,
    /// State of the value while it is set; `valid` for no effect. Default: the dialect's.
    pub state: Option<State>,
}

/// Whose status bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// Ecotech and Acoem Serinus 10, 30, 40, 44, 50.
    Serinus,
    /// Durag and Verewa F-701-20, dust.
    #[serde(rename = "durag_f701_20")]
    DuragF70120,
    /// Teledyne API models: what their factory settings have in common, which is calibration modes and units. The warnings differ from model to
    /// model: `flags`.
    Teledyne,
    /// Teledyne API T360 and 360E with factory settings.
    TeledyneT360,
    /// None of these: all bits from `flags`.
    Own,
}

/// How a request ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Terminator {
    /// ETX and two hex digits.
    #[default]
    Check,
    /// Carriage return.
    Cr,
}

/// How a reply is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplyForm {
    /// STX, text, ETX, two hex digits.
    Check,
    /// STX, text, carriage return.
    Cr,
    /// Text between carriage returns.
    Text,
}

/// How an address becomes three characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// "005".
    #[default]
    Zeros,
    /// "  5".
    Blanks,
}

/// What becomes of an address that no channel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unlisted {
    /// It becomes a point.
    #[default]
    Publish,
    /// Nothing.
    Ignore,
}

impl Settings {
    /// How replies are framed.
    pub fn reply_form(&self) -> ReplyForm {
        self.reply.unwrap_or(match self.request {
            Terminator::Check => ReplyForm::Check,
            Terminator::Cr => ReplyForm::Cr,
        })
    }
}

impl Padding {
    /// An address in a request.
    pub fn pad(self, address: u16) -> String {
        match self {
            Padding::Zeros => format!("{address:03}"),
            Padding::Blanks => format!("{address:>3}"),
        }
    }
}

fn exact_zero() -> State {
    State::Suspect
}

fn check_units() -> bool {
    true
}
