//! One of a few words.

use crate::config::kind::{Fault, Kind, Scope, text_of, wrong_type};
use crate::config::mistake::{Mistake, nearest};
use crate::config::path::quoted;
use crate::config::tree::{Node, Value};

/// One of the words of a list, each with what it means.
#[derive(Clone, Copy)]
pub(crate) struct Choice<T: 'static> {
    /// What the words are: `link type`.
    pub what: &'static str,
    pub words: &'static [(&'static str, T)],
}

impl<T: Copy> Kind for Choice<T> {
    type Value = T;

    fn expected(&self) -> String {
        let words: Vec<String> = self.words.iter().map(|(word, _)| quoted(word)).collect();
        match words.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        }
    }

    fn choices(&self) -> Vec<&'static str> {
        self.words.iter().map(|(word, _)| *word).collect()
    }

    fn read(&self, node: &Node, _scope: &Scope<'_>) -> Result<T, Vec<Fault>> {
        let text = text_of(node, &|| self.expected())?;
        let found = self.words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        let words = || self.words.iter().map(|(word, _)| *word);
        let unknown = || Mistake::Unknown {
            what: self.what,
            found: text.to_owned(),
            nearest: nearest(text, words()).map(quoted),
            known: words().map(quoted).collect(),
        };
        found.ok_or_else(|| vec![unknown().into()])
    }
}

/// True or false.
pub(crate) struct Flag;

impl Kind for Flag {
    type Value = bool;

    fn expected(&self) -> String {
        "true or false".to_owned()
    }

    fn textual(&self) -> bool {
        false
    }

    fn read(&self, node: &Node, _scope: &Scope<'_>) -> Result<bool, Vec<Fault>> {
        match node.value {
            Value::Flag(flag) => Ok(flag),
            _ => Err(wrong_type(node, self.expected())),
        }
    }
}
