//! `tutin plugin inspect`: what a plugin is and what it asks for, before anybody installs it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use serde_json::Value;

use crate::config::model::Limits;
use crate::plugin::Plugin;

/// Commands about plugins.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Show a plugin's permissions, vendor, models, settings and commands.
    Inspect {
        /// The plugin, a WebAssembly component.
        file: PathBuf,
        /// Print the settings' JSON Schema instead of the overview.
        #[arg(long)]
        schema: bool,
    },
}

/// Carries out the command.
pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let Command::Inspect { file, schema } = command;
    let loader = crate::hub::loader(&std::env::temp_dir().join("tutin-inspect"))?;
    let plugin = tokio::task::spawn_blocking(move || loader.load(&file)).await.context("loading")??;
    let description = plugin.description(&Limits::default()).await?;
    let settings: Value = serde_json::from_str(&description.settings).unwrap_or_default();
    if schema {
        println!("{settings:#}");
        return Ok(ExitCode::SUCCESS);
    }
    println!("{} {}", description.name, description.version);
    println!("  vendor       {}", or_any(&description.vendor));
    println!("  models       {}", or_any(&description.models.join(", ")));
    println!("  sha256       {}", plugin.digest);
    print_permissions(&plugin);
    println!("  links");
    for link in &description.links {
        println!("    {:<12} {} ({})", link.name, link.purpose, link.capability);
    }
    println!("  settings");
    print_settings(&settings);
    if !description.commands.is_empty() {
        println!("  commands");
    }
    for command in &description.commands {
        println!("    {:<12} {}", command.name, command.purpose);
    }
    let features = [(1, "back-fill from the instrument's memory"), (2, "snapshot")];
    let features: Vec<_> =
        features.iter().filter(|(bit, _)| description.features & bit != 0).map(|(_, name)| *name).collect();
    println!("  can also     {}", if features.is_empty() { String::from("-") } else { features.join(", ") });
    Ok(ExitCode::SUCCESS)
}

fn print_permissions(plugin: &Plugin) {
    println!("  asks for");
    for wanted in &plugin.wanted {
        let always = crate::plugin::admission::ALWAYS_GRANTED.contains(&wanted.offer.interface);
        let note = if always { ", always granted" } else { "" };
        println!("    {wanted:?}: {}{note}", wanted.offer.permits);
    }
}

fn print_settings(schema: &Value) {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let none = serde_json::Map::new();
    for (name, member) in schema["properties"].as_object().unwrap_or(&none) {
        let kind = match (&member["type"], member["enum"].as_array()) {
            (_, Some(values)) => values.iter().map(Value::to_string).collect::<Vec<_>>().join(" | "),
            (Value::String(kind), None) => kind.clone(),
            _ => String::from("see --schema"),
        };
        let default = match &member["default"] {
            _ if required.iter().any(|required| required == name) => String::from("required"),
            Value::Null => String::from("optional"),
            default => format!("default {default}"),
        };
        println!("    {name:<12} {kind}, {default}");
        for line in member["description"].as_str().unwrap_or_default().lines() {
            println!("                 {line}");
        }
    }
}

fn or_any(text: &str) -> &str {
    if text.is_empty() { "any" } else { text }
}
