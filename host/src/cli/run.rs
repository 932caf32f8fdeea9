//! `tutin run`: a hub until Ctrl-C.
//!
//! What it says goes to standard error, so that a sink may have standard output for itself.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::reload;
use crate::config::model::{Config, Link, Path, Select, SinkKind};
use crate::config::problem::{Problem, Severity};
use crate::config::report::{self, Style};
use crate::hub::control::{Asked, Control};
use crate::hub::{self, Hub, Verdict, Watch};
use crate::journal::Storage;
use crate::notation::counted;
use crate::plugin::Phase;

/// Longest time for an orderly end: a disk that does not write must not keep the process for ever.
const LONGEST_STOP: Duration = Duration::from_secs(30);
/// How often plugin files are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often a summary is logged.
const SUMMARY: Duration = Duration::from_secs(60);

/// Arguments of `tutin run`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// Configuration files; later ones override earlier ones.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
}

/// Runs until the token is cancelled.
pub async fn run(arguments: Arguments, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    let Some(config) = load(&arguments.files) else { return Ok(ExitCode::FAILURE) };
    describe(&config);
    let state = config.hub.state.clone();
    let watches = config.hub.watch_plugins;
    let (mut hub, _) = Hub::start(config).await.context("the hub cannot start")?;
    let mut control = Control::listen(&state);
    info!("running; Ctrl-C ends it");
    let mut surroundings = Surroundings { files: &arguments.files, watches, control: control.as_mut() };
    let end = until_shutdown(&mut hub, &mut surroundings, shutdown).await;
    drop(control);
    info!("ending: what was read is being stored, deliveries have a few seconds; Ctrl-C again ends at once");
    let summary = summary(&hub);
    match tokio::time::timeout(LONGEST_STOP, hub.stop()).await {
        Ok(stopped) => stopped.context("the hub did not end cleanly")?,
        Err(_) => {
            error!("the last readings could not be stored within {} s; they are lost", LONGEST_STOP.as_secs());
            // The journal's thread still waits for its disk and would keep the process.
            std::process::exit(1);
        }
    }
    info!("ended; {summary}");
    Ok(end)
}

/// Reads the configuration; problems go to standard error.
pub fn load(files: &[PathBuf]) -> Option<Config> {
    let loaded = crate::config::load(files, crate::config::process_environment());
    eprint!("{}", report::render(&loaded.problems, Style::Short));
    let errors = loaded.problems.iter().filter(|problem: &&Problem| problem.severity == Severity::Error).count();
    if errors > 0 {
        eprintln!("tutin: nothing was started; `tutin check` shows each mistake with its line");
    }
    loaded.config
}

/// What may change a running hub.
struct Surroundings<'a> {
    files: &'a [PathBuf],
    /// Whether plugin files are looked at.
    watches: bool,
    control: Option<&'a mut Control>,
}

/// What happens to a running hub.
enum Happening {
    Request(Asked),
    Reload,
    Look,
    Verdict(Verdict),
}

async fn until_shutdown(hub: &mut Hub, around: &mut Surroundings<'_>, shutdown: CancellationToken) -> ExitCode {
    let mut beat = tokio::time::interval(SUMMARY);
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut watch, mut hangup) = (Watch::default(), Hangup::new());
    let journal = hub.journal().clone();
    beat.tick().await;
    loop {
        let happening = tokio::select! {
            () = shutdown.cancelled() => return ExitCode::SUCCESS,
            () = journal.ended() => {
                error!("the journal has ended: nothing that is read could be stored");
                return ExitCode::FAILURE;
            }
            Some(asked) = next_request(&mut around.control) => Happening::Request(asked),
            () = hangup.next() => Happening::Reload,
            _ = look.tick(), if around.watches => Happening::Look,
            verdict = hub.verdict() => Happening::Verdict(verdict),
            _ = beat.tick() => {
                info!("{}", summary(hub));
                continue;
            }
        };
        let handle = async {
            let handled = match happening {
                Happening::Request(asked) => {
                    serve(hub, around.files, asked).await;
                    Ok(())
                }
                Happening::Reload => {
                    reload::log(&reload::reload(hub, around.files, None).await);
                    Ok(())
                }
                Happening::Look => hub.look(&mut watch).await,
                Happening::Verdict(verdict) => hub.settle(verdict).await,
            };
            if let Err(error) = handled {
                error!("{}", hub::describe(&error));
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return ExitCode::SUCCESS,
            () = handle => {}
        }
    }
}

