//! `tutin plugin status`: what the plugins of a running hub have used, and which of their limits they broke.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::capability::Figures;
use crate::cli::output::say;
use crate::cli::run::load;
use crate::hub::DeviceFigures;
use crate::hub::control::{self, Request};

/// Arguments of `tutin plugin status`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// Configuration files of the running hub; later ones override earlier ones.
    #[arg(long, required = true)]
    config: Vec<PathBuf>,
    /// Tables for people, or one JSON object.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// A plugin and all its devices.
#[derive(Debug, Default, PartialEq)]
struct Sum {
    devices: u64,
    running: u64,
    restarts: u64,
    used: Figures,
}

/// Asks the running hub and shows what it says.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Some(config) = load(&arguments.config) else { return Ok(ExitCode::FAILURE) };
    let Some(answer) = control::ask_running(&config.hub.state, &Request::Figures).context("plugin status")? else {
        bail!("no hub runs with this configuration: there is nothing to show; start it with `tutin run`")
    };
    let devices: Vec<DeviceFigures> = serde_json::from_str(&answer).context("the hub's answer")?;
    match arguments.format {
        Format::Text => say(format_args!("{}", text(&devices))),
        Format::Json => say(format_args!("{:#}", json(&devices))),
    }
    Ok(ExitCode::SUCCESS)
}

fn sums(devices: &[DeviceFigures]) -> BTreeMap<&str, Sum> {
    let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
    for device in devices {
        let sum = sums.entry(&device.plugin).or_default();
        sum.devices += 1;
        sum.running += u64::from(device.phase == "running");
        sum.restarts += device.restarts;
        sum.used.add(&device.used);
    }
    sums
}

fn json(devices: &[DeviceFigures]) -> serde_json::Value {
    let plugin = |(name, sum): (&str, Sum)| {
        let Sum { devices, running, restarts, used } = sum;
        json!({ "plugin": name, "devices": devices, "running": running, "restarts": restarts, "used": used })
    };
    json!({ "plugins": sums(devices).into_iter().map(plugin).collect::<Vec<_>>(), "devices": devices })
}

fn text(devices: &[DeviceFigures]) -> String {
    let head = ["calls", "computed", "longest", "memory", "peak", "traps", "restarts", "dropped", "limits broken"];
    let cells = |used: &Figures, restarts: u64| {
        [
            used.calls.to_string(),
            time(used.computed_us),
            time(used.longest_us),
            size(used.memory),
            size(used.peak_memory),
            used.traps.to_string(),
            restarts.to_string(),
            dropped(used),
            broken(used),
        ]
    };
    let row = |first: [String; 2], rest: [String; 9]| first.into_iter().chain(rest).collect::<Vec<_>>();
    let mut plugins = vec![row(["plugin".to_owned(), "devices".to_owned()], head.map(str::to_owned))];
    for (name, sum) in sums(devices) {
        let running = format!("{} of {}", sum.running, sum.devices);
        plugins.push(row([name.to_owned(), running], cells(&sum.used, sum.restarts)));
    }
    let mut each = vec![row(["device".to_owned(), "is".to_owned()], head.map(str::to_owned))];
    let mut reasons = Vec::new();
    for device in devices {
        each.push(row([device.device.clone(), device.phase.clone()], cells(&device.used, device.restarts)));
        if !device.reason.is_empty() {
            reasons.push(format!("\n{} {}: {}", device.device, device.phase, device.reason));
        }
    }
    let gap = if reasons.is_empty() { "" } else { "\n" };
    format!("{}\n\n{}{gap}{}", table(&plugins), table(&each), reasons.concat())
}

/// Columns as wide as their widest cell; the first two and the last to the left, figures to the right.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let wide = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| wide(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(at, (cell, width))| match at {
            0 | 1 => format!("{cell:<width$}"),
            at if at + 1 == columns => cell.clone(),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn time(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} us"),
        1_000..1_000_000 => format!("{:.1} ms", micros as f64 / 1e3),
        _ => format!("{:.1} s", micros as f64 / 1e6),
    }
}

fn size(bytes: u64) -> String {
    if bytes == 0 { "-".to_owned() } else { format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)) }
}

fn dropped(used: &Figures) -> String {
    let parts = [(used.dropped_lines, "lines"), (used.dropped_messages, "messages")];
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if parts.is_empty() { "-".to_owned() } else { parts.join(", ") }
}

fn broken(used: &Figures) -> String {
    let parts: Vec<String> = used.breaks.iter().map(|(limit, count)| format!("{limit} {count}x")).collect();
    if parts.is_empty() { "-".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str, phase: &str, calls: u64) -> DeviceFigures {
        let mut used = Figures { calls, computed_us: 1_500, longest_us: 900, ..Figures::default() };
        used.breaks.insert("limits.call".to_owned(), 2);
        DeviceFigures {
            device: name.to_owned(),
            plugin: "p".to_owned(),
            digest: String::new(),
            phase: phase.to_owned(),
            reason: if phase == "parked" { "too slow".to_owned() } else { String::new() },
            polls: 1,
            missed: 0,
            restarts: 3,
            used,
        }
    }

    #[test]
    fn devices_are_summed_by_plugin_and_what_is_wrong_is_said_below() {
        let text = text(&[device("a", "running", 10), device("bb", "parked", 20)]);

        let expected = "\
plugin  devices  calls  computed  longest  memory  peak  traps  restarts  dropped  limits broken
p       1 of 2      30    3.0 ms   900 us       -     -      0         6        -  limits.call 4x

device  is       calls  computed  longest  memory  peak  traps  restarts  dropped  limits broken
a       running     10    1.5 ms   900 us       -     -      0         3        -  limits.call 2x
bb      parked      20    1.5 ms   900 us       -     -      0         3        -  limits.call 2x

bb parked: too slow";
        assert_eq!(text, expected);
    }
}
