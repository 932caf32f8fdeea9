//! The instrument: what its registers hold at a moment, and what a write does.
//!
//! Times are told as the time since the start. Source of limits and exceptions: "Modbus Application Protocol
//! Specification V1.1b3", sections 6 and 7.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::calibration::{Calibration, Phase};
use super::fault::{Fault, Faults, UnknownWarning};
use super::map::{Bit, Fitting, Map, Model, Quantity, coil};
use super::options::Options;
use crate::simulator::recording::{Recording, RecordingError, Replay};

/// A simulated analyzer without its socket. [`Analyzer::start`] gives it one.
#[derive(Debug, Clone)]
pub struct Analyzer {
    pub(super) model: Model,
    fittings: BTreeSet<Fitting>,
    pub(super) no2_share: f64,
    pub(super) replay: Replay,
    pub(super) calibration: Calibration,
    faults: Faults,
    pub(super) holdings: BTreeMap<u16, f32>,
    /// Input registers as they were when the fault began.
    frozen: BTreeMap<u16, f32>,
}

/// Why a request is answered with an exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Exception 1: this device does not know the function.
    #[error("illegal function")]
    IllegalFunction,
    /// Exception 2: something in the addressed block does not exist.
    #[error("illegal data address")]
    IllegalDataAddress,
    /// Exception 3: a count beyond the standard's limits, or a value that cannot be.
    #[error("illegal data value")]
    IllegalDataValue,
}

impl Analyzer {
    /// An analyzer that measures the embedded recording. Faults of the options are not set yet: see
    /// [`Analyzer::set_fault`].
    pub fn new(model: Model, options: &Options) -> Result<Self, RecordingError> {
        let mut fittings = options.fittings.clone();
        fittings.insert(Fitting::Standard);
        Ok(Analyzer {
            model,
            fittings,
            no2_share: options.no2_share,
            replay: Recording::embedded()?.replay(options.step, options.start_row),
            calibration: Calibration::new(options.response, options.cycle),
            faults: Faults::default(),
            holdings: model.map().holdings.iter().map(|holding| (holding.address, holding.initial)).collect(),
            frozen: BTreeMap::new(),
        })
    }

    /// Which instrument it is.
    pub fn model(&self) -> Model {
        self.model
    }

    /// Row of the recording that is measured at this time.
    pub fn row_number(&self, at: Duration) -> usize {
        self.replay.row_number(at)
    }

    /// Sampling, zero or span. Takes the automatic cycle up to `at`.
    pub fn phase(&mut self, at: Duration) -> Phase {
        self.calibration.advance(at);
        self.calibration.phase()
    }

    /// The faults that hold.
    pub fn faults(&self) -> &[Fault] {
        self.faults.list()
    }

    pub(super) fn active(&self) -> &Faults {
        &self.faults
    }

    /// Makes something wrong, beginning at `at`.
    pub fn set_fault(&mut self, fault: Fault, at: Duration) -> Result<(), UnknownWarning> {
        if let Fault::Warning { id } = &fault {
            self.check_warning(id)?;
        }
        if fault == Fault::Frozen && !self.faults.holds(&fault) {
            self.frozen = self.inputs(at).into_iter().map(|(address, _, value)| (address, value)).collect();
        }
        self.faults.set(fault);
        Ok(())
    }

    /// Puts one thing right. Nothing happens when it was not wrong.
    pub fn clear_fault(&mut self, fault: &Fault) {
        self.faults.clear(fault);
    }

    /// Puts everything right.
    pub fn clear_faults(&mut self) {
        self.faults = Faults::default();
    }

    /// All input register pairs that exist: address, id, number.
    pub fn inputs(&mut self, at: Duration) -> Vec<(u16, &'static str, f32)> {
        self.calibration.advance(at);
        let rows = self.map().inputs.iter().filter(|row| self.fittings.contains(&row.fitting));
        rows.map(|row| (row.address, row.id, self.input(row.address, row.quantity, at))).collect()
    }

    /// All discrete inputs that exist: address, id, state.
    pub fn discretes(&mut self, at: Duration) -> Vec<(u16, &'static str, bool)> {
        self.calibration.advance(at);
        let rows = self.map().discretes.iter().filter(|row| self.fittings.contains(&row.fitting));
        rows.map(|row| (row.address, row.id, self.bit(row.id, row.bit))).collect()
    }

    /// Function 4.
    pub fn read_input_registers(&mut self, at: Duration, address: u16, count: u16) -> Result<Vec<u16>, Refusal> {
        self.calibration.advance(at);
        self.registers(address, count, |analyzer, pair| {
            let inputs = analyzer.map().inputs;
            let row = inputs.get(inputs.binary_search_by_key(&pair, |row| row.address).ok()?)?;
            analyzer.fittings.contains(&row.fitting).then(|| analyzer.input(row.address, row.quantity, at))
        })
    }

    /// Function 3.
    pub fn read_holding_registers(&self, address: u16, count: u16) -> Result<Vec<u16>, Refusal> {
        self.registers(address, count, Analyzer::holding)
    }

