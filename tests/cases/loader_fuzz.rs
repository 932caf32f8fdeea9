//! Random and mutated components are loaded, instantiated and called under limits: whatever they are, the process goes on.
//!
//! A short run belongs to the tests; `TUTIN_FUZZ_MINUTES=60` makes it an hour, and `TUTIN_SEED` repeats one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tutin::capability::Guest;
use tutin::config::model::{Limits, Loading};
use tutin::plugin::{Engine, Instance, LoadError, Loader};

use crate::support::hostile;
use crate::support::hostile::driver::{beside_a_driver, sections};
use crate::support::hub::plugin;
use crate::support::random::Random;

/// A run without `TUTIN_FUZZ_MINUTES`.
const SHORT: Duration = Duration::from_secs(15);
/// No single one may take longer than this, compiling it included. The compiler yields to everything else on the machine.
const LONGEST: Duration = Duration::from_secs(120);

/// What became of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Came {
    Malformed,
    TooMuch,
    Refused,
    NotCompiled,
    OtherTypes,
    Fell,
    Failed,
    Polled,
}

fn name(came: Came) -> &'static str {
    match came {
        Came::Malformed => "malformed",
        Came::TooMuch => "too much",
        Came::Refused => "refused",
        Came::NotCompiled => "not valid",
        Came::OtherTypes => "other types",
        Came::Fell => "ended at a limit or a trap",
        Came::Failed => "failed in words",
        Came::Polled => "polled",
    }
}

async fn run(loader: &Loader, file: &Path) -> Came {
    let limits = Limits {
        memory: 4 << 20,
        call: Duration::from_millis(20),
        wait: Duration::from_secs(5),
        results: 1 << 20,
        handles: 50,
        ..Limits::default()
    };
    let plugin = match loader.load(file) {
        Ok(plugin) => plugin,
        Err(LoadError::Malformed { .. }) => return Came::Malformed,
        Err(LoadError::Excess { .. }) => return Came::TooMuch,
        Err(LoadError::Refused { .. }) => return Came::Refused,
        Err(LoadError::Compile { .. }) => return Came::NotCompiled,
        Err(LoadError::Contract { .. }) => return Came::OtherTypes,
        Err(error @ (LoadError::Read { .. } | LoadError::Untrusted(_))) => panic!("{error:?}"),
    };
    let calls = async {
        plugin.description(&limits).await?;
        let guest = Guest::new("fuzz".into(), BTreeMap::new(), limits.clone(), Arc::default());
        let Ok(mut driver) = Instance::new(&plugin, guest).await?.open("{}").await? else { return Ok(Came::Failed) };
        driver.points().await?;
        let polled = driver.poll(0).await?;
        driver.snapshot().await?;
        let restored = driver.restore(b"{}").await?;
        Ok::<_, tutin::plugin::CallError>(if polled.is_ok() && restored.is_ok() { Came::Polled } else { Came::Failed })
    };
    calls.await.unwrap_or(Came::Fell)
}

/// One change, or a few.
fn mutate(seed: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut wasm = seed.to_vec();
    for _ in 0..=random.below(3) {
        let (length, parts) = (wasm.len(), sections(seed));
        match random.below(8) {
            0 => wasm.truncate(random.below(length)),
            1 => (0..=random.below(8)).for_each(|_| flip(&mut wasm, random)),
            // Behind the names of the contract, so that more than the first check sees it.
            2 => {
                let at = length / 2 + random.below(length / 2);
                if let Some(byte) = wasm.get_mut(at) {
                    *byte = byte.wrapping_add(1);
                }
            }
            3 => {
                let (_, range) = &parts[random.below(parts.len())];
                wasm.extend(&seed[range.clone()]);
            }
            4 => {
                let (_, range) = &parts[random.below(parts.len())];
                if range.end <= wasm.len() {
                    wasm.drain(range.clone());
                }
            }
            5 => {
                let (first, second) = (random.below(parts.len()), random.below(parts.len()));
                let order = (0..parts.len()).map(|at| match at {
                    at if at == first => second,
                    at if at == second => first,
                    at => at,
                });
                wasm = order.fold(seed[..8].to_vec(), |mut wasm, at| {
                    wasm.extend(&seed[parts[at].1.clone()]);
                    wasm
                });
            }
            6 => {
                let (at, count) = (random.below(length), random.below(64));
                let bytes = random.bytes(count);
                wasm.splice(at..at, bytes);
            }
            _ => {
                let from = random.below(other.len());
                let at = random.below(length);
                wasm.splice(at.., other[from..].iter().copied());
            }
        }
    }
    wasm
}

fn flip(wasm: &mut [u8], random: &mut Random) {
    let (at, bit) = (random.below(wasm.len()), random.below(8));
    if let Some(byte) = wasm.get_mut(at) {
        *byte ^= 1 << bit;
    }
}

/// A valid module that nobody wrote, beside a driver that is good: what it does at its start is held to the limits.
fn written(random: &mut Random) -> Vec<u8> {
    let functions = 1 + random.below(4);
    let mut text = format!(
        "(module (memory {}) (table $t {} funcref) (global $g (mut i64) (i64.const 1))",
        random.below(80),
        random.below(2_000)
    );
    for at in 0..functions {
        write!(text, "(func $f{at} (param i32 i64) (result i32) (local i32 i64 f64)").unwrap();
        for _ in 0..random.below(30) {
            text += &statement(random, functions, 3);
        }
        text += "(local.get 0))";
    }
    text += "(func $start (drop (call $f0 (i32.const 7) (i64.const 9)))) (start $start))";
    beside_a_driver(&wat::parse_str(&text).unwrap_or_else(|error| panic!("{error:.500}")))
}

