//! What the administrator says about a station.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use tutin_sdk::clock::UtcOffset;
use tutin_sdk::settings::{within, wrong};
use tutin_sdk::{Failure, State};

/// A station that speaks HJ 212.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The station's number, as it sends it: 24 characters, 14 in stations of 2005. Messages with another number are another
    /// station's and are not touched.
    pub mn: String,
    /// The station's password, 6 characters. A message with another one is refused.
    pub pw: Password,
    /// System code that the station sends: 21 surface water, 22 air quality, 31 air pollution source, 32 water pollution source,
    /// and others. A message with another one is refused.
    #[schemars(range(min = 10, max = 99))]
    pub st: u8,
    /// How far the station's clock is ahead of UTC, as in "+08:00".
    pub utc_offset: UtcOffset,
    /// Seconds without a message after which the station counts as silent, and without a value after which a real-time value
    /// counts as missing. Twice the station's interval of real-time data (which is 30 s to 1 h) leaves room for one
    /// message that is late. 1 to 86400.
    #[schemars(range(min = 1, max = 86400))]
    pub stale_after: u32,
    /// Edition of the standard that requests are written in: 2005, 2017 or 2025. Answers follow the message that they answer. Default 2017.
    #[serde(default)]
    pub edition: Edition,
    /// UCUM codes of units, by pollutant as in a21026 = "mg/m3", or by pollutant and field as in a21026-Cou = "kg". A pollutant's unit
    /// holds for its Rtd, Min, Avg and Max, and for the same with Zs. The protocol does not carry units. Default none.
    #[serde(default)]
    pub units: BTreeMap<String, String>,
    /// Real-time values that the station is to send, by pollutant and field as in "a21026-Rtd": they are points from the beginning
    /// and count as missing until they come. Others become points when they first come. Default none.
    #[serde(default)]
    pub expected: Vec<String>,
    /// Which averages become points: minute (2051), hour (2061), day (2031). Others are acknowledged and thrown away. Default
    /// all three.
    #[serde(default = "averages")]
    pub averages: Vec<Average>,
    /// States that data flags lead to, by their letter as in F = "maintenance", in place of the driver's own. Default none.
    #[serde(default)]
    pub flag_states: BTreeMap<String, State>,
    /// State of a value that the station sent without a data flag. Default suspect.
    #[serde(default = "suspect")]
    pub without_flag: State,
    /// Seconds that the station's clock may be ahead before the time of arrival is taken instead, and behind before a value is
    /// remarked as late. Default 300, 1 to 86400.
    #[serde(default = "max_clock_difference")]
    #[schemars(range(min = 1, max = 86400))]
    pub max_clock_difference: u32,
    /// Days after which a time of the station is absurd and the time of arrival is taken instead. Default 366, 1 to 3660.
    #[serde(default = "max_age_days")]
    #[schemars(range(min = 1, max = 3660))]
    pub max_age_days: u32,
    /// Seconds that the station may take to answer a request. Default 10, as the standard has it for mobile networks, 1 to 120.
    #[serde(default = "answer_timeout")]
    #[schemars(range(min = 1, max = 120))]
    pub answer_timeout: u32,
    /// Seconds of silence that end a page of history. Default 3, 1 to 60.
    #[serde(default = "page_silence")]
    #[schemars(range(min = 1, max = 60))]
    pub page_silence: u32,
}

/// Editions of HJ 212.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum Edition {
    /// HJ/T 212-2005.
    #[serde(rename = "2005")]
    Of2005,
    /// HJ 212-2017.
    #[default]
    #[serde(rename = "2017")]
    Of2017,
    /// HJ 212-2025.
    #[serde(rename = "2025")]
    Of2025,
}

impl Edition {
    /// The bits of `Flag` that say it.
    pub(crate) fn flag(self) -> u8 {
        match self {
            Edition::Of2005 => 0,
            Edition::Of2017 => 4,
            Edition::Of2025 => 8,
        }
    }
}

/// Averages that a station sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Average {
    /// 2051.
    Minute,
    /// 2061.
    Hour,
    /// 2031.
    Day,
}

/// A password that shows itself to nobody.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

fn averages() -> Vec<Average> {
    vec![Average::Minute, Average::Hour, Average::Day]
}

fn suspect() -> State {
    State::Suspect
}

fn max_clock_difference() -> u32 {
    300
}

fn max_age_days() -> u32 {
    366
}

fn answer_timeout() -> u32 {
    10
}

fn page_silence() -> u32 {
    3
}

impl Settings {
    /// What the type cannot check.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        word("mn", &self.mn, 24)?;
        word("pw", self.pw.expose(), 16)?;
        within("st", self.st.into(), 10, 99)?;
        within("stale_after", self.stale_after, 1, 86_400)?;
        within("max_clock_difference", self.max_clock_difference, 1, 86_400)?;
        within("max_age_days", self.max_age_days, 1, 3660)?;
        within("answer_timeout", self.answer_timeout, 1, 120)?;
        within("page_silence", self.page_silence, 1, 60)?;
        for letter in self.flag_states.keys() {
            if letter.chars().count() != 1 {
                return Err(wrong(&format!("flag_states.{letter}"), "a data flag is one character"));
            }
        }
        for (at, name) in self.expected.iter().enumerate() {
            if !name.split_once('-').is_some_and(|(code, field)| !code.is_empty() && !field.is_empty()) {
                return Err(wrong(&format!("expected[{at}]"), format_args!("{name:?} is not like \"a21026-Rtd\"")));
            }
        }
        Ok(())
    }
}

fn word(member: &str, text: &str, most: usize) -> Result<(), Failure> {
    let is_word = (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let why = format_args!("must be 1 to {most} letters and digits");
    if is_word { Ok(()) } else { Err(wrong(member, why)) }
}
