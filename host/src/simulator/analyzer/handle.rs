//! The analyzer as its owner sees it: started, watched, made faulty, ended.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::calibration::Phase;
use super::control;
use super::fault::Fault;
use super::instrument::Analyzer;
use super::map::Model;
use super::options::Options;
use super::server::{self, Running};
use crate::simulator::door::{self, DoorKeeper};
use crate::simulator::{OrderError, StartError, http};

/// A running analyzer. Dropping it ends the analyzer.
#[derive(Debug)]
pub struct AnalyzerHandle {
    running: Arc<Running>,
    shutdown: CancellationToken,
    tasks: JoinSet<()>,
    _end_with_the_handle: DropGuard,
}

/// What an analyzer is doing, for people and for tests.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct State {
    /// Which instrument.
    pub model: Model,
    /// Where it listens, or would.
    pub address: SocketAddr,
    /// Seconds since it was started.
    pub elapsed_s: f64,
    /// Row of the recording that it measures, from 0.
    pub row: usize,
    /// Measuring, zero or span.
    pub phase: Phase,
    /// What is wrong.
    pub faults: Vec<Fault>,
    /// Connections accepted since the start.
    pub connections: u64,
    /// Requests taken since the start, answered or not.
    pub requests: u64,
    /// Ids of the discrete inputs that are on.
    pub on: Vec<&'static str>,
    /// Numbers of the input registers by id.
    pub inputs: BTreeMap<&'static str, f32>,
}

impl Analyzer {
    /// Starts an analyzer that listens on `bind`; port 0 lets the system choose. It answers every unit id. Listens from
    /// before this returns, unless the options begin with [`Fault::Refuse`].
    pub async fn start(model: Model, options: Options, bind: SocketAddr) -> Result<AnalyzerHandle, StartError> {
        let mut analyzer = Analyzer::new(model, &options)?;
        for fault in options.faults {
            analyzer.set_fault(fault, Duration::ZERO)?;
        }
        let (listener, address) = door::bind(bind).await?;
        let (door, orders) = DoorKeeper::new(address);
        let running = Arc::new(Running::new(analyzer, door));
        let shutdown = CancellationToken::new();
        let served = Arc::clone(&running);
        let mut tasks = JoinSet::new();
        tasks.spawn(door::keep(listener, address, orders, shutdown.clone(), move |listener, _| {
            server::serve(listener, Arc::clone(&served))
        }));
        // An order that cannot be carried out here shows as a device that is there after all.
        let _ = running.follow().await;
        let guard = shutdown.clone().drop_guard();
        Ok(AnalyzerHandle { running, shutdown, tasks, _end_with_the_handle: guard })
    }
}

impl AnalyzerHandle {
    /// Where it listens. Stays the same while it has vanished.
    pub fn address(&self) -> SocketAddr {
        self.running.address()
    }

    /// What it is doing now.
    pub fn state(&self) -> State {
        self.running.state()
    }

    /// Makes something wrong. [`Fault::Refuse`] makes it vanish: when this returns, it does not listen any more and its
    /// connections end.
    pub async fn set_fault(&self, fault: Fault) -> Result<(), OrderError> {
        self.running.set_fault(fault).await
    }

    /// Puts one thing right. After [`Fault::Refuse`] it listens again on the same port.
    pub async fn clear_fault(&self, fault: &Fault) -> Result<(), OrderError> {
        self.running.clear_fault(fault).await
    }

    /// Puts everything right.
    pub async fn clear_faults(&self) -> Result<(), OrderError> {
        self.running.clear_faults().await
    }

    /// Opens a control port: `GET /state`, `POST /fault`, `POST /clear`. Returns where; it ends with the analyzer.
    pub async fn open_control(&mut self, bind: SocketAddr) -> Result<SocketAddr, StartError> {
        let (listener, address) = door::bind(bind).await?;
        let router = control::router(Arc::clone(&self.running));
        self.tasks.spawn(http::serve(listener, router, self.shutdown.child_token()));
        Ok(address)
    }

