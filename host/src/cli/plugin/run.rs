//! `tutin plugin run`: a driver beside a real instrument, without a hub.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use toml::{Table, Value};

use crate::capability::{Link, wire::Trace};
use crate::cli::output::say;
use crate::cli::plugin::recording::Recording;
use crate::cli::simulate::duration;
use crate::cli::trace;
use crate::hub::describe;
use crate::hub::single::Single;
use crate::kit::site::{Site, usual_link};
use crate::kit::{address, told};
use crate::notation::counted;
use crate::plugin::{self, Opened, Plugin};
use crate::reading::{PollSet, Reading, Value as Read};
use crate::time::Timestamp;

/// Most polls in a row of a driver that says that it has more.
const MORE: usize = 100;

/// Arguments of `tutin plugin run`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// The component, or the folder that `tutin plugin build` made it of.
    #[arg(default_value = ".")]
    file: PathBuf,
    /// Where the instrument is: tcp://HOST:PORT, serial:///dev/ttyS0?baud=9600, rtu+tcp://, ascii://, udp://, listen://, mqtt://HOST:PORT,
    /// opc.tcp://HOST:PORT/?policy=none. Behind ? stand options of the link as in `[links.NAME]`, joined by &.
    #[arg(long, value_name = "ADDRESS")]
    link: String,
    /// File with the driver's settings, TOML or JSON.
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// One setting, over those of the file; may be given more than once.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// An option of the device as in `[devices.NAME]`: unit=3, topics=["plant/#"], timeout=2s; may be given more than once.
    #[arg(long = "device", value_name = "NAME=VALUE")]
    device: Vec<String>,
    /// Poll again and again with this pause, and take up the component when it is built anew; without it once.
    #[arg(long, value_parser = duration, value_name = "DURATION")]
    every: Option<Duration>,
    /// Show what goes over the link.
    #[arg(long)]
    trace: bool,
    /// Make a case of what was seen once it ends, in this folder, as in my-driver/cases/2026-11-unit-3.
    #[arg(long, value_name = "FOLDER")]
    record: Option<PathBuf>,
    /// A table for people, or a JSON object a line.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    #[default]
    Text,
    Jsonl,
}

/// The driver's file, as it was looked at last.
struct Watched {
    file: PathBuf,
    seen: Option<(u64, SystemTime)>,
}

/// Polls until it is interrupted, or once. A poll that fails, fails the command when it is the only one.
pub async fn run(arguments: Arguments, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    let file = super::component(&arguments.file)?;
    let watched = Watched { seen: look(&file), file };
    let plugin = tokio::select! {
        loaded = super::load(&watched.file) => loaded?,
        () = shutdown.cancelled() => return Ok(super::interrupted()),
    };
    let site = site(&arguments, &plugin)?;
    let mut single = site.single(plugin, &super::state()?)?;
    let _shown = arguments.trace.then(|| show(single.connection.trace()));
    let recording = match &arguments.record {
        Some(folder) => Some(Recording::begin(&site, single.connection.trace(), folder)?),
        None => None,
    };
    let ended = tokio::select! {
        ended = polls(&arguments, &mut single, watched) => ended,
        // Polling again and again has no other end.
        () = shutdown.cancelled() => Ok(arguments.every.map_or_else(super::interrupted, |_| ExitCode::SUCCESS)),
    };
    single.connection.close().await;
    match (recording, ended) {
        (Some(recording), Ok(_)) => recording.end(Arc::clone(&single.spec.plugin)).await,
        (recording, ended) => {
            recording.into_iter().for_each(Recording::leave);
            ended
        }
    }
}

