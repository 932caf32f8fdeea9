//! The configuration as it took effect: every option, default or not, with where it came from.
//!
//! The text is TOML and means the same configuration again. Secrets stand in it as references; their values are never
//! part of the notes that it is made from.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::config::notes::Setting;
use crate::config::path::path_text;

/// The text for people, one comment per line saying where the value was set.
pub(crate) fn text(settings: &[Setting]) -> String {
    let mut text = String::new();
    let mut header: &[String] = &[];
    for setting in settings {
        if setting.header != header {
            let gap = if header.is_empty() { "" } else { "\n" };
            header = &setting.header;
            let _ = writeln!(text, "{gap}[{}]", path_text(header));
        }
        let origin = setting.place.as_ref().map_or_else(|| "default".to_owned(), ToString::to_string);
        let _ = writeln!(text, "{} = {} # {origin}", path_text(&setting.key), setting.value);
    }
    text
}

/// All options and their values, without origins: moving a line changes nothing.
pub(crate) fn plain(settings: &[Setting]) -> String {
    let line =
        |setting: &Setting| format!("{}.{} = {}\n", path_text(&setting.header), path_text(&setting.key), setting.value);
    settings.iter().map(line).collect()
}

/// SHA-256 in hex of [`plain`].
pub(crate) fn digest(plain: &str) -> String {
    Sha256::digest(plain.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
