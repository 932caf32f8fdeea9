//! The analyzer behind a Modbus TCP socket.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_modbus::prelude::{ExceptionCode, Request, Response};
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::Server;

use super::fault::Fault;
use super::handle::State;
use super::instrument::{Analyzer, Refusal};
use crate::simulator::OrderError;
use crate::simulator::door::{DoorKeeper, Presence};

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

impl Running {
    pub(super) fn new(analyzer: Analyzer, door: DoorKeeper) -> Self {
        Running {
            address: door.address(),
            analyzer: Mutex::new(analyzer),
            started: Instant::now(),
            connections: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            door,
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

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
    pub(super) async fn follow(&self) -> Result<(), OrderError> {
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
pub(super) async fn serve(listener: TcpListener, running: Arc<Running>) {
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
