//! Begin and end of a zero or span calibration: `C ZERO`, `C SPAN`, `C EXIT`.
//!
//! The instrument answers with the line that tells the begin or the end; any other line is its refusal. Source: karateboy/Datalogger2,
//! TapiTxxCliCollector.

use schemars::JsonSchema;
use serde::Deserialize;
use tutin_sdk::stream::Stream;
use tutin_sdk::{Description, Failure, hex, settings};

use crate::{SHOWN, TeledyneAscii};

/// Commands take no arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct None {}

/// Name, what is sent, what it does.
const COMMANDS: [(&str, &str, &str); 3] = [
    (
        "zero",
        "ZERO",
        "Draws zero gas until the command exit. The state is calibration from the line that tells its begin on.",
    ),
    (
        "span",
        "SPAN",
        "Draws span gas until the command exit. The state is calibration from the line that tells its begin on.",
    ),
    ("exit", "EXIT", "Ends a calibration. The state is calibration until the line that tells its end."),
];

/// Adds the commands to the plugin's description.
pub(crate) fn describe(description: Description) -> Description {
    COMMANDS.iter().fold(description, |description, (name, _, purpose)| description.command(name, purpose))
}

impl<L: Stream> TeledyneAscii<L> {
    /// Carries out a command.
    pub(crate) fn run(&mut self, name: &str, arguments: &str) -> Result<String, Failure> {
        let Some((_, command, _)) = COMMANDS.iter().find(|(known, ..)| *known == name) else {
            return Err(Failure::unsupported(format!("there is no command {name:?}")));
        };
        let None {} = settings::arguments(arguments)?;
        let frames = self.ask('C', command, 1)?;
        let Some(line) = self.ours(&frames).into_iter().next() else {
            let came = frames.first().map_or_else(String::new, |frame| hex(frame, SHOWN));
            return Err(Failure::device(format!("C {command}: no line of the instrument: {came}")));
        };
        let message = line.message.to_owned();
        let word = if *command == "EXIT" { &self.settings.calibration_end } else { &self.settings.calibration_start };
        if !message.contains(word.as_str()) {
            return Err(Failure::device(format!("C {command}: {message}")));
        }
        self.hear_calibration(&message);
        Ok(message)
    }
}
