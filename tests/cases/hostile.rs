//! Each hostile plugin alone: what stops it has a name, and it takes no longer than the limits say.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tutin::capability::{Figures, Guest, Meter};
use tutin::config::model::{Limits, Loading};
use tutin::plugin::{Engine, Instance, Loader};

use crate::support::hostile::{self, End, Hostile};

/// A processor that is shared, and a build without optimisation, may stretch a limit by this much.
const SLACK: Duration = Duration::from_millis(40);

/// What is found out by those who read what came back, or with a link in hand.
const LATER: [&str; 6] = ["long-text", "short-column", "unknown-point", "bad-id", "control-label", "many-links"];

/// What a plugin came to in each of its functions, one after the other.
async fn run(hostile: &Hostile, loader: &Loader, folder: &Path, limits: &Limits) -> (String, Figures) {
    let file = folder.join(format!("{}.wasm", hostile.name));
    std::fs::write(&file, (hostile.make)()).unwrap();
    let plugin = match loader.load(&file) {
        Ok(plugin) => plugin,
        Err(error) => return (chain(&error), Figures::default()),
    };
    let meter = Arc::new(Meter::default());
    let calls = async {
        plugin.description(limits).await.map_err(|error| error.to_string())?;
        let guest = Guest::new(hostile.name.into(), BTreeMap::new(), limits.clone(), Arc::clone(&meter));
        let text = |error: tutin::plugin::CallError| error.to_string();
        let opened = Instance::new(&plugin, guest).await.map_err(text)?.open("{}").await.map_err(text)?;
        let mut driver = opened.map_err(|failure| failure.to_string())?;
        driver.points().await.map_err(text)?;
        driver.poll(0).await.map_err(text)?.map_err(|failure| failure.to_string())?;
        driver.snapshot().await.map_err(text)?;
        Ok::<_, String>("went on".to_owned())
    };
    let said = calls.await.unwrap_or_else(|error| error);
    (said, meter.read())
}

fn chain(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}

/// Limits of the engine are told by their texts, and the contract's by their own; those of the device's task are seen in the scenario.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_hostile_plugin_is_stopped_by_a_limit_with_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let loader = Loader::new(Engine::new().unwrap(), folder.path().join("compiled")).within(&Loading::default());
    let limits = Limits { handles: 100, ..Limits::default() };
    let mut wrong = Vec::new();
    for hostile in hostile::all() {
        let (expected, is_own) = match hostile.end {
            // The compiler is bounded by a process of its own, which only the program itself can start.
            End::Refused("loading.compile") => continue,
            End::Refused(text) | End::Cut(text) => (text, true),
            End::Stopped(text) => (text, true),
            End::HeldBack(_) | End::NotKept(_) | End::Allowed => ("went on", false),
        };
        let begin = Instant::now();
        let (said, figures) = run(&hostile, &loader, folder.path(), &limits).await;
        let longest = Duration::from_micros(figures.longest_us);
        println!("{:<18} {:>8.1?} {:>8.1?}  {said:.150}", hostile.name, begin.elapsed(), longest);
        // What only the device's task can see of a batch, or what needs a link, is not seen here.
        let is_seen = is_own && !LATER.contains(&hostile.name);
        if is_seen && !said.contains(expected) {
            wrong.push(format!("{}: {expected:?} is not in {said:.300}", hostile.name));
        }
        if longest > limits.call + SLACK {
            wrong.push(format!("{}: computed for {longest:?}", hostile.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
