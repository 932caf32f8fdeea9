//! What each model is asked for, and what the bits of its flags mean.
//!
//! Sources: Thermo 42i, 43i, 48i, 49i manuals, appendix B (commands); HagenTelg/forge, thermo49 (what a 49c and a 49i answer, and their
//! flags). The manuals show the flags of the 42i, 43i and 48i in figures that were not read: for those the settings say them.

use schemars::JsonSchema;
use serde::Deserialize;
use tutin_sdk::State;

/// Models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Model {
    /// NO, NO2, NOx.
    #[serde(rename = "42i")]
    Nox42i,
    /// NO, NO2, NOx, trace level.
    #[serde(rename = "42i-TL")]
    Nox42iTl,
    /// NO, NO2, NOx, low source.
    #[serde(rename = "42i-LS")]
    Nox42iLs,
    /// SO2.
    #[serde(rename = "43i")]
    So243i,
    /// SO2, trace level.
    #[serde(rename = "43i-TLE")]
    So243iTle,
    /// CO.
    #[serde(rename = "48i")]
    Co48i,
    /// O3.
    #[serde(rename = "49i")]
    O349i,
    /// O3, the generation before.
    #[serde(rename = "49c")]
    O349c,
}

impl Model {
    /// Names of all models.
    pub const NAMES: [&'static str; 8] = ["42i", "42i-TL", "42i-LS", "43i", "43i-TLE", "48i", "49i", "49c"];

    /// Commands for the concentrations.
    pub(crate) fn gases(self) -> &'static [&'static str] {
        match self {
            Model::Nox42i | Model::Nox42iTl | Model::Nox42iLs => &["no", "no2", "nox"],
            Model::So243i | Model::So243iTle => &["so2"],
            Model::Co48i => &["co"],
            Model::O349i | Model::O349c => &["o3"],
        }
    }

    /// Commands for what else it measures, as far as sources tell them for the model.
    pub(crate) fn diagnostics(self) -> &'static [&'static str] {
        match self {
            Model::O349i => &[
                "bench temp",
                "lamp temp",
                "pres",
                "flow a",
                "flow b",
                "cell a int",
                "cell b int",
                "o3 lamp temp",
                "lamp voltage bench",
                "lamp voltage oz",
            ],
            Model::O349c => {
                &["bench temp", "lamp temp", "pres", "flow a", "flow b", "cell a int", "cell b int", "oz flow"]
            }
            _ => &[],
        }
    }

    /// Meanings of the flags; nothing when no source was read.
    pub(crate) fn flags(self) -> Option<&'static [Flag]> {
        match self {
            Model::O349i | Model::O349c => Some(&FLAGS_49),
            _ => None,
        }
    }
}

/// What a flag does to the concentrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// They have this state.
    State(State),
    /// They are above a limit that the operator has set.
    AboveLimit,
}

/// A bit of the flags. States are this driver's proposal after NAMUR NE 107; the settings may say otherwise.
#[derive(Debug)]
pub(crate) struct Flag {
    pub bit: u32,
    pub name: &'static str,
    pub effect: Effect,
}

const fn flag(bit: u32, name: &'static str, state: State) -> Flag {
    Flag { bit, name, effect: Effect::State(state) }
}

const FLAGS_49: [Flag; 22] = [
    flag(0x0000_0001, "sample temp low", State::Suspect),
    flag(0x0000_0002, "sample temp high", State::Suspect),
    flag(0x0000_0004, "lamp temp low", State::Suspect),
    flag(0x0000_0008, "lamp temp high", State::Suspect),
    flag(0x0000_0010, "ozonator temp low", State::Valid),
    flag(0x0000_0020, "ozonator temp high", State::Valid),
    flag(0x0000_0040, "pressure low", State::Suspect),
    flag(0x0000_0080, "pressure high", State::Suspect),
    flag(0x0000_0100, "flow a low", State::Suspect),
    flag(0x0000_0200, "flow a high", State::Suspect),
    flag(0x0000_0400, "flow b low", State::Suspect),
    flag(0x0000_0800, "flow b high", State::Suspect),
    flag(0x0000_1000, "intensity a low", State::Fault),
    flag(0x0000_2000, "intensity a high", State::Fault),
    flag(0x0000_4000, "intensity b low", State::Fault),
    flag(0x0000_8000, "intensity b high", State::Fault),
    flag(0x0010_0000, "ozonator on", State::Valid),
    flag(0x0400_0000, "pressure compensation", State::Valid),
    flag(0x0800_0000, "temperature compensation", State::Valid),
    flag(0x2000_0000, "service mode", State::Maintenance),
    flag(0x4000_0000, "o3 low alarm", State::Valid),
    Flag { bit: 0x8000_0000, name: "o3 high alarm", effect: Effect::AboveLimit },
];

/// The UCUM code of a unit as the instrument writes it.
pub(crate) fn unit(text: &str) -> Option<&'static str> {
    let unit = match text.to_ascii_lowercase().as_str() {
        "ppb" => "[ppb]",
        "ppm" => "[ppm]",
        "mg/m3" => "mg/m3",
        "ug/m3" => "ug/m3",
        // "dec C" is what a 49i was seen to answer.
        "deg c" | "dec c" => "Cel",
        "mm hg" | "mmhg" => "mm[Hg]",
        "l/m" | "l/min" | "lpm" => "L/min",
        "hz" => "Hz",
        "v" => "V",
        "%" => "%",
        _ => return None,
    };
    Some(unit)
}
