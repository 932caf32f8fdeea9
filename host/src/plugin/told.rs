//! What a plugin says in words, made fit to be shown: short enough, and without characters that drive a terminal.
//!
//! What is only for people is cut; what the hub goes by is refused when it is too long.

use thiserror::Error;

use super::bindings::exports::tutin::driver::driver::Description;
use crate::capability::log::defuse;

/// Longest reason of a failure or answer to a command, bytes.
const SENTENCE: usize = 1_000;
/// Longest place at which a back-fill goes on, bytes.
pub(super) const LONGEST_NEXT: usize = 64 << 10;

const NAME: usize = 64;
const WORDS: usize = 256;
const PURPOSE: usize = 4_096;
const SCHEMA: usize = 1 << 20;
const MEMBERS: usize = 1_000;

/// What is too long or too many.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what} has {found} {unit} where {allowed} are allowed")]
pub struct Told {
    /// Member of the contract.
    pub what: &'static str,
    /// How many there are.
    pub found: usize,
    /// Of what.
    pub unit: &'static str,
    /// How many there may be.
    pub allowed: usize,
}

/// One sentence as it may stand in a log and on a screen; the rest of a longer one is cut off.
pub(super) fn sentence(text: String) -> String {
    let is_fit = text.len() <= SENTENCE && !text.chars().any(char::is_control);
    if is_fit {
        return text;
    }
    let mut line = defuse(&text, SENTENCE);
    // What is defused is longer than what was said.
    line.truncate(line.floor_char_boundary(SENTENCE));
    if text.len() > SENTENCE {
        line.push_str(&format!(" … ({} bytes in all)", text.len()));
    }
    line
}

/// A name out of a file that nobody has checked yet.
pub(super) fn name(name: &str) -> String {
    defuse(name, WORDS)
}

/// Refuses a text that is longer than so many bytes.
pub(super) fn bytes(what: &'static str, text: &str, allowed: usize) -> Result<(), Told> {
    count(what, text.len(), "bytes", allowed)
}

fn count(what: &'static str, found: usize, unit: &'static str, allowed: usize) -> Result<(), Told> {
    if found > allowed { Err(Told { what, found, unit, allowed }) } else { Ok(()) }
}

/// Checks what a plugin says that it is.
pub(super) fn check(description: &Description) -> Result<(), Told> {
    let Description { name, version, vendor, models, settings, links, commands, features: _ } = description;
    bytes("name", name, NAME)?;
    bytes("version", version, NAME)?;
    bytes("vendor", vendor, WORDS)?;
    count("models", models.len(), "members", MEMBERS)?;
    models.iter().try_for_each(|model| bytes("a model", model, WORDS))?;
    bytes("settings", settings, SCHEMA)?;
    count("links", links.len(), "members", MEMBERS)?;
    for link in links {
        bytes("the name of a link", &link.name, NAME)?;
        bytes("the capability of a link", &link.capability, WORDS)?;
        bytes("the purpose of a link", &link.purpose, PURPOSE)?;
    }
    count("commands", commands.len(), "members", MEMBERS)?;
    for command in commands {
        bytes("the name of a command", &command.name, NAME)?;
        bytes("the purpose of a command", &command.purpose, PURPOSE)?;
        bytes("the arguments of a command", &command.arguments, SCHEMA)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_that_drives_no_terminal_and_fills_no_log() {
        assert_eq!(sentence("unit 3: timeout".into()), "unit 3: timeout");
        assert_eq!(sentence("a\nb\u{1b}[2J".into()), "a\\nb\\u{1b}[2J");
        for letter in ["x", "\0"] {
            let long = sentence(letter.repeat(10 << 20));
            assert!(long.len() < SENTENCE + 40 && long.ends_with("(10485760 bytes in all)"), "{}", long.len());
        }
    }

    #[test]
    fn a_name_of_megabytes_is_refused_with_both_numbers() {
        let text = |text: &str| text.to_owned();
        let mut description = Description {
            name: text("n"),
            version: text("1"),
            vendor: text(""),
            models: vec![],
            settings: text("{}"),
            links: vec![],
            commands: vec![],
            features: 0,
        };
        assert_eq!(check(&description), Ok(()));
        description.name = "n".repeat(65);
        assert_eq!(check(&description).unwrap_err().to_string(), "name has 65 bytes where 64 are allowed");
    }
}
