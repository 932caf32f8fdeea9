//! Secrets by reference.

use std::fs;

use crate::config::kind::{Fault, Kind, Scope, wrong_type};
use crate::config::mistake::{Mistake, nearest};
use crate::config::path::quoted;
use crate::config::secret::Secret;
use crate::config::tree::{Node, Table, Value};

/// `{ env = "VARIABLE" }` or `{ file = "path" }`. The value is read now, so that a missing one is known before start.
pub(crate) struct SecretReference;

const EXPECTED: &str = "{ env = \"VARIABLE\" } or { file = \"path\" }";

impl Kind for SecretReference {
    type Value = Secret;

    fn expected(&self) -> String {
        EXPECTED.to_owned()
    }

    fn textual(&self) -> bool {
        // A table from the environment is read as TOML; any other text is refused by `read` as a plain secret.
        false
    }

    fn confidential(&self) -> bool {
        true
    }

    fn read(&self, node: &Node, scope: &Scope<'_>) -> Result<Secret, Vec<Fault>> {
        match &node.value {
            Value::Table(table) => from_table(table, scope),
            // A password of digits or the like is still a password: it must not be described.
            Value::List(_) => Err(wrong_type(node, self.expected())),
            _ => Err(vec![Mistake::PlainSecret.into()]),
        }
    }
}

fn from_table(table: &Table, scope: &Scope<'_>) -> Result<Secret, Vec<Fault>> {
    let mut faults: Vec<Fault> = Vec::new();
    for (key, entry) in table.iter().filter(|(key, _)| !matches!(key.as_str(), "env" | "file")) {
        let near = nearest(key, ["env", "file"]).map(quoted);
        let known = vec!["env".to_owned(), "file".to_owned()];
        let mistake = Mistake::Unknown { what: "option", found: key.clone(), nearest: near, known };
        faults.push(Fault { mistake, place: Some(entry.key.clone()) });
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    match (table.get("env"), table.get("file")) {
        (Some(entry), None) => from_environment(reference_text(&entry.node)?, scope),
        (None, Some(entry)) => from_file(&entry.node, scope),
        (None, None) => Err(vec![Mistake::SecretReference { found: "neither".to_owned() }.into()]),
        (Some(_), Some(_)) => Err(vec![Mistake::SecretReference { found: "both".to_owned() }.into()]),
    }
}

fn from_environment(variable: &str, scope: &Scope<'_>) -> Result<Secret, Vec<Fault>> {
    let reference = format!("environment variable {variable}");
    match scope.environment.get(variable).map(String::as_str) {
        None => Err(unreadable(reference, "it is not set")),
        Some("") => Err(unreadable(reference, "it is empty")),
        Some(value) => Ok(Secret::new(reference, value)),
    }
}

fn from_file(node: &Node, scope: &Scope<'_>) -> Result<Secret, Vec<Fault>> {
    let file = scope.resolve(reference_text(node)?, &node.place);
    let reference = format!("file {}", file.display());
    match fs::read_to_string(&file) {
        Err(err) => Err(unreadable(reference, &err.to_string())),
        Ok(text) => match text.trim_end_matches(['\r', '\n']) {
            "" => Err(unreadable(reference, "it is empty")),
            value => Ok(Secret::new(reference, value)),
        },
    }
}

fn reference_text(node: &Node) -> Result<&str, Vec<Fault>> {
    let place = Some(node.place.clone());
    match node.as_text() {
        Some("") => Err(vec![Fault { mistake: Mistake::Empty { expected: EXPECTED.to_owned() }, place }]),
        Some(text) => Ok(text),
        None => {
            let mistake = Mistake::WrongType { expected: "a text".to_owned(), found: node.described(), advice: None };
            Err(vec![Fault { mistake, place }])
        }
    }
}

fn unreadable(reference: String, cause: &str) -> Vec<Fault> {
    vec![Mistake::UnreadableSecret { reference, cause: cause.to_owned() }.into()]
}
