//! Reading a table option by option, with every mistake noted and none in the way of the next.
//!
//! Each option is asked for by name, kind and default; what was not asked for is unknown. The same questions make the
//! effective configuration and the list of options that `configs/full.toml` must show.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::kind::{Choice, Fault, Kind, Layout, Scope, wrong_type};
use crate::config::mistake::{Mistake, nearest};
use crate::config::notes::{NamedFile, Notes, OptionText, Setting};
use crate::config::path::{is_name, path_text, quoted};
use crate::config::place::{Origin, Place};
use crate::config::problem::Problem;
use crate::config::tree::{Entry, Node, Table, Value};

/// What all sections share while they are read.
pub(crate) struct Reader<'a> {
    pub scope: Scope<'a>,
    pub built_in: Arc<Origin>,
    pub notes: Notes,
}

/// A table that is being read.
pub(crate) struct Section<'r, 'a> {
    reader: &'r mut Reader<'a>,
    table: &'a Table,
    place: Option<Place>,
    header: Vec<String>,
    below: Vec<String>,
    pattern: String,
    asked: Vec<&'static str>,
    /// True when the section has secrets: then an unknown option may be one whose name was mistyped.
    confidential: bool,
    /// False once the section's own kind is unknown: then nobody can say which options are.
    complete: bool,
}

