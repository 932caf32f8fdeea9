//! What a plugin says in words, made fit to be shown: short enough, and without characters that drive a terminal.
//!
//! What is only said once, a reason or an answer, is cut and its control characters are escaped. What the hub goes by or keeps is refused
//! when it is too long or has control characters.

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

/// What the hub does not take of a plugin's words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Told {
    /// Too long or too many.
    #[error("{what} has {found} {unit} where {allowed} are allowed")]
    TooMuch {
        /// Member of the contract.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// Of what.
        unit: &'static str,
        /// How many there may be.
        allowed: usize,
    },
    /// It could drive a terminal or forge a line.
    #[error("{what} has control characters: {text}")]
    Control {
        /// Member of the contract.
        what: &'static str,
        /// The text with its control characters escaped.
        text: String,
    },
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
    if found > allowed { Err(Told::TooMuch { what, found, unit, allowed }) } else { Ok(()) }
}

/// Refuses words that are longer than so many bytes, or that have control characters.
fn words(what: &'static str, text: &str, allowed: usize) -> Result<(), Told> {
    bytes(what, text, allowed)?;
    without(what, text, char::is_control)
}

/// The same for JSON, which may be laid out in lines. What it spells as `\u001b` is for those to escape who show it.
fn json(what: &'static str, text: &str) -> Result<(), Told> {
    bytes(what, text, SCHEMA)?;
    without(what, text, |letter| letter.is_control() && !matches!(letter, '\n' | '\t'))
}

fn without(what: &'static str, text: &str, is_refused: impl Fn(char) -> bool) -> Result<(), Told> {
    match text.contains(is_refused) {
        true => Err(Told::Control { what, text: sentence(text.to_owned()) }),
        false => Ok(()),
    }
}

/// Checks what a plugin says that it is.
pub(super) fn check(description: &Description) -> Result<(), Told> {
    let Description { name, version, vendor, models, settings, links, commands, features: _ } = description;
    words("name", name, NAME)?;
    words("version", version, NAME)?;
    words("vendor", vendor, WORDS)?;
    count("models", models.len(), "members", MEMBERS)?;
    models.iter().try_for_each(|model| words("a model", model, WORDS))?;
    json("settings", settings)?;
    count("links", links.len(), "members", MEMBERS)?;
    for link in links {
        words("the name of a link", &link.name, NAME)?;
        words("the capability of a link", &link.capability, WORDS)?;
        words("the purpose of a link", &link.purpose, PURPOSE)?;
    }
    count("commands", commands.len(), "members", MEMBERS)?;
    for command in commands {
        words("the name of a command", &command.name, NAME)?;
        words("the purpose of a command", &command.purpose, PURPOSE)?;
        json("the arguments of a command", &command.arguments)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::bindings::exports::tutin::driver::driver::{CommandInfo, LinkWant};

    #[test]
    fn a_reason_is_one_line_that_drives_no_terminal_and_fills_no_log() {
        assert_eq!(sentence("unit 3: timeout".into()), "unit 3: timeout");
        assert_eq!(sentence("a\nb\u{1b}[2J".into()), "a\\nb\\u{1b}[2J");
        for letter in ["x", "\0"] {
            let long = sentence(letter.repeat(10 << 20));
            assert!(long.len() < SENTENCE + 40 && long.ends_with("(10485760 bytes in all)"), "{}", long.len());
        }
    }

    fn text(text: &str) -> String {
        text.to_owned()
    }

    fn sound() -> Description {
        Description {
            name: text("n"),
            version: text("1"),
            vendor: text(""),
            models: vec![text("T200")],
            settings: text("{\n\t\"type\": \"object\"\n}"),
            links: vec![LinkWant { name: text("main"), capability: text("c"), purpose: text("p") }],
            commands: vec![CommandInfo { name: text("zero"), purpose: text("p"), arguments: text("") }],
            features: 0,
        }
    }

    #[test]
    fn a_name_of_megabytes_is_refused_with_both_numbers() {
        assert_eq!(check(&sound()), Ok(()));
        let description = Description { name: "n".repeat(65), ..sound() };
        assert_eq!(check(&description).unwrap_err().to_string(), "name has 65 bytes where 64 are allowed");
    }

    #[test]
    fn no_word_of_a_description_drives_a_terminal() {
        let refuses = |what: &str, change: fn(&mut Description, String)| {
            let mut description = sound();
            change(&mut description, text("x\u{1b}[2J"));
            let refused = check(&description).unwrap_err().to_string();
            assert_eq!(refused, format!("{what} has control characters: x\\u{{1b}}[2J"));
        };
        refuses("name", |description, text| description.name = text);
        refuses("version", |description, text| description.version = text);
        refuses("vendor", |description, text| description.vendor = text);
        refuses("a model", |description, text| description.models = vec![text]);
        refuses("settings", |description, text| description.settings = text);
        refuses("the name of a link", |description, text| description.links[0].name = text);
        refuses("the capability of a link", |description, text| description.links[0].capability = text);
        refuses("the purpose of a link", |description, text| description.links[0].purpose = text);
        refuses("the name of a command", |description, text| description.commands[0].name = text);
        refuses("the purpose of a command", |description, text| description.commands[0].purpose = text);
        refuses("the arguments of a command", |description, text| description.commands[0].arguments = text);
    }
}
