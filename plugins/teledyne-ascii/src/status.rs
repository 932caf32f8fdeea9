//! Warnings and calibration become the state of the concentrations.
//!
//! The instrument sends a warning when it begins, and tells the begin and the end of a calibration, unless it is in quiet mode. How it words
//! the latter is in no source that was read: the settings say which words to look for.

use tutin_sdk::clock::SECOND;
use tutin_sdk::stream::{Error, Stream};
use tutin_sdk::{Failure, State, Timestamp, log};

use crate::settings::Warnings;
use crate::{LIST, TeledyneAscii};

impl<L: Stream> TeledyneAscii<L> {
    /// A line about calibration.
    pub(crate) fn hear_calibration(&mut self, message: &str) {
        if message.contains(self.settings.calibration_end.as_str()) {
            self.is_calibrating = false;
        } else if message.contains(self.settings.calibration_start.as_str()) {
            self.is_calibrating = true;
        } else {
            log::warn(&format!("neither begin nor end of a calibration: {message}"));
        }
    }

    /// A warning that came unasked.
    pub(crate) fn hear_warning(&mut self, message: &str, at: Timestamp) {
        log::info(&format!("warning of the instrument: {message}"));
        if let (Warnings::Pushed, Some(hold)) = (self.settings.warnings, self.settings.warning_hold) {
            self.held.insert(message.to_owned(), at.0.saturating_add(i64::from(hold) * SECOND));
        }
    }

    /// Warnings that hold now, in order. No line at all is no warning: the instrument has just answered another command.
    pub(crate) fn active_warnings(&mut self, now: Timestamp) -> Result<Vec<String>, Failure> {
        self.held.retain(|_, until| *until > now.0);
        if self.settings.warnings == Warnings::Pushed {
            return Ok(self.held.keys().cloned().collect());
        }
        let frames = match self.ask_within('W', "LIST", LIST, 0) {
            Err(Error::Timeout) => Vec::new(),
            frames => frames.map_err(|err| err.during("W LIST"))?,
        };
        let messages = self.ours(&frames).into_iter().map(|line| line.message.to_owned());
        let mut warnings: Vec<String> = messages.filter(|message| !message.is_empty()).collect();
        warnings.sort();
        warnings.dedup();
        Ok(warnings)
    }

    /// The state of the concentrations.
    pub(crate) fn state(&self, warnings: &[String]) -> State {
        let calibration = if self.is_calibrating { State::Calibration } else { State::Valid };
        let state = |warning: &String| self.settings.warning_state(warning);
        warnings.iter().map(state).fold(calibration, State::or_worse)
    }
}
