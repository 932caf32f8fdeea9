//! The configuration: TOML layers in, valid types and precise diagnostics out.
//!
//! The way of an option: `layers` (files and environment become one tree) → `read` (sections become types) →
//! `relations` (what no section shows alone) → [`Config`]. What plugins know is joined in by [`cross_check`].
//!
//! Invariant: a [`Config`] exists only when there was no error, and no text that leaves this module holds a secret.

pub mod cross_check;
mod effective;
mod emission;
mod journal;
mod kind;
mod layers;
mod limits;
mod link;
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
mod trust;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::kind::Scope;
use crate::config::model::{Config, FieldSource};
use crate::config::notes::{Notes, Setting};
use crate::config::places::Places;
use crate::config::problem::{Problem, Severity};
use crate::config::read::Draft;
use crate::config::section::Reader;

pub(crate) use crate::config::mistake::nearest;
pub use crate::config::notes::NamedFile;
pub(crate) use crate::config::quantity::parse_duration;

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
    let mut notes = reader.notes;
    problems.extend(std::mem::take(&mut notes.problems));
    let touched = touched(&notes.effective);
    notes.effective.retain(|setting| {
        touched.contains(setting.header.get(..2).unwrap_or(&setting.header)) || takes_effect(&setting.header, &draft)
    });
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

/// Those of them that a configuration may refer to and that set no option: for a configuration that is not the hub's of this machine.
pub fn process_secrets() -> impl Iterator<Item = (String, String)> {
    process_environment().filter(|(name, _)| layers::option(name).is_none())
}

/// Tables in which a file or a variable has set something.
fn touched(settings: &[Setting]) -> BTreeSet<Vec<String>> {
    let is_set = |setting: &&Setting| setting.place.as_ref().is_some_and(|place| !place.origin.is_built_in());
    settings.iter().filter(is_set).map(|setting| setting.header.iter().take(2).cloned().collect()).collect()
}

/// Rule sets and status tables that come with the program are many: those that nothing uses are not shown.
fn takes_effect(header: &[String], draft: &Draft) -> bool {
    match header {
        [section, name, ..] if section == "rule_sets" => draft.uses_rule_set(name),
        [section, name, ..] if section == "status_tables" => draft.uses_status_table(name),
        _ => true,
    }
}

fn finished(mut draft: Draft, text: String) -> Option<Config> {
    for field in draft.sinks.values_mut().flat_map(|sink| &mut sink.kind.fields_mut().0) {
        if let FieldSource::Code { name, table } = &mut field.from {
            *table = Arc::new(draft.status_tables.get(name)?.clone());
        }
    }
    Some(Config {
        hub: draft.hub?,
        journal: draft.journal?,
        limits: draft.limits?,
        loading: draft.loading?,
        links: draft.links,
        trust: draft.trust?,
        plugins: draft.plugins,
        devices: draft.devices,
        rule_sets: draft.rule_sets,
        status_tables: draft.status_tables,
        sources: draft.sources,
        routes: draft.routes,
        sinks: draft.sinks,
        digest: effective::digest(&text),
        text,
    })
}
