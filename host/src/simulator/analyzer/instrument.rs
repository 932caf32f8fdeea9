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
mod tests {
    use super::super::quantity::INHG_PER_MBAR;
    use super::*;

    fn analyzer(model: Model, options: Options) -> Analyzer {
        Analyzer::new(model, &options).unwrap()
    }

    fn still() -> Options {
        Options { step: Duration::ZERO, ..Options::default() }
    }

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn float(words: &[u16]) -> f32 {
        f32::from_bits(u32::from(words[0]) << 16 | u32::from(words[1]))
    }

    fn read(analyzer: &mut Analyzer, at: Duration, address: u16) -> f32 {
        float(&analyzer.read_input_registers(at, address, 2).unwrap())
    }

    #[test]
    fn registers_hold_the_recorded_values_of_their_time() {
        let rows = Recording::embedded().unwrap();
        let mut t200 = analyzer(Model::T200, Options { start_row: 100, ..Options::default() });
        let mut t300 = analyzer(Model::T300, Options { start_row: 100, ..Options::default() });

        for second in [0, 1, 250] {
            let row = rows.rows()[100 + second];
            let at = secs(second as u64);
            assert_eq!(read(&mut t200, at, 30), row.nox_ppb() as f32);
            assert_eq!(read(&mut t200, at, 32), row.nox_ppb() as f32);
            assert_eq!(read(&mut t200, at, 34), (row.nox_ppb() * 0.95) as f32);
            assert_eq!(read(&mut t200, at, 38), (row.nox_ppb() * 0.05) as f32);
            assert_eq!(read(&mut t300, at, 18), row.co_ppm() as f32);
            assert_eq!(read(&mut t300, at, 34), (row.ambient_pressure_mbar * INHG_PER_MBAR - 1.0) as f32);
        }
    }

    #[test]
    fn a_block_is_the_same_as_its_parts() {
        let mut t200 = analyzer(Model::T200, still());

        let block = t200.read_input_registers(secs(9), 0, 88).unwrap();

        for (address, id, value) in t200.inputs(secs(9)).into_iter().filter(|row| row.0 < 88) {
            assert_eq!(float(&block[usize::from(address)..]), value, "{id}");
        }
        let middle = t200.read_input_registers(secs(9), 31, 2).unwrap();
        assert_eq!(middle, block[31..33]);
    }

    #[test]
    fn what_is_not_in_the_map_does_not_exist() {
        let mut t200 = analyzer(Model::T200, still());
        let mut fitted = analyzer(Model::T200, Options { fittings: [Fitting::Range3].into(), ..still() });
        let mut check = |address, count, expected, with_range_3| {
            assert_eq!(t200.read_input_registers(secs(0), address, count).err(), expected, "{address}, {count}");
            let fitted = fitted.read_input_registers(secs(0), address, count).err();
            assert_eq!(fitted, with_range_3, "{address}, {count} with range 3");
        };
        let (absent, illegal) = (Some(Refusal::IllegalDataAddress), Some(Refusal::IllegalDataValue));

        check(86, 2, None, None);
        check(86, 3, absent, absent);
        check(88, 1, absent, absent);
        check(114, 6, absent, None);
        check(188, 12, None, None);
        check(65_535, 1, absent, absent);
        check(65_535, 2, absent, absent);
        check(0, 0, illegal, illegal);
        check(0, 126, illegal, illegal);
    }

    #[test]
    fn a_t300_has_no_m_series_registers_unless_it_is_one() {
        let mut plain = analyzer(Model::T300, still());
        let mut m_series = analyzer(Model::T300, Options { fittings: [Fitting::MSeries].into(), ..still() });

        assert_eq!(plain.read_input_registers(secs(0), 0, 52).map(|words| words.len()), Ok(52));
        assert_eq!(plain.read_input_registers(secs(0), 0, 54), Err(Refusal::IllegalDataAddress));
        assert_eq!(m_series.read_input_registers(secs(0), 0, 64).map(|words| words.len()), Ok(64));
    }

    #[test]
    fn a_coil_brings_zero_or_span_and_takes_it_away() {
        let mut t300 = analyzer(Model::T300, still());
        let sample = read(&mut t300, secs(0), 18);

        t300.write_coil(secs(10), 21, true).unwrap();
        assert_eq!(t300.read_discrete_inputs(secs(10), 15, 4).unwrap(), [false, true, false, true]);
        assert_eq!(t300.read_coils(secs(10), 20, 4).unwrap(), [false, true, false, false]);
        assert_eq!(read(&mut t300, secs(10), 18), sample, "the reading follows, it does not jump");
        assert_eq!(read(&mut t300, secs(100), 18), 40.0);

        t300.write_coil(secs(100), 20, true).unwrap();
        assert_eq!(t300.read_discrete_inputs(secs(101), 15, 2).unwrap(), [true, false]);
        assert_eq!(read(&mut t300, secs(200), 18), 0.02);

        t300.write_coil(secs(200), 20, false).unwrap();
        assert_eq!(t300.read_discrete_inputs(secs(200), 15, 2).unwrap(), [false, false]);
        assert_eq!(read(&mut t300, secs(300), 18), sample);
        assert_eq!(read(&mut t300, secs(300), 14), 0.02, "the reading at the last calibration is kept");
        assert_eq!(t300.write_coil(secs(300), 24, true), Err(Refusal::IllegalDataAddress));
    }

