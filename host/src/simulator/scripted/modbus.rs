//! A Modbus device whose registers say what they were told: over TCP, any unit.
//!
//! An address that nobody set is an illegal data address (exception 2), a function that no such device has an illegal function (1).

use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use tokio_modbus::prelude::{ExceptionCode, Request, Response, SlaveRequest};
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::{Server, accept_tcp_connection};
use tokio_util::task::AbortOnDropHandle;

use crate::simulator::{StartError, door};

/// One of the four tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    /// Single bits that can be written.
    Coil,
    /// Single bits.
    Discrete,
    /// Registers that can be written.
    Holding,
    /// Registers.
    Input,
}

/// What stands in registers or bits, from an address on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registers {
    /// The unit; without it any.
    pub unit: Option<u8>,
    /// Where.
    pub table: Table,
    /// Protocol address, from 0.
    pub address: u16,
    /// Registers as they are, -32768 to 65535.
    #[serde(default)]
    pub words: Vec<i32>,
    /// IEEE 754 in two registers each, the high word first.
    #[serde(default)]
    pub f32: Vec<f32>,
    /// The same with the low word first.
    #[serde(default)]
    pub f32_low_first: Vec<f32>,
    /// Two characters in a register, filled with zero.
    #[serde(default)]
    pub text: String,
    /// Coils and discrete inputs.
    #[serde(default)]
    pub bits: Vec<bool>,
}

/// The device. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Device {
    shared: Arc<Mutex<Memory>>,
}

/// A device that listens; dropping it ends it.
#[derive(Debug)]
pub struct Open {
    /// Where.
    pub address: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

#[derive(Debug, Default)]
struct Memory {
    cells: BTreeMap<(Option<u8>, Table, u16), u16>,
    /// Every request is answered so.
    exception: Option<u8>,
    written: Vec<String>,
}

impl Registers {
    fn values(&self) -> Vec<u16> {
        let parts = |value: &f32| [(value.to_bits() >> 16) as u16, value.to_bits() as u16];
        let mut values: Vec<u16> = self.words.iter().map(|word| *word as u16).collect();
        values.extend(self.f32.iter().flat_map(parts));
        values.extend(self.f32_low_first.iter().map(parts).flat_map(|[high, low]| [low, high]));
        let pair =
            |pair: &[u8]| u16::from_be_bytes([pair.first().copied().unwrap_or(0), pair.get(1).copied().unwrap_or(0)]);
        values.extend(self.text.as_bytes().chunks(2).map(pair));
        values.extend(self.bits.iter().map(|bit| u16::from(*bit)));
        values
    }
}

impl Device {
    /// Writes into the tables.
    pub fn set<'a>(&self, registers: impl IntoIterator<Item = &'a Registers>) {
        let mut memory = self.lock();
        for block in registers {
            for (address, value) in (block.address..=u16::MAX).zip(block.values()) {
                memory.cells.insert((block.unit, block.table, address), value);
            }
        }
    }

    /// Answers everything with this exception, or as usual again.
    pub fn answer_with(&self, exception: Option<u8>) {
        self.lock().exception = exception;
    }

    /// What the driver wrote since the last call, as `holding 426 = 16256 0`.
    pub fn written(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().written)
    }

    /// Waits for the hub to connect.
    pub async fn listen(&self, address: SocketAddr) -> Result<Open, StartError> {
        let (listener, address) = door::bind(address).await?;
        let device = self.clone();
        let task = tokio::spawn(async move {
            let connect = |stream, peer| {
                let device = device.clone();
                async move { accept_tcp_connection(stream, peer, move |_| Ok(Some(device.clone()))) }
            };
            // It ends with its task.
            let _ = Server::new(listener).serve(&connect, |_| {}).await;
        });
        Ok(Open { address, _task: AbortOnDropHandle::new(task) })
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        // Nothing in there is left half done by a panic.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service for Device {
    type Request = SlaveRequest<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Response, ExceptionCode>>;

    fn call(&self, request: SlaveRequest<'static>) -> Self::Future {
        let mut memory = self.lock();
        ready(match memory.exception {
            Some(code) => Err(ExceptionCode::new(code)),
            None => memory.carry_out(request.slave, request.request),
        })
    }
}

