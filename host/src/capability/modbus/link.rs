//! A Modbus connection as one device sees it: addressed to a unit, with the units that it may address.

use std::sync::Arc;
use std::time::Duration;

use tokio_modbus::prelude::{Request, Response};

use super::line::Line;
use super::request::RequestError;
use super::tcp::Tcp;
use crate::capability::wire::{Reporter, Trace};
use crate::capability::{Addressing, Plug};
use crate::config::model::{ModbusLineLink, ModbusTcpLink};

/// One connection of the configuration.
pub enum Connection {
    /// With transaction numbers: a TCP connection to the instrument or a gateway.
    Tcp(Tcp),
    /// Without: a serial line, or a converter that passes its bytes on.
    Line(Line),
    /// Nothing is connected: a function of this program answers at once.
    Memory(Memory),
}

/// The answer of a unit to a request.
type Answer = dyn Fn(u8, &Request<'_>) -> Response + Send + Sync;

/// What answers in place of an instrument.
pub struct Memory {
    answer: Box<Answer>,
    reporter: Reporter,
    trace: Trace,
}

/// A connection as one device sees it.
#[derive(Clone)]
pub struct Link {
    connection: Arc<Connection>,
    unit: u8,
    more_units: Arc<[u8]>,
    timeout: Option<Duration>,
}

impl Connection {
    /// A TCP connection that is made when it is first needed.
    pub fn tcp(name: &str, settings: ModbusTcpLink, plug: Plug) -> Self {
        Connection::Tcp(Tcp::new(name, settings, plug))
    }

    /// A line that is opened when it is first needed.
    pub fn line(name: &str, settings: ModbusLineLink, plug: Plug) -> Self {
        Connection::Line(Line::new(name, settings, plug))
    }

    /// No connection at all: the function is given the unit and the request.
    pub fn memory(name: &str, answer: impl Fn(u8, &Request<'_>) -> Response + Send + Sync + 'static) -> Self {
        let (reporter, trace) = (Reporter::new(name, "memory"), Trace::of_answers(name));
        Connection::Memory(Memory { answer: Box::new(answer), reporter, trace })
    }

    /// How it is.
    pub fn reporter(&self) -> &Reporter {
        match self {
            Connection::Tcp(tcp) => tcp.reporter(),
            Connection::Line(line) => line.reporter(),
            Connection::Memory(memory) => &memory.reporter,
        }
    }

    /// What goes over it.
    pub fn trace(&self) -> &Trace {
        match self {
            Connection::Tcp(tcp) => tcp.trace(),
            Connection::Line(line) => line.trace(),
            Connection::Memory(memory) => &memory.trace,
        }
    }
}

impl Link {
    /// A link for this device.
    pub fn new(connection: Arc<Connection>, device: &Addressing) -> Self {
        let Addressing { unit, timeout, .. } = *device;
        Link { connection, unit, more_units: device.more_units.as_slice().into(), timeout }
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
    /// calls bad closes or resynchronises the connection.
    pub async fn call<T>(
        &self,
        request: Request<'_>,
        judge: impl FnOnce(Response) -> Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        match &*self.connection {
            Connection::Tcp(tcp) => tcp.call(self.unit, request, judge).await,
            Connection::Line(line) => line.call(self.unit, self.timeout, request, judge).await,
            Connection::Memory(memory) => judge((memory.answer)(self.unit, &request)),
        }
    }
}
