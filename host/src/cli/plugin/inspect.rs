//! `tutin plugin inspect`: what a plugin is and what it asks for, before anybody installs it.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde_json::Value;

use crate::capability::log::defuse;
use crate::config::model::Limits;
use crate::plugin::{Description, Features, Plugin};

/// Arguments of `tutin plugin inspect`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// The component, or the folder that `tutin plugin build` made it of.
    file: PathBuf,
    /// Print the settings' JSON Schema instead of the overview.
    #[arg(long)]
    schema: bool,
}

/// Shows the plugin.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { file, schema } = arguments;
    let plugin = super::load(&super::component(&file)?).await?;
    let description = plugin.description(&Limits::default()).await?;
    let settings: Value = serde_json::from_str(&description.settings).unwrap_or_default();
    let text = if schema { schema_text(&settings) } else { overview(&plugin, description, &settings) };
    match std::io::stdout().write_all(text.as_bytes()) {
        // The reader has seen enough, as `head` does.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        written => written.map(|()| ExitCode::SUCCESS).context("writing"),
    }
}

/// JSON for people and programs. Its texts come from the plugin, and JSON itself escapes only part of the control characters.
fn schema_text(settings: &Value) -> String {
    let text = format!("{settings:#}\n");
    let escaped = |letter: char| match letter {
        '\n' => String::from(letter),
        _ if letter.is_control() => format!("\\u{:04x}", u32::from(letter)),
        _ => String::from(letter),
    };
    text.chars().map(escaped).collect()
}

fn overview(plugin: &Plugin, description: &Description, settings: &Value) -> String {
    let mut lines = vec![
        format!("{} {}", description.name, description.version),
        format!("  vendor       {}", or_any(&description.vendor)),
        format!("  models       {}", or_any(&description.models.join(", "))),
        format!("  digest       sha256:{}", plugin.digest),
        String::from("  asks for"),
    ];
    for wanted in &plugin.wanted {
        let always = crate::plugin::admission::ALWAYS_GRANTED.contains(&wanted.offer.interface);
        let note = if always { ", always granted" } else { "" };
        lines.push(format!("    {wanted:?}: {}{note}", wanted.offer.permits));
    }
    lines.push(String::from("  links"));
    lines.extend(description.links.iter().map(|l| format!("    {:<12} {} ({})", l.name, l.purpose, l.capability)));
    lines.push(String::from("  settings"));
    settings_lines(settings, &mut lines);
    if !description.commands.is_empty() {
        lines.push(String::from("  commands"));
    }
    lines.extend(description.commands.iter().map(|command| format!("    {:<12} {}", command.name, command.purpose)));
    let can = Features(description.features);
    let features = [(can.backfill(), "back-fill from the instrument's memory"), (can.snapshot(), "snapshot")];
    let features: Vec<_> = features.iter().filter(|(is_there, _)| *is_there).map(|(_, name)| *name).collect();
    let features = if features.is_empty() { String::from("-") } else { features.join(", ") };
    lines.push(format!("  can also     {features}"));
    shown(&lines)
}

/// Lines for a terminal. What the settings' schema spells as `\u001b` was no control character when the description was checked.
fn shown(lines: &[String]) -> String {
    lines.iter().map(|line| defuse(line, line.len()) + "\n").collect()
}

fn settings_lines(schema: &Value, lines: &mut Vec<String>) {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let none = serde_json::Map::new();
    for (name, member) in schema["properties"].as_object().unwrap_or(&none) {
        let default = match &member["default"] {
            _ if required.iter().any(|required| required == name) => String::from("required"),
            Value::Null => String::from("optional"),
            default => format!("default {default}"),
        };
        lines.push(format!("    {name:<12} {}, {default}", kind(schema, member)));
        let text = member["description"].as_str().unwrap_or_default();
        lines.extend(text.lines().map(|line| format!("                 {line}")));
    }
}

/// What a member may be, in a few words: its choices if it has some, else its type.
fn kind(schema: &Value, member: &Value) -> String {
    if let Some(target) = member["$ref"].as_str().and_then(|path| schema.pointer(path.trim_start_matches('#'))) {
        return kind(schema, target);
    }
    let choices = |list: &Vec<Value>| list.iter().map(Value::to_string).collect::<Vec<_>>().join(" | ");
    let parts = |list: &Vec<Value>| {
        let kinds: Vec<String> = list.iter().map(|part| kind(schema, part)).filter(|kind| kind != "null").collect();
        kinds.join(" | ")
    };
    match member {
        Value::Object(of) if of.contains_key("const") => member["const"].to_string(),
        Value::Object(of) if of.contains_key("enum") => member["enum"].as_array().map(choices).unwrap_or_default(),
        Value::Object(of) if of.contains_key("oneOf") => member["oneOf"].as_array().map(parts).unwrap_or_default(),
        Value::Object(of) if of.contains_key("anyOf") => member["anyOf"].as_array().map(parts).unwrap_or_default(),
        Value::Object(of) if of.contains_key("items") => format!("list of {}", kind(schema, &member["items"])),
        _ => match &member["type"] {
            Value::String(kind) => kind.clone(),
            Value::Array(kinds) => {
                let named: Vec<_> = kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect();
                named.join(" | ")
            }
            _ => String::from("see --schema"),
        },
    }
}

fn or_any(text: &str) -> &str {
    if text.is_empty() { "any" } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_that_a_schema_spells_drives_a_terminal() {
        let hostile = "x\u{1b}[2J\u{9b}1m\u{7f}";
        let texts = json!({ "description": format!("one\ntwo {hostile}"), "default": hostile, "enum": [hostile] });
        let schema = json!({ "properties": { hostile: texts, "type": { "type": hostile } } });
        let is_harmless = |text: &str| !text.chars().any(|letter| letter.is_control() && letter != '\n');

        let mut lines = vec![];
        settings_lines(&schema, &mut lines);
        let overview = shown(&lines);
        let text = schema_text(&schema);

        assert!(is_harmless(&overview), "{overview:?}");
        assert!(overview.contains("                 one\n                 two x\\u{1b}[2J"), "{overview}");
        assert!(is_harmless(&text), "{text:?}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), schema);
    }
}
