//! The instrument at chosen moments: what its registers and bits say.
//!
//! Apart from `instrument.rs` for their length; they know nothing of sockets either.

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
