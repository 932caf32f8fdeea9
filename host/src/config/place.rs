//! Where a value came from: a file and a span of its text, or an environment variable.
//!
//! Every value of the configuration carries its place from the layer to the diagnostic, so that a problem found late
//! still points at the line that a person wrote.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One text that configuration was read from.
#[derive(Debug, PartialEq, Eq)]
pub struct Origin {
    /// Which.
    pub name: OriginName,
    /// Its whole text; spans count bytes in it.
    pub text: String,
    /// Position among the layers: later ones override earlier ones.
    pub layer: usize,
    /// Where each line begins, in bytes. A plant with a thousand devices asks for ten thousand places.
    lines: Vec<usize>,
}

/// What a text was.
#[derive(Debug, PartialEq, Eq)]
pub enum OriginName {
    /// The defaults inside the program.
    BuiltIn,
    /// A file, as it was named on the command line.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
}

impl Origin {
    /// A text that is read as this layer.
    pub fn new(name: OriginName, text: String, layer: usize) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Origin { name, text, layer, lines }
    }

    /// Whether it came with the program.
    pub fn is_built_in(&self) -> bool {
        self.name == OriginName::BuiltIn
    }

    /// The folder that relative paths of this origin start from. `None`: it has none of its own.
    pub fn folder(&self) -> Option<&Path> {
        match &self.name {
            OriginName::BuiltIn => None,
            OriginName::File(file) => file.parent(),
            OriginName::Environment(_) => Some(Path::new("")),
        }
    }
}

/// A span of a text.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    /// The text.
    pub origin: Arc<Origin>,
    /// Bytes of it.
    pub span: Range<usize>,
}

impl Place {
    /// Line and column of the first character, counted from 1 in characters; `None` for an environment variable.
    pub fn line_column(&self) -> Option<(usize, usize)> {
        if matches!(self.origin.name, OriginName::Environment(_)) {
            return None;
        }
        let Origin { text, lines, .. } = &*self.origin;
        let start = self.span.start.min(text.len());
        let line = lines.partition_point(|begin| *begin <= start);
        let begin = line.checked_sub(1).and_then(|above| lines.get(above)).copied().unwrap_or(0);
        let column = text.get(begin..start).unwrap_or_default().chars().count() + 1;
        Some((line, column))
    }

    /// What sorts places in the order in which a person meets them: by layer, then by position.
    pub fn order(&self) -> (usize, usize) {
        (self.origin.layer, self.span.start)
    }
}

impl fmt::Display for Place {
    /// `file:line:column`, the name of the environment variable, or that it came with the program.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.origin.name.fmt(f)?;
        match self.line_column() {
            // What came with the program is no file that anybody could look into.
            Some(_) if self.origin.is_built_in() => Ok(()),
            Some((line, column)) => write!(f, ":{line}:{column}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({self})")
    }
}

impl fmt::Display for OriginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OriginName::BuiltIn => f.write_str("built in"),
            OriginName::File(file) => file.display().fmt(f),
            OriginName::Environment(name) => write!(f, "environment variable {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        let text = "a = 1\nтүтін = \"x\"\n";
        let origin = Arc::new(Origin::new(OriginName::File("a.toml".into()), text.into(), 1));
        let check = |needle: &str, expected: &str| {
            let start = text.find(needle).unwrap();
            let place = Place { origin: origin.clone(), span: start..start + needle.len() };
            assert_eq!(place.to_string(), expected);
        };
        check("a", "a.toml:1:1");
        check("1", "a.toml:1:5");
        check("\"x\"", "a.toml:2:9");
    }
}
