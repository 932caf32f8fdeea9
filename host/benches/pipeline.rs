//! `cargo xtask bench pipeline`: what normalizing and averaging cost on one core, beside a loop in the same run that only sums.
//!
//! Times are a report and never a verdict, because they depend on the machine. A reading that is not counted in a block, or an
//! allocation for a reading in the steady state, is a failure on any.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Parser;
use tutin::method::{Chain, Companion, Companions, Gate, Plant, Role};
use tutin::pipeline::{Assignment, Input, Line, Rules};
use tutin::reading::{Columns, DeviceCatalog, InstrumentState, PlantState, Point, PointKind, PollSet};
use tutin::time::Timestamp;

/// Counts what is allocated.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[expect(unsafe_code, reason = "an allocator cannot be written otherwise; it hands everything on to the system's")]
// SAFETY: both functions are the system allocator's, called as they were called.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What to measure.
#[derive(Parser)]
struct Options {
    /// Sources of eight parameters each
    #[arg(long, default_value_t = 25)]
    sources: usize,
    /// Blocks of 20 minutes, one poll a second
    #[arg(long, default_value_t = 4)]
    blocks: i64,
    /// What cargo hands to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

const PARAMETERS: usize = 8;
const BLOCK: Duration = Duration::from_secs(1200);

fn main() -> Result<()> {
    let options = Options::parse();
    println!("{:<44} {:>14} {:>10} {:>22}", "one core", "readings/s", "ns each", "allocations a reading");
    bare(&options);
    measure(&options, "convert and average (ppm to mg/m3)", plain)?;
    measure(&options, "the whole chain (T, p, H2O, O2, flow, mass)", stack)
}

/// One poll of one source's device.
fn poll(device: &str) -> PollSet {
    let units = ["[ppm]", "[ppm]", "Cel", "Pa", "%", "%", "m3/h", "mg/m3"];
    let point = |(at, unit): (usize, &&str)| Point {
        id: format!("p{at}"),
        label: String::new(),
        unit: (*unit).to_owned(),
        kind: PointKind::Number,
    };
    let catalog = DeviceCatalog {
        device: device.to_owned(),
        plugin: String::new(),
        plugin_digest: String::new(),
        points: units.iter().enumerate().map(point).collect(),
    };
    let columns = Columns {
        points: (0..PARAMETERS as u16).collect(),
        values: vec![120.0, 35.0, 140.0, 98_250.0, 12.0, 7.5, 412_715.6, 25.0],
        states: vec![InstrumentState::Valid; PARAMETERS],
        ..Columns::default()
    };
    PollSet { catalog: Arc::new(catalog), received_at: Timestamp(0), columns }
}

fn assignment(source: usize, at: usize) -> Assignment {
    Assignment {
        source: format!("source-{source}"),
        parameter: format!("p{at}"),
        rule_set: "kz-20min".to_owned(),
        input: Input::Point { device: format!("d{source}"), point: format!("p{at}"), interval: Duration::from_secs(1) },
        unit: (at < 2).then(|| "mg/m3".to_owned()),
        molar_mass: Some(64.066),
        chain: Chain::default(),
        companions: Companions::new(),
        gate: Gate::default(),
        rules: Rules::simple(BLOCK, 2.0 / 3.0, Duration::from_secs(2)),
        plant: Plant::Always(PlantState::Operating),
        limit: None,
        confidence: None,
        decimals: None,
        status: None,
    }
}

fn plain(source: usize) -> Vec<Assignment> {
    (0..PARAMETERS).map(|at| assignment(source, at)).collect()
}

fn stack(source: usize) -> Vec<Assignment> {
    let of = |at: usize| Companion {
        parameter: Some(format!("p{at}")),
        fresh: Duration::from_secs(5),
        hold: Duration::ZERO,
        substitute: None,
    };
    let roles = [(Role::Temperature, 2), (Role::Pressure, 3), (Role::Moisture, 4), (Role::Oxygen, 5), (Role::Flow, 6)];
    let companions: Companions = roles.map(|(role, at)| (role, of(at))).into();
    let chained = |mut assignment: Assignment, at: usize| {
        assignment.companions = companions.clone();
        assignment.chain.wet = at < 2 || at == 7;
        assignment.chain.actual = at == 7;
        assignment.chain.reference_oxygen = assignment.chain.wet.then_some(6.0);
        assignment
    };
    (0..PARAMETERS).map(|at| chained(assignment(source, at), at)).collect()
}

fn bare(options: &Options) {
    let sets: Vec<PollSet> = (0..options.sources).map(|source| poll(&format!("d{source}"))).collect();
    let mut sums = vec![(0.0_f64, 0_u64); options.sources * PARAMETERS];
    let seconds = options.blocks * 1200;
    let begun = Instant::now();
    for _ in 0..seconds {
        for (set, sums) in sets.iter().zip(sums.chunks_mut(PARAMETERS)) {
            for (value, sum) in set.columns.values.iter().zip(sums) {
                sum.0 += std::hint::black_box(*value);
                sum.1 += 1;
            }
        }
    }
    let readings: u64 = sums.iter().map(|(_, count)| count).sum();
    report("a loop that only sums", begun.elapsed(), readings, 0);
}

fn measure(options: &Options, name: &str, streams: fn(usize) -> Vec<Assignment>) -> Result<()> {
    let mut line = Line::default();
    let mut sets: Vec<PollSet> = (0..options.sources).map(|source| poll(&format!("d{source}"))).collect();
    for assignment in (0..options.sources).flat_map(streams) {
        line.assign(assignment, Timestamp(0), 0);
    }
    // Two blocks make the room that later ones use again.
    let (mut entry, mut valid) = (0, 0_u64);
    let mut run = |from: i64, to: i64, line: &mut Line| -> Result<u64> {
        let mut in_readings = 0;
        for second in from..to {
            entry += 1;
            let before = ALLOCATIONS.load(Ordering::Relaxed);
            for set in &mut sets {
                set.received_at = Timestamp::from_seconds(second);
                line.take(entry, set);
            }
            in_readings += ALLOCATIONS.load(Ordering::Relaxed) - before;
            if second % 1200 == 2 {
                for closed in line.close(Timestamp::from_seconds(second)) {
                    ensure!(closed.average.valid == 1200, "{:?}", closed.average);
                    valid += u64::from(closed.average.valid);
                }
            }
        }
        Ok(in_readings)
    };
    run(0, 2403, &mut line)?;
    let begun = Instant::now();
    let allocations = run(2403, 2403 + options.blocks * 1200, &mut line)?;
    let elapsed = begun.elapsed();
    let readings = options.sources as u64 * PARAMETERS as u64 * options.blocks as u64 * 1200;
    report(name, elapsed, readings, allocations);
    ensure!(valid >= readings, "{valid} readings counted in blocks, and {readings} were taken");
    ensure!(allocations == 0, "{allocations} allocations while readings were taken");
    Ok(())
}

fn report(name: &str, elapsed: Duration, readings: u64, allocations: u64) {
    let each = elapsed.as_secs_f64() / readings as f64;
    println!("{name:<44} {:>14.0} {:>10.1} {:>22}", 1.0 / each, each * 1e9, allocations as f64 / readings as f64);
}