async fn serve(hub: &mut Hub, files: &[PathBuf], asked: Asked) {
    let Some(meant) = asked.reload().map(<[PathBuf]>::to_vec) else { return hub.serve(asked).await };
    let reloaded = reload::reload(hub, files, Some(&meant)).await;
    reload::log(&reloaded);
    let answer = reloaded.and_then(|reloaded| serde_json::to_string(&reloaded).map_err(|error| error.to_string()));
    asked.answer(answer);
}

/// The signal by which a hub is told to read its configuration again.
struct Hangup {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Hangup {
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Hangup { signal: signal(SignalKind::hangup()).ok() }
    }

    /// Cancel safe.
    async fn next(&mut self) {
        if let Some(signal) = &mut self.signal
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}

#[cfg(not(unix))]
impl Hangup {
    fn new() -> Self {
        Hangup {}
    }

    async fn next(&mut self) {
        std::future::pending().await
    }
}

async fn next_request(control: &mut Option<&mut Control>) -> Option<Asked> {
    match control {
        Some(control) => control.next().await,
        None => std::future::pending().await,
    }
}

/// What is started, and where.
fn describe(config: &Config) {
    info!("hub {}, journal {}", config.hub.name, hub::journal_file(config).display());
    for (name, device) in &config.devices {
        let Some(link) = config.links.get(&device.link) else { continue };
        let interval = device.interval.as_secs_f64();
        let unit = match link {
            Link::ModbusTcp(_) | Link::ModbusLine(_) => format!(", unit {}", device.unit),
            Link::Stream(_) | Link::Mqtt(_) | Link::OpcUa(_) => String::new(),
        };
        let (kind, (_, place)) = (link.type_name(), link.place());
        info!("device {name}: {} over {kind} {place}{unit}, every {interval} s", device.plugin);
    }
    for (name, source) in &config.sources {
        let parameters = source.parameters.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        info!("source {name}: {parameters} under {}", source.rule_sets.join(", "));
    }
    for (name, route) in &config.routes {
        let what = match &route.select {
            Select::Averages { .. } => "averages",
            Select::Alarms { .. } => "alarms",
            Select::Readings { path: Path::Journal, .. } => "readings",
            Select::Readings { path: Path::Live, .. } => "readings, live: they leave before they are stored",
        };
        info!("route {name}: {what} to {}", route.to.join(", "));
    }
    for (name, sink) in &config.sinks {
        let to = match &sink.kind {
            SinkKind::HttpJson(http) => format!("HTTP {}", http.url),
            SinkKind::File(file) => format!("file {}", file.path.display()),
            SinkKind::Mqtt(mqtt) => format!("MQTT {}", mqtt.url),
        };
        info!("sink {name}: {to}");
    }
}

fn summary(hub: &Hub) -> String {
    let (mut running, mut others, mut polls, mut missed) = (0_usize, Vec::new(), 0_u64, 0_u64);
    for (name, status) in hub.devices() {
        polls += status.polls;
        missed += status.missed;
        match &status.phase {
            Phase::Running => running += 1,
            Phase::Starting => others.push(format!("{name} starting")),
            Phase::Failing(reason) => others.push(format!("{name} failing: {reason}")),
            Phase::Restarting(reason) => others.push(format!("{name} restarting: {reason}")),
            Phase::Parked(reason) => others.push(format!("{name} parked: {reason}")),
        }
    }
    let sinks = hub.sinks().map(|(name, status)| format!("{name} {} delivered", status.delivered)).collect::<Vec<_>>();
    let late = hub.late_readings();
    if let Storage::Failing { since, error, .. } = hub.storage() {
        others.push(format!("nothing can be stored since {since}: {error}"));
    }
    if late > 0 {
        others.push(format!("{late} readings came too late for their block"));
    }
    others.extend(hub.dropped().map(|(name, dropped)| format!("{dropped} live records to {name} dropped")));
    if !others.is_empty() {
        warn!("{}", others.join("; "));
    }
    let sinks = if sinks.is_empty() { String::new() } else { format!("; {}", sinks.join(", ")) };
    format!("{} running, {polls} polls, {missed} missed{sinks}", counted(running, "device"))
}
