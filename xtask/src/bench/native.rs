//! The native loop: what reading and decoding cost without plugin, journal, averages and delivery.
//!
//! Prints `ready`, then answers `report FROM TO` on standard input with one line of JSON:
//! `{"latencies":[…],"errors":[…]}`, the microseconds from the device's time stamp to the decoded values.

use std::hint::black_box;
use std::io::BufRead;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_modbus::client::tcp::attach_slave;
use tokio_modbus::prelude::*;

use super::{server, stamp};

/// What the loop is told.
#[derive(Args)]
pub struct Options {
    /// Ports of the server
    #[arg(long, value_delimiter = ',')]
    ports: Vec<u16>,
    /// How many devices
    #[arg(long)]
    devices: usize,
    /// Registers of one device
    #[arg(long)]
    registers: u16,
    /// Milliseconds from one poll to the next; 0 is as fast as the device answers
    #[arg(long)]
    interval_ms: u64,
}

#[derive(Default)]
struct Record {
    /// Time stamp and latency of each poll.
    polls: Mutex<Vec<(u64, u64)>>,
    errors: Mutex<Vec<String>>,
}

/// Reads until standard input ends.
pub fn run(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let records: Vec<Arc<Record>> = (0..options.devices).map(|_| Arc::default()).collect();
    let interval = Duration::from_millis(options.interval_ms);
    let begin = Instant::now() + Duration::from_millis(100);
    for (device, record) in records.iter().enumerate() {
        let (port, unit) = server::place(device);
        let port = *options.ports.get(port).with_context(|| format!("no port for device {device}"))?;
        let share = device as f64 / options.devices as f64;
        let schedule = Schedule { first: begin + interval.mul_f64(share), interval };
        let (record, registers) = (Arc::clone(record), options.registers);
        runtime.spawn(async move {
            if let Err(error) = poll(port, unit, registers, schedule, &record).await {
                record.errors.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{error:#}"));
            }
        });
    }
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        println!("{}", report(&records, &line?));
    }
    Ok(())
}

struct Schedule {
    first: Instant,
    interval: Duration,
}

async fn poll(port: u16, unit: u8, registers: u16, schedule: Schedule, record: &Record) -> Result<()> {
    let stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).await.context("cannot connect")?;
    stream.set_nodelay(true)?;
    let mut client = attach_slave(stream, Slave(unit));
    let mut ticks = (!schedule.interval.is_zero()).then(|| {
        let mut ticks = interval_at(schedule.first, schedule.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        ticks
    });
    loop {
        if let Some(ticks) = &mut ticks {
            ticks.tick().await;
        }
        let words = client.read_holding_registers(0, registers).await?.map_err(|code| anyhow!("exception {code}"))?;
        let values: Vec<f64> = words.iter().map(|word| f64::from(*word)).collect();
        black_box(&values);
        let arrived = stamp::now();
        let moment =
            stamp::read(words.get(..stamp::LENGTH.into()).context("a short answer")?).map_err(|text| anyhow!(text))?;
        let mut polls = record.polls.lock().unwrap_or_else(PoisonError::into_inner);
        polls.push((moment, arrived.saturating_sub(moment)));
    }
}

fn report(records: &[Arc<Record>], command: &str) -> serde_json::Value {
    let numbers: Vec<u64> = command.split(' ').skip(1).filter_map(|word| word.parse().ok()).collect();
    let [from, to] = numbers[..] else { return json!(null) };
    let (mut latencies, mut errors) = (Vec::new(), Vec::new());
    for record in records {
        let polls = record.polls.lock().unwrap_or_else(PoisonError::into_inner);
        latencies.extend(polls.iter().filter(|(moment, _)| (from..to).contains(moment)).map(|(_, latency)| *latency));
        errors.extend(record.errors.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned());
    }
    json!({ "latencies": latencies, "errors": errors })
}
