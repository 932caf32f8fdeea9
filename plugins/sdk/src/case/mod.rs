//! Plays an instrument from a file and compares what the driver makes of it, for the native tests of drivers.
//!
//! A case is a TOML file of the driver's folder `cases/`:
//!
//! ```toml
//! about = "A CAI 700 with CO."
//!
//! [settings]                       # those of the device
//! status = "none"
//! reads = [{ code = "AKON", points = [{ id = "co", unit = "[ppm]" }] }]
//!
//! [[step]]
//! say = "it measures"              # may be left out
//! poll = "2026-11-01T00:00:00Z"    # without a time, that of the step before
//! exchange = [{ request = "<STX> AKON K0<ETX>", reply = ["<STX> AKON 0 123.4<ETX>"] }]
//! expect = '''
//! {"point": "co", "value": 123.4, "unit": "[ppm]", "state": "valid"}
//! '''
//!
//! [[step]]
//! command = "measure"
//! exchange = [{ request = "<STX> SMGA K0<ETX>", reply = ["<STX> SMGA 0 BS<ETX>"] }]
//! failure = { code = 5, text = "SMGA K0: BS: busy, a function is running" }
//! ```
//!
//! What happens in a step, in this order:
//!
//! ```text
//! link        "down" or "up": the line breaks, or is there again
//! push        frames that come unasked
//! exchange    what the driver sends, all of it in order: `request`, and `reply` (frames) or `fault` ("timeout", "closed",
//!             or the words of a reply that the host refuses); neither for what is only sent, or asked while the line is down
//! command     its name, with `arguments` (JSON); or
//! backfill    `begin` and `end`: pages until the end; or else a poll
//! ```
//!
//! What must come of it: `expect`, a JSON object for each sample, in order, with the members that matter (see [`lines`]);
//! `answer` to a command; `failure`, with the `code` of the contract and its `text`; `acknowledged`: frames that
//! leave when the samples are durable. In frames `<STX>`, `<ETX>`, `<CR>`, `<LF>` and `<AA>` (hexadecimal) stand for a byte.
//!
//! [`play`] walks the cases of drivers on a byte stream. Drivers on other links have steps of their own and share [`compare`].

mod play;
mod told;

use std::fmt;
use std::fs;
use std::path::Path;

pub use play::play;
pub use told::{Members, compare, lines, lines_since};

/// Where what came is not what the case says, or what is wrong with the file. Shown as it is by `unwrap`.
#[derive(Clone, PartialEq, Eq)]
pub struct Deviation(String);

impl Deviation {
    fn new(text: impl fmt::Display) -> Self {
        Deviation(text.to_string())
    }

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
