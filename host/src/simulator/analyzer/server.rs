//! The analyzer behind a Modbus TCP socket, and the handle that rules it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_modbus::prelude::{ExceptionCode, Request, Response};
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::Server;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::calibration::Phase;
use super::control;
use super::fault::Fault;
use super::instrument::{Analyzer, Options, Refusal};
use super::map::Model;
use crate::simulator::door::{self, DoorKeeper, Presence};
use crate::simulator::{OrderError, StartError};

/// A running analyzer. Dropping it ends the analyzer.
#[derive(Debug)]
pub struct AnalyzerHandle {
    pub(super) running: Arc<Running>,
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

/// What the server, the control port and the handle share.
#[derive(Debug)]
pub(super) struct Running {
    analyzer: Mutex<Analyzer>,
    address: SocketAddr,
    started: Instant,
    connections: AtomicU64,
    requests: AtomicU64,
    door: DoorKeeper,
}

impl Analyzer {
    /// Starts an analyzer that listens on `bind`; port 0 lets the system choose. It answers every unit id. Listens from
    /// before this returns, unless the options begin with [`Fault::Refuse`].
    pub async fn start(model: Model, options: Options, bind: SocketAddr) -> Result<AnalyzerHandle, StartError> {
        let mut analyzer = Analyzer::new(model, &options)?;
        for fault in &options.faults {
            analyzer.set_fault(fault.clone(), Duration::ZERO)?;
        }
        let (listener, address) = door::bind(bind).await?;
        let (door, orders) = DoorKeeper::new(address);
        let running = Arc::new(Running {
            analyzer: Mutex::new(analyzer),
            address,
            started: Instant::now(),
            connections: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            door,
        });
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let served = Arc::clone(&running);
        tasks.spawn(door::keep(listener, address, orders, shutdown.clone(), move |listener, _| {
            serve(listener, Arc::clone(&served))
        }));
        if options.faults.contains(&Fault::Refuse) {
            // An order that cannot be carried out here shows as a device that is there after all.
            let _ = running.door.set(Presence::Gone).await;
        }
        let guard = shutdown.clone().drop_guard();
        Ok(AnalyzerHandle { running, shutdown, tasks, _end_with_the_handle: guard })
    }
}

impl AnalyzerHandle {
    /// Where it listens. Stays the same while it has vanished.
    pub fn address(&self) -> SocketAddr {
        self.running.address
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
        self.tasks.spawn(crate::simulator::http::serve(listener, router, self.shutdown.child_token()));
        Ok(address)
    }

