//! What native tests of drivers share: frames as cases and files write them, samples as lines of JSON, and their comparison.
//!
//! The cases of a driver themselves are walked by `tutin plugin test`, over the hub's own links; see `docs/integrators/cases.md`.

mod told;

use std::fmt;
use std::fs;
use std::path::Path;

pub use told::{Members, compare, lines_since};

/// Where what came is not what the case says, or what is wrong with the file. Shown as it is by `unwrap`.
#[derive(Clone, PartialEq, Eq)]
pub struct Deviation(String);

impl Deviation {
    /// The same with the place in front.
    pub fn at(self, place: impl fmt::Display) -> Self {
        Deviation(format!("{place}: {}", self.0))
    }
}

impl fmt::Debug for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Deviation {}

/// The bytes of a frame as cases write it.
pub fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let named = rest.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        if let Some((byte, after)) = named.and_then(|(name, after)| Some((byte(name)?, after))) {
            bytes.push(byte);
            rest = after;
        } else {
            bytes.extend(first.to_string().bytes());
            rest = rest.strip_prefix(first).unwrap_or_default();
        }
    }
    bytes
}

fn byte(name: &str) -> Option<u8> {
    match name {
        "STX" => Some(2),
        "ETX" => Some(3),
        "LF" => Some(10),
        "CR" => Some(13),
        hex if hex.len() == 2 => u8::from_str_radix(hex, 16).ok(),
        _ => None,
    }
}

/// The frames of a file in a driver's folder `frames/`: one per line in hexadecimal, `#` in front of remarks.
pub fn frames(file: &Path) -> Result<Vec<Vec<u8>>, Deviation> {
    let lines = read(file)?;
    let lines = lines.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let byte = |byte: &str| {
        u8::from_str_radix(byte, 16).map_err(|_| Deviation(format!("{}: {byte:?} is no byte", file.display())))
    };
    lines.map(|line| line.split_whitespace().map(byte).collect()).collect()
}

fn read(file: &Path) -> Result<String, Deviation> {
    fs::read_to_string(file).map_err(|err| Deviation(format!("{}: {err}", file.display())))
}

#[cfg(test)]
mod tests;
