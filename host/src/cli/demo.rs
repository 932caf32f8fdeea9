//! `tutin demo`: simulated analyzers, a hub and an authority in one process, and what passes between them.
//!
//! The hub is the real one, with a configuration that is written down in the demonstration's folder and may be run again with
//! `tutin run`. The analyzers replay measured data; the block is shortened so that one closes while somebody watches.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::run::load;
use crate::config::model::Config;
use crate::hub::Hub;
use crate::journal::Cursor;
use crate::reading::{PollSet, Value};
use crate::simulator::analyzer::{Cycle, Model, Options};
use crate::simulator::authority;
use crate::simulator::{Analyzer, AnalyzerHandle, Authority, AuthorityHandle};

/// Lines of readings are printed at most this often for each device.
const READING_LINES: Duration = Duration::from_secs(2);

/// Arguments of `tutin demo`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// How long, as in 30s or 5m; at least two blocks. Without it, until Ctrl-C.
    #[arg(long = "for", value_parser = duration)]
    length: Option<Duration>,
    /// Length of a block, in whole seconds that divide a day.
    #[arg(long, default_value = "10s", value_parser = duration)]
    block: Duration,
    /// Folder with the built plugins.
    #[arg(long, default_value = "target/plugins")]
    plugins: PathBuf,
    /// Folder for the demonstration's configuration and journal. The journal of an earlier demonstration is removed.
    #[arg(long, default_value = "state/demo")]
    state: PathBuf,
}

/// Runs the demonstration. Exit code 0 only if every parameter closed an average and got its receipt.
pub async fn run(arguments: Arguments, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    if let Some(length) = arguments.length.filter(|length| *length < 2 * arguments.block) {
        bail!("--for {length:?} is shorter than two blocks of {:?}, so none might close", arguments.block);
    }
    let stage = Stage::set(&arguments).await?;
    let Some(config) = load(std::slice::from_ref(&stage.config)) else { return Ok(ExitCode::FAILURE) };
    println!("configuration  {}", stage.config.display());
    let parameters: BTreeSet<String> =
        config.sources.values().flat_map(|source| source.parameters.keys().cloned()).collect();
    let (hub, applied) = Hub::start(config.clone()).await.context("the hub cannot start")?;
    println!("hub            {}", applied.started.join(", "));
    let ended = async {
        match arguments.length {
            Some(length) => tokio::time::sleep(length).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = ended => {}
        shown = show(&hub, &stage.authority) => shown?,
    }
    println!("ending         what was read is stored, deliveries have a few seconds");
    hub.stop().await.context("the hub did not end cleanly")?;
    let code = conclude(&stage.authority, &parameters, &config);
    stage.clear().await;
    Ok(code)
}

/// Everything around the hub.
struct Stage {
    analyzers: Vec<AnalyzerHandle>,
    authority: AuthorityHandle,
    config: PathBuf,
}

impl Stage {
    async fn set(arguments: &Arguments) -> anyhow::Result<Self> {
        let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        std::fs::create_dir_all(&arguments.state).with_context(|| format!("folder {}", arguments.state.display()))?;
        let folder = arguments.state.canonicalize().context("folder of the demonstration")?;
        let plugin = arguments.plugins.join("teledyne-t.wasm");
        let plugin = plugin.canonicalize().with_context(|| {
            format!(
                "plugin {}: build it with `cargo xtask plugins`, or say where it is with --plugins",
                plugin.display()
            )
        })?;
        let token = "demonstration";
        let options = authority::Options { token: Some(token.to_owned()), ..authority::Options::default() };
        let authority = Authority::start(options, any).await?;
        let cycle = Cycle::new(Duration::from_secs(60), Duration::from_secs(5), Duration::from_secs(5)).ok();
        let t200 = Analyzer::start(Model::T200, Options { cycle, ..Options::default() }, any).await?;
        let t300 = Analyzer::start(Model::T300, Options::default(), any).await?;
        println!(
            "analyzer       Teledyne T200 (NO, NO2, NOx) on {}, checks zero and span every minute",
            t200.address()
        );
        println!("analyzer       Teledyne T300 (CO) on {}", t300.address());
        println!("authority      {}", authority.url());
        remove_earlier(&folder)?;
        std::fs::write(folder.join("token"), token).context("token of the demonstration")?;
        let text = configuration(
            &plugin.to_string_lossy(),
            [&t200.address().to_string(), &t300.address().to_string()],
            &authority.url(),
            arguments.block,
        );
        let config = folder.join("demo.toml");
        std::fs::write(&config, text).with_context(|| format!("configuration {}", config.display()))?;
        Ok(Stage { analyzers: vec![t200, t300], authority, config })
    }

    async fn clear(self) {
        for analyzer in self.analyzers {
            analyzer.shutdown().await;
        }
        self.authority.shutdown().await;
    }
}

/// The demonstration's configuration.
fn configuration(plugin: &str, [t200, t300]: [&str; 2], authority: &str, block: Duration) -> String {
    let mut text = format!(
        r#"# Written by `tutin demo`; the addresses hold while it runs.
[hub]
name = "demo"
state = "."

[plugins.teledyne-t]
file = {plugin:?}

[rule_sets.shortened]
block = "{block}s"
lateness = "1s"

[sources.stack-1]
label = "Gas turbine 1"
rule_sets = ["shortened"]
plant = "operating"

[routes.to-the-authority]
take = "averages"
to = ["authority"]

[sinks.authority]
type = "http_json"
url = "{authority}/v1/averages"
bearer = {{ file = "token" }}
acknowledge = {{ pointer = "/receipt" }}
"#,
        block = block.as_secs(),
    );
    let devices = [("no2-north", "T200", t200, ["NO", "NO2", "NOx"].as_slice()), ("co-north", "T300", t300, &["CO"])];
    for (name, model, address, parameters) in devices {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            r#"
[links.{name}]
type = "modbus_tcp"
address = "{address}"

[devices.{name}]
plugin = "teledyne-t"
link = "{name}"
interval = "1s"
grants = ["tutin:modbus/control"]
settings = {{ model = "{model}" }}
"#
        );
        for parameter in parameters {
            let point = parameter.to_lowercase();
            let _ = write!(
                text,
                r#"
[sources.stack-1.parameters.{parameter}]
device = "{name}"
point = "{point}"
unit = "mg/m3"
"#
            );
        }
    }
    text
}

