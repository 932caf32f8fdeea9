//! A Modbus TCP connection that comes back by itself, shared by the units behind it.
//!
//! There is no task: whoever has the turn connects when there is no connection, sends one request and waits for its
//! answer. Turns are given in the order in which they were asked for.
//!
//! Invariant: after a timeout, a broken answer or a request that was dropped half way the connection is closed, so that a
//! late answer can never be taken for the current one.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, timeout};
use tokio_modbus::client::{Client, Context, tcp};
use tokio_modbus::prelude::{Request, Response, Slave, SlaveContext};
use tracing::{debug, info, warn};

use super::request::RequestError;
use crate::config::model::ModbusTcpLink;

/// How a connection is, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionState {
    /// Nobody has asked for anything yet.
    Idle,
    /// Open.
    Connected,
    /// Closed, and why.
    Waiting(String),
}

/// One connection of the configuration.
pub struct Connection {
    name: Arc<str>,
    settings: ModbusTcpLink,
    /// Held over a whole request: the protocol allows one at a time on a line. The waiters are the line's queue.
    line: Mutex<Line>,
    state: watch::Sender<ConnectionState>,
}

struct Line {
    /// Taken out while a request runs, so that a request that is dropped closes the connection.
    context: Option<Context>,
    /// Next pause before connecting again.
    pause: Duration,
    /// No connection is tried before this.
    not_before: Option<Instant>,
}

/// A connection as one device sees it: addressed to a unit, with the units that it may address.
#[derive(Clone)]
pub struct Link {
    connection: Arc<Connection>,
    unit: u8,
    more_units: Arc<[u8]>,
}

impl Link {
    /// A link to `unit`, that may also be turned to `more_units`.
    pub fn new(connection: Arc<Connection>, unit: u8, more_units: &[u8]) -> Self {
        Link { connection, unit, more_units: more_units.into() }
    }

    /// The same connection, addressed to another unit.
    pub fn to_unit(&self, unit: u8) -> Result<Link, RequestError> {
        if unit == self.unit || self.more_units.contains(&unit) {
            Ok(Link { unit, ..self.clone() })
        } else {
            Err(RequestError::BadRequest(format!("unit {unit} is not granted to this device (more_units)")))
        }
    }

    /// Sends one request, waits for its answer and takes from it what was asked for; `judge` says what that is, and an answer that it
    /// calls bad closes the connection.
    pub async fn call<T>(
        &self,
        request: Request<'_>,
        judge: impl FnOnce(Response) -> Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        self.connection.call(self.unit, request, judge).await
    }
}

impl Connection {
    /// A connection that is made when it is first needed.
    pub fn new(name: &str, settings: ModbusTcpLink) -> Arc<Self> {
        let line = Line { context: None, pause: settings.reconnect_min, not_before: None };
        let state = watch::Sender::new(ConnectionState::Idle);
        Arc::new(Connection { name: name.into(), settings, line: Mutex::new(line), state })
    }

    /// A connection that is never made: every request fails at once. For checking a configuration without touching anything.
    pub fn unplugged(name: &str, settings: ModbusTcpLink) -> Arc<Self> {
        let far = Instant::now() + Duration::from_secs(365 * 24 * 3600);
        let line = Line { context: None, pause: settings.reconnect_min, not_before: Some(far) };
        let state = watch::Sender::new(ConnectionState::Waiting(String::from("nothing is connected while checking")));
        Arc::new(Connection { name: name.into(), settings, line: Mutex::new(line), state })
    }

    async fn call<T>(
        &self,
        unit: u8,
        request: Request<'_>,
        judge: impl FnOnce(Response) -> Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        let mut line = self.line.lock().await;
        let mut context = match line.context.take() {
            Some(context) => context,
            None => self.connect(&mut line).await?,
        };
        context.set_slave(Slave(unit));
        match timeout(self.settings.timeout, context.call(request)).await {
            Ok(Ok(answer)) => {
                let answer = answer.map_err(|exception| RequestError::Exception(exception.into())).and_then(judge);
                if let Err(RequestError::BadResponse(what)) = &answer {
                    self.lost(&mut line, what.clone());
                } else {
                    line.context = Some(context);
                    line.pause = self.settings.reconnect_min;
                    // Only an answer shows that the device is there: a silent one accepts connections too.
                    self.report(ConnectionState::Connected);
                }
                answer
            }
            Ok(Err(tokio_modbus::Error::Protocol(error))) => {
                let error = RequestError::BadResponse(error.to_string());
                self.lost(&mut line, error.to_string());
                Err(error)
            }
            Ok(Err(tokio_modbus::Error::Transport(error))) => {
                let reason = transport_reason(&error);
                self.lost(&mut line, reason.clone());
                Err(RequestError::Closed(reason))
            }
            // The unit is silent, the connection is not: the next request may connect at once, so that a dead unit behind a
            // gateway does not take the others' turns.
            Err(_) => {
                let error = RequestError::Timeout(self.settings.timeout);
                self.report(ConnectionState::Waiting(format!("unit {unit}: {error}")));
                Err(error)
            }
        }
    }

    async fn connect(&self, line: &mut Line) -> Result<Context, RequestError> {
        if line.not_before.is_some_and(|moment| moment > Instant::now()) {
            let reason = match &*self.state.borrow() {
                ConnectionState::Waiting(reason) => reason.clone(),
                ConnectionState::Idle | ConnectionState::Connected => String::from("waiting to connect"),
            };
            return Err(RequestError::Closed(reason));
        }
        let address = self.settings.address.as_str();
        let opened = match timeout(self.settings.connect_timeout, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => stream.set_nodelay(true).map(|()| stream).map_err(|error| error.to_string()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no connection within {} ms", self.settings.connect_timeout.as_millis())),
        };
        match opened {
            Ok(stream) => {
                line.not_before = None;
                Ok(tcp::attach(stream))
            }
            Err(reason) => {
                let reason = format!("{address}: {reason}");
                self.lost(line, reason.clone());
                Err(RequestError::Closed(reason))
            }
        }
    }

    /// The connection is gone; the next attempt waits, longer each time until an answer comes.
    fn lost(&self, line: &mut Line, reason: String) {
        line.not_before = Some(Instant::now() + line.pause);
        line.pause = line.pause.saturating_mul(2).min(self.settings.reconnect_max);
        self.report(ConnectionState::Waiting(reason));
    }

    /// Says what changed, once: a state that repeats itself is not news.
    fn report(&self, next: ConnectionState) {
        let (name, address) = (&*self.name, self.settings.address.as_str());
        self.state.send_if_modified(|state| {
            if *state == next {
                return false;
            }
            match (&*state, &next) {
                (_, ConnectionState::Connected) => info!(link = name, "connected to {address}"),
                (ConnectionState::Waiting(_), ConnectionState::Waiting(reason)) => debug!(link = name, "{reason}"),
                (_, ConnectionState::Waiting(reason)) => warn!(link = name, "connection lost: {reason}"),
                (_, ConnectionState::Idle) => {}
            }
            *state = next;
            true
        });
    }
}

/// The library reports a closed connection as whatever error the system saw last.
fn transport_reason(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        None | Some(0 | 11 | 115) => match error.kind() {
            std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Other => {
                String::from("the device closed the connection")
            }
            _ => error.to_string(),
        },
        Some(_) => error.to_string(),
    }
}