async fn polls(arguments: &Arguments, single: &mut Single, mut watched: Watched) -> anyhow::Result<ExitCode> {
    let mut opened = open(single).await?;
    let Some(every) = arguments.every else {
        let is_read = poll(single, &mut opened, arguments.format).await?;
        return Ok(if is_read { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    };
    loop {
        if let Some(fresh) = watched.rebuilt().await {
            match exchange(single, &mut opened, fresh).await {
                Ok(spec) => single.spec = spec,
                Err(error) => eprintln!("the new component is not taken, the old one goes on: {error:#}"),
            }
        }
        if let Err(error) = poll(single, &mut opened, arguments.format).await {
            eprintln!("{error:#}; started anew");
            opened = open(single).await?;
        }
        tokio::time::sleep(every).await;
    }
}

fn site(arguments: &Arguments, plugin: &Plugin) -> anyhow::Result<Site> {
    let usual = usual_link(plugin).unwrap_or_default();
    let link = address::link(&arguments.link, usual)?;
    let mut settings = match &arguments.settings {
        None => Table::new(),
        Some(file) => table(file)?,
    };
    for text in &arguments.set {
        let (name, value) = address::pair(text).map_err(|reason| anyhow!("--set {reason}"))?;
        settings.insert(name, value);
    }
    let device = arguments.device.iter().map(|text| address::pair(text).map_err(|reason| anyhow!("--device {reason}")));
    let device = device.collect::<anyhow::Result<Table>>()?;
    Ok(Site { link, device, settings, home: PathBuf::from(".") })
}

fn table(file: &Path) -> anyhow::Result<Table> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    if file.extension().is_some_and(|extension| extension == "json") {
        let json: serde_json::Value = serde_json::from_str(&text).with_context(|| format!("{}", file.display()))?;
        if let Some(place) = null(&json) {
            return Err(anyhow!("{}: {place} is null: leave out a setting that has no value", file.display()));
        }
        let Value::Table(table) = Value::try_from(json).with_context(|| format!("{}", file.display()))? else {
            return Err(anyhow!("{}: settings are one object", file.display()));
        };
        return Ok(table);
    }
    toml::from_str(&text).with_context(|| format!("{}", file.display()))
}

/// Where there is a null, which TOML and so a hub's configuration cannot say.
fn null(json: &serde_json::Value) -> Option<String> {
    let below = |name: String, json| null(json).map(|place| format!("{name}{place}"));
    match json {
        serde_json::Value::Null => Some(String::new()),
        serde_json::Value::Object(members) => members.iter().find_map(|(name, json)| below(format!(".{name}"), json)),
        serde_json::Value::Array(entries) => {
            entries.iter().enumerate().find_map(|(index, json)| below(format!("[{index}]"), json))
        }
        _ => None,
    }
}

async fn open(single: &Single) -> anyhow::Result<Opened> {
    let opened = plugin::open(&single.spec).await.map_err(|error| anyhow!("{}", describe(&error)))?;
    eprintln!("{}, {}", opened.catalog.plugin, counted(opened.catalog.points.len(), "point"));
    Ok(opened)
}

/// The new component takes the place of the old one with its snapshot; the link stays.
async fn exchange(single: &Single, opened: &mut Opened, fresh: Arc<Plugin>) -> anyhow::Result<plugin::DeviceSpec> {
    let spec = plugin::DeviceSpec { plugin: Arc::clone(&fresh), ..single.spec.clone() };
    let mut next = plugin::open(&spec).await.map_err(|error| anyhow!("{}", describe(&error)))?;
    if opened.features.snapshot() {
        let snapshot = opened.driver.snapshot().await?;
        next.driver.restore(&snapshot).await??;
    }
    eprintln!("built anew: {}, sha256 {}", next.catalog.plugin, fresh.digest.get(..16).unwrap_or_default());
    *opened = next;
    Ok(spec)
}

/// Polls once and shows what came. False when the driver said that it could not.
async fn poll(single: &Single, opened: &mut Opened, format: Format) -> anyhow::Result<bool> {
    for turn in 0..MORE {
        let most = single.spec.limits.samples;
        let came = opened.poll(Timestamp::now(), most).await.map_err(|error| anyhow!("{}", describe(&error)))?;
        match came {
            Err(failure) => {
                single.spec.links.values().for_each(Link::not_kept);
                eprintln!("{}  no readings: {failure}", Timestamp::now());
                return Ok(false);
            }
            Ok(polled) => {
                if polled.set.is_empty() && turn == 0 {
                    eprintln!("{}  nothing to report", Timestamp::now());
                }
                show_set(&polled.set, format);
                if !polled.more {
                    break;
                }
            }
        }
    }
    single.spec.links.values().for_each(Link::kept);
    Ok(true)
}

fn show_set(set: &PollSet, format: Format) {
    let width = set.catalog.points.iter().map(|point| point.id.len()).max().unwrap_or(0);
    for reading in set.readings() {
        match format {
            Format::Text => say(format_args!("{}", row(&reading, width))),
            Format::Jsonl => {
                let mut line = told::reading(0, &reading, &told::Moment::at(reading.received_at));
                line.shift_remove("step");
                line.insert("received_at".into(), reading.received_at.to_string().into());
                say(format_args!("{}", serde_json::Value::Object(line)));
            }
        }
    }
}

fn row(reading: &Reading<'_>, width: usize) -> String {
    let value = match reading.value {
        Read::Number(number) => number.to_string(),
        Read::Text(text) => format!("{text:?}"),
        Read::None => String::from("-"),
    };
    let Reading { point, state, status, qualifiers, sampled_at, .. } = reading;
    let status = status.map(|status| format!("  status 0x{status:x}")).unwrap_or_default();
    let qualifiers = Some(qualifiers.0).filter(|bits| *bits != 0);
    let qualifiers = qualifiers.map(|bits| format!("  qualifiers 0x{bits:x}")).unwrap_or_default();
    let unit = if point.unit.is_empty() { "-" } else { &point.unit };
    let sampled_at = Timestamp(sampled_at.millis().saturating_mul(1_000_000));
    format!("{sampled_at:<24}  {:<width$}  {value:>12} {unit:<8} {}{status}{qualifiers}", point.id, state.name())
}

fn show(trace: &Trace) -> AbortOnDropHandle<()> {
    let mut frames = trace.watch();
    AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            match frames.recv().await {
                Ok(frame) => eprintln!("{}", trace::line(&frame)),
                Err(RecvError::Lagged(count)) => eprintln!("{count} frames were too many to show"),
                Err(RecvError::Closed) => return,
            }
        }
    }))
}

impl Watched {
    /// The component if it was built anew since the last call; one that cannot be loaded is told once and left alone.
    async fn rebuilt(&mut self) -> Option<Arc<Plugin>> {
        let now = look(&self.file);
        if now.is_none() || now == self.seen {
            return None;
        }
        self.seen = now;
        match super::load(&self.file).await {
            Ok(plugin) => Some(plugin),
            Err(error) => {
                eprintln!("the new component is not taken, the old one goes on: {error:#}");
                None
            }
        }
    }
}

fn look(file: &Path) -> Option<(u64, SystemTime)> {
    let meta = file.metadata().ok()?;
    Some((meta.len(), meta.modified().ok()?))
}
