//! A hub that is killed at any moment, again and again, loses nothing that it stored, invents nothing, and delivers every
//! average.
//!
//! `TUTIN_KILLS` sets how often (20; the nightly run takes 200), `TUTIN_SEED` repeats the moments of an earlier run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::{Duration, Instant};

use tutin::average::Average;
use tutin::journal::{Cursor, Ending, Event};
use tutin::reading::{InstrumentState, PollSet, Value};
use tutin::simulator::analyzer::{self, Analyzer, AnalyzerHandle, Model};
use tutin::simulator::authority::{self, Authority, AuthorityHandle, Received, Stream};
use tutin::time::Timestamp;

use crate::support::configuration::with_plugin;
use crate::support::hub::Site;
use crate::support::journal::{self, averages, check_chain, events, places};
use crate::support::random::Random;
use crate::support::store;

const LOOPBACK: std::net::SocketAddr =
    std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Milliseconds from poll to poll of each device: never in step.
const INTERVALS: [u64; 3] = [20, 35, 50];

const BLOCK: Duration = Duration::from_secs(1);
const LATENESS: Duration = Duration::from_millis(100);

/// How soon after it runs a hub is killed.
const LIFE: std::ops::Range<Duration> = Duration::from_millis(200)..Duration::from_millis(1500);

/// One in five is killed while it starts: this soon after its process began.
const BIRTH: std::ops::Range<Duration> = Duration::from_millis(1)..Duration::from_millis(150);

/// What a stored reading is known by at the far end, with what it says there.
type Sent = BTreeMap<String, (Timestamp, Vec<(String, Option<u64>)>)>;

fn configuration(analyzers: &[AnalyzerHandle], authority: &AuthorityHandle) -> String {
    let mut text = String::from("[journal]\ncommit_interval = \"20ms\"\n") + &with_plugin("teledyne-t");
    text += "\n[rule_sets.short]\nblock = \"1s\"\nlateness = \"100ms\"\n";
    for (analyzer, interval) in analyzers.iter().zip(INTERVALS) {
        let address = analyzer.address();
        write!(
            text,
            r#"
[links.t{interval}]
type = "modbus_tcp"
address = "{address}"
timeout = "300ms"
reconnect_min = "20ms"
reconnect_max = "100ms"

[devices.t{interval}]
plugin = "teledyne-t"
link = "t{interval}"
interval = "{interval}ms"
grants = ["tutin:modbus/control"]
settings = {{ model = "T200" }}

[sources.stack-{interval}]
rule_sets = ["short"]
plant = "operating"

[sources.stack-{interval}.parameters.NO2]
device = "t{interval}"
point = "no2"
"#
        )
        .unwrap();
    }
    text += "\n[routes.readings]\ntake = \"readings\"\npath = \"journal\"\nto = [\"readings\"]\n";
    text += "points = [\"no\", \"no2\"]\n";
    text += "\n[routes.averages]\ntake = \"averages\"\nto = [\"averages\"]\n";
    // An array is another one after a restart, so each poll carries its own key.
    let polls = "shape = \"poll\"\nfields = { key = \"key\", at = \"at\", points = \"points\" }\n";
    for (name, shape) in [("readings", polls), ("averages", "")] {
        let url = format!("{}/v1/{name}", authority.url());
        write!(text, "\n[sinks.{name}]\ntype = \"http_json\"\nurl = \"{url}\"\n{shape}").unwrap();
        text += "acknowledge = { pointer = \"/receipt\" }\nretry_min = \"20ms\"\nretry_max = \"100ms\"\n";
    }
    text
}

