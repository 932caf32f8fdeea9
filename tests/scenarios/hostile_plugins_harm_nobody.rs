//! Every plugin that means harm at once, beside fifty good devices: each ends at a limit with a name, and the good ones keep their beat.
//!
//! It prints the table of `docs/integrators/isolation.md`: `cargo test -p tutin-tests --test tutin -- fifty_good_devices --nocapture`. `TUTIN_HOSTILE=loop,fills` runs only those that begin so.

use std::fmt::Write;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::beat::Instruments;
use crate::support::configuration::{misbehaving, with_plugin};
use crate::support::hostile::{self, End, Hostile};
use crate::support::hub::Site;
use crate::support::journal;

const GOOD: u8 = 50;
const BEAT: Duration = Duration::from_millis(400);
/// The promise: how much later the good ones' polls may be.
const HARM: Duration = Duration::from_millis(10);
/// A machine on which the good ones alone are later than this has more to do than this test.
const QUIET: Duration = Duration::from_millis(15);
/// Times that both are looked at; each is taken at its best.
const ATTEMPTS: u32 = 3;
/// How long the start may take, which is not looked at.
const START: Duration = Duration::from_secs(1);
/// What is looked at of each run.
const LENGTH: Duration = Duration::from_secs(12);
/// Bounds that make a run short; what they are about stays what it is.
const LIMITS: &str = "
[limits]
restarts = 3
handles = 100
samples_per_second = 10000

[loading]
compile = \"10s\"
compile_memory = \"1GiB\"
";
/// Misbehaving drivers that are written in Rust, and what stops them.
const IN_RUST: [(&str, &str); 5] = [
    ("loop", "limits.call"),
    ("grow", "limits.memory"),
    ("trap", "plugin trapped"),
    ("panic", "plugin trapped"),
    ("flood_log", "limits.host_calls"),
];

