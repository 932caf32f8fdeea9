//! The link that the host holds.

use crate::bindings::tutin::modbus::{client, control};
use crate::modbus::{Control, Error, Registers};

/// A connection that the configuration gave to this device. Only inside the host: in a native build every call
/// panics, because there is nobody to call.
#[derive(Debug)]
pub struct Link(client::Link);

impl Link {
    /// The link that the description asked for by this name.
    pub fn open(name: &str) -> Result<Self, Error> {
        Ok(Link(client::Link::open(name)?))
    }
}

impl Registers for Link {
    fn unit(&self, unit: u8) -> Result<Self, Error> {
        Ok(Link(self.0.unit(unit)?))
    }

    fn read_coils(&self, address: u16, count: u16) -> Result<Vec<bool>, Error> {
        Ok(self.0.read_coils(address, count)?)
    }

    fn read_discrete_inputs(&self, address: u16, count: u16) -> Result<Vec<bool>, Error> {
        Ok(self.0.read_discrete_inputs(address, count)?)
    }

    fn read_holding_registers(&self, address: u16, count: u16) -> Result<Vec<u16>, Error> {
        Ok(self.0.read_holding_registers(address, count)?)
    }

    fn read_input_registers(&self, address: u16, count: u16) -> Result<Vec<u16>, Error> {
        Ok(self.0.read_input_registers(address, count)?)
    }
}

impl Control for Link {
    fn write_coil(&self, address: u16, value: bool) -> Result<(), Error> {
        Ok(control::write_coil(&self.0, address, value)?)
    }

    fn write_coils(&self, address: u16, values: &[bool]) -> Result<(), Error> {
        Ok(control::write_coils(&self.0, address, values)?)
    }

    fn write_register(&self, address: u16, value: u16) -> Result<(), Error> {
        Ok(control::write_register(&self.0, address, value)?)
    }

    fn write_registers(&self, address: u16, values: &[u16]) -> Result<(), Error> {
        Ok(control::write_registers(&self.0, address, values)?)
    }

    fn call(&self, function: u8, data: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(control::call(&self.0, function, data)?)
    }
}
