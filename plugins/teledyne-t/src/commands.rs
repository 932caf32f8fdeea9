//! Zero and span checks through the coils.
//!
//! A coil that is set starts the check, and it lasts until the coil is cleared. Without the instrument's variables DYN_ZERO and
//! DYN_SPAN a check adjusts nothing. Source: Teledyne API manuals, appendix A-7.

use schemars::JsonSchema;
use serde::Deserialize;
use tutin_sdk::modbus::Control;
use tutin_sdk::{Description, Failure, settings};

use crate::map::{Check, Map};

/// Arguments of every command.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The range that is checked, 1 or 2. Default 1.
    #[serde(default = "first_range")]
    #[schemars(range(min = 1, max = 2))]
    pub range: u8,
}

fn first_range() -> u8 {
    1
}

const COMMANDS: [(&str, Check, bool); 6] = [
    ("zero-start", Check::Zero, true),
    ("zero-stop", Check::Zero, false),
    ("span-start", Check::Span, true),
    ("span-stop", Check::Span, false),
    ("low-span-start", Check::LowSpan, true),
    ("low-span-stop", Check::LowSpan, false),
];

impl Check {
    fn name(self) -> &'static str {
        match self {
            Check::Zero => "zero",
            Check::LowSpan => "low span",
            Check::Span => "span",
        }
    }

    /// The discrete input that is on while it runs.
    fn input(self) -> &'static str {
        match self {
            Check::Zero => "in_zero_cal",
            Check::LowSpan => "in_low_span_cal",
            Check::Span => "in_span_cal",
        }
    }
}

/// Adds the commands to the plugin's description.
pub(crate) fn describe(mut description: Description) -> Description {
    for (name, check, is_start) in COMMANDS {
        let only = if check == Check::LowSpan { " T400 and 400E only." } else { "" };
        let (what, input) = (check.name(), check.input());
        let purpose = if is_start {
            format!(
                "Draws {what} gas and holds it until the matching stop. The state is calibration while the input {input} is on. \
                 A check; it adjusts the instrument only if its variable DYN_ZERO or DYN_SPAN is on.{only}"
            )
        } else {
            format!("Goes back to the sample. Done when the input {input} is off.{only}")
        };
        description = description.command_with::<Arguments>(name, &purpose);
    }
    description
}

/// Carries out a command.
pub(crate) fn run<L: Control>(link: &L, map: &Map, name: &str, arguments: &str) -> Result<String, Failure> {
    let Some((_, check, is_start)) = COMMANDS.into_iter().find(|(known, ..)| *known == name) else {
        return Err(Failure::unsupported(format!("there is no command {name:?}")));
    };
    let Arguments { range } = settings::arguments(arguments)?;
    if !(1..=2).contains(&range) {
        return Err(Failure::unsupported("arguments.range: must be 1 or 2"));
    }
    let coil = map.coils.iter().find(|coil| coil.check == check && coil.range == range);
    let coil = coil.ok_or_else(|| Failure::unsupported(format!("this model has no {} check", check.name())))?;
    link.write_coil(coil.address, is_start).map_err(|err| err.during(format_args!("coil {}", coil.address)))?;
    Ok(if is_start {
        format!("{} check of range {range} requested; the input {} shows that it runs", check.name(), check.input())
    } else {
        format!("end of the {} check of range {range} requested; the input {} shows when", check.name(), check.input())
    })
}
