//! The map's commands, checked when the device is opened, and their arguments, checked when somebody gives them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use tutin_sdk::Failure;
use tutin_sdk::settings::{nearest, wrong};

use crate::effective::{Effective, or_list};
use crate::probe::PROBE;
use crate::settings::{Argument, ArgumentKind, Command};
use crate::write::{Planned, Template, What, merged};

/// Names of commands that every map has.
pub(crate) const RUN: &str = "run";
/// See [`RUN`].
pub(crate) const LIST: &str = "commands";

/// The commands of a map.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    list: BTreeMap<String, PlannedCommand>,
}

/// A command, checked.
#[derive(Debug)]
pub(crate) struct PlannedCommand {
    pub purpose: String,
    pub group: Option<String>,
    /// Nanoseconds.
    pub hold: Option<i64>,
    pub ends: Vec<String>,
    arguments: BTreeMap<String, Argument>,
    writes: Vec<Template>,
}

/// What a command writes, and for each write what undoes it.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    pub writes: Vec<Planned>,
    pub undone: Vec<Planned>,
}

impl Commands {
    pub fn plan(effective: &Effective) -> Result<Self, Failure> {
        let mut list = BTreeMap::new();
        for (name, (at, command)) in &effective.commands {
            check_name(name, at)?;
            list.insert((*name).to_owned(), PlannedCommand::new(effective, command, at)?);
        }
        let commands = Commands { list };
        for (name, (at, command)) in &effective.commands {
            let ends = command.ends.iter();
            if let Some(other) = ends.into_iter().find(|other| *other == name || !commands.list.contains_key(*other)) {
                return Err(wrong(&format!("{at}.ends"), format_args!("there is no other command {other:?}")));
            }
        }
        if let Some(process) = &effective.settings.process_values {
            let command = commands.find(&process.command).map_err(|why| wrong("process_values.command", why))?;
            command.orders(&process.arguments).map_err(|why| wrong("process_values", why))?;
            if command.hold.is_some() {
                return Err(wrong("process_values.command", "a command that is held cannot be repeated"));
            }
            if process.every_polls == 0 {
                return Err(wrong("process_values.every_polls", "must be at least 1"));
            }
        }
        Ok(commands)
    }

    pub fn find(&self, name: &str) -> Result<&PlannedCommand, String> {
        self.list.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.list.keys().map(String::as_str).collect();
            let meant =
                nearest(name, names.iter().copied()).map_or(String::new(), |near| format!("; did you mean {near:?}?"));
            match names.is_empty() {
                true => format!("there is no command {name:?}: the map has none"),
                false => format!("there is no command {name:?}, only {}{meant}", or_list(&names)),
            }
        })
    }

    /// All of them in words, one on a line.
    pub fn in_words(&self) -> String {
        let lines: Vec<String> = self.list.iter().map(|(name, command)| command.in_words(name)).collect();
        if lines.is_empty() { "the map has no commands".to_owned() } else { lines.join("\n") }
    }
}

fn check_name(name: &str, at: &str) -> Result<(), Failure> {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || !name.bytes().all(is_allowed) {
        return Err(wrong(at, "a command's name is of lower case letters, digits and dashes"));
    }
    if [RUN, LIST, PROBE].contains(&name) {
        return Err(wrong(at, format_args!("{name:?} is a command of every map")));
    }
    Ok(())
}

