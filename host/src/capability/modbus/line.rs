//! A serial line with Modbus slaves on it.

use std::time::Duration;

use tokio_modbus::prelude::{Request, Response};

use super::request::RequestError;
use crate::capability::Plug;
use crate::capability::wire::{Reporter, Trace};
use crate::config::model::ModbusLineLink;

/// One line of the configuration.
pub struct Line {
    reporter: Reporter,
    trace: Trace,
}

impl Line {
    /// A line that is opened when it is first needed.
    pub fn new(name: &str, settings: ModbusLineLink, _plug: Plug) -> Self {
        drop(settings);
        Line { reporter: Reporter::new(name, ""), trace: Trace::new(name) }
    }

    pub(super) fn reporter(&self) -> &Reporter {
        &self.reporter
    }

    pub(super) fn trace(&self) -> &Trace {
        &self.trace
    }

    pub(super) async fn call<T>(
        &self,
        _unit: u8,
        _timeout: Option<Duration>,
        _request: Request<'_>,
        _judge: impl FnOnce(Response) -> Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        Err(RequestError::Closed("not built yet".into()))
    }
}
