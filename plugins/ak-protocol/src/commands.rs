//! Control commands.
//!
//! The instrument answers each with an echo and carries it out after that. In manual mode it refuses all but `remote`.
//! Sources: Emerson NGA 2000 AK manual 90003752(1); Testo CU-2 manual p. 30.

use schemars::JsonSchema;
use serde::Deserialize;
use tutin_sdk::{Description, Failure, settings};

use crate::settings::Settings;
use crate::telegram::Refusal;

/// Arguments of every command.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The number after K, one of those that the settings read, or 0 for the whole device. Default: the only one that is read, else needed.
    pub channel: Option<u16>,
    /// What the instrument wants after that, from its manual: at most 60 printable characters. Default nothing.
    #[serde(default)]
    pub data: String,
}

/// Name, code, purpose.
const COMMANDS: [(&str, &str, &str); 8] = [
    ("remote", "SREM", "Puts the instrument under remote control, which the other commands need"),
    ("manual", "SMAN", "Gives it back to its own panel"),
    ("measure", "SMGA", "Measures the sample"),
    (
        "zero-start",
        "SNGA",
        "Draws zero gas or runs the instrument's zero test; the end is seen in the running function",
    ),
    ("standby", "STBY", "Ends what runs and goes to standby"),
    ("integrate-start", "SINT", "Starts the instrument's integrator"),
    ("integrate-stop", "SINA", "Stops the instrument's integrator"),
    ("reset", "SRES", "Resets the instrument; accepted while a function runs"),
];

/// Adds the commands to the plugin's description.
pub(crate) fn describe(mut description: Description) -> Description {
    for (name, code, purpose) in COMMANDS {
        description = description
            .command_with::<Arguments>(name, &format!("{purpose} ({code}). The text point status_k shows it."));
    }
    description
}

/// The code, channel and data of a command.
pub(crate) fn telegram(of: &Settings, name: &str, arguments: &str) -> Result<(&'static str, u16, String), Failure> {
    let Some((_, code, _)) = COMMANDS.into_iter().find(|(known, ..)| *known == name) else {
        return Err(Failure::unsupported(format!("there is no command {name:?}")));
    };
    let Arguments { channel, data } = settings::arguments(arguments)?;
    if data.len() > 60 || !data.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(Failure::unsupported("arguments.data: at most 60 printable characters"));
    }
    let read = || of.reads.iter().map(|read| read.channel);
    let channel = match (channel, read().next()) {
        (Some(channel), _) if channel == 0 || read().any(|read| read == channel) => channel,
        (Some(channel), _) => {
            return Err(Failure::unsupported(format!("arguments.channel: the settings read no channel {channel}")));
        }
        (None, Some(first)) if read().all(|read| read == first) => first,
        (None, _) => return Err(Failure::unsupported("arguments.channel: needed, the settings read several channels")),
    };
    Ok((code, channel, data))
}

/// The failure of a command that the instrument refuses.
pub(crate) fn refused(wording: &str, refusal: Refusal) -> Failure {
    let message = format!("{wording}: {}: {}", refusal.word(), refusal.meaning());
    match refusal {
        Refusal::Busy => Failure::busy(message),
        Refusal::UnknownCode => Failure::unsupported(message),
        _ => Failure::device(message),
    }
}
