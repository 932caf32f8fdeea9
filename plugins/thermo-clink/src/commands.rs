//! Zero gas, span gas, sample gas, and remote mode.
//!
//! The instrument obeys only in remote mode, which can be set from local mode. It says `ok`. Source: 42i manual, appendix B.

use schemars::JsonSchema;
use serde::Deserialize;
use tutin_sdk::stream::Stream;
use tutin_sdk::{Description, Failure, settings};

use crate::ThermoClink;
use crate::reply::Answer;

/// Commands take no arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct None {}

/// Name, what is sent, what it does.
const COMMANDS: [(&str, &str, &str); 4] = [
    ("remote", "set mode remote", "Takes the instrument into remote mode, without which it obeys no other command."),
    (
        "zero",
        "set zero",
        "Draws zero gas until the command sample. The point gas_mode tells it; the state is calibration.",
    ),
    (
        "span",
        "set span",
        "Draws span gas until the command sample. The point gas_mode tells it; the state is calibration.",
    ),
    ("sample", "set sample", "Goes back to the sample. The point gas_mode tells it."),
];

/// Adds the commands to the plugin's description.
pub(crate) fn describe(description: Description) -> Description {
    COMMANDS.iter().fold(description, |description, (name, _, purpose)| description.command(name, purpose))
}

impl<L: Stream> ThermoClink<L> {
    /// Carries out a command.
    pub(crate) fn run(&self, name: &str, arguments: &str) -> Result<String, Failure> {
        let Some((_, command, _)) = COMMANDS.iter().find(|(known, ..)| *known == name) else {
            return Err(Failure::unsupported(format!("there is no command {name:?}")));
        };
        let None {} = settings::arguments(arguments)?;
        match self.ask(command)? {
            Answer::Text(answer) if answer.eq_ignore_ascii_case("ok") => Ok(format!("{command}: ok")),
            Answer::Text(answer) => {
                Err(Failure::device(format!("{command}: {answer}; is the instrument in remote mode?")))
            }
            Answer::Nothing => Err(Failure::device(format!("{command}: an empty answer"))),
            Answer::BadCommand => Err(Failure::device(format!("{command}: bad cmd"))),
        }
    }
}
