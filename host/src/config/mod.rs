//! The configuration: TOML layers in, valid types and precise diagnostics out.
//!
//! The way of an option: `layers` (files and environment become one tree) → `read` (sections become types) →
//! `relations` (what no section shows alone) → [`Config`]. What plugins know is joined in by [`cross_check`].
//!
//! Invariant: a [`Config`] exists only when there was no error, and no text that leaves this module holds a secret.

pub mod cross_check;
mod effective;
mod journal;
mod kind;
mod layers;
mod mistake;
pub mod model;
mod notes;
mod path;
pub mod place;
pub mod places;
pub mod problem;
mod quantity;
mod read;
mod relations;
pub mod report;
pub mod secret;
mod section;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::config::kind::Scope;
use crate::config::model::Config;
use crate::config::notes::Notes;
use crate::config::places::Places;
use crate::config::problem::{Problem, Severity};
use crate::config::read::Draft;
use crate::config::section::Reader;

pub(crate) use crate::config::mistake::nearest;
pub use crate::config::notes::NamedFile;

/// What came of reading a configuration.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration; only when no problem is an error.
    pub config: Option<Config>,
    /// All problems, in the order of files and lines.
    pub problems: Vec<Problem>,
    /// Where each option stands.
    pub places: Places,
    /// Files that could not be read at all.
    pub unreadable: Vec<PathBuf>,
    /// Files that must exist when the hub starts: plugins, certificates. Whether they do is not checked here.
    pub files: Vec<NamedFile>,
    /// Every option with its value and where it was set, as TOML; secrets as references.
    pub effective: String,
}

/// Reads the built-in defaults, the files in their order and the environment's `TUTIN__…` variables, the later
/// over the earlier. The environment is also where secrets are looked up.
pub fn load(files: &[PathBuf], environment: impl Iterator<Item = (String, String)>) -> Loaded {
    let environment: BTreeMap<String, String> = environment.collect();
    let variables: Vec<(String, String)> = environment.clone().into_iter().collect();
    let layers = layers::read(files, &variables);
    let mut problems = layers.problems;
    if !layers.whole {
        // Half a text lacks sections that nobody left out: what it seems to miss would bury the one real mistake.
        problem::sort(&mut problems);
        let places = Places::new(layers.table, layers.first);
        let (files, effective) = (Vec::new(), String::new());
        return Loaded { config: None, problems, places, unreadable: layers.unreadable, files, effective };
    }
    let places = Places::new(layers.table.clone(), layers.first);
    let home = files.first().and_then(|file| file.parent()).unwrap_or(Path::new(""));
    let scope = Scope { root: &layers.table, environment: &environment, home };
    let mut reader = Reader { scope, built_in: layers.built_in, notes: Notes::default() };
    let draft = read::everything(&mut reader);
    let notes = reader.notes;
    problems.extend(notes.problems);
    problems.extend(relations::check(&draft, &places));
    problem::sort(&mut problems);
    let sound = problems.iter().all(|problem| problem.severity != Severity::Error);
    let config = if sound { finished(draft, effective::plain(&notes.effective)) } else { None };
    let effective = effective::text(&notes.effective);
    Loaded { config, problems, places, unreadable: layers.unreadable, files: notes.files, effective }
}

/// The variables of this process, for [`load`]. One that is not UTF-8 counts as not set.
pub fn process_environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn finished(draft: Draft, text: String) -> Option<Config> {
    Some(Config {
        hub: draft.hub?,
        journal: draft.journal?,
        limits: draft.limits?,
        links: draft.links,
        plugins: draft.plugins,
        devices: draft.devices,
        rule_sets: draft.rule_sets,
        sources: draft.sources,
        routes: draft.routes,
        sinks: draft.sinks,
        digest: effective::digest(&text),
        text,
    })
}