impl Memory {
    fn carry_out(&mut self, unit: u8, request: Request<'_>) -> Result<Response, ExceptionCode> {
        let is_on = |words: Vec<u16>| words.into_iter().map(|word| word != 0).collect();
        match request {
            Request::ReadCoils(at, count) => Ok(Response::ReadCoils(is_on(self.read(unit, Table::Coil, at, count)?))),
            Request::ReadDiscreteInputs(at, count) => {
                Ok(Response::ReadDiscreteInputs(is_on(self.read(unit, Table::Discrete, at, count)?)))
            }
            Request::ReadHoldingRegisters(at, count) => {
                Ok(Response::ReadHoldingRegisters(self.read(unit, Table::Holding, at, count)?))
            }
            Request::ReadInputRegisters(at, count) => {
                Ok(Response::ReadInputRegisters(self.read(unit, Table::Input, at, count)?))
            }
            Request::WriteSingleCoil(at, value) => {
                self.write(unit, Table::Coil, at, &[value.into()])?;
                Ok(Response::WriteSingleCoil(at, value))
            }
            Request::WriteSingleRegister(at, value) => {
                self.write(unit, Table::Holding, at, &[value])?;
                Ok(Response::WriteSingleRegister(at, value))
            }
            Request::WriteMultipleCoils(at, values) => {
                let words: Vec<u16> = values.iter().map(|bit| u16::from(*bit)).collect();
                self.write(unit, Table::Coil, at, &words)?;
                Ok(Response::WriteMultipleCoils(at, count(&words)))
            }
            Request::WriteMultipleRegisters(at, values) => {
                self.write(unit, Table::Holding, at, &values)?;
                Ok(Response::WriteMultipleRegisters(at, count(&values)))
            }
            _ => Err(ExceptionCode::IllegalFunction),
        }
    }

    fn read(&self, unit: u8, table: Table, address: u16, count: u16) -> Result<Vec<u16>, ExceptionCode> {
        let cell = |at: u16| {
            let of_unit = self.cells.get(&(Some(unit), table, at));
            of_unit.or_else(|| self.cells.get(&(None, table, at))).copied()
        };
        let addresses = (0..count).map(|offset| address.checked_add(offset));
        addresses.map(|at| at.and_then(cell).ok_or(ExceptionCode::IllegalDataAddress)).collect()
    }

    fn write(&mut self, unit: u8, table: Table, address: u16, values: &[u16]) -> Result<(), ExceptionCode> {
        self.read(unit, table, address, count(values))?;
        for (at, value) in (address..=u16::MAX).zip(values) {
            let of_unit = (Some(unit), table, at);
            let key = if self.cells.contains_key(&of_unit) { of_unit } else { (None, table, at) };
            self.cells.insert(key, *value);
        }
        let name = if table == Table::Coil { "coil" } else { "holding" };
        let values: Vec<String> = values.iter().map(u16::to_string).collect();
        self.written.push(format!("{name} {address} = {}", values.join(" ")));
        Ok(())
    }
}

fn count(values: &[u16]) -> u16 {
    u16::try_from(values.len()).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use tokio_modbus::client::{Reader, Writer, tcp};
    use tokio_modbus::prelude::Slave;

    use super::*;

    #[tokio::test]
    async fn it_answers_as_a_device_with_these_registers() {
        let device = Device::default();
        let read = |text: &str| toml::from_str::<Registers>(text).unwrap();
        device.set(&[
            read("table = 'input'\naddress = 10\nf32 = [12.5]"),
            read("unit = 3\ntable = 'holding'\naddress = 0\nwords = [-1, 7]"),
            read("table = 'coil'\naddress = 4\nbits = [true, false]"),
        ]);
        let open = device.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let mut client = tcp::connect_slave(open.address, Slave(3)).await.unwrap();

        assert_eq!(client.read_input_registers(10, 2).await.unwrap(), Ok(vec![0x4148, 0]));
        assert_eq!(client.read_input_registers(10, 3).await.unwrap(), Err(ExceptionCode::IllegalDataAddress));
        assert_eq!(client.read_coils(4, 2).await.unwrap(), Ok(vec![true, false]));
        assert_eq!(client.write_multiple_registers(0, &[5, 6]).await.unwrap(), Ok(()));
        assert_eq!(client.read_holding_registers(0, 2).await.unwrap(), Ok(vec![5, 6]));
        assert_eq!(device.written(), ["holding 0 = 5 6"]);
        device.answer_with(Some(6));
        assert_eq!(client.read_holding_registers(0, 1).await.unwrap(), Err(ExceptionCode::ServerDeviceBusy));
    }
}
