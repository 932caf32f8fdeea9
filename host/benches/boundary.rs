//! `cargo xtask bench boundary`: what it costs that a driver is a component, beside the same driver compiled into this program.
//!
//! One poll reads 200 registers in two requests, which a function of this program answers, and brings 100 samples. Times are a report and
//! never a verdict, because they depend on the machine.

#![allow(clippy::expect_used, reason = "a bench ends by panicking")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use criterion::Criterion;
use modbus_map_language::ModbusMap;
use tokio::runtime::Runtime;
use tokio_modbus::prelude::{Request, Response};
use tutin::capability::{Addressing, Guest, Link, Meter, modbus};
use tutin::config::model::Limits;
use tutin::plugin::{Driver, Engine, Instance, Loader, Plugin};
use tutin_sdk::modbus::{Error, Registers};

/// A hundred numbers of two registers each.
const SETTINGS: &str = r#"{ "word_order": "high_first",
    "points": [{ "id": "r{n}", "table": "holding", "address": 0, "type": "f32", "unit": "[ppb]", "repeat": { "count": 100 } }] }"#;
/// Drivers of which the memory is taken.
const IDLE: usize = 100;

/// What stands in the registers.
fn registers(address: u16, count: u16) -> Vec<u16> {
    (address..address + count).map(|at| if at % 2 == 0 { 0x4228 } else { at }).collect()
}

/// The same registers for the driver in this program.
struct Native;

impl Registers for Native {
    fn unit(&self, _: u8) -> Result<Self, Error> {
        Ok(Native)
    }

    fn read_coils(&self, _: u16, _: u16) -> Result<Vec<bool>, Error> {
        Err(Error::Timeout)
    }

    fn read_discrete_inputs(&self, _: u16, _: u16) -> Result<Vec<bool>, Error> {
        Err(Error::Timeout)
    }

    fn read_holding_registers(&self, address: u16, count: u16) -> Result<Vec<u16>, Error> {
        Ok(registers(address, count))
    }

    fn read_input_registers(&self, address: u16, count: u16) -> Result<Vec<u16>, Error> {
        Ok(registers(address, count))
    }
}

fn guest(meter: &Arc<Meter>) -> Guest {
    let answer = |_, request: &Request<'_>| match request {
        Request::ReadHoldingRegisters(address, count) => Response::ReadHoldingRegisters(registers(*address, *count)),
        _ => Response::ReadHoldingRegisters(Vec::new()),
    };
    let device = Addressing {
        device: "bench".into(),
        unit: 1,
        more_units: Vec::new(),
        timeout: None,
        topics: Vec::new(),
        publish_topics: Vec::new(),
    };
    let link = modbus::Link::new(Arc::new(modbus::Connection::memory("bench", answer)), &device);
    let links = BTreeMap::from([("main".to_owned(), Link::Modbus(link))]);
    Guest::new("bench".into(), links, Limits::default(), Arc::clone(meter))
}

async fn open(plugin: &Plugin, meter: &Arc<Meter>) -> Driver {
    let instance = Instance::new(plugin, guest(meter)).await.expect("an instance");
    instance.open(SETTINGS).await.expect("a call").expect("a driver")
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let load = || Loader::new(Engine::new().expect("an engine"), folder.path().join("compiled"));
    let file = plugin("modbus-map");
    let loader = load();
    let plugin = loader.load(&file).expect("a plugin");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let mut criterion = Criterion::default().configure_from_args();

    poll(&mut criterion, &runtime, &plugin);
    criterion.bench_function("instance: from the compiled file to an open driver", |bench| {
        bench.iter(|| {
            let plugin = loader.load(&file).expect("a plugin");
            runtime.block_on(open(&plugin, &Arc::default()))
        });
    });
    criterion.bench_function("instance: of a plugin that is loaded", |bench| {
        bench.iter(|| runtime.block_on(open(&plugin, &Arc::default())));
    });
    criterion.final_summary();
    memory(&runtime, &plugin);
}

fn poll(criterion: &mut Criterion, runtime: &Runtime, plugin: &Plugin) {
    let mut group = criterion.benchmark_group("poll of 200 registers to 100 samples");
    let settings = serde_json::from_str(SETTINGS).expect("settings");
    let mut native = ModbusMap::new(Native, &settings).expect("a driver");
    group.bench_function("in the program", |bench| bench.iter(|| black_box(native.read().expect("samples"))));
    let mut driver = runtime.block_on(open(plugin, &Arc::default()));
    let batch = runtime.block_on(driver.poll(0)).expect("a call").expect("a batch");
    assert_eq!(batch.points.len(), 100);
    group.bench_function("in a component", |bench| {
        bench.iter_custom(|times| {
            runtime.block_on(async {
                let begin = Instant::now();
                for _ in 0..times {
                    black_box(driver.poll(0).await.expect("a call").expect("a batch"));
                }
                begin.elapsed()
            })
        });
    });
    group.bench_function("a call that does nothing", |bench| {
        bench.iter_custom(|times| {
            runtime.block_on(async {
                let begin = Instant::now();
                for _ in 0..times {
                    black_box(driver.snapshot().await.expect("a call"));
                }
                begin.elapsed()
            })
        });
    });
    group.finish();
}

/// What a driver takes that is open and polled now and then.
fn memory(runtime: &Runtime, plugin: &Plugin) {
    let meter = Arc::new(Meter::default());
    let before = resident();
    let drivers: Vec<Driver> = (0..IDLE)
        .map(|_| {
            runtime.block_on(async {
                let mut driver = open(plugin, &meter).await;
                black_box(driver.points().await.expect("a call"));
                black_box(driver.poll(0).await.expect("a call").expect("a batch"));
                driver
            })
        })
        .collect();
    let each = resident().saturating_sub(before) / IDLE as u64;
    let linear = meter.read().peak_memory / 1024;
    println!(
        "memory of an idle driver: {each} KiB resident, of {linear} KiB that it has as linear memory, mean of {}",
        drivers.len()
    );
}

/// Resident memory of this process, KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// Where `cargo xtask plugins` puts it.
fn plugin(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(target).join(format!("plugins/{name}.wasm"))
}
