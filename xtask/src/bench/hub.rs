//! The hub under load: its configuration, its run, and what it delivered.

use std::ffi::OsStr;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::child::{Observed, Output};
use super::report::Hub;
use super::workload::Workload;
use super::{Programs, observe, server, stamp, start_devices, verdict, wait_for_all};

/// Averages of this length close several times within a run.
const BLOCK: &str = "5s";

/// Runs the hub against the simulated devices for the time, then ends it as a user would.
pub fn measure(programs: &Programs, workload: &Workload, length: Duration) -> Result<Hub> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let (mut devices, ports) = start_devices(programs, workload)?;
    let configuration = folder.path().join("bench.toml");
    fs::write(&configuration, self::configuration(&programs.plugin, workload, &ports)?)?;
    let log = folder.path().join("log");

    let started = stamp::now();
    let mut hub = Observed::start(&programs.hub, &[OsStr::new("run"), configuration.as_os_str()], &log)?;
    let begin = Instant::now();
    if let Err(error) = wait_for_all(&mut devices, workload, || hub.runs()) {
        hub.kill();
        bail!("{error:#}; its last words:\n{}", last_lines(&log));
    }
    eprintln!("  all devices asked {:.1} s after start", begin.elapsed().as_secs_f64());
    let (measured, _, _) = observe(&mut devices, hub.id(), workload, length)?;
    // What was answered at the end of the measured time must have its time to arrive.
    std::thread::sleep(Duration::from_secs(1));
    let output = hub.end(Duration::from_secs(60)).with_context(|| format!("its last words:\n{}", last_lines(&log)))?;

    let arrived = verdict::arrived(&measured.answered, output.lines(), workload.registers);
    let averages = fs::read_to_string(folder.path().join("averages.jsonl")).unwrap_or_default().lines().count();
    Ok(Hub {
        measured,
        arrived,
        averages,
        first_reading: first_line(&output).map(|first| first.saturating_sub(started)),
    })
}

/// Where averages go.
const AVERAGES: &str = r#"
[sinks.averages]
type = "file"
path = "averages.jsonl"
batch = 1000

[routes.averages]
take = "averages"
to = ["averages"]
"#;

/// Journal, averages and delivery are on: every register but those of the time stamp is averaged.
fn configuration(plugin: &Path, workload: &Workload, ports: &[String]) -> Result<String> {
    let mut toml = format!(
        r#"[plugins.map]
file = {plugin:?}

[limits]
samples_per_second = 10000000

[rule_sets.bench]
block = "{BLOCK}"
coverage = 0.5
lateness = "1s"

[sinks.out]
type = "file"
path = "-"
shape = "poll"
live_queue = 100000

[routes.live]
take = "readings"
path = "live"
to = ["out"]
"#
    );
    if !workload.interval.is_zero() {
        toml.push_str(AVERAGES);
    }
    for device in 0..workload.devices {
        let (port, unit) = server::place(device);
        let port = ports.get(port).with_context(|| format!("no port for device {device}"))?;
        write_device(&mut toml, device, port, unit, workload)?;
    }
    Ok(toml)
}

fn write_device(toml: &mut String, device: usize, port: &str, unit: u8, workload: &Workload) -> Result<()> {
    let (registers, interval) = (workload.registers, workload.interval.as_millis());
    write!(
        toml,
        r#"
[links.l{device}]
type = "modbus_tcp"
address = "127.0.0.1:{port}"

[devices.d{device}]
plugin = "map"
link = "l{device}"
unit = {unit}
interval = "{interval}ms"

[[devices.d{device}.settings.points]]
id = "r{{n}}"
table = "holding"
address = 0
type = "u16"
repeat = {{ count = {registers} }}
"#
    )?;
    // A device that is asked as fast as it answers has no count of expected samples, so no averages either.
    if workload.interval.is_zero() {
        return Ok(());
    }
    write!(toml, "\n[sources.s{device}]\nrule_sets = [\"bench\"]\n\n[sources.s{device}.parameters]\n")?;
    for register in stamp::LENGTH..registers {
        writeln!(toml, "r{register} = {{ device = \"d{device}\", point = \"r{register}\" }}")?;
    }
    Ok(())
}

fn first_line(output: &Output) -> Option<u64> {
    output.lines().find(|(_, line)| line.starts_with(b"{")).map(|(arrived, _)| arrived)
}

fn last_lines(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(20).collect();
    lines.into_iter().rev().map(|line| format!("    {line}\n")).collect()
}
