//! What a file is known by, and the keys that may have signed it.

use std::collections::BTreeMap;

use crate::config::kind::{Fault, Kind, Scope, text_of, wrong_type};
use crate::config::mistake::Mistake;
use crate::config::path::is_name;
use crate::config::tree::{Node, Value};
use crate::digest::Digest;
use crate::key::PublicKey;

/// SHA-256 of a file.
pub(crate) struct DigestText;

impl Kind for DigestText {
    type Value = Digest;

    fn expected(&self) -> String {
        "\"sha256:\" and 64 hexadecimal digits".to_owned()
    }

    fn read(&self, node: &Node, _scope: &Scope<'_>) -> Result<Digest, Vec<Fault>> {
        let text = text_of(node, &|| self.expected())?;
        let advice = || Some("`tutin plugin inspect FILE` prints it".to_owned());
        let malformed =
            || Mistake::Malformed { found: text.to_owned(), expected: self.expected(), advice: advice() }.into();
        Digest::parse(text).ok_or_else(|| vec![malformed()])
    }

    fn shown(&self, value: &Digest, _node: &Node) -> toml::Value {
        toml::Value::String(value.to_string())
    }
}

/// Public keys by name: 64 hexadecimal digits, or `{ file = "path" }` of a file with them or with the key in PEM. Files are read now, and
/// the effective configuration has the keys themselves: what was trusted is then known whatever becomes of the files.
pub(crate) struct TrustedKeys;

const KEY: &str = "64 hexadecimal digits, as `tutin plugin keys show` prints them, or { file = \"path\" }";

impl Kind for TrustedKeys {
    type Value = BTreeMap<String, PublicKey>;

    fn expected(&self) -> String {
        "a table of names, each with a public key".to_owned()
    }

    fn textual(&self) -> bool {
        false
    }

    fn read(&self, node: &Node, scope: &Scope<'_>) -> Result<Self::Value, Vec<Fault>> {
        let table = node.as_table().ok_or_else(|| wrong_type(node, self.expected()))?;
        let (mut keys, mut faults) = (BTreeMap::new(), Vec::new());
        for (name, entry) in table {
            let key = if is_name(name) { key(&entry.node, scope) } else { Err(vec![not_a_name(name).into()]) };
            match key {
                Ok(key) => match keys.iter().find(|(_, known)| **known == key) {
                    Some((other, _)) => {
                        let mistake = Mistake::SameKey { other: String::clone(other) };
                        faults.push(Fault { mistake, place: Some(entry.key.clone()) });
                    }
                    None => drop(keys.insert(name.clone(), key)),
                },
                Err(found) => faults.extend(
                    found
                        .into_iter()
                        .map(|fault| Fault { place: fault.place.or_else(|| Some(entry.node.place.clone())), ..fault }),
                ),
            }
        }
        if faults.is_empty() { Ok(keys) } else { Err(faults) }
    }

    fn shown(&self, value: &Self::Value, _node: &Node) -> toml::Value {
        let keys = value.iter().map(|(name, key)| (name.clone(), toml::Value::String(key.to_string())));
        toml::Value::Table(keys.collect())
    }
}

fn not_a_name(name: &str) -> Mistake {
    let expected = "a name: letters, digits, '-', '_' and '.', the first a letter or digit, at most 64".to_owned();
    Mistake::Malformed { found: name.to_owned(), expected, advice: None }
}

fn key(node: &Node, scope: &Scope<'_>) -> Result<PublicKey, Vec<Fault>> {
    let expected = || KEY.to_owned();
    if let Some(text) = node.as_text() {
        let advice =
            Some("a private key has no business here; `tutin plugin keys show FILE` prints the public one".into());
        let malformed = || Mistake::Malformed { found: "this text".to_owned(), expected: expected(), advice };
        return PublicKey::from_hex(text).ok_or_else(|| vec![malformed().into()]);
    }
    let Value::Table(table) = &node.value else { return Err(wrong_type(node, expected())) };
    let (Some(entry), 1) = (table.get("file"), table.len()) else { return Err(wrong_type(node, expected())) };
    let path = text_of(&entry.node, &|| "the path of a public key".to_owned())?;
    let unreadable = |error: &dyn std::error::Error| {
        let cause = error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
        Fault { mistake: Mistake::UnusableKey { cause }, place: Some(entry.node.place.clone()) }
    };
    PublicKey::read(&scope.resolve(path, &entry.node.place)).map_err(|error| vec![unreadable(&error)])
}