    #[test]
    fn a_written_span_target_is_what_span_reads() {
        let mut t200 = analyzer(Model::T200, still());
        let words = |value: f32| [(value.to_bits() >> 16) as u16, value.to_bits() as u16];

        t200.write_holding_registers(0, &[words(800.0), words(750.0)].concat()).unwrap();
        t200.write_coil(secs(0), 21, true).unwrap();

        assert_eq!(float(&t200.read_holding_registers(0, 2).unwrap()), 800.0);
        assert_eq!(read(&mut t200, secs(600), 30), 800.0);
        assert_eq!(read(&mut t200, secs(600), 34), 750.0);
        assert_eq!(read(&mut t200, secs(600), 38), 50.0);
    }

    #[test]
    fn half_a_number_or_an_impossible_one_is_not_written() {
        let mut t200 = analyzer(Model::T200, still());
        let before = t200.read_holding_registers(0, 8).unwrap();
        let mut check = |address, words: &[u16], expected| {
            assert_eq!(t200.write_holding_registers(address, words), Err(expected), "{words:x?} at {address}");
        };

        check(0, &[1], Refusal::IllegalDataValue);
        check(1, &[1, 2], Refusal::IllegalDataValue);
        check(0, &[0x7fc0, 0], Refusal::IllegalDataValue);
        check(0, &[0xbf80, 0], Refusal::IllegalDataValue);
        check(0, &[], Refusal::IllegalDataValue);
        check(8, &[0x3f80, 0], Refusal::IllegalDataAddress);
        check(6, &[0x3f80, 0, 0x3f80, 0], Refusal::IllegalDataAddress);
        assert_eq!(t200.read_holding_registers(0, 8).unwrap(), before);
    }

    #[test]
    fn a_warning_is_one_bit_and_ends_system_ok() {
        let mut t200 = analyzer(Model::T200, still());
        let before = t200.read_discrete_inputs(secs(0), 0, 31).unwrap();
        assert_eq!(before.iter().filter(|on| **on).count(), 1, "only system_is_ok");

        t200.set_fault("invalid_conc".parse().unwrap(), secs(0)).unwrap();
        let after = t200.read_discrete_inputs(secs(0), 0, 31).unwrap();

        assert!(after[17] && !after[21]);
        t200.clear_faults();
        assert_eq!(t200.read_discrete_inputs(secs(0), 0, 31).unwrap(), before);
    }

    #[test]
    fn a_warning_that_the_model_does_not_have_is_refused_with_the_nearest() {
        let mut t200 = analyzer(Model::T200, still());

        let unknown = t200.set_fault("invalid_cons".parse().unwrap(), secs(0)).unwrap_err();

        assert_eq!(unknown.nearest, "invalid_conc");
        assert!(t200.set_fault("o2_sensor_cell_temp_warn".parse().unwrap(), secs(0)).is_err(), "not fitted");
        assert!(t200.set_fault("system_is_ok".parse().unwrap(), secs(0)).is_err(), "follows from the others");
    }

    #[test]
    fn wrong_word_order_swaps_the_words_of_every_number() {
        let mut t200 = analyzer(Model::T200, still());
        let right = t200.read_input_registers(secs(0), 30, 4).unwrap();

        t200.set_fault(Fault::WrongWordOrder, secs(0)).unwrap();

        let wrong = t200.read_input_registers(secs(0), 30, 4).unwrap();
        assert_eq!(wrong, [right[1], right[0], right[3], right[2]]);
        assert_ne!(right[0], right[1]);
    }

    #[test]
    fn a_frozen_analyzer_keeps_its_numbers_and_not_its_bits() {
        let mut t200 = analyzer(Model::T200, Options::default());
        let before = t200.read_input_registers(secs(5), 0, 88).unwrap();

        t200.set_fault(Fault::Frozen, secs(5)).unwrap();
        t200.write_coil(secs(6), 20, true).unwrap();

        assert_eq!(t200.read_input_registers(secs(60), 0, 88).unwrap(), before);
        assert!(t200.read_discrete_inputs(secs(60), 18, 1).unwrap()[0]);
        t200.clear_fault(&Fault::Frozen);
        assert_ne!(t200.read_input_registers(secs(60), 0, 88).unwrap(), before);
    }
}
