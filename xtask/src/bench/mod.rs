//! `cargo xtask bench`: the hub as a whole process against a native loop that only reads, in the same run.
//!
//! Three programs on one machine: the simulated devices, the reader (native loop or hub), and this one, which reads what
//! the hub delivers on its standard output. Times are a report and never a verdict, because they depend on the machine; a poll missed or a value
//! lost, doubled or torn is a failure on any.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};

use crate::{plugins, process};

mod child;
mod hub;
pub mod native;
mod report;
pub mod server;
mod stamp;
mod usage;
mod verdict;
mod workload;

use child::Child;
use report::Row;
use usage::Usage;
use workload::Workload;

/// What to measure.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Options {
    #[command(subcommand)]
    part: Option<Part>,
    /// Only this load: ten, hundred, one, thousand
    #[arg(long)]
    workload: Option<String>,
    /// Measured time of each program at each load
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Leave the hub out and measure the native loop alone
    #[arg(long)]
    native_only: bool,
    /// How the programs are built; figures of a development build say nothing
    #[arg(long, value_enum, default_value_t = Profile::Release)]
    profile: Profile,
}

/// One stage by itself.
#[derive(Subcommand)]
enum Part {
    /// The journal beside loops that only write, hash and read the same bytes
    Journal {
        /// Handed on to the bench, as in `--seconds 5 --folder DIR`; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// What it costs that a driver is a component: a call, a poll, an instance, beside the same driver in the program itself
    Boundary {
        /// Handed on to criterion; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Every hostile plugin beside fifty good devices: the table of docs/integrators/isolation.md
    Hostile,
    /// Normalizing and averaging on one core, beside a loop that only sums
    Pipeline {
        /// Handed on to the bench; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Profile {
    Release,
    Dev,
}

/// Where the programs are.
struct Programs {
    hub: PathBuf,
    bench: PathBuf,
    plugin: PathBuf,
}

/// What one program did in the measured time.
struct Measured {
    /// Times at which each device answered.
    answered: Vec<Vec<u64>>,
    missed: u64,
    computed_ns: u64,
    resident_kib: u64,
}

/// Builds, measures and reports.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    if let Some(part) = &options.part {
        let (bench, arguments) = match part {
            Part::Boundary { arguments } => {
                plugins::build(root)?;
                ("boundary", arguments)
            }
            Part::Hostile => return hostile(root),
            Part::Journal { arguments } => ("journal", arguments),
            Part::Pipeline { arguments } => ("pipeline", arguments),
        };
        // The whole workspace is named so that dependencies get the same features as in other builds.
        let mut cargo = process::cargo(root);
        return process::run(cargo.args(["bench", "--workspace", "--bench", bench, "--"]).args(arguments));
    }
    let workloads: Vec<Workload> = workload::ALL
        .into_iter()
        .filter(|workload| options.workload.as_ref().is_none_or(|wanted| wanted == workload.name))
        .collect();
    if workloads.is_empty() {
        let names: Vec<_> = workload::ALL.iter().map(|workload| workload.name).collect();
        bail!("there is no such workload; there are: {}", names.join(", "));
    }
    let programs = build(root, options)?;
    let length = Duration::from_secs(options.seconds.max(1));
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    for workload in &workloads {
        eprintln!("{}: {}", workload.name, workload.describe());
        let row = measure(&programs, workload, length, options.native_only)?;
        faults.extend(row.faults(workload));
        rows.push((*workload, row));
    }
    println!("{}", report::table(&rows, length));
    for fault in &faults {
        println!("{fault}");
    }
    if !faults.is_empty() {
        bail!("{} of what must never happen", faults.len());
    }
    Ok(())
}

/// The scenario says what it found, whatever it was.
fn hostile(root: &Path) -> Result<()> {
    plugins::build(root)?;
    process::run(process::cargo(root).args(["build", "--workspace", "--bin", "tutin"]))?;
    let scenario = "hostile_plugins_harm_nobody";
    let mut cargo = process::cargo(root);
    process::run(cargo.args(["test", "--workspace", "--test", "tutin", "--", "--nocapture", scenario]))
}

fn build(root: &Path, options: &Options) -> Result<Programs> {
    let mut packages = vec!["--workspace", "--bin", "xtask"];
    let plugin = if options.native_only {
        PathBuf::new()
    } else {
        packages.extend(["--bin", "tutin"]);
        let built = plugins::build(root)?.into_iter().find(|plugin| plugin.name == "modbus-map");
        built.context("there is no plugin modbus-map")?.file
    };
    let (profile, folder) = match options.profile {
        Profile::Release => ("release", "release"),
        Profile::Dev => ("dev", "debug"),
    };
    process::run(process::cargo(root).args(["build", "--profile", profile]).args(packages))?;
    let folder = plugins::target_dir(root).join(folder);
    Ok(Programs { hub: folder.join("tutin"), bench: folder.join("xtask"), plugin })
}

fn measure(programs: &Programs, workload: &Workload, length: Duration, native_only: bool) -> Result<Row> {
    let native = measure_native(programs, workload, length).context("native loop")?;
    let hub = if native_only { None } else { Some(hub::measure(programs, workload, length).context("hub")?) };
    Ok(Row { native, hub })
}

fn measure_native(programs: &Programs, workload: &Workload, length: Duration) -> Result<report::Native> {
    let (mut devices, ports) = start_devices(programs, workload)?;
    let arguments = [
        "bench-native".to_owned(),
        format!("--ports={}", ports.join(",")),
        format!("--devices={}", workload.devices),
        format!("--registers={}", workload.registers),
        format!("--interval-ms={}", workload.interval.as_millis()),
    ];
    let (mut native, _) = Child::start(&programs.bench, &arguments)?;
    wait_for_all(&mut devices, workload, || true)?;
    let (measured, from, to) = observe(&mut devices, native.id(), workload, length)?;
    let report = native.ask(&format!("report {from} {to}"))?;
    let errors = report.get("errors").and_then(|errors| errors.as_array()).context("no report")?;
    if let Some(error) = errors.first() {
        bail!("{} connections failed, the first: {error}", errors.len());
    }
    let latencies = report.get("latencies").and_then(|latencies| latencies.as_array()).context("no report")?;
    let latencies = latencies.iter().filter_map(serde_json::Value::as_u64).collect();
    Ok(report::Native { measured, latencies })
}

fn start_devices(programs: &Programs, workload: &Workload) -> Result<(Child, Vec<String>)> {
    let arguments = ["bench-server".to_owned(), format!("--devices={}", workload.devices)];
    let (devices, ready) = Child::start(&programs.bench, &arguments)?;
    let ports = ready.split(' ').skip(1).map(str::to_owned).collect();
    Ok((devices, ports))
}

/// Waits until every device has been asked once.
fn wait_for_all(devices: &mut Child, workload: &Workload, mut runs: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let seen = devices.ask("seen")?.as_u64().unwrap_or(0);
        if seen == workload.devices as u64 {
            return Ok(());
        }
        if !runs() {
            bail!("it ended before it had asked every device");
        }
        if Instant::now() > deadline {
            bail!("only {seen} of {} devices were asked within two minutes", workload.devices);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Lets the process work for the time, after a second so that starting is not measured; returns what it did, and between which moments.
fn observe(devices: &mut Child, process: u32, workload: &Workload, length: Duration) -> Result<(Measured, u64, u64)> {
    std::thread::sleep(Duration::from_secs(1));
    let before = Usage::of(process)?;
    let from = stamp::now();
    std::thread::sleep(length);
    let after = Usage::of(process)?;
    let to = stamp::now();
    let answered: Vec<Vec<u64>> = serde_json::from_value(devices.ask(&format!("report {from} {to}"))?)?;
    let missed = answered.iter().map(|stamps| verdict::missed(stamps, from, to, workload.interval)).sum();
    let measured =
        Measured { answered, missed, computed_ns: after.computed_since(&before), resident_kib: after.resident };
    Ok((measured, from, to))
}
