//! The instrument of a case by itself, for whoever wants to connect something to it.

use std::net::SocketAddr;
use std::time::Duration;

use crate::kit::case::Instrument;
use crate::simulator::StartError;
use crate::simulator::scripted::frame::bytes;
use crate::simulator::scripted::line::{self, Exchange, Line};
use crate::simulator::scripted::modbus::{self, Device};

/// An instrument that listens; dropping it ends it.
pub enum Rehearsal {
    /// It answers lines and frames.
    Line(line::Open),
    /// It has registers.
    Modbus(modbus::Open),
}

impl Rehearsal {
    /// The instrument as it is before the first step.
    pub async fn start(instrument: &Instrument, listen: SocketAddr) -> Result<Self, StartError> {
        if instrument.registers.is_empty() {
            let greeting = instrument.greeting.iter().map(|frame| (Duration::ZERO, bytes(frame))).collect();
            let line = Line::new(instrument.answers.iter().map(Exchange::from), greeting);
            return Ok(Rehearsal::Line(line.listen(listen).await?));
        }
        let device = Device::default();
        device.set(&instrument.registers);
        Ok(Rehearsal::Modbus(device.listen(listen).await?))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        match self {
            Rehearsal::Line(open) => open.address,
            Rehearsal::Modbus(open) => open.address,
        }
    }
}
