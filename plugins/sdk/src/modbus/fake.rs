//! An instrument in memory, for the native tests of drivers.
//!
//! It behaves as a device does: an address that nobody set is an illegal data address, and requests that break the
//! standard are refused. Every request is remembered, so that a test can say how many there were.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::modbus::{Block, Control, Error, MAX_BITS, MAX_REGISTERS, Registers, Table};

/// One unit of a device. Clones and other units share one memory.
#[derive(Debug, Clone, Default)]
pub struct Bank {
    unit: u8,
    shared: Rc<RefCell<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    cells: BTreeMap<(u8, Table, u16), u16>,
    failing: Vec<(u8, Table, u16, Error)>,
    requests: Vec<Request>,
}

/// What a driver asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A read of this block of this unit.
    Read(u8, Block),
    /// A write of these values (a coil is 0 or 1), from this address of this table of this unit.
    Write(u8, Table, u16, Vec<u16>),
    /// Another function and its data.
    Call(u8, u8, Vec<u8>),
}

impl Bank {
    /// An empty device: unit 0 stands for the unit that the link is addressed to.
    pub fn new() -> Self {
        Bank::default()
    }

    /// Puts words (for a table of bits 0 or 1) into a table.
    pub fn set(&self, table: Table, address: u16, words: &[u16]) -> &Self {
        let mut shared = self.shared.borrow_mut();
        for (address, word) in (address..=u16::MAX).zip(words) {
            shared.cells.insert((self.unit, table, address), *word);
        }
        self
    }

    /// Every request that touches this address fails so, until [`Bank::heal`].
    pub fn fail(&self, table: Table, address: u16, err: Error) -> &Self {
        self.shared.borrow_mut().failing.push((self.unit, table, address, err));
        self
    }

    /// Nothing fails any more.
    pub fn heal(&self) {
        self.shared.borrow_mut().failing.clear();
    }

    /// What was asked since the last call of this function.
    pub fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.shared.borrow_mut().requests)
    }

    fn read(&self, table: Table, address: u16, count: u16) -> Result<Vec<u16>, Error> {
        let block = Block { table, address, count };
        let mut shared = self.shared.borrow_mut();
        shared.requests.push(Request::Read(self.unit, block));
        let limit = if table.is_bits() { MAX_BITS } else { MAX_REGISTERS };
        let end = u32::from(address) + u32::from(count);
        if count == 0 || count > limit || end > 65536 {
            return Err(Error::BadRequest(format!("{count} from {address} at once")));
        }
        let touches = |at: u16| at >= address && u32::from(at) < end;
        if let Some((.., err)) =
            shared.failing.iter().find(|(unit, of, at, _)| *unit == self.unit && *of == table && touches(*at))
        {
            return Err(err.clone());
        }
        (address..=u16::MAX)
            .take(usize::from(count))
            .map(|at| shared.cells.get(&(self.unit, table, at)).copied().ok_or(Error::Exception(2)))
            .collect()
    }

    fn write(&self, table: Table, address: u16, values: Vec<u16>) -> Result<(), Error> {
        self.shared.borrow_mut().requests.push(Request::Write(self.unit, table, address, values.clone()));
        let shared = self.shared.borrow();
        let failing = shared.failing.iter().find(|(unit, of, at, _)| (*unit, *of, *at) == (self.unit, table, address));
        if let Some((.., err)) = failing {
            return Err(err.clone());
        }
        drop(shared);
        self.set(table, address, &values);
        Ok(())
    }
}

impl Registers for Bank {
    fn unit(&self, unit: u8) -> Result<Self, Error> {
        Ok(Bank { unit, shared: Rc::clone(&self.shared) })
    }

    fn read_coils(&self, address: u16, count: u16) -> Result<Vec<bool>, Error> {
        Ok(self.read(Table::Coil, address, count)?.into_iter().map(|word| word != 0).collect())
    }

    fn read_discrete_inputs(&self, address: u16, count: u16) -> Result<Vec<bool>, Error> {
        Ok(self.read(Table::Discrete, address, count)?.into_iter().map(|word| word != 0).collect())
    }

    fn read_holding_registers(&self, address: u16, count: u16) -> Result<Vec<u16>, Error> {
        self.read(Table::Holding, address, count)
    }

    fn read_input_registers(&self, address: u16, count: u16) -> Result<Vec<u16>, Error> {
        self.read(Table::Input, address, count)
    }
}

impl Control for Bank {
    fn write_coil(&self, address: u16, value: bool) -> Result<(), Error> {
        self.write(Table::Coil, address, vec![value.into()])
    }

    fn write_coils(&self, address: u16, values: &[bool]) -> Result<(), Error> {
        self.write(Table::Coil, address, values.iter().map(|value| u16::from(*value)).collect())
    }

    fn write_register(&self, address: u16, value: u16) -> Result<(), Error> {
        self.write(Table::Holding, address, vec![value])
    }

    fn write_registers(&self, address: u16, values: &[u16]) -> Result<(), Error> {
        self.write(Table::Holding, address, values.to_vec())
    }

    fn call(&self, function: u8, data: &[u8]) -> Result<Vec<u8>, Error> {
        self.shared.borrow_mut().requests.push(Request::Call(self.unit, function, data.to_vec()));
        Err(Error::Exception(1))
    }
}
