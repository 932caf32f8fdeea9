//! Modbus as a master.
//!
//! [`Registers`] and [`Control`] are what a driver asks of its link. [`Link`] is the real one; [`fake::Bank`] is an
//! instrument in memory for a driver's own tests. [`plan_blocks`] turns the wanted registers into few requests.
//!
//! A driver never retries within a poll: it reports the error, and the next poll is the retry.

mod error;
#[cfg(not(target_arch = "wasm32"))]
pub mod fake;
mod link;
mod plan;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use error::Error;
pub use link::Link;
pub use plan::{Span, plan_blocks};

/// Registers that one request may read, by the standard.
pub const MAX_REGISTERS: u16 = 125;
/// Coils or discrete inputs that one request may read, by the standard.
pub const MAX_BITS: u16 = 2000;

/// Reading. `address` is that of the protocol data unit, from 0.
pub trait Registers {
    /// The same connection, addressed to another unit behind it.
    fn unit(&self, unit: u8) -> Result<Self, Error>
    where
        Self: Sized;
    /// Function 1.
    fn read_coils(&self, address: u16, count: u16) -> Result<Vec<bool>, Error>;
    /// Function 2.
    fn read_discrete_inputs(&self, address: u16, count: u16) -> Result<Vec<bool>, Error>;
    /// Function 3.
    fn read_holding_registers(&self, address: u16, count: u16) -> Result<Vec<u16>, Error>;
    /// Function 4.
    fn read_input_registers(&self, address: u16, count: u16) -> Result<Vec<u16>, Error>;
}

/// Writing. A driver that calls any of these imports `tutin:modbus/control`, which the configuration must grant.
pub trait Control {
    /// Function 5.
    fn write_coil(&self, address: u16, value: bool) -> Result<(), Error>;
    /// Function 15.
    fn write_coils(&self, address: u16, values: &[bool]) -> Result<(), Error>;
    /// Function 6.
    fn write_register(&self, address: u16, value: u16) -> Result<(), Error>;
    /// Function 16.
    fn write_registers(&self, address: u16, values: &[u16]) -> Result<(), Error>;
    /// Any other function; `data` is what follows the function code, and so is the answer.
    fn call(&self, function: u8, data: &[u8]) -> Result<Vec<u8>, Error>;
}

/// The four tables of a Modbus device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    /// Coils: bits that can be written.
    Coil,
    /// Discrete inputs: bits that can only be read.
    Discrete,
    /// Holding registers: words that can be written.
    Holding,
    /// Input registers: words that can only be read.
    Input,
}

impl Table {
    /// True for coils and discrete inputs.
    pub fn is_bits(self) -> bool {
        matches!(self, Table::Coil | Table::Discrete)
    }

    /// What one request may read of it, by the standard.
    pub fn limit(self) -> u16 {
        if self.is_bits() { MAX_BITS } else { MAX_REGISTERS }
    }
}

/// A contiguous part of one table: what one request reads. Shown as "input registers 30 to 41".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Block {
    /// Of which table.
    pub table: Table,
    /// First address, from 0.
    pub address: u16,
    /// How many.
    pub count: u16,
}

impl Block {
    /// Reads a block of a table of registers. An answer of another length is an error.
    pub fn words<L: Registers>(&self, link: &L) -> Result<Vec<u16>, Error> {
        let words = match self.table {
            Table::Holding => link.read_holding_registers(self.address, self.count)?,
            Table::Input => link.read_input_registers(self.address, self.count)?,
            Table::Coil | Table::Discrete => return Err(Error::BadRequest(format!("{self} are bits, not words"))),
        };
        self.complete(words)
    }

    /// Reads a block of a table of bits. An answer of another length is an error.
    pub fn bits<L: Registers>(&self, link: &L) -> Result<Vec<bool>, Error> {
        let bits = match self.table {
            Table::Coil => link.read_coils(self.address, self.count)?,
            Table::Discrete => link.read_discrete_inputs(self.address, self.count)?,
            Table::Holding | Table::Input => return Err(Error::BadRequest(format!("{self} are words, not bits"))),
        };
        self.complete(bits)
    }

    fn complete<T>(&self, cells: Vec<T>) -> Result<Vec<T>, Error> {
        if cells.len() == usize::from(self.count) {
            return Ok(cells);
        }
        Err(Error::BadResponse(format!("{} values instead of {}", cells.len(), self.count)))
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.table {
            Table::Coil => "coil",
            Table::Discrete => "discrete input",
            Table::Holding => "holding register",
            Table::Input => "input register",
        };
        let last = u32::from(self.address) + u32::from(self.count.max(1)) - 1;
        match self.count {
            0 | 1 => write!(f, "{name} {}", self.address),
            _ => write!(f, "{name}s {} to {last}", self.address),
        }
    }
}
