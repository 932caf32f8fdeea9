//! The languages that drivers are written in.

use std::fmt;
use std::str::FromStr;

/// What a driver is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// With the SDK.
    Rust,
    /// With generated bindings and a small runtime.
    C,
    /// With the interpreter in the component.
    Python,
    /// With the engine in the component.
    JavaScript,
}

impl Language {
    /// All of them.
    pub const ALL: [Language; 4] = [Language::Rust, Language::C, Language::Python, Language::JavaScript];

    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Language::Rust => "rust",
            Language::C => "c",
            Language::Python => "python",
            Language::JavaScript => "js",
        }
    }

    /// The file that a driver's folder is known by.
    pub fn mark(self) -> &'static str {
        match self {
            Language::Rust => "Cargo.toml",
            Language::C => "driver.c",
            Language::Python => "driver.py",
            Language::JavaScript => "driver.js",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Language {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Language::ALL.into_iter().find(|language| language.name() == name);
        found.ok_or_else(|| format!("expected one of {}", Language::ALL.map(Language::name).join(", ")))
    }
}