fn statement(random: &mut Random, functions: usize, depth: usize) -> String {
    let (x, y) = (expression(random, depth), expression(random, depth));
    let inner = if depth == 0 { "(nop)".to_owned() } else { statement(random, functions, depth - 1) };
    match random.below(14) {
        0 => format!("(local.set 2 {x})"),
        1 => format!("(local.set 0 (i32.div_s {x} {y}))"),
        2 => format!("(local.set 1 (i64.rem_u (i64.extend_i32_s {x}) (local.get 1)))"),
        3 => format!("(i32.store offset={} {x} {y})", random.below(200_000)),
        4 => format!("(memory.fill {x} {y} (i32.const {}))", random.below(6_000_000)),
        5 => format!("(memory.copy {x} {y} (i32.and {y} (i32.const 65535)))"),
        6 => format!("(drop (memory.grow (i32.and {x} (i32.const 63))))"),
        7 => format!("(drop (table.grow $t (ref.null func) (i32.and {x} (i32.const 65535))))"),
        8 => format!("(if {x} (then {inner}) (else (local.set 3 (i64.const -1))))"),
        9 => format!("(loop $again {inner} (br_if $again {x}))"),
        10 => format!("(local.set 0 (call $f{} {x} (local.get 1)))", random.below(functions)),
        11 => format!("(local.set 4 (f64.sqrt (f64.convert_i32_s {x}))) (local.set 2 (i32.trunc_f64_s (local.get 4)))"),
        12 => format!("(block $out (br_table $out $out {x}))"),
        _ => format!("(global.set $g (i64.mul (global.get $g) (i64.extend_i32_u {y})))"),
    }
}

fn expression(random: &mut Random, depth: usize) -> String {
    if depth == 0 {
        return ["(local.get 0)", "(local.get 2)", "(i32.const -1)", "(i32.const 65536)"][random.below(4)].to_owned();
    }
    let (x, y) = (expression(random, depth - 1), expression(random, depth - 1));
    match random.below(7) {
        0 => format!("(i32.add {x} {y})"),
        1 => format!("(i32.rotl {x} {y})"),
        2 => format!("(i32.load8_u {x})"),
        3 => format!("(i32.wrap_i64 (i64.load (i32.and {x} (i32.const 65535))))"),
        4 => format!("(i32.lt_s {x} {y})"),
        5 => format!("(select {x} {y} (local.get 0))"),
        _ => format!("(i32.const {})", random.below(1 << 31)),
    }
}

#[test]
fn whatever_is_loaded_the_process_goes_on() {
    let minutes: Option<u64> = std::env::var("TUTIN_FUZZ_MINUTES").ok().map(|text| text.parse().unwrap());
    let length = minutes.map_or(SHORT, |minutes| Duration::from_secs(60 * minutes));
    let mut random = Random::from_environment();
    println!("TUTIN_SEED={}", random.seed());
    let folder = tempfile::tempdir().unwrap();
    // No folder can be made below a file: nothing compiled is kept.
    let nowhere = folder.path().join("file");
    std::fs::write(&nowhere, "").unwrap();
    let loader = Loader::new(Engine::new().unwrap(), nowhere.join("compiled")).within(&Loading::default());
    let small: Vec<Vec<u8>> = hostile::drivers().iter().map(|hostile| (hostile.make)()).collect();
    let shipped: Vec<Vec<u8>> = ["misbehaving", "modbus-map", "thermo-clink"].map(plugin).map(read).into();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let file: PathBuf = folder.path().join("fuzz.wasm");
    let (mut counts, begin) = (BTreeMap::<Came, u64>::new(), Instant::now());
    let (mut made, mut kinds) = (0_u64, BTreeSet::new());
    while begin.elapsed() < length {
        let wasm = match random.below(10) {
            0 => mutate(&shipped[random.below(shipped.len())], &small[0], &mut random),
            1..4 => written(&mut random),
            _ => {
                let other = random.below(small.len());
                mutate(&small[random.below(small.len())], &small[other].clone(), &mut random)
            }
        };
        std::fs::write(&file, &wasm).unwrap();
        let one = Instant::now();
        let came = runtime.block_on(run(&loader, &file));
        assert!(one.elapsed() < LONGEST, "{came:?} after {:?}, TUTIN_SEED={}", one.elapsed(), random.seed());
        *counts.entry(came).or_default() += 1;
        kinds.insert(came);
        made += 1;
    }
    let counted = counts.iter().fold(String::new(), |mut text, (came, count)| {
        write!(text, ", {count} {}", name(*came)).unwrap();
        text
    });
    println!("{made} components in {:.0?}{counted}", begin.elapsed());
    assert!(
        kinds.contains(&Came::NotCompiled) && kinds.contains(&Came::Polled),
        "they were not seen at all: {kinds:?}"
    );
}

fn read(file: PathBuf) -> Vec<u8> {
    std::fs::read(file).unwrap()
}