    /// Ends it; returns when it is gone.
    pub async fn shutdown(mut self) {
        self.shutdown.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use tokio_modbus::client::{Client, Context, Reader, Writer, tcp};
    use tokio_modbus::prelude::{ExceptionCode, Request, Slave, SlaveContext};

    use super::*;
    use crate::simulator::Recording;

    async fn started(faults: &[&str]) -> AnalyzerHandle {
        let faults = faults.iter().map(|text| text.parse().unwrap()).collect();
        let options = Options { step: Duration::ZERO, faults, ..Options::default() };
        Analyzer::start(Model::T200, options, "127.0.0.1:0".parse().unwrap()).await.unwrap()
    }

    async fn connected(analyzer: &AnalyzerHandle) -> Context {
        tcp::connect(analyzer.address()).await.unwrap()
    }

    #[tokio::test]
    async fn a_client_reads_the_recorded_value_bit_for_bit_at_any_unit_id() {
        let analyzer = started(&[]).await;
        let mut client = connected(&analyzer).await;
        let expected = (Recording::embedded().unwrap().rows()[0].nox_ppb() as f32).to_bits();

        for unit in [1, 7, 255] {
            client.set_slave(Slave(unit));
            let words = client.read_input_registers(30, 2).await.unwrap().unwrap();
            assert_eq!(u32::from(words[0]) << 16 | u32::from(words[1]), expected);
        }
        assert_eq!((analyzer.state().connections, analyzer.state().requests), (1, 3));
        analyzer.shutdown().await;
    }

    #[tokio::test]
    async fn what_the_map_does_not_have_is_an_exception() {
        let analyzer = started(&[]).await;
        let mut client = connected(&analyzer).await;

        assert_eq!(client.read_input_registers(88, 2).await.unwrap(), Err(ExceptionCode::IllegalDataAddress));
        assert_eq!(client.read_discrete_inputs(31, 1).await.unwrap(), Err(ExceptionCode::IllegalDataAddress));
        assert_eq!(client.write_single_coil(19, true).await.unwrap(), Err(ExceptionCode::IllegalDataAddress));
        assert_eq!(client.write_single_register(0, 1).await.unwrap(), Err(ExceptionCode::IllegalFunction));
        let unknown = client.call(Request::Custom(0x41, vec![1].into())).await.unwrap();
        assert_eq!(unknown, Err(ExceptionCode::IllegalFunction));
    }

    #[tokio::test]
    async fn a_coil_written_by_a_client_shows_in_the_status() {
        let analyzer = started(&[]).await;
        let mut client = connected(&analyzer).await;

        client.write_single_coil(20, true).await.unwrap().unwrap();

        let bits = client.read_discrete_inputs(18, 4).await.unwrap().unwrap();
        assert_eq!(bits, [true, false, false, true]);
        assert_eq!(analyzer.state().on, ["in_zero_cal", "system_is_ok"]);
    }

    #[tokio::test]
    async fn an_analyzer_vanishes_and_returns_on_the_same_port() {
        let analyzer = started(&[]).await;
        let mut before = connected(&analyzer).await;
        before.read_input_registers(30, 2).await.unwrap().unwrap();

        analyzer.set_fault(Fault::Refuse).await.unwrap();
        assert!(before.read_input_registers(30, 2).await.is_err(), "its connections are closed");
        assert!(tcp::connect(analyzer.address()).await.is_err(), "it does not listen");

        analyzer.clear_fault(&Fault::Refuse).await.unwrap();
        connected(&analyzer).await.read_input_registers(30, 2).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn faults_of_the_options_hold_from_the_beginning() {
        let refusing = started(&["refuse"]).await;
        assert!(tcp::connect(refusing.address()).await.is_err());

        let failing = started(&["exception:6"]).await;
        let mut client = connected(&failing).await;
        assert_eq!(client.read_input_registers(30, 2).await.unwrap(), Err(ExceptionCode::ServerDeviceBusy));
    }

    #[tokio::test]
    async fn a_silent_analyzer_takes_requests_and_never_answers() {
        let analyzer = started(&["silent"]).await;
        let mut client = connected(&analyzer).await;
        let unanswered = tokio::spawn(async move { client.read_input_registers(30, 2).await });
        while analyzer.state().requests == 0 {
            tokio::task::yield_now().await;
        }

        analyzer.clear_faults().await.unwrap();
        connected(&analyzer).await.read_input_registers(30, 2).await.unwrap().unwrap();

        assert!(!unanswered.is_finished(), "even when it speaks again, what it was silent about stays so");
    }

    #[tokio::test]
    async fn a_slow_analyzer_answers_after_its_delay() {
        let analyzer = started(&["slow:80"]).await;
        let mut client = connected(&analyzer).await;
        let asked = std::time::Instant::now();

        client.read_input_registers(30, 2).await.unwrap().unwrap();

        assert!(asked.elapsed() >= Duration::from_millis(80), "{:?}", asked.elapsed());
    }

    #[tokio::test]
    async fn dropping_the_handle_ends_the_analyzer() {
        let analyzer = started(&[]).await;
        let mut client = connected(&analyzer).await;
        client.read_input_registers(30, 2).await.unwrap().unwrap();

        drop(analyzer);

        let closed = async { while client.read_input_registers(30, 2).await.is_ok() {} };
        tokio::time::timeout(Duration::from_secs(10), closed).await.unwrap();
    }
}