/// Prints what is stored and what is acknowledged, until the journal ends.
async fn show(hub: &Hub, authority: &AuthorityHandle) -> anyhow::Result<()> {
    let mut reader = hub.journal().reader()?;
    let mut written = hub.journal().written();
    let mut readings = Cursor { entry: reader.last_entry()?, item: u32::MAX };
    let mut averages = readings.entry;
    let mut receipts = 0;
    let mut last_line = std::collections::HashMap::new();
    loop {
        tokio::select! {
            changed = written.changed() => changed.context("the journal has ended")?,
            new = authority.after(receipts) => {
                receipts += new.len();
                for received in new {
                    println!("receipt        {} for {}", received.receipt, received.key);
                }
                continue;
            }
        }
        for (place, set) in reader.readings_after(readings)? {
            readings = place;
            let last = last_line.entry(set.catalog.device.clone()).or_insert(None);
            if last.is_none_or(|last: crate::time::Timestamp| set.received_at.since(last) >= READING_LINES) {
                *last = Some(set.received_at);
                println!("reading        {}", reading_line(&set));
            }
        }
        for (entry, average) in reader.averages_after(averages)? {
            averages = entry;
            let mean =
                average.mean.map_or_else(|| String::from("no value"), |mean| format!("{mean:.3} {}", average.unit));
            let (key, state) = (&average.key, average.state.name());
            println!(
                "average        {} {} from {}: {mean}, {} of {} samples, {state}",
                key.source, key.parameter, key.start, average.valid, average.expected
            );
        }
    }
}

fn reading_line(set: &PollSet) -> String {
    let mut line = format!("{} {:<10}", set.received_at, set.catalog.device);
    for reading in set.readings().filter(|reading| ["no", "no2", "nox", "co"].contains(&reading.point.id.as_str())) {
        let value = match reading.value {
            Value::Number(value) => format!("{value:.3} {}", reading.point.unit),
            Value::Text(text) => text.to_owned(),
            Value::None => String::from("-"),
        };
        // Writing to a String cannot fail.
        let _ = write!(line, "  {} {value} {}", reading.point.id, reading.state.name());
    }
    line
}

/// Says what was acknowledged; a parameter without a receipt is a failure.
fn conclude(authority: &AuthorityHandle, parameters: &BTreeSet<String>, config: &Config) -> ExitCode {
    let received = authority.received();
    let parameter =
        |object: &serde_json::Map<String, Json>| object.get("parameter").and_then(Json::as_str).map(str::to_owned);
    let acknowledged: BTreeSet<String> = received.iter().filter_map(|received| parameter(&received.object)).collect();
    println!(
        "result         {} averages acknowledged: {}",
        received.len(),
        Vec::from_iter(acknowledged.clone()).join(", ")
    );
    println!("journal        {}", crate::hub::journal_file(config).display());
    let without: Vec<_> = parameters.difference(&acknowledged).cloned().collect();
    if without.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("tutin: no receipt for {}", without.join(", "));
    ExitCode::FAILURE
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration: jiff::SignedDuration = text.parse().map_err(|error| format!("{error}; write it as in 30s or 5m"))?;
    Duration::try_from(duration).map_err(|_| String::from("a duration cannot be negative"))
}
/// Takes away the journal of an earlier demonstration, and nobody else's.
fn remove_earlier(folder: &std::path::Path) -> anyhow::Result<()> {
    let journal = folder.join("journal.sqlite");
    if journal.exists() && !folder.join("demo.toml").exists() {
        bail!("{} is not the journal of a demonstration; --state names a folder for one", journal.display());
    }
    let lock = std::fs::File::options().create(true).truncate(false).write(true).open(folder.join("journal.lock"))?;
    if lock.try_lock().is_err() {
        bail!("another demonstration, or a hub, runs in {}", folder.display());
    }
    for earlier in ["journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"] {
        // It is not there the first time.
        let _ = std::fs::remove_file(folder.join(earlier));
    }
    lock.set_len(0).context("lock file of the demonstration")
}