    /// Ends it; returns when it is gone.
    pub async fn shutdown(mut self) {
        self.shutdown.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Running {
    pub(super) fn state(&self) -> State {
        let at = self.started.elapsed();
        let mut analyzer = self.lock();
        State {
            model: analyzer.model(),
            address: self.address,
            elapsed_s: at.as_secs_f64(),
            row: analyzer.row_number(at),
            phase: analyzer.phase(at),
            faults: analyzer.faults().to_vec(),
            connections: self.connections.load(Ordering::Relaxed),
            requests: self.requests.load(Ordering::Relaxed),
            on: analyzer.discretes(at).into_iter().filter(|(_, _, on)| *on).map(|(_, id, _)| id).collect(),
            inputs: analyzer.inputs(at).into_iter().map(|(_, id, value)| (id, value)).collect(),
        }
    }

    pub(super) async fn set_fault(&self, fault: Fault) -> Result<(), OrderError> {
        self.lock().set_fault(fault, self.started.elapsed())?;
        self.follow().await
    }

    pub(super) async fn clear_fault(&self, fault: &Fault) -> Result<(), OrderError> {
        self.lock().clear_fault(fault);
        self.follow().await
    }

    pub(super) async fn clear_faults(&self) -> Result<(), OrderError> {
        self.lock().clear_faults();
        self.follow().await
    }

    /// Opens or shuts the door as the faults say.
    async fn follow(&self) -> Result<(), OrderError> {
        let gone = self.lock().active().holds(&Fault::Refuse);
        self.door.set(if gone { Presence::Gone } else { Presence::Here }).await
    }

    fn lock(&self) -> MutexGuard<'_, Analyzer> {
        // Nothing in there is left half done by a panic.
        self.analyzer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long to wait, and what to say then; nothing when the analyzer is silent.
    fn answer(&self, request: &Request<'_>) -> (Duration, Option<Result<Response, ExceptionCode>>) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let at = self.started.elapsed();
        let mut analyzer = self.lock();
        let answer = if analyzer.active().holds(&Fault::Silent) {
            None
        } else if let Some(code) = analyzer.active().exception() {
            Some(Err(ExceptionCode::new(code)))
        } else {
            Some(carry_out(&mut analyzer, at, request).map_err(exception))
        };
        (analyzer.active().delay(), answer)
    }
}

struct Connection(Arc<Running>);

impl Service for Connection {
    type Request = Request<'static>;
    type Response = Option<Response>;
    type Exception = ExceptionCode;
    type Future = BoxFuture<'static, Result<Option<Response>, ExceptionCode>>;

    fn call(&self, request: Request<'static>) -> Self::Future {
        let (delay, answer) = self.0.answer(&request);
        async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            answer.transpose()
        }
        .boxed()
    }
}

/// Accepts connections. Those that it made end soon after the future is dropped.
async fn serve(listener: TcpListener, running: Arc<Running>) {
    let on_connected = |stream: tokio::net::TcpStream, _peer| {
        running.connections.fetch_add(1, Ordering::Relaxed);
        let service = Connection(Arc::clone(&running));
        async move {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "answers may wait for more to send");
            }
            Ok(Some((service, stream)))
        }
    };
    let on_process_error = |error| tracing::debug!(%error, "a connection to a simulated analyzer ended");
    // Accepting fails for a moment when files run out; the instrument goes on.
    let server = Server::new(listener);
    while let Err(error) = server.serve(&on_connected, on_process_error).await {
        tracing::warn!(%error, "a simulated analyzer cannot accept connections");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn carry_out(analyzer: &mut Analyzer, at: Duration, request: &Request<'_>) -> Result<Response, Refusal> {
    Ok(match request {
        Request::ReadCoils(address, count) => Response::ReadCoils(analyzer.read_coils(at, *address, *count)?),
        Request::ReadDiscreteInputs(address, count) => {
            Response::ReadDiscreteInputs(analyzer.read_discrete_inputs(at, *address, *count)?)
        }
        Request::ReadHoldingRegisters(address, count) => {
            Response::ReadHoldingRegisters(analyzer.read_holding_registers(*address, *count)?)
        }
        Request::ReadInputRegisters(address, count) => {
            Response::ReadInputRegisters(analyzer.read_input_registers(at, *address, *count)?)
        }
        Request::WriteSingleCoil(address, on) => {
            analyzer.write_coil(at, *address, *on)?;
            Response::WriteSingleCoil(*address, *on)
        }
        Request::WriteMultipleRegisters(address, words) => {
            analyzer.write_holding_registers(*address, words)?;
            let count = u16::try_from(words.len()).map_err(|_| Refusal::IllegalDataValue)?;
            Response::WriteMultipleRegisters(*address, count)
        }
        _ => return Err(Refusal::IllegalFunction),
    })
}

fn exception(refusal: Refusal) -> ExceptionCode {
    match refusal {
        Refusal::IllegalFunction => ExceptionCode::IllegalFunction,
        Refusal::IllegalDataAddress => ExceptionCode::IllegalDataAddress,
        Refusal::IllegalDataValue => ExceptionCode::IllegalDataValue,
    }
}

#[cfg(test)]
mod tests {
    use tokio_modbus::client::{Client, Context, Reader, Writer, tcp};
    use tokio_modbus::prelude::{Slave, SlaveContext};

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
        let asked = Instant::now();

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