/// Fifty devices that are read as they should be.
fn good(address: &str) -> String {
    let mut text = with_plugin("modbus-map");
    for unit in 1..=GOOD {
        write!(
            text,
            "
[links.good-{unit}]
type = \"modbus_tcp\"
address = \"{address}\"

[devices.good-{unit}]
plugin = \"modbus-map\"
link = \"good-{unit}\"
unit = {unit}
interval = \"{}ms\"
settings.points = [{{ id = \"r{{n}}\", table = \"holding\", address = 0, type = \"u16\", repeat = {{ count = 20 }} }}]
",
            BEAT.as_millis()
        )
        .unwrap();
    }
    text
}

/// A plugin that means harm, and its device.
fn bad(hostile: &Hostile) -> String {
    let name = hostile.name;
    format!(
        "
[plugins.{name}]
file = \"{name}.wasm\"

[links.{name}]
type = \"modbus_tcp\"
address = \"127.0.0.1:9\"

[devices.{name}]
plugin = \"{name}\"
link = \"{name}\"
interval = \"100ms\"
"
    )
}

/// What came of a run.
struct Run {
    p50: Duration,
    p99: Duration,
    polls: usize,
    devices: Vec<Value>,
    site: Site,
}

/// Runs the good devices beside these, and looks at all of them.
fn run(hostile: &[Hostile], in_rust: &[(&str, &'static str)], compiled: Option<&Site>) -> Run {
    let instruments = Instruments::start();
    let mut configuration = LIMITS.to_owned() + &good(instruments.address());
    hostile.iter().for_each(|hostile| configuration += &bad(hostile));
    if !in_rust.is_empty() {
        configuration += &with_plugin("misbehaving");
    }
    in_rust.iter().for_each(|(behaviour, _)| configuration += &misbehaving(&format!("rust-{behaviour}"), behaviour));
    let site = Site::new(&configuration);
    for hostile in hostile {
        std::fs::write(site.path(&format!("{}.wasm", hostile.name)), (hostile.make)()).unwrap();
    }
    if let Some(before) = compiled {
        std::fs::create_dir(site.path("state")).unwrap();
        std::fs::rename(before.path("state/compiled"), site.path("state/compiled")).unwrap();
    }
    let mut hub = site.run();
    // Compiling so many plugins for the first time takes a while; nothing runs before that.
    let deadline = Instant::now() + Duration::from_secs(180);
    while instruments.units_asked() < usize::from(GOOD) {
        assert!(Instant::now() < deadline, "the good devices did not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    // Starting a hundred devices at once is what it is; from here on there are only the restarts of those that fell.
    std::thread::sleep(START);
    instruments.jitter(BEAT);
    std::thread::sleep(LENGTH);
    let jitter = instruments.jitter(BEAT);
    let devices = ended(&site, hostile, in_rust);
    assert!(hub.interrupt().success(), "the hub did not end well");
    let of = |share: usize| jitter[(jitter.len() - 1) * share / 100];
    Run { p50: of(50), p99: of(99), polls: jitter.len(), devices, site }
}

/// What became of each device, once every hostile one is as it must be. On a machine with other work some wait long for their turns.
fn ended(site: &Site, hostile: &[Hostile], in_rust: &[(&str, &'static str)]) -> Vec<Value> {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let devices = site.status();
        if complaints(&devices, hostile, in_rust).is_empty() || Instant::now() > deadline {
            return devices;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// What is wrong with how they ended.
fn complaints(devices: &[Value], hostile: &[Hostile], in_rust: &[(&str, &'static str)]) -> Vec<String> {
    let wrong = hostile.iter().filter_map(|hostile| check(devices, hostile.name, hostile.end));
    let rust = in_rust.iter().filter_map(|(name, text)| check(devices, &format!("rust-{name}"), End::Stopped(text)));
    wrong.chain(rust).collect()
}

fn device<'a>(devices: &'a [Value], name: &str) -> &'a Value {
    devices.iter().find(|device| device["device"] == name).unwrap_or_else(|| panic!("no device {name}"))
}

/// What is wrong with how a plugin ended; nothing when it is as it must be.
fn check(devices: &[Value], name: &str, end: End) -> Option<String> {
    let device = device(devices, name);
    let (phase, reason, used) =
        (device["phase"].as_str().unwrap(), device["reason"].as_str().unwrap(), &device["used"]);
    let is_so = match end {
        End::Refused(text) | End::Stopped(text) => phase == "parked" && reason.contains(text),
        End::Cut(text) => phase == "failing" && reason.contains(text) && reason.len() < 1_100,
        End::HeldBack("limits.log_lines_per_second") => phase == "running" && used["dropped_lines"].as_u64() > Some(0),
        End::HeldBack(limit) => phase == "running" && used["breaks"][limit].as_u64() > Some(0),
        End::NotKept(_) | End::Allowed => phase == "running",
    };
    (!is_so).then(|| format!("{name}: {end:?}, but it is {phase}: {reason:.300} {used}"))
}

/// A row of the table.
fn row(run: &Run, hostile: &Hostile) -> String {
    let Hostile { name, does, end, .. } = *hostile;
    let device = device(&run.devices, name);
    let reason = device["reason"].as_str().unwrap().replace(&format!("plugin file {name}.wasm: "), "");
    let longest = Duration::from_micros(device["used"]["longest_us"].as_u64().unwrap());
    let (stopped_by, time) = match end {
        End::Refused("loading.compile") => (reason, "the limit".to_owned()),
        End::Refused(_) => (reason, "not run".to_owned()),
        End::Stopped(_) => (reason, format!("{:.1} ms", longest.as_secs_f64() * 1e3)),
        End::Cut(text) => (format!("goes on, its reason cut: … ({text})"), "-".to_owned()),
        End::HeldBack(limit) => (format!("goes on, held to {limit}"), "-".to_owned()),
        End::NotKept(limit) => (format!("goes on, without its snapshot ({limit})"), "-".to_owned()),
        End::Allowed => ("goes on: it is allowed, and kept bit for bit".to_owned(), "-".to_owned()),
    };
    let shown: String = stopped_by.chars().take(120).collect();
    format!("| `{name}` | {does} | {shown} | {time} |")
}

#[test]
fn fifty_good_devices_keep_their_beat_beside_every_hostile_plugin() {
    let mut hostile = hostile::all();
    if let Ok(only) = std::env::var("TUTIN_HOSTILE") {
        hostile.retain(|hostile| only.split(',').any(|begin| hostile.name.starts_with(begin)));
    }
    let (mut best_alone, mut best_beside) = (Duration::MAX, Duration::MAX);
    for attempt in 1..=ATTEMPTS {
        let alone = run(&[], &[], None);
        let beside = run(&hostile, &IN_RUST, Some(&alone.site));
        check_all(&hostile, &beside);
        if attempt == 1 {
            hostile.iter().for_each(|hostile| println!("{}", row(&beside, hostile)));
        }
        println!(
            "jitter of {GOOD} good devices: {:.1?} and p99 {:.1?} alone ({} polls), {:.1?} and p99 {:.1?} beside {} hostile ones ({} polls)",
            alone.p50,
            alone.p99,
            alone.polls,
            beside.p50,
            beside.p99,
            hostile.len() + IN_RUST.len(),
            beside.polls
        );
        (best_alone, best_beside) = (best_alone.min(alone.p99), best_beside.min(beside.p99));
        if best_alone < QUIET && best_beside < best_alone + HARM {
            return;
        }
    }
    assert!(best_beside < best_alone + HARM, "p99 {best_alone:.1?} alone, {best_beside:.1?} beside hostile plugins");
}

/// Each is as it must be, the good ones too.
fn check_all(hostile: &[Hostile], run: &Run) {
    let wrong = complaints(&run.devices, hostile, &IN_RUST);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let good: Vec<&Value> = run.devices.iter().filter(|device| device["plugin"] == "modbus-map").collect();
    assert_eq!(good.len(), usize::from(GOOD));
    assert!(good.iter().all(|device| device["phase"] == "running" && device["restarts"] == 0), "{good:#?}");
    if hostile.iter().any(|hostile| hostile.name == "strange-numbers") {
        check_strange_numbers(run);
    }
}

fn check_strange_numbers(run: &Run) {
    let polls = journal::polls(&run.site, "strange-numbers");
    let bits: Vec<u64> = polls[0].columns.values.iter().map(|value| value.to_bits()).collect();
    assert_eq!(bits, [hostile::SIGNALLING_NAN, f64::NEG_INFINITY.to_bits()]);
}
