//! From files and environment to one tree.
//!
//! Later layers override earlier ones: built-in defaults, files in the order given, environment. The environment's
//! `TUTIN__DEVICES__NO2_NORTH__INTERVAL` is `devices.no2-north.interval`: two underscores separate, letter case does not
//! count, and one underscore stands for any character that variables cannot have.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::DeTable;

use crate::config::mistake::Mistake;
use crate::config::path::path_text;
use crate::config::place::{Origin, OriginName, Place};
use crate::config::problem::Problem;
use crate::config::tree::{Entry, Node, Table, Value, from_document, merge};

/// What every configuration begins with: the rule sets and status tables that come with the program.
const BUILT_IN: &[&str] = &[
    include_str!("../../../configs/rule-sets/cn-day.toml"),
    include_str!("../../../configs/rule-sets/cn-hour.toml"),
    include_str!("../../../configs/rule-sets/cn-minute.toml"),
    include_str!("../../../configs/rule-sets/eu-30min.toml"),
    include_str!("../../../configs/rule-sets/eu-60min.toml"),
    include_str!("../../../configs/rule-sets/eu-day.toml"),
    include_str!("../../../configs/rule-sets/in-15min.toml"),
    include_str!("../../../configs/rule-sets/in-1min.toml"),
    include_str!("../../../configs/rule-sets/kz-20min.toml"),
    include_str!("../../../configs/rule-sets/kz-day.toml"),
    include_str!("../../../configs/rule-sets/my-1min.toml"),
    include_str!("../../../configs/rule-sets/my-30min.toml"),
    include_str!("../../../configs/rule-sets/us-hour.toml"),
    include_str!("../../../configs/status-tables/germany-mws1.toml"),
    include_str!("../../../configs/status-tables/germany-plant.toml"),
    include_str!("../../../configs/status-tables/gm32-component.toml"),
    include_str!("../../../configs/status-tables/hj212.toml"),
    include_str!("../../../configs/status-tables/hj212-equipment.toml"),
    include_str!("../../../configs/status-tables/india-rtdms.toml"),
    include_str!("../../../configs/status-tables/ne107.toml"),
    include_str!("../../../configs/status-tables/serinus-error.toml"),
    include_str!("../../../configs/status-tables/serinus-operation.toml"),
    include_str!("../../../configs/status-tables/taiwan.toml"),
    include_str!("../../../configs/status-tables/us-modc.toml"),
];
const PREFIX: &str = "TUTIN__";

/// All layers in one tree.
pub(crate) struct Layers {
    pub table: Table,
    pub problems: Vec<Problem>,
    /// Files that could not be read at all.
    pub unreadable: Vec<PathBuf>,
    /// The built-in layer's text, the place of defaults.
    pub built_in: Arc<Origin>,
    /// Start of the first file, the place of what is missing as a whole.
    pub first: Option<Place>,
    /// False when a text was not TOML: what was read of it may lack anything.
    pub whole: bool,
}

/// Reads and merges.
pub(crate) fn read(files: &[PathBuf], environment: &[(String, String)]) -> Layers {
    let built_in = Arc::new(Origin::new(OriginName::BuiltIn, String::new(), 0));
    let mut layers = Layers {
        table: Table::new(),
        problems: Vec::new(),
        unreadable: Vec::new(),
        built_in: built_in.clone(),
        first: None,
        whole: true,
    };
    for text in BUILT_IN {
        layers.add_text(&Arc::new(Origin::new(OriginName::BuiltIn, (*text).to_owned(), 0)));
    }
    for (position, file) in files.iter().enumerate() {
        layers.add_file(file, position + 1);
    }
    for (position, (variable, text)) in environment.iter().enumerate() {
        layers.add_variable(variable, text, files.len() + 1 + position);
    }
    layers.add_settings_files(files.len() + 1 + environment.len());
    layers
}

impl Layers {
    fn add_file(&mut self, file: &Path, layer: usize) {
        match fs::read_to_string(file) {
            Ok(text) => {
                let origin = Arc::new(Origin::new(OriginName::File(file.to_owned()), text, layer));
                self.first.get_or_insert_with(|| Place { origin: origin.clone(), span: 0..0 });
                self.add_text(&origin);
            }
            Err(err) => {
                let mistake = Mistake::UnreadableFile { file: file.display().to_string(), cause: err.to_string() };
                self.problems.push(Problem::new("", None, &mistake));
                self.unreadable.push(file.to_owned());
                self.whole = false;
            }
        }
    }

    fn add_text(&mut self, origin: &Arc<Origin>) {
        let table = self.document(origin);
        merge(&mut self.table, table);
    }

    /// The tables of a text; what is wrong with it is noted.
    fn document(&mut self, origin: &Arc<Origin>) -> Table {
        let (document, errors) = DeTable::parse_recoverable(&origin.text);
        for err in errors {
            let place = Place { origin: origin.clone(), span: err.span().unwrap_or(0..0) };
            let problem = if err.message() == "duplicate key" {
                duplicate(place)
            } else {
                self.whole = false;
                Problem::new("", Some(place), &Mistake::Syntax { cause: err.message().to_owned() })
            };
            self.problems.push(problem);
        }
        from_document(document.get_ref(), origin)
    }