    /// Function 16. Numbers are written whole: both registers of each, finite and not negative.
    pub fn write_holding_registers(&mut self, address: u16, words: &[u16]) -> Result<(), Refusal> {
        let count = u16::try_from(words.len()).map_err(|_| Refusal::IllegalDataValue)?;
        let addresses = block(address, count, 123)?;
        let pairs: Vec<u16> = addresses.step_by(2).collect();
        if pairs.iter().any(|pair| self.holding(*pair & !1).is_none()) {
            return Err(Refusal::IllegalDataAddress);
        }
        if !address.is_multiple_of(2) || !count.is_multiple_of(2) {
            return Err(Refusal::IllegalDataValue);
        }
        let numbers: Vec<f32> = words.chunks_exact(2).map(|words| self.number(words)).collect();
        if numbers.iter().any(|number| !number.is_finite() || *number < 0.0) {
            return Err(Refusal::IllegalDataValue);
        }
        self.holdings.extend(pairs.into_iter().zip(numbers));
        Ok(())
    }

    /// Function 2.
    pub fn read_discrete_inputs(&mut self, at: Duration, address: u16, count: u16) -> Result<Vec<bool>, Refusal> {
        self.calibration.advance(at);
        let discretes = self.map().discretes;
        let state = |address: u16| {
            let row = discretes.get(discretes.binary_search_by_key(&address, |row| row.address).ok()?)?;
            self.fittings.contains(&row.fitting).then(|| self.bit(row.id, row.bit))
        };
        block(address, count, 2000)?.map(|address| state(address).ok_or(Refusal::IllegalDataAddress)).collect()
    }

    /// Function 1: a coil is on while its phase is.
    pub fn read_coils(&mut self, at: Duration, address: u16, count: u16) -> Result<Vec<bool>, Refusal> {
        let phase = self.phase(at);
        let state = |address| coil(address).map(|switched| switched == phase).ok_or(Refusal::IllegalDataAddress);
        block(address, count, 2000)?.map(state).collect()
    }

    /// Function 5: on enters zero or span, off leaves it.
    pub fn write_coil(&mut self, at: Duration, address: u16, on: bool) -> Result<(), Refusal> {
        let phase = coil(address).ok_or(Refusal::IllegalDataAddress)?;
        self.calibration.switch(phase, on, at);
        Ok(())
    }

    fn map(&self) -> Map {
        self.model.map()
    }

    fn holding(&self, pair: u16) -> Option<f32> {
        let row = self.map().holdings.iter().find(|row| row.address == pair)?;
        self.fittings.contains(&row.fitting).then(|| self.holdings.get(&pair).copied())?
    }

    fn registers(
        &self,
        address: u16,
        count: u16,
        number: impl Fn(&Self, u16) -> Option<f32>,
    ) -> Result<Vec<u16>, Refusal> {
        let word = |address: u16| {
            let bits = number(self, address & !1).ok_or(Refusal::IllegalDataAddress)?.to_bits();
            let first = if self.low_word_first() { bits & 0xffff } else { bits >> 16 };
            let second = if self.low_word_first() { bits >> 16 } else { bits & 0xffff };
            u16::try_from(if address.is_multiple_of(2) { first } else { second }).map_err(|_| Refusal::IllegalDataValue)
        };
        block(address, count, 125)?.map(word).collect()
    }

    fn number(&self, words: &[u16]) -> f32 {
        let join = |word: &u16, bits: u32| bits << 16 | u32::from(*word);
        let bits = if self.low_word_first() {
            words.iter().rev().fold(0, |bits, word| join(word, bits))
        } else {
            words.iter().fold(0, |bits, word| join(word, bits))
        };
        f32::from_bits(bits)
    }

    fn low_word_first(&self) -> bool {
        self.faults.holds(&Fault::WrongWordOrder)
    }

    fn input(&self, address: u16, quantity: Quantity, at: Duration) -> f32 {
        match self.frozen.get(&address).filter(|_| self.faults.holds(&Fault::Frozen)) {
            Some(frozen) => *frozen,
            // The instrument computes in double precision and shows single.
            None => self.quantity(quantity, f64::from(address), at) as f32,
        }
    }

    fn bit(&self, id: &str, bit: Bit) -> bool {
        match bit {
            Bit::Warning | Bit::Idle => self.faults.warns(id),
            Bit::InZero => matches!(self.calibration.phase(), Phase::Zero(_)),
            Bit::InSpan => matches!(self.calibration.phase(), Phase::Span(_)),
            Bit::SystemOk => {
                !self.map().discretes.iter().any(|row| row.bit == Bit::Warning && self.faults.warns(row.id))
            }
        }
    }

    fn check_warning(&self, wanted: &str) -> Result<(), UnknownWarning> {
        let settable = || {
            let discretes = self.map().discretes.iter();
            discretes
                .filter(|row| matches!(row.bit, Bit::Warning | Bit::Idle) && self.fittings.contains(&row.fitting))
                .map(|row| row.id)
        };
        if settable().any(|id| id == wanted) {
            return Ok(());
        }
        let likeness = |id: &&str| (strsim::jaro_winkler(id, wanted) * 1e6) as u64;
        Err(UnknownWarning {
            model: self.model.to_string(),
            id: wanted.to_owned(),
            nearest: settable().max_by_key(likeness).unwrap_or_default().to_owned(),
        })
    }
}

/// The addresses of a request, if the standard allows as many.
fn block(address: u16, count: u16, most: u16) -> Result<std::ops::RangeInclusive<u16>, Refusal> {
    if count == 0 || count > most {
        return Err(Refusal::IllegalDataValue);
    }
    let last = address.checked_add(count - 1).ok_or(Refusal::IllegalDataAddress)?;
    Ok(address..=last)
}

#[cfg(test)]
#[path = "instrument_tests.rs"]
mod tests;
