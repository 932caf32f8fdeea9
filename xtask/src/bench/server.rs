//! The simulated devices: Modbus TCP servers that answer at once and remember when they did.
//!
//! One port serves up to 200 devices as units 1 to 200, because a thousand units do not fit behind one address. Prints
//! `ready PORT…`; then answers lines on standard input, each with one line of JSON:
//!
//! - `seen`: how many devices have been asked at least once;
//! - `report FROM TO`: the times in microseconds at which each device answered, `FROM` included.

use std::future::{Ready, ready};
use std::io::BufRead;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_modbus::prelude::*;
use tokio_modbus::server::{Service, tcp::Server};

use super::stamp;

/// Devices behind one port.
pub const UNITS: usize = 200;

/// Where a device is: position of its port, and its unit.
pub fn place(device: usize) -> (usize, u8) {
    (device / UNITS, u8::try_from(device % UNITS + 1).unwrap_or(u8::MAX))
}

/// What the server is told.
#[derive(Args)]
pub struct Options {
    /// How many devices
    #[arg(long)]
    devices: usize,
}

/// Serves until standard input ends.
pub fn run(options: &Options) -> Result<()> {
    let devices: Arc<Vec<Answers>> = Arc::new((0..options.devices).map(|_| Answers::default()).collect());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut ports = Vec::new();
    for first in (0..options.devices).step_by(UNITS) {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).context("no free port")?;
        ports.push(listener.local_addr()?.port().to_string());
        runtime.spawn(serve(listener, Port { devices: Arc::clone(&devices), first }));
    }
    println!("ready {}", ports.join(" "));
    for line in std::io::stdin().lock().lines() {
        println!("{}", answer(&devices, &line?));
    }
    Ok(())
}

fn answer(devices: &[Answers], command: &str) -> serde_json::Value {
    let numbers: Vec<u64> = command.split(' ').skip(1).filter_map(|word| word.parse().ok()).collect();
    match (command, numbers.as_slice()) {
        ("seen", _) => json!(devices.iter().filter(|device| !device.within(0, u64::MAX).is_empty()).count()),
        (_, [from, to]) => json!(devices.iter().map(|device| device.within(*from, *to)).collect::<Vec<_>>()),
        _ => json!(null),
    }
}

async fn serve(listener: TcpListener, port: Port) {
    let on_connected = |stream: TcpStream, _| {
        let port = port.clone();
        async move {
            stream.set_nodelay(true)?;
            Ok(Some((port, stream)))
        }
    };
    if let Err(error) = Server::new(listener).serve(&on_connected, |_| ()).await {
        eprintln!("a port is closed: {error}");
    }
}

/// When one device answered a request for its first register, which is how a poll is told from its further requests.
#[derive(Default)]
struct Answers(Mutex<Vec<u64>>);

impl Answers {
    /// A moment that this device has not named before.
    fn stamp(&self) -> u64 {
        let mut stamps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = stamp::now().max(stamps.last().map_or(0, |last| last + 1));
        stamps.push(stamp);
        stamp
    }

    fn within(&self, from: u64, to: u64) -> Vec<u64> {
        let stamps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stamps.iter().copied().filter(|stamp| (from..to).contains(stamp)).collect()
    }
}

#[derive(Clone)]
struct Port {
    devices: Arc<Vec<Answers>>,
    first: usize,
}

impl Service for Port {
    type Request = SlaveRequest<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Response, ExceptionCode>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        ready(self.respond(request.slave, &request.request))
    }
}

impl Port {
    fn respond(&self, unit: u8, request: &Request<'_>) -> Result<Response, ExceptionCode> {
        let index = usize::from(unit).checked_sub(1).filter(|index| *index < UNITS);
        let device = index.and_then(|index| self.devices.get(self.first + index));
        let device = device.ok_or(ExceptionCode::GatewayTargetDevice)?;
        let (Request::ReadHoldingRegisters(address, count) | Request::ReadInputRegisters(address, count)) = request
        else {
            return Err(ExceptionCode::IllegalFunction);
        };
        // A poll that is split in several requests would make registers of different moments look torn.
        if *address != 0 {
            return Err(ExceptionCode::IllegalDataAddress);
        }
        let stamp = device.stamp();
        let words = (0..*count).map(|address| stamp::register(stamp, address)).collect();
        Ok(match request {
            Request::ReadInputRegisters(..) => Response::ReadInputRegisters(words),
            _ => Response::ReadHoldingRegisters(words),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(devices: usize) -> Port {
        Port { devices: Arc::new((0..devices).map(|_| Answers::default()).collect()), first: 0 }
    }

    #[test]
    fn each_answer_has_its_own_moment_and_is_remembered() {
        let port = port(2);
        let mut stamps = Vec::new();
        for _ in 0..1_000 {
            let Ok(Response::ReadHoldingRegisters(words)) = port.respond(2, &Request::ReadHoldingRegisters(0, 100))
            else {
                panic!("no answer");
            };
            stamps.push(stamp::read(&words).unwrap());
        }
        assert!(stamps.is_sorted_by(|a, b| a < b), "two answers have one moment");
        assert_eq!(answer(&port.devices, &format!("report 0 {}", u64::MAX)), json!([[], stamps]));
        assert_eq!(answer(&port.devices, "seen"), json!(1));
    }

    #[test]
    fn a_unit_that_is_not_there_does_not_answer_for_another() {
        for unit in [0, 3, 201, 255] {
            let answer = port(2).respond(unit, &Request::ReadHoldingRegisters(0, 1));
            assert_eq!(answer, Err(ExceptionCode::GatewayTargetDevice), "unit {unit}");
        }
    }

    #[test]
    fn every_device_has_its_place() {
        assert_eq!(place(0), (0, 1));
        assert_eq!(place(199), (0, 200));
        assert_eq!(place(200), (1, 1));
    }
}
