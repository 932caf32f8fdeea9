//! Texts, paths and patterns of names.

use std::path::PathBuf;

use crate::config::kind::{Fault, Kind, Scope, text_of};
use crate::config::mistake::Mistake;
use crate::config::model::Pattern;
use crate::config::tree::Node;

/// A text that some rule accepts.
pub(crate) struct Text {
    /// What a right text is.
    pub what: &'static str,
    /// Whether this one is. It is never asked about an empty text, which is always refused.
    pub accepts: fn(&str) -> bool,
}

impl Text {
    /// Any text for people.
    pub const ANY: Text = Text { what: "a text", accepts: |text| !text.chars().any(char::is_control) };
    /// A name that goes into keys and topics.
    pub const NAME: Text = Text {
        what: "a name of letters, digits, '-', '_' and '.'",
        accepts: |text| text.len() <= 64 && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)),
    };
    /// A unit code.
    pub const UNIT: Text = Text {
        what: "a UCUM unit code such as \"mg/m3\"",
        accepts: |text| text.len() <= 64 && text.chars().all(|c| c.is_ascii_graphic()),
    };
    /// The name of a request header (RFC 9110, 5.6.2: a token).
    pub const HEADER: Text = Text {
        what: "a header name",
        accepts: |text| text.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)),
    };
    /// A JSON pointer (RFC 6901).
    pub const POINTER: Text =
        Text { what: "a JSON pointer such as \"/receipt\"", accepts: |text| text.starts_with('/') };
    /// The address of one machine.
    pub const IP: Text =
        Text { what: "an IP address such as \"192.0.2.10\"", accepts: |text| text.parse::<std::net::IpAddr>().is_ok() };
    /// An MQTT topic filter (MQTT 5.0, 4.7).
    pub const FILTER: Text =
        Text { what: "an MQTT topic filter such as \"plant/+/no2\" or \"plant/#\"", accepts: is_filter };
    /// An MQTT topic to publish to (MQTT 5.0, 4.7).
    pub const TOPIC: Text = Text {
        what: "a topic without '+' and '#', with a name in each pair of braces",
        accepts: |text| text.len() <= 65_535 && !text.contains(['+', '#', '\0']) && braces_are_paired(text),
    };
}

impl Kind for Text {
    type Value = String;

    fn expected(&self) -> String {
        self.what.to_owned()
    }

    fn read(&self, node: &Node, _scope: &Scope<'_>) -> Result<String, Vec<Fault>> {
        let text = text_of(node, &|| self.expected())?;
        if text.is_empty() {
            return Err(vec![Mistake::Empty { expected: self.expected() }.into()]);
        }
        if !(self.accepts)(text) {
            let mistake = Mistake::Malformed { found: text.to_owned(), expected: self.expected(), advice: None };
            return Err(vec![mistake.into()]);
        }
        Ok(text.to_owned())
    }
}

/// A path, relative to the file that names it.
pub(crate) struct FilePath {
    pub what: &'static str,
    /// A text that is not a path but stands for something else, as `-` for standard output.
    pub except: Option<&'static str>,
}

impl Kind for FilePath {
    type Value = PathBuf;

    fn expected(&self) -> String {
        self.what.to_owned()
    }

    fn read(&self, node: &Node, scope: &Scope<'_>) -> Result<PathBuf, Vec<Fault>> {
        let text = text_of(node, &|| self.expected())?;
        if text.is_empty() || text.contains('\0') {
            return Err(vec![Mistake::Empty { expected: self.expected() }.into()]);
        }
        Ok(if self.except == Some(text) { PathBuf::from(text) } else { scope.resolve(text, &node.place) })
    }
}

/// A name in which `*` stands for any text.
pub(crate) struct Glob;

impl Kind for Glob {
    type Value = Pattern;

    fn expected(&self) -> String {
        "a name in which * stands for any text".to_owned()
    }

    fn read(&self, node: &Node, _scope: &Scope<'_>) -> Result<Pattern, Vec<Fault>> {
        let text = text_of(node, &|| self.expected())?;
        let fits = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.*".contains(c));
        if !fits {
            let advice = Some("only letters, digits, '-', '_', '.' and '*' can match a name".to_owned());
            return Err(vec![Mistake::Malformed { found: text.to_owned(), expected: self.expected(), advice }.into()]);
        }
        Ok(Pattern(text.to_owned()))
    }
}

/// `+` stands for one level and `#` for all that follow; each fills its level.
fn is_filter(text: &str) -> bool {
    let levels: Vec<&str> = text.split('/').collect();
    let is_whole = |level: &&str| !level.contains(['+', '#']) || *level == "+" || *level == "#";
    let many = levels.iter().position(|level| *level == "#");
    text.len() <= 65_535
        && !text.contains('\0')
        && levels.iter().all(is_whole)
        && many.is_none_or(|at| at + 1 == levels.len())
}

fn braces_are_paired(text: &str) -> bool {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((inside, behind)) = after.split_once('}') else { return false };
        if before.contains('}') || inside.is_empty() || inside.contains('{') {
            return false;
        }
        rest = behind;
    }
    !rest.contains('}')
}
