//! What a data flag says of a value, and what the codes of answers mean.
//!
//! Sources: HJ 212-2017, table 8 (data flags), tables 5 and 6 (answers). That a source which is out of operation makes its values suspect is
//! this driver's choice: the flag speaks of the plant, and the hub's table of status codes can say so.

use std::collections::BTreeMap;

use tutin_sdk::State;

/// Data flags with their states.
const FLAGS: [(char, State); 8] = [
    ('N', State::Valid),
    ('F', State::Suspect),
    ('M', State::Maintenance),
    ('S', State::Manual),
    ('D', State::Fault),
    ('C', State::Calibration),
    ('T', State::OverRange),
    ('B', State::CommError),
];

/// How an instrument answers a request (`QnRtn`).
const REQUEST: [(u16, &str); 10] = [
    (1, "ready"),
    (2, "refused"),
    (3, "wrong PW"),
    (4, "wrong MN"),
    (5, "wrong ST"),
    (6, "wrong Flag"),
    (7, "wrong QN"),
    (8, "wrong CN"),
    (9, "wrong CRC"),
    (100, "unknown error"),
];

/// How a request ended (`ExeRtn`).
const EXECUTION: [(u16, &str); 7] = [
    (1, "done"),
    (2, "failed, cause unknown"),
    (3, "failed, condition not met"),
    (4, "failed, timeout"),
    (5, "busy"),
    (6, "failed, system fault"),
    (100, "no data"),
];

/// The state of a value with this flag, and the flag as a number. An unknown flag is suspect.
pub(crate) fn of(flag: &str, overrides: &BTreeMap<String, State>, without: State) -> (State, u64) {
    let mut letters = flag.chars();
    let (Some(letter), None) = (letters.next(), letters.next()) else {
        return if flag.is_empty() { (without, 0) } else { (State::Suspect, letter_code(flag)) };
    };
    let own = FLAGS.iter().find(|(known, _)| *known == letter).map(|(_, state)| *state);
    let state = overrides.get(flag).copied().or(own).unwrap_or(State::Suspect);
    (state, letter_code(flag))
}

/// The characters of a flag, the last one in the lowest byte.
fn letter_code(flag: &str) -> u64 {
    flag.bytes().take(8).fold(0, |code, byte| code << 8 | u64::from(byte))
}

/// An answer of the station.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It will do what was asked (or not), `QnRtn`.
    Request(u16),
    /// It did what was asked (or not), `ExeRtn`.
    Execution(u16),
}

impl Answer {
    /// True when the station goes on, or has done it, or has nothing to do.
    pub fn is_good(self) -> bool {
        matches!(self, Answer::Request(1) | Answer::Execution(1 | 100))
    }

    /// True when the same may be asked again later.
    pub fn is_busy(self) -> bool {
        matches!(self, Answer::Request(2) | Answer::Execution(5))
    }

    /// In the standard's words.
    pub fn words(self) -> String {
        let (name, code, table) = match self {
            Answer::Request(code) => ("QnRtn", code, REQUEST.as_slice()),
            Answer::Execution(code) => ("ExeRtn", code, EXECUTION.as_slice()),
        };
        let words = table.iter().find(|(known, _)| *known == code).map_or("of unknown meaning", |(_, words)| words);
        format!("{name} {code}, {words}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_gives_the_value_its_state() {
        let check = |flag: &str, state: State, code: u64| {
            assert_eq!(of(flag, &BTreeMap::new(), State::Suspect), (state, code), "{flag:?}");
        };
        check("N", State::Valid, 0x4E);
        check("F", State::Suspect, 0x46);
        check("M", State::Maintenance, 0x4D);
        check("S", State::Manual, 0x53);
        check("D", State::Fault, 0x44);
        check("C", State::Calibration, 0x43);
        check("T", State::OverRange, 0x54);
        check("B", State::CommError, 0x42);
        check("X", State::Suspect, 0x58);
        check("NN", State::Suspect, 0x4E4E);
        check("", State::Suspect, 0);
    }

    #[test]
    fn the_settings_may_say_otherwise() {
        let overrides = BTreeMap::from([("F".to_owned(), State::Maintenance), ("H".to_owned(), State::Valid)]);

        assert_eq!(of("F", &overrides, State::Suspect).0, State::Maintenance);
        assert_eq!(of("H", &overrides, State::Suspect).0, State::Valid);
        assert_eq!(of("", &overrides, State::Valid), (State::Valid, 0));
    }

    #[test]
    fn an_answer_is_told_in_the_standards_words() {
        let check = |answer: Answer, words: &str, good: bool, busy: bool| {
            assert_eq!((answer.words().as_str(), answer.is_good(), answer.is_busy()), (words, good, busy));
        };
        check(Answer::Request(1), "QnRtn 1, ready", true, false);
        check(Answer::Request(2), "QnRtn 2, refused", false, true);
        check(Answer::Request(3), "QnRtn 3, wrong PW", false, false);
        check(Answer::Execution(1), "ExeRtn 1, done", true, false);
        check(Answer::Execution(5), "ExeRtn 5, busy", false, true);
        check(Answer::Execution(100), "ExeRtn 100, no data", true, false);
        check(Answer::Execution(42), "ExeRtn 42, of unknown meaning", false, false);
    }
}