impl PlannedCommand {
    fn new(effective: &Effective, command: &Command, at: &str) -> Result<Self, Failure> {
        let no = |member: &str, why: String| Err(wrong(&format!("{at}.{member}"), why));
        if command.writes.is_empty() {
            return no("writes", "at least one is needed".to_owned());
        }
        if command.hold_ms.is_some_and(|hold| !(1..=600_000).contains(&hold)) {
            return no("hold_ms", "must be 1 to 600000".to_owned());
        }
        for (name, argument) in &command.arguments {
            if let Some([low, high]) = argument.range
                && (argument.kind == ArgumentKind::Switch || low > high || low.is_nan() || high.is_nan())
            {
                return no(&format!("arguments.{name}.range"), "must be the lowest and the highest number".to_owned());
            }
        }
        let mut writes = Vec::new();
        let mut used = BTreeSet::new();
        for (index, write) in command.writes.iter().enumerate() {
            let at = format!("{at}.writes[{index}]");
            let template = Template::new(effective, write, &at)?;
            for (member, name) in [("argument", &write.argument), ("when", &write.when)] {
                let Some(name) = name else { continue };
                if !command.arguments.contains_key(name) {
                    return Err(wrong(&format!("{at}.{member}"), format_args!("there is no argument {name:?}")));
                }
                used.insert(name.as_str());
            }
            if command.hold_ms.is_some() && template.undone(1).is_none() {
                return Err(wrong(&format!("{at}.after"), "a register that is held needs what is written afterwards"));
            }
            writes.push(template);
        }
        if let Some(name) = command.arguments.keys().find(|name| !used.contains(name.as_str())) {
            return no(&format!("arguments.{name}"), "no write uses it".to_owned());
        }
        Ok(PlannedCommand {
            purpose: command.purpose.clone(),
            group: command.group.clone(),
            hold: command.hold_ms.map(|hold| i64::from(hold) * 1_000_000),
            ends: command.ends.clone(),
            arguments: command.arguments.clone(),
            writes,
        })
    }

    /// What is to be written with these arguments.
    pub fn orders(&self, given: &Map<String, Value>) -> Result<Orders, String> {
        if let Some(name) = given.keys().find(|name| !self.arguments.contains_key(*name)) {
            let names: Vec<&str> = self.arguments.keys().map(String::as_str).collect();
            return Err(format!("arguments.{name}: there is no such argument, only {}", or_list(&names)));
        }
        let mut numbers = BTreeMap::new();
        for (name, argument) in &self.arguments {
            match given.get(name).filter(|value| !value.is_null()) {
                Some(value) => {
                    let number = argument.number(value).map_err(|why| format!("arguments.{name}: {why}"))?;
                    numbers.insert(name.as_str(), number);
                }
                None if argument.required => return Err(format!("arguments.{name}: is needed: {}", argument.about)),
                None => {}
            }
        }
        let mut orders = Orders::default();
        for template in &self.writes {
            if template.when.as_ref().is_some_and(|name| !numbers.contains_key(name.as_str())) {
                continue;
            }
            let values = match &template.what {
                What::Fixed(values) => values.clone(),
                What::Argument(name) => match numbers.get(name.as_str()) {
                    Some(number) => vec![*number],
                    None => continue,
                },
            };
            orders.writes.push(template.planned(&values)?);
            if self.hold.is_some() {
                orders.undone.extend(template.undone(values.len()));
            }
        }
        if orders.writes.is_empty() {
            return Err("arguments: at least one is needed".to_owned());
        }
        orders.writes = merged(orders.writes);
        orders.undone = merged(orders.undone);
        Ok(orders)
    }

    fn in_words(&self, name: &str) -> String {
        let arguments: Vec<String> = self.arguments.iter().map(|(name, argument)| argument.in_words(name)).collect();
        let arguments = if arguments.is_empty() { String::new() } else { format!(" ({})", arguments.join(", ")) };
        format!("{name}{arguments}: {}", self.purpose)
    }
}

impl Argument {
    fn number(&self, value: &Value) -> Result<f64, String> {
        let number = match (self.kind, value) {
            (ArgumentKind::Switch, Value::Bool(is_on)) => return Ok(f64::from(*is_on)),
            (ArgumentKind::Switch, _) => return Err("must be true or false".to_owned()),
            (_, value) => value.as_f64().filter(|number| number.is_finite()).ok_or("must be a number")?,
        };
        if self.kind == ArgumentKind::Whole && number.fract() != 0.0 {
            return Err("must be a whole number".to_owned());
        }
        match self.range {
            Some([low, high]) if !(low..=high).contains(&number) => {
                let unit = if self.unit.is_empty() { String::new() } else { format!(" {}", self.unit) };
                Err(format!("must be from {low} to {high}{unit}"))
            }
            _ => Ok(number),
        }
    }

    fn in_words(&self, name: &str) -> String {
        let kind = match (self.kind, self.range) {
            (ArgumentKind::Switch, _) => "true or false".to_owned(),
            (_, Some([low, high])) => format!("{low} to {high} {}", self.unit).trim_end().to_owned(),
            (_, None) => format!("a number {}", self.unit).trim_end().to_owned(),
        };
        let optional = if self.required { "" } else { ", may be left out" };
        format!("{name} = {kind}{optional}: {}", self.about)
    }
}
