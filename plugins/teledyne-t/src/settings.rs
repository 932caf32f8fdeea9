//! What the administrator says about an instrument.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use tutin_sdk::State;

use crate::map::Block;

/// A Teledyne API analyzer of the T or E series.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The model on the front plate.
    pub model: Model,
    /// The software generation: the numbers of the discrete inputs changed between generations. Default for T models:
    /// current. No default for E models.
    pub generation: Option<Generation>,
    /// The range that the instrument is set to, 1, 2 or (T200 with the block range3) 3. It is published once more under the
    /// gas's own name (no2 besides no2_r1 and no2_r2), and named by the point active_range. The register map has no register that
    /// tells which range is active, so this must agree with the instrument's set-up. Default 1.
    #[serde(default = "active_range")]
    #[schemars(range(min = 1, max = 3))]
    pub active_range: u8,
    /// What the instrument has besides its standard equipment: range3 (T200), o2, co2, o3 (T200). Default none.
    #[serde(default)]
    pub blocks: Vec<Block>,
    /// What is published besides the concentrations in the active range. Default ranges and diagnostics.
    #[serde(default = "publish")]
    pub publish: Vec<Group>,
    /// States that discrete inputs lead to while they are on, by the input's name as in invalid_conc, in place of the plugin's own
    /// proposal after NAMUR NE 107. `valid` means no effect. Default none.
    #[serde(default)]
    pub status_rules: BTreeMap<String, State>,
    /// State of the concentrations while the input system_is_ok is off. Default valid, no effect: every cause has an
    /// input of its own, and no source says when this one is set.
    #[serde(default)]
    pub system_not_ok: State,
    /// Numbers (0 to 31) of discrete inputs that differ from the plugin's map, by the input's name. For the generation rev_f0b,
    /// of which the sources know two numbers only, the others are taken from here and nowhere else. Default none.
    #[serde(default)]
    pub inputs: BTreeMap<String, u16>,
}

/// Models with a known map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Model {
    /// SO2.
    T100,
    /// SO2.
    #[serde(rename = "100E")]
    E100,
    /// SO2, trace level; only with the generation rev_f0b.
    #[serde(rename = "100EU")]
    E100U,
    /// NO, NO2, NOx.
    T200,
    /// NO, NO2, NOx.
    #[serde(rename = "200E")]
    E200,
    /// CO.
    T300,
    /// CO, high range.
    T300M,
    /// CO.
    #[serde(rename = "M300E")]
    E300,
    /// CO, high range.
    #[serde(rename = "M300EM")]
    E300M,
    /// O3.
    T400,
    /// O3.
    #[serde(rename = "400E")]
    E400,
}

impl Model {
    /// Names of all models, in the order of the list above.
    pub const NAMES: [&'static str; 11] =
        ["T100", "100E", "100EU", "T200", "200E", "T300", "T300M", "M300E", "M300EM", "T400", "400E"];

    /// The name on the front plate.
    pub fn name(self) -> &'static str {
        Self::NAMES.get(self as usize).copied().unwrap_or_default()
    }

    pub(crate) fn is_t_series(self) -> bool {
        matches!(self, Model::T100 | Model::T200 | Model::T300 | Model::T300M | Model::T400)
    }

    pub(crate) fn is_high_range(self) -> bool {
        matches!(self, Model::T300M | Model::E300M)
    }
}

/// Generations of the instrument's software, by their map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Generation {
    /// Appendix A-7 of the manuals from 2010 on (T and E models).
    Current,
    /// Appendix A rev. F.0B of the 100EU: IZS temperature at input 3, box temperature at 4. Only for 100E and 100EU.
    RevF0b,
}

/// What is published besides the concentrations in the active range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// The concentrations in every range, and their stability.
    Ranges,
    /// Temperatures, pressures, flows, voltages.
    Diagnostics,
    /// Slopes, offsets, concentrations at the last calibration.
    Calibration,
}

fn active_range() -> u8 {
    1
}

fn publish() -> Vec<Group> {
    vec![Group::Ranges, Group::Diagnostics]
}