async fn start_analyzers() -> Vec<AnalyzerHandle> {
    let mut analyzers = Vec::new();
    for start_row in 0..INTERVALS.len() {
        let options = analyzer::Options { step: Duration::from_millis(70), start_row, ..analyzer::Options::default() };
        analyzers.push(Analyzer::start(Model::T200, options, LOOPBACK).await.unwrap());
    }
    analyzers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_killed_at_random_moments_loses_nothing() {
    let kills = std::env::var("TUTIN_KILLS").map_or(20, |text| text.parse().expect("TUTIN_KILLS is a number"));
    let mut random = Random::from_environment();
    println!("{kills} kills, TUTIN_SEED={}", random.seed());
    let analyzers = start_analyzers().await;
    let authority = Authority::start(authority::Options::default(), LOOPBACK).await.unwrap();
    let site = Site::new(&configuration(&analyzers, &authority));

    let mut starts = Vec::new();
    for kill in 0..kills {
        starts.push(live_and_die(&site, kill % 5 == 0, &mut random));
    }
    let stopped = live_and_stop(&site);

    check_starts(&site);
    check_chain(&site);
    let sets = places(&site);
    let averages = averages(&site);
    check_averages(&averages, &sets, stopped);
    let report = authority.report();
    assert_eq!(report.differing, 0, "something came again with other content");
    let (of_averages, of_readings): (Vec<_>, Vec<_>) =
        report.received.into_iter().partition(|received| received.stream == Stream::Averages);
    check_averages_at_authority(&averages, &of_averages, stopped);
    check_readings_at_authority(&sets, &of_readings);
    let running: Vec<Duration> = starts.iter().filter_map(|start| start.running).collect();
    println!(
        "{kills} kills, seed {}: {} polls, {} averages, {} duplicates; {}; {}",
        random.seed(),
        sets.len(),
        averages.len(),
        report.duplicates,
        check_recovery("running", &running),
        check_recovery("first commit of readings", &first_commits(&site, &starts)),
    );
}

/// When a hub's process began, and how long it took until it ran; `None`: it was killed before.
struct Start {
    at: Timestamp,
    running: Option<Duration>,
}

fn live_and_die(site: &Site, in_birth: bool, random: &mut Random) -> Start {
    let (at, begin) = (Timestamp::now(), Instant::now());
    let mut hub = site.run();
    let running = if in_birth {
        std::thread::sleep(random.duration(BIRTH));
        None
    } else {
        hub.wait_for("running", |line| line.contains("running; "));
        let running = begin.elapsed();
        std::thread::sleep(random.duration(LIFE));
        Some(running)
    };
    hub.kill();
    Start { at, running }
}

/// The last hub stays for a few blocks, until everything is delivered. Returns when it was told to end.
fn live_and_stop(site: &Site) -> Timestamp {
    let journal = journal::file(site);
    let mut hub = site.run();
    hub.wait_for("running", |line| line.contains("running; "));
    let averages = || store::number(&journal, "SELECT count(*) FROM average");
    let before = averages();
    hub.wait_until("two more blocks of each source", || averages() >= before + 2 * INTERVALS.len() as i64);
    let last = store::number(&journal, "SELECT max(seq) FROM entry WHERE kind = 2");
    let queued = "SELECT count(*) FROM delivery WHERE state = 'queued'";
    let delivered = "SELECT entry FROM cursor WHERE sink = 'readings'";
    hub.wait_until("everything delivered", || {
        store::number(&journal, queued) == 0 && store::number(&journal, delivered) > last
    });
    let stopped = Timestamp::now();
    assert!(hub.interrupt().success());
    stopped
}

fn check_starts(site: &Site) {
    let endings: Vec<Ending> = events(site)
        .into_iter()
        .filter_map(|event| match event {
            Event::Start { after, .. } => Some(after),
            _ => None,
        })
        .collect();
    let (first, rest) = endings.split_first().unwrap();
    assert!(*first == Ending::First || *first == Ending::Unclean, "{first:?}");
    assert!(rest.iter().all(|ending| *ending == Ending::Unclean), "{rest:?}");
}

/// Blocks follow each other from the first to the last, each once, and each says what the readings of its time say.
fn check_averages(averages: &[Average], sets: &[(Cursor, PollSet)], stopped: Timestamp) {
    for interval in INTERVALS {
        let source = format!("stack-{interval}");
        let mut blocks: Vec<&Average> = averages.iter().filter(|average| average.key.source == source).collect();
        blocks.sort_by_key(|average| average.key.start);
        for pair in blocks.windows(2) {
            assert_eq!(pair[0].end(), pair[1].key.start, "{source}: a hole, or a block twice");
        }
        let end = blocks.last().unwrap().end();
        assert!(end > stopped.before(3 * BLOCK), "{source}: the last block ended at {end}, the hub at {stopped}");
        assert!(blocks.iter().any(|average| average.mean_raw.is_some()), "{source}: every block is empty");
        let device = format!("t{interval}");
        let readings: Vec<&PollSet> =
            sets.iter().map(|(_, set)| set).filter(|set| set.catalog.device == device).collect();
        for block in blocks {
            check_average(block, &readings, Duration::from_millis(interval) / 2);
        }
    }
}

/// Two polls around a restart that are nearer to each other than half of their interval count once.
fn check_average(block: &Average, sets: &[&PollSet], half: Duration) {
    let (mut sum, mut count, mut halves) = (0.0, 0_u32, BTreeSet::new());
    for reading in sets.iter().flat_map(|set| set.readings()).filter(|reading| reading.point.id == "no2") {
        let in_block = reading.sampled_at >= block.key.start && reading.sampled_at < block.end();
        if !in_block || reading.received_at >= block.end().after(LATENESS) {
            continue;
        }
        if let (InstrumentState::Valid, Value::Number(value)) = (reading.state, reading.value) {
            sum += value;
            count += 1;
            halves.insert(reading.sampled_at.since(block.key.start).as_nanos() / half.as_nanos());
        }
    }
    let mean = (count > 0).then(|| sum / f64::from(count));
    let valid = u32::try_from(halves.len()).unwrap();
    assert_eq!((block.key.revision, block.valid, block.mean_raw), (0, valid, mean), "{block:?}");
}

/// Each average is there once, and there is no other. What was closed while the hub ended may still wait for the next.
fn check_averages_at_authority(averages: &[Average], received: &[Received], stopped: Timestamp) {
    let name = |average: &Average| format!("hub/{}/NO2/short/{}/1s/0", average.key.source, average.key.start);
    let closed: BTreeMap<String, &Average> = averages.iter().map(|average| (name(average), average)).collect();
    assert_eq!(closed.len(), averages.len(), "an average stands twice in the chain");
    let arrived: BTreeSet<&String> = received.iter().map(|received| &received.key).collect();
    assert_eq!(arrived.len(), received.len(), "an average is twice at the authority");
    for Received { key, object, .. } in received {
        let average = closed.get(key).unwrap_or_else(|| panic!("{key} is not in the journal"));
        assert_eq!(object["mean_raw"].as_f64(), average.mean_raw, "{key}");
        assert_eq!(object["valid"].as_u64(), Some(average.valid.into()), "{key}");
    }
    for (key, average) in closed.iter().filter(|(key, _)| !arrived.contains(key)) {
        assert!(average.end().after(LATENESS) >= stopped, "{key} never arrived; the hub ended at {stopped}");
    }
}

/// Every poll in the journal has arrived, and nothing arrived that is not there, bit for bit.
fn check_readings_at_authority(sets: &[(Cursor, PollSet)], received: &[Received]) {
    let stored: Sent = sets.iter().map(|(place, set)| (key(*place, set), content(set))).collect();
    let arrived: Sent = received.iter().map(|received| (received.key.clone(), told(received))).collect();
    for (key, content) in &arrived {
        assert_eq!(stored.get(key), Some(content), "the authority was told of {key}");
    }
    let missing: BTreeSet<&String> = stored.keys().filter(|key| !arrived.contains_key(*key)).collect();
    assert!(missing.is_empty(), "{} of {} polls were never delivered: {missing:?}", missing.len(), stored.len());
}

fn key(place: Cursor, set: &PollSet) -> String {
    format!("hub/{}/{}.{}", set.catalog.device, place.entry, place.item)
}

fn content(set: &PollSet) -> (Timestamp, Vec<(String, Option<u64>)>) {
    let wanted = set.readings().filter(|reading| reading.point.id == "no" || reading.point.id == "no2");
    let values = wanted.map(|reading| match reading.value {
        Value::Number(value) => (reading.point.id.clone(), Some(value.to_bits())),
        _ => (reading.point.id.clone(), None),
    });
    (set.received_at, values.collect())
}

fn told(received: &Received) -> (Timestamp, Vec<(String, Option<u64>)>) {
    let at = received.object["at"].as_str().unwrap().parse().unwrap();
    let value = |point: &str| received.object[point].as_f64().map(f64::to_bits);
    (at, ["no", "no2"].map(|point| (point.to_owned(), value(point))).into())
}

/// From the start of each process to its first readings that were stored.
fn first_commits(site: &Site, starts: &[Start]) -> Vec<Duration> {
    let ran = starts.iter().filter(|start| start.running.is_some());
    let first = |start: &Start| {
        let sql = format!("SELECT min(at) FROM entry WHERE kind = 2 AND at >= {}", start.at.0);
        Timestamp(store::number(&journal::file(site), &sql)).since(start.at)
    };
    ran.map(first).collect()
}

fn check_recovery(what: &str, times: &[Duration]) -> String {
    let longest = times.iter().max().copied().unwrap_or_default();
    assert!(longest < Duration::from_secs(10), "{what} after {longest:?}");
    let mean = times.iter().sum::<Duration>() / times.len().max(1) as u32;
    format!("{what} after {} ms in the mean, {} ms at most", mean.as_millis(), longest.as_millis())
}