/// How a default is told.
enum Fallback<'t> {
    /// There must be a value.
    Required,
    /// No value is a value too.
    Absent,
    /// This text, read like any other value.
    Text(&'t str),
    /// That of another section.
    Inherited(&'t str),
}

static EMPTY: Table = Table::new();

impl<'a> Reader<'a> {
    /// Reads the table at a path of one or two keys, `[hub]` or `[devices.no2]`; an absent one counts as empty.
    pub fn section<T>(
        &mut self,
        entry: Option<&'a Entry>,
        header: &[&str],
        pattern: &str,
        read: impl FnOnce(&mut Section<'_, 'a>) -> Option<T>,
    ) -> Option<T> {
        let header: Vec<String> = header.iter().map(|key| (*key).to_owned()).collect();
        let (table, place) = match entry.map(|entry| (&entry.node.value, &entry.node.place)) {
            Some((Value::Table(table), place)) => (table, Some(place.clone())),
            Some((_, place)) => {
                let node = entry.map(|entry| &entry.node)?;
                let path = path_text(&header);
                self.complain(path, Some(place.clone()), wrong_type(node, "a table".to_owned()));
                return None;
            }
            None => (&EMPTY, None),
        };
        let (asked, below, pattern) = (Vec::new(), Vec::new(), pattern.to_owned());
        let mut section =
            Section { reader: self, table, place, header, below, pattern, asked, confidential: false, complete: true };
        let value = read(&mut section);
        section.report_unknown();
        value
    }

    /// Reads every table of a section of named ones; names themselves are checked too.
    pub fn named<T>(
        &mut self,
        section: &'static str,
        mut read: impl FnMut(&mut Section<'_, 'a>, &str) -> Option<T>,
    ) -> BTreeMap<String, T> {
        let mut values = BTreeMap::new();
        let Some(entry) = self.scope.root.get(section) else { return values };
        let Value::Table(table) = &entry.node.value else {
            let faults = wrong_type(&entry.node, format!("tables [{section}.NAME]"));
            self.complain(section.to_owned(), Some(entry.node.place.clone()), faults);
            return values;
        };
        for (name, entry) in table {
            self.check_name(&[section, name], name, entry);
            let pattern = format!("{section}.*");
            let value = self.section(Some(entry), &[section, name], &pattern, |section| read(section, name));
            if let Some(value) = value {
                values.insert(name.clone(), value);
            }
        }
        values
    }

    fn check_name(&mut self, path: &[&str], name: &str, entry: &Entry) {
        let expected = "a name: letters, digits, '-', '_' and '.', the first a letter or digit, at most 64".to_owned();
        if !is_name(name) {
            let mistake = Mistake::Malformed { found: name.to_owned(), expected, advice: None };
            let path: Vec<String> = path.iter().map(|key| (*key).to_owned()).collect();
            self.complain(path_text(&path), Some(entry.key.clone()), vec![mistake.into()]);
        }
    }

    /// Notes mistakes at a path.
    pub fn complain(&mut self, path: String, place: Option<Place>, faults: Vec<Fault>) {
        for fault in faults {
            let place = fault.place.or_else(|| place.clone());
            self.notes.problems.push(Problem::new(path.clone(), place, &fault.mistake));
        }
    }
}

impl<'a> Section<'_, 'a> {
    /// An option without default.
    pub fn required<K: Kind>(&mut self, key: &'static str, kind: &K) -> Option<K::Value> {
        self.read(key, kind, Fallback::Required).flatten()
    }

    /// The option that says which kind of section this is. While it is wrong, nobody can say which options are.
    pub fn variant<T: Copy>(&mut self, key: &'static str, kind: &Choice<T>) -> Option<T> {
        let meaning = self.required(key, kind);
        self.complete = meaning.is_some();
        let word = self.table.get(key).and_then(|entry| entry.node.as_text()).unwrap_or_default();
        self.pattern = format!("{}({word})", self.pattern);
        meaning
    }

    /// An option with a default, which is written as a user would write it.
    pub fn or<K: Kind>(&mut self, key: &'static str, kind: &K, default: &str) -> Option<K::Value> {
        self.read(key, kind, Fallback::Text(default)).flatten()
    }

    /// An option whose default is the value of another section.
    pub fn or_inherited<K: Kind>(&mut self, key: &'static str, kind: &K, inherited: &str) -> Option<K::Value> {
        self.read(key, kind, Fallback::Inherited(inherited)).flatten()
    }

    /// An option that may be left out. The outer `None` means a mistake.
    pub fn optional<K: Kind>(&mut self, key: &'static str, kind: &K) -> Option<Option<K::Value>> {
        self.read(key, kind, Fallback::Absent)
    }

    /// A path that must lead to a file when the hub starts.
    pub fn note_file(&mut self, key: &'static str, file: &std::path::Path) {
        if let Some(entry) = self.table.get(key) {
            let (option, place) = (self.path_of(key), entry.node.place.clone());
            self.reader.notes.files.push(NamedFile { option, file: file.to_owned(), place });
        }
    }

    /// A table below this one that belongs to it, as `[devices.no2.limits]`.
    pub fn part<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'_, 'a>) -> Option<T>) -> Option<T> {
        self.asked.push(key);
        let (table, place) = match self.table.get(key).map(|entry| &entry.node) {
            Some(Node { value: Value::Table(table), place }) => (table, Some(place.clone())),
            Some(node) => {
                self.complain(key, Some(node.place.clone()), wrong_type(node, "a table".to_owned()));
                return None;
            }
            None => (&EMPTY, self.place.clone()),
        };
        let mut below = self.below.clone();
        below.push(key.to_owned());
        let pattern = format!("{}.{key}", self.pattern);
        let (header, asked) = (self.header.clone(), Vec::new());
        let mut part = Section {
            reader: self.reader,
            table,
            place,
            header,
            below,
            pattern,
            asked,
            confidential: false,
            complete: true,
        };
        let value = read(&mut part);
        part.report_unknown();
        value
    }

    /// A table below this one that may be left out altogether. The outer `None` means a mistake.
    pub fn optional_part<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'_, 'a>) -> Option<T>,
    ) -> Option<Option<T>> {
        if self.has(key) {
            return self.part(key, read).map(Some);
        }
        self.asked.push(key);
        Some(None)
    }

    /// Named tables below this one, as `[sources.stack.parameters.NO2]`.
    pub fn named<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Section<'_, 'a>, &str) -> Option<T>,
    ) -> Option<BTreeMap<String, T>> {
        self.asked.push(key);
        let Some(entry) = self.table.get(key) else { return Some(BTreeMap::new()) };
        let Value::Table(table) = &entry.node.value else {
            let faults = wrong_type(&entry.node, format!("tables [{}.NAME]", self.path_of(key)));
            self.complain(key, Some(entry.node.place.clone()), faults);
            return None;
        };
        let (mut values, mut whole) = (BTreeMap::new(), true);
        for (name, entry) in table {
            let mut header: Vec<&str> = self.header.iter().map(String::as_str).collect();
            header.extend([key, name.as_str()]);
            self.reader.check_name(&header, name, entry);
            let pattern = format!("{}.{key}.*", self.pattern);
            match self.reader.section(Some(entry), &header, &pattern, |section| read(section, name)) {
                Some(value) => drop(values.insert(name.clone(), value)),
                None => whole = false,
            }
        }
        whole.then_some(values)
    }

    /// Notes a mistake at an option that was read, or at the section when it is not there.
    pub fn note(&mut self, key: &'static str, mistake: Mistake) {
        let place = self.table.get(key).map(|entry| entry.node.place.clone()).or_else(|| self.place.clone());
        self.complain(key, place, vec![mistake.into()]);
    }

    /// True when the option is in the file or the environment.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    fn read<K: Kind>(&mut self, key: &'static str, kind: &K, fallback: Fallback<'_>) -> Option<Option<K::Value>> {
        self.asked.push(key);
        self.confidential |= kind.confidential();
        self.describe(key, kind, &fallback);
        let (node, place) = match (self.table.get(key), &fallback) {
            (Some(entry), _) => (entry.node.clone(), Some(entry.node.place.clone())),
            (None, Fallback::Text(text) | Fallback::Inherited(text)) => {
                let place = Place { origin: self.reader.built_in.clone(), span: 0..0 };
                (Node { value: Value::Loose((*text).to_owned()), place }, None)
            }
            (None, Fallback::Absent) => return Some(None),
            (None, Fallback::Required) => {
                let mistake = Mistake::Missing { expected: kind.expected() };
                self.complain(key, self.place.clone(), vec![mistake.into()]);
                return None;
            }
        };
        let node = node.settled(kind.textual());
        match kind.read(&node, &self.reader.scope) {
            Ok(value) => {
                if place.is_some() || matches!(fallback, Fallback::Text(_)) {
                    match kind.layout() {
                        Layout::Line => self.show(&[key], kind.shown(&value, &node), place),
                        layout => self.show_members(&mut vec![key], &node, layout),
                    }
                }
                Some(Some(value))
            }
            Err(faults) => {
                self.complain(key, Some(node.place.clone()), faults);
                None
            }
        }
    }

    fn describe<K: Kind>(&mut self, key: &str, kind: &K, fallback: &Fallback<'_>) {
        let default = match fallback {
            Fallback::Required => None,
            Fallback::Absent => Some("none".to_owned()),
            Fallback::Text(text) => Some((*text).to_owned()),
            Fallback::Inherited(_) => Some("that of [limits]".to_owned()),
        };
        let text = OptionText { default, range: kind.range(), choices: kind.choices() };
        self.reader.notes.options.insert(format!("{}.{key}", self.pattern), text);
    }

    fn show(&mut self, keys: &[&str], value: toml::Value, place: Option<Place>) {
        let key = self.below.iter().map(String::as_str).chain(keys.iter().copied()).map(str::to_owned).collect();
        self.reader.notes.effective.push(Setting { header: self.header.clone(), key, value, place });
    }

    fn show_members<'n>(&mut self, keys: &mut Vec<&'n str>, node: &'n Node, layout: Layout) {
        let Some(table) = node.as_table().filter(|table| !table.is_empty()) else {
            let place = Some(node.place.clone()).filter(|place| place.origin.layer > 0);
            return self.show(keys, node.settled(false).to_toml(), place);
        };
        let mut members: Vec<_> = table.iter().collect();
        if layout == Layout::OrderedMembers {
            members.sort_by_key(|(_, entry)| entry.key.order());
        }
        for (key, entry) in members {
            keys.push(key);
            self.show_members(keys, &entry.node, layout);
            keys.pop();
        }
    }

    fn complain(&mut self, key: &str, place: Option<Place>, faults: Vec<Fault>) {
        let path = self.path_of(key);
        self.reader.complain(path, place, faults);
    }

    fn path_of(&self, key: &str) -> String {
        let mut path: Vec<String> = self.header.iter().chain(&self.below).cloned().collect();
        path.push(key.to_owned());
        path_text(&path)
    }

    fn report_unknown(&mut self) {
        let table = self.table;
        let unknown = || table.iter().filter(|(key, _)| !self.asked.contains(&key.as_str()));
        if !self.complete {
            // What nobody could ask about may be a secret, and the line above or below it may be quoted.
            if let Some(problem) = self.reader.notes.problems.last_mut() {
                problem.conceal.extend(unknown().map(|(_, entry)| entry.node.place.clone()));
            }
            return;
        }
        let mut problems = Vec::new();
        for (key, entry) in unknown() {
            let mistake = Mistake::Unknown {
                what: "option",
                found: key.clone(),
                nearest: nearest(key, self.asked.iter().copied()).map(quoted),
                known: self.asked.iter().map(|asked| (*asked).to_owned()).collect(),
            };
            let mut problem = Problem::new(self.path_of(key), Some(entry.key.clone()), &mistake);
            if self.confidential {
                problem.conceal.push(entry.node.place.clone());
            }
            problems.push(problem);
        }
        self.reader.notes.problems.extend(problems);
    }
}
