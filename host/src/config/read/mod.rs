//! One reader per section of the file: names, kinds, defaults and ranges of its options.
//!
//! The ranges and defaults stand here and nowhere else in code; `configs/full.toml` repeats them for people, and a test
//! compares the two.

mod device;
mod hub;
mod link;
mod parameter;
mod route;
mod rule_set;
mod sink;
mod source;
mod status_table;
mod trust;

use std::collections::BTreeMap;

use crate::config::mistake::{Mistake, nearest};
use crate::config::model::{
    Device, FieldSource, Hub, Journal, Limits, Link, Loading, Name, Plugin, Route, RuleSet, Sink, Source, Trust,
};
use crate::config::path::quoted;
use crate::config::section::Reader;
use crate::status_table::StatusTable;

const SECTIONS: [&str; 13] = [
    "hub",
    "journal",
    "limits",
    "trust",
    "loading",
    "links",
    "plugins",
    "devices",
    "rule_sets",
    "status_tables",
    "sources",
    "routes",
    "sinks",
];

/// What could be read. A member with a mistake in it is not here, but its name is in the tree.
#[derive(Debug)]
pub(crate) struct Draft {
    pub hub: Option<Hub>,
    pub journal: Option<Journal>,
    pub limits: Option<Limits>,
    pub trust: Option<Trust>,
    pub loading: Option<Loading>,
    pub links: BTreeMap<Name, Link>,
    pub plugins: BTreeMap<Name, Plugin>,
    pub devices: BTreeMap<Name, Device>,
    pub rule_sets: BTreeMap<Name, RuleSet>,
    pub status_tables: BTreeMap<Name, StatusTable>,
    pub sources: BTreeMap<Name, Source>,
    pub routes: BTreeMap<Name, Route>,
    pub sinks: BTreeMap<Name, Sink>,
}

impl Draft {
    /// Whether a source has averages by this rule set, or by one that is made from it.
    pub fn uses_rule_set(&self, name: &str) -> bool {
        let used = |name: &str| self.sources.values().any(|source| source.rule_sets.iter().any(|used| used == name));
        let mut longer = self.rule_sets.iter().filter(|(_, rules)| rules.from.as_deref() == Some(name));
        used(name) || longer.any(|(longer, _)| used(longer))
    }

    /// Whether a parameter's device, or a payload, speaks in this table.
    pub fn uses_status_table(&self, name: &str) -> bool {
        let mut parameters = self.sources.values().flat_map(|source| source.parameters.values());
        let mut fields = self.sinks.values().flat_map(|sink| &sink.kind.fields().0);
        parameters.any(|parameter| parameter.status.as_deref() == Some(name))
            || fields.any(|field| matches!(&field.from, FieldSource::Code { name: used, .. } if used == name))
    }
}

/// Reads every section.
pub(crate) fn everything(reader: &mut Reader<'_>) -> Draft {
    unknown_sections(reader);
    let root = reader.scope.root;
    let hub = reader.section(root.get("hub"), &["hub"], "hub", hub::hub);
    let journal = reader.section(root.get("journal"), &["journal"], "journal", hub::journal);
    let limits = reader.section(root.get("limits"), &["limits"], "limits", |section| hub::limits(section, None));
    let trust = reader.section(root.get("trust"), &["trust"], "trust", trust::trust);
    let loading = reader.section(root.get("loading"), &["loading"], "loading", hub::loading);
    let hub_name = hub.as_ref().map_or("hub", |hub| hub.name.as_str()).to_owned();
    Draft {
        hub,
        journal,
        trust,
        links: reader.named("links", |section, name| link::link(section, &hub_name, name)),
        plugins: reader.named("plugins", |section, _| trust::plugin(section)),
        devices: reader.named("devices", |section, _| device::device(section, limits.as_ref())),
        rule_sets: reader.named("rule_sets", |section, _| rule_set::rule_set(section)),
        status_tables: reader.named("status_tables", |section, _| status_table::status_table(section)),
        sources: reader.named("sources", source::source),
        routes: reader.named("routes", |section, _| route::route(section)),
        sinks: reader.named("sinks", |section, name| sink::sink(section, &hub_name, name)),
        limits,
        loading,
    }
}

fn unknown_sections(reader: &mut Reader<'_>) {
    for (key, entry) in reader.scope.root.iter().filter(|(key, _)| !SECTIONS.contains(&key.as_str())) {
        let mistake = Mistake::Unknown {
            what: "section",
            found: key.clone(),
            nearest: nearest(key, SECTIONS).map(quoted),
            known: SECTIONS.map(str::to_owned).to_vec(),
        };
        reader.complain(String::new(), Some(entry.key.clone()), vec![mistake.into()]);
    }
}
