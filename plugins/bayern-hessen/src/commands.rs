//! Zero, span, background and back to measuring: `ST<address> <letter>`.
//!
//! The instrument does not answer. Source: Ecotech Serinus 30 manual 3.3, p. 218 to 221.

use schemars::JsonSchema;
use serde::Deserialize;
use tutin_sdk::stream::Stream;
use tutin_sdk::{Description, Failure, settings};

use crate::frame;
use crate::settings::Settings;

/// Arguments of every command.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// Address of the instrument, one of those in the settings. Default: the only one.
    pub address: Option<u16>,
}

/// Name, letter, purpose.
const COMMANDS: [(&str, char, &str); 4] = [
    ("zero-start", 'N', "Draws zero gas until the command measure"),
    ("span-start", 'K', "Draws span gas until the command measure"),
    ("measure", 'M', "Goes back to the sample"),
    ("background-start", 'S', "Starts a background check (Serinus 30 and 50)"),
];

/// Adds the commands to the plugin's description.
pub(crate) fn describe(mut description: Description) -> Description {
    for (name, _, purpose) in COMMANDS {
        let purpose = format!("{purpose}. Not answered: whether and when is seen in the status bits of later values.");
        description = description.command_with::<Arguments>(name, &purpose);
    }
    description
}

/// Sends a command.
pub(crate) fn run<L: Stream>(link: &L, of: &Settings, name: &str, arguments: &str) -> Result<String, Failure> {
    let Some((_, letter, _)) = COMMANDS.into_iter().find(|(known, ..)| *known == name) else {
        return Err(Failure::unsupported(format!("there is no command {name:?}")));
    };
    let Arguments { address } = settings::arguments(arguments)?;
    let known = || of.ask.iter().copied().chain(of.channels.iter().map(|channel| channel.address));
    let address = match (address, known().next()) {
        (Some(address), _) if known().any(|known| known == address) => address,
        (Some(address), _) => {
            return Err(Failure::unsupported(format!("arguments.address: the settings name no address {address}")));
        }
        (None, Some(first)) if known().all(|known| known == first) => first,
        (None, _) => {
            return Err(Failure::unsupported("arguments.address: needed, the settings name several addresses"));
        }
    };
    let text = format!("ST{} {letter}", of.padding.pad(address));
    link.send(&frame::request(&text, of.request)).map_err(|err| err.during(format_args!("command {text}")))?;
    Ok(format!("{text} sent; instruments do not answer it, the status bits of the next values show whether it runs"))
}
