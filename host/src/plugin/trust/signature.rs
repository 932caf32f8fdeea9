//! The signature of a component: a small text file that stands beside it, `teledyne-t.wasm.sig` beside `teledyne-t.wasm`.
//!
//! Seven lines, each ended by one line feed, in this order and no other: what the file is, and six members with one blank behind the
//! colon.
//!
//! ```text
//! tutin plugin signature 1
//! plugin: teledyne-t
//! version: 0.3.1
//! digest: sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
//! key: 9f3c0d7e21b85a64
//! signed: 2026-11-26T18:30:00Z
//! signature: 2jmj7l5rSw0yVb/vlWAYkK/YBwk=…
//! ```
//!
//! `plugin` and `version` are what the component says of itself, `digest` is the SHA-256 of its file, `key` the id of the key that
//! signed, `signed` the time by the signer's clock. `signature` is Ed25519 (RFC 8032), in base64, over all bytes of the file
//! before that line. The first line is part of them: what was signed as something else never passes for a plugin's signature.
//!
//! Invariant: a text has one reading and a signature one text. Another order, another spelling of a number, a second blank or
//! anything behind the last line is damage.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use thiserror::Error;

use crate::digest::Digest;
use crate::key::{KeyId, PublicKey, SigningKey};
use crate::time::Timestamp;

/// The first line, with the format's number.
const TITLE: &str = "tutin plugin signature 1";
/// What every format's first line begins with.
const ANY_TITLE: &str = "tutin plugin signature ";
/// Longest file, bytes; a right one has about 350.
const LONGEST: u64 = 4096;
/// Longest name and version, characters.
const LONGEST_NAME: usize = 128;

/// What a name or a version must be to stand in a signature.
pub const SIGNED_NAME: &str = "1 to 128 visible characters, blanks only between them";

/// What somebody signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The plugin's name for itself.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// Of its file.
    pub digest: Digest,
    /// The key that signed, by its own word until it was compared.
    pub key: KeyId,
    /// When, by the signer's clock, in whole seconds.
    pub signed: Timestamp,
    bytes: [u8; 64],
}

/// What is wrong with a text that should be a signature.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Damage {
    /// Too long to be one.
    #[error("it has more than {LONGEST} bytes")]
    TooLong,
    /// Its format is of a later version.
    #[error("it is of format {0}, and this version of tutin reads format 1")]
    OtherFormat(String),
    /// A line is not what must stand there.
    #[error("line {line} is not {expected}")]
    Line {
        /// Which.
        line: usize,
        /// What must stand there.
        expected: &'static str,
    },
    /// Each line can be read, and yet it is not the text that says this.
    #[error("it goes on behind its last line, or spells something as tutin does not")]
    Spelling,
}

/// The lines behind the first: member, what its value is.
const MEMBERS: [(&str, &str); 6] = [
    ("plugin", "`plugin: ` and a name"),
    ("version", "`version: ` and a version"),
    ("digest", "`digest: sha256:` and 64 hexadecimal digits"),
    ("key", "`key: ` and 16 hexadecimal digits"),
    ("signed", "`signed: ` and a time such as 2026-11-26T18:30:00Z"),
    ("signature", "`signature: ` and 64 bytes in base64"),
];

impl Signature {
    /// Signs. `None` when the name or the version is not [`SIGNED_NAME`].
    pub fn make(plugin: &str, version: &str, digest: Digest, signed: Timestamp, key: &SigningKey) -> Option<Self> {
        let (plugin, version) = (name(plugin)?, name(version)?);
        let signed = Timestamp::from_seconds(signed.0.div_euclid(1_000_000_000));
        let mut signature = Signature { plugin, version, digest, key: key.public().id(), signed, bytes: [0; 64] };
        signature.bytes = key.sign(signature.message().as_bytes());
        Some(signature)
    }

    /// Reads the text of a file.
    pub fn parse(text: &[u8]) -> Result<Self, Damage> {
        if text.len() as u64 > LONGEST {
            return Err(Damage::TooLong);
        }
        let title = || Damage::Line { line: 1, expected: "`tutin plugin signature 1`" };
        let text = std::str::from_utf8(text).map_err(|_| title())?;
        let mut lines = text.split('\n');
        match lines.next() {
            Some(TITLE) => {}
            Some(other) => {
                let format = other.strip_prefix(ANY_TITLE).filter(|format| format.parse::<u32>().is_ok());
                return Err(format.map_or_else(title, |format| Damage::OtherFormat(format.to_owned())));
            }
            None => return Err(title()),
        }
        let mut line = 1;
        let mut next = || {
            let (member, expected) = MEMBERS.get(line - 1).copied().unwrap_or_default();
            line += 1;
            let value = lines.next().and_then(|text| text.strip_prefix(member)?.strip_prefix(": "));
            (value.unwrap_or_default(), Damage::Line { line, expected })
        };
        let mut plugin = || next_value(next(), name);
        let (plugin, version) = (plugin()?, plugin()?);
        let digest = next_value(next(), Digest::parse)?;
        let key = next_value(next(), KeyId::from_hex)?;
        let signed = next_value(next(), |text| text.parse().ok())?;
        let bytes = next_value(next(), |text| BASE64_STANDARD.decode(text).ok()?.try_into().ok())?;
        let signature = Signature { plugin, version, digest, key, signed, bytes };
        // The text of what was read must be what was read: nothing behind it, no other spelling.
        if signature.to_string() == text { Ok(signature) } else { Err(Damage::Spelling) }
    }

    /// Whether this key signed it.
    pub fn is_of(&self, key: PublicKey) -> bool {
        key.verifies(self.message().as_bytes(), &self.bytes)
    }

    /// The bytes that are signed.
    fn message(&self) -> String {
        let Signature { plugin, version, digest, key, signed, .. } = self;
        format!("{TITLE}\nplugin: {plugin}\nversion: {version}\ndigest: {digest}\nkey: {key}\nsigned: {signed}\n")
    }
}

impl std::fmt::Display for Signature {
    /// The text of the file.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}signature: {}", self.message(), BASE64_STANDARD.encode(self.bytes))
    }
}

/// The bytes of a signature's file, as far as a signature can reach and one byte more.
pub fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn next_value<T>((text, damage): (&str, Damage), parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Damage> {
    parse(text).ok_or(damage)
}

fn name(text: &str) -> Option<String> {
    let is_visible = text.chars().all(|character| !character.is_control());
    let fits = (1..=LONGEST_NAME).contains(&text.chars().count()) && is_visible && text.trim() == text;
    fits.then(|| text.to_owned())
}