    /// Lays each device's `settings_file` under its `settings`. What is shown of the configuration, and kept of it, holds the content and not
    /// the name of the file.
    fn add_settings_files(&mut self, layer: usize) {
        let Some(Entry { node: Node { value: Value::Table(devices), .. }, .. }) = self.table.get_mut("devices") else {
            return;
        };
        let mut named = Vec::new();
        for (name, device) in devices {
            let Value::Table(device) = &mut device.node.value else { continue };
            // Anything but a text is left for the reader to complain of.
            if let Some(file) = device.get("settings_file").filter(|entry| entry.node.as_text().is_some()) {
                named.push((name.clone(), file.clone()));
                device.remove("settings_file");
            }
        }
        for (name, file) in named {
            self.add_settings_file(&name, &file, layer);
        }
    }

    fn add_settings_file(&mut self, device: &str, file: &Entry, layer: usize) {
        let place = &file.node.place;
        let named = file.node.as_text().unwrap_or_default();
        let home = self.first.as_ref().and_then(|first| first.origin.folder()).unwrap_or(Path::new(""));
        let path = place.origin.folder().unwrap_or(home).join(named);
        let option = path_text(&["devices".into(), device.into(), "settings_file".into()]);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                let mistake = Mistake::SettingsFile { cause: format!("{}: {error}", path.display()) };
                self.problems.push(Problem::new(option, Some(place.clone()), &mistake));
                return;
            }
        };
        let origin = Arc::new(Origin::new(OriginName::File(path), text, layer));
        let mut below = self.document(&origin);
        let Some(Entry { node: Node { value: Value::Table(devices), .. }, .. }) = self.table.get_mut("devices") else {
            return;
        };
        let Some(Entry { node: Node { value: Value::Table(device), .. }, .. }) = devices.get_mut(device) else {
            return;
        };
        let settings = device.entry("settings".to_owned()).or_insert_with(|| Entry {
            key: file.key.clone(),
            node: Node { value: Value::Table(Table::new()), place: place.clone() },
        });
        // Settings that are no table are left for the reader to complain of.
        if let Value::Table(settings) = &mut settings.node.value {
            merge(&mut below, std::mem::take(settings));
            *settings = below;
        }
    }

    fn add_variable(&mut self, variable: &str, text: &str, layer: usize) {
        let Some(option) = option(variable) else { return };
        let segments: Vec<&str> = option.split("__").collect();
        let name = OriginName::Environment(variable.to_owned());
        let origin = Arc::new(Origin::new(name, text.to_owned(), layer));
        let place = Place { span: 0..origin.text.len(), origin };
        match overlay(&self.table, &segments, text, &place) {
            Ok(table) => merge(&mut self.table, table),
            Err((first, second)) => {
                let mistake = Mistake::AmbiguousVariable { first, second };
                self.problems.push(Problem::new("", Some(place), &mistake));
            }
        }
    }
}

/// What a variable sets; nothing when it sets no option.
pub(crate) fn option(variable: &str) -> Option<&str> {
    let (prefix, option) = variable.split_at_checked(PREFIX.len())?;
    prefix.eq_ignore_ascii_case(PREFIX).then_some(option)
}

/// A key that stands twice. Its second value is lost to the tree, so that nobody can tell whether it is a secret.
fn duplicate(place: Place) -> Problem {
    let text = &place.origin.text;
    let key = text.get(place.span.clone()).unwrap_or_default().trim_matches(['"', '\'']).to_owned();
    let rest = text.get(place.span.end..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let is_value = rest.trim_start().starts_with('=');
    let value = Place { origin: place.origin.clone(), span: place.span.end..place.span.end + rest.len() };
    let mut problem = Problem::new("", Some(place), &Mistake::Duplicate { key });
    if is_value {
        problem.conceal.push(value);
    }
    problem
}

/// The tables around one variable's value, with the names that the layers below use. Two names that the
/// variable's spelling cannot tell apart come back as the error.
fn overlay(below: &Table, segments: &[&str], text: &str, place: &Place) -> Result<Table, (String, String)> {
    let Some((segment, rest)) = segments.split_first() else { return Ok(Table::new()) };
    let mut fitting = below.keys().filter(|key| folded(key) == folded(segment));
    let key = match (fitting.next(), fitting.next()) {
        (Some(first), Some(second)) => return Err((first.clone(), second.clone())),
        (Some(only), None) => only.clone(),
        _ => segment.to_lowercase(),
    };
    let value = if rest.is_empty() {
        Value::Loose(text.to_owned())
    } else {
        let empty = Table::new();
        let below = below.get(&key).and_then(|entry| entry.node.as_table()).unwrap_or(&empty);
        Value::Table(overlay(below, rest, text, place)?)
    };
    let entry = Entry { key: place.clone(), node: Node { value, place: place.clone() } };
    Ok(Table::from([(key, entry)]))
}

fn folded(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}
