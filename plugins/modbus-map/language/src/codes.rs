//! From the texts in tables of codes to what they mean.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as Unknown;
use tutin_sdk::settings::wrong;
use tutin_sdk::{Failure, Qualifier, Qualifiers, State};

use crate::settings::{Codes, Letter, Letters, Settings};

/// What a code or a bit says of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Outcome {
    pub state: State,
    pub qualifiers: Qualifiers,
}

/// The entries of a table that is written out or named.
pub(crate) fn entries<'a>(
    codes: &'a Codes,
    settings: &'a Settings,
    at: &str,
) -> Result<&'a BTreeMap<String, String>, Failure> {
    match codes {
        Codes::Here(entries) => Ok(entries),
        Codes::Named(name) => {
            let missing = || wrong(at, format_args!("there is no table {name:?} in tables"));
            settings.tables.get(name).ok_or_else(missing)
        }
    }
}

/// The entries by number, none above `limit`.
pub(crate) fn numbered<T>(
    codes: &Codes,
    settings: &Settings,
    limit: u16,
    at: &str,
    meaning: impl Fn(&str) -> Result<T, String>,
) -> Result<BTreeMap<u16, T>, Failure> {
    let mut numbered = BTreeMap::new();
    for (key, text) in entries(codes, settings, at)? {
        let at = format!("{at}.{key}");
        let Some(code) = number(key).filter(|code| *code <= limit) else {
            return Err(wrong(&at, format_args!("must be a number from 0 to {limit}, as 12 or 0x0C")));
        };
        let meaning = meaning(text).map_err(|why| wrong(&at, why))?;
        if numbered.insert(code, meaning).is_some() {
            return Err(wrong(&at, format_args!("{code} is there twice")));
        }
    }
    Ok(numbered)
}

fn number(key: &str) -> Option<u16> {
    match key.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16).ok(),
        None => key.parse().ok(),
    }
}

/// Words with blanks between: states, letters of NE 107, qualifiers.
pub(crate) fn outcome(text: &str, letters: &Letters) -> Result<Outcome, String> {
    let mut outcome = Outcome::default();
    if text.trim().is_empty() {
        return Err("says nothing; valid when it changes nothing".to_owned());
    }
    for word in text.split_whitespace() {
        if let Some(state) = named::<State>(word) {
            outcome.state = outcome.state.or_worse(state);
        } else if let Some(letter) = named::<Letter>(word) {
            outcome.state = outcome.state.or_worse(letters.state(letter));
        } else if let Some(qualifier) = named::<Qualifier>(word) {
            outcome.qualifiers = outcome.qualifiers.with(qualifier.into());
        } else {
            return Err(format!("{word:?} is no state, no letter of NE 107 (F, C, S, M) and no qualifier"));
        }
    }
    Ok(outcome)
}

fn named<'a, T: Deserialize<'a>>(word: &'a str) -> Option<T> {
    let word: serde::de::value::StrDeserializer<'a, Unknown> = word.into_deserializer();
    T::deserialize(word).ok()
}
