//! A Modbus TCP connection that comes back by itself, shared by the units behind it.
//!
//! There is no task: whoever has the turn connects when there is no connection, sends one request and waits for its
//! answer. Turns are given in the order in which they were asked for.
//!
//! Invariant: after a timeout, a broken answer or a request that was dropped half way the connection is closed, so that a
//! late answer can never be taken for the current one.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_modbus::client::{Client, Context, tcp};
use tokio_modbus::prelude::{Request, Response, Slave, SlaveContext};

use super::request::RequestError;
use super::tap::Tap;
use crate::capability::wire::{Backoff, Reporter, Trace, dial_tcp};
use crate::capability::{Plug, UNPLUGGED};
use crate::config::model::ModbusTcpLink;

/// One connection of the configuration.
pub struct Tcp {
    settings: ModbusTcpLink,
    /// Held over a whole request: the protocol allows one at a time on a line. The waiters are the line's queue.
    line: Mutex<Line>,
    reporter: Reporter,
    trace: Arc<Trace>,
    plug: Plug,
}

struct Line {
    /// Taken out while a request runs, so that a request that is dropped closes the connection.
    context: Option<Context>,
    backoff: Backoff,
    /// Each unit that was asked, and whether it left its last request without an answer.
    silent: BTreeMap<u8, bool>,
}

impl Tcp {
    /// A connection that is made when it is first needed.
    pub fn new(name: &str, settings: ModbusTcpLink, plug: Plug) -> Self {
        let line =
            Mutex::new(Line { context: None, backoff: Backoff::new(settings.reconnect), silent: BTreeMap::new() });
        let reporter = Reporter::new(name, settings.peer.address.clone());
        Tcp { settings, line, reporter, trace: Arc::new(Trace::of_answers(name)), plug }
    }

    pub(super) fn reporter(&self) -> &Reporter {
        &self.reporter
    }

    pub(super) fn trace(&self) -> &Trace {
        &self.trace
    }

    pub(super) async fn call<T>(
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
                    line.backoff.answered();
                    line.silent.insert(unit, false);
                    // Only an answer shows that the device is there: a silent one accepts connections too.
                    self.reporter.connected();
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
                line.silent.insert(unit, true);
                // One silent unit of several says nothing about the connection.
                if line.silent.values().all(|is_silent| *is_silent) {
                    self.reporter.lost(format!("unit {unit}: {error}"));
                }
                Err(error)
            }
        }
    }

    async fn connect(&self, line: &mut Line) -> Result<Context, RequestError> {
        if self.plug == Plug::Out {
            return Err(RequestError::Closed(UNPLUGGED.into()));
        }
        if line.backoff.not_before().is_some() {
            return Err(RequestError::Closed(self.reporter.reason_or("waiting to connect")));
        }
        match dial_tcp(&self.settings.peer).await {
            Ok(io) => {
                line.backoff.connected();
                Ok(tcp::attach(Tap::new(io, Arc::clone(&self.trace))))
            }
            Err(error) => {
                self.lost(line, error.to_string());
                Err(RequestError::Closed(error.to_string()))
            }
        }
    }

    /// The connection is gone; the next attempt waits, longer each time until an answer comes.
    fn lost(&self, line: &mut Line, reason: String) {
        line.backoff.failed();
        self.reporter.lost(reason);
    }
}

/// The library reports a closed connection as whatever error the system saw last.
fn transport_reason(error: &std::io::Error) -> String {
    use std::io::ErrorKind;

    let is_end = match error.raw_os_error() {
        // None at all, EAGAIN, EINPROGRESS: what the connection had gone through before.
        Some(code) => matches!(code, 0 | 11 | 115),
        None => matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::WouldBlock | ErrorKind::Other),
    };
    if is_end { String::from("the device closed the connection") } else { error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::io::Error;

    use super::*;

    #[test]
    fn a_device_that_closed_is_said_to_have_closed() {
        let check = |error: Error, is_end: bool| {
            assert_eq!(transport_reason(&error) == "the device closed the connection", is_end, "{error}");
        };
        check(Error::from_raw_os_error(115), true);
        check(Error::from_raw_os_error(104), false);
        check(std::io::ErrorKind::UnexpectedEof.into(), true);
        check(std::io::ErrorKind::ConnectionReset.into(), false);
    }
}
