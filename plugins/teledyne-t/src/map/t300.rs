//! T300, T300M, M300E and M300EM: CO by gas filter correlation.
//!
//! Proof: two sources: Teledyne API 04906H DCN5840, appendix A-7 (p. 357 to 358; T320 p. 382), and a driver in service at
//! monitoring stations (karateboy/Datalogger2, conf/T300.conf).
//! Registers 52 to 63 exist on T300M and M300EM only. No source gives the unit of the offsets and duty cycles.

use crate::map::{Block, Check, Coil, Input, Map, Register};
use crate::units::{CELSIUS, FLOW, INCH_HG, MILLIVOLT, ONE, PERCENT, PPM, PSI, UNKNOWN};

pub(crate) static MAP: Map = Map { registers: REGISTERS, inputs: INPUTS, coils: COILS };

#[rustfmt::skip]
static REGISTERS: &[Register] = &[
    Register::diagnostic(0, "detector_measure", "Detector measure", MILLIVOLT),
    Register::diagnostic(2, "detector_reference", "Detector reference", MILLIVOLT),
    Register::diagnostic(4, "measure_reference_ratio", "Measure reference ratio", ONE),
    Register::calibration(6, "co_slope_r1", "CO slope, range 1", ONE),
    Register::calibration(8, "co_slope_r2", "CO slope, range 2", ONE),
    Register::calibration(10, "co_offset_r1", "CO offset, range 1", UNKNOWN),
    Register::calibration(12, "co_offset_r2", "CO offset, range 2", UNKNOWN),
    Register::calibration(14, "co_at_cal_r1", "CO at calibration, range 1", PPM),
    Register::calibration(16, "co_at_cal_r2", "CO at calibration, range 2", PPM),
    Register::gas(18, "co_r1", "CO, range 1", PPM, "co", 1),
    Register::gas(20, "co_r2", "CO, range 2", PPM, "co", 2),
    Register::measured(22, "conc_stability", "Concentration stability", PPM),
    Register::diagnostic(24, "bench_temp", "Bench temperature", CELSIUS),
    Register::diagnostic(26, "bench_duty_cycle", "Bench duty cycle", UNKNOWN),
    Register::diagnostic(28, "wheel_temp", "Wheel temperature", CELSIUS),
    Register::diagnostic(30, "wheel_duty_cycle", "Wheel duty cycle", UNKNOWN),
    Register::diagnostic(32, "sample_temp", "Sample temperature", CELSIUS),
    Register::diagnostic(34, "sample_press", "Sample pressure", INCH_HG),
    Register::diagnostic(36, "internal_box_temp", "Internal box temperature", CELSIUS),
    Register::diagnostic(38, "photometer_detector_temp_drive", "Photometer detector temperature drive", MILLIVOLT),
    Register::diagnostic(40, "test_input_7", "Test input 7", MILLIVOLT),
    Register::diagnostic(42, "test_input_8", "Test input 8", MILLIVOLT),
    Register::diagnostic(44, "temp_input_4", "Temperature input 4", CELSIUS),
    Register::diagnostic(46, "temp_input_5", "Temperature input 5", CELSIUS),
    Register::diagnostic(48, "ground_reference", "Ground reference", MILLIVOLT),
    Register::diagnostic(50, "reference_4096_mv", "4096 mV reference", MILLIVOLT),
    Register::diagnostic(52, "purge_press", "Purge pressure (gauge)", PSI).of(Block::HighRange),
    Register::diagnostic(54, "sample_flow", "Sample flow", FLOW).of(Block::HighRange),
    Register::diagnostic(56, "vacuum_press", "Vacuum pressure", INCH_HG).of(Block::HighRange),
    Register::diagnostic(58, "oven_temp", "Oven temperature", CELSIUS).of(Block::HighRange),
    Register::diagnostic(60, "oven_duty_cycle", "Oven duty cycle", UNKNOWN).of(Block::HighRange),
    Register::diagnostic(62, "auto_zero", "Auto zero", UNKNOWN).of(Block::HighRange),
    Register::single(100, "o2", "O2", PERCENT, "o2").of(Block::O2),
    Register::calibration(102, "o2_at_cal", "O2 at calibration", PERCENT).of(Block::O2),
    Register::calibration(104, "o2_slope", "O2 slope", ONE).of(Block::O2),
    Register::calibration(106, "o2_offset", "O2 offset", PERCENT).of(Block::O2),
    Register::diagnostic(108, "o2_sensor_cell_temp", "O2 sensor cell temperature", CELSIUS).of(Block::O2),
    Register::single(200, "co2", "CO2", PERCENT, "co2").of(Block::Co2),
    Register::calibration(202, "co2_at_cal", "CO2 at calibration", PERCENT).of(Block::Co2),
    Register::calibration(204, "co2_slope", "CO2 slope", ONE).of(Block::Co2),
    Register::calibration(206, "co2_offset", "CO2 offset", PERCENT).of(Block::Co2),
];

#[rustfmt::skip]
static INPUTS: &[Input] = &[
    Input::fault(0, "source_warn"),
    Input::suspect(1, "box_temp_warn"),
    Input::suspect(2, "bench_temp_warn"),
    Input::suspect(3, "wheel_temp_warn"),
    Input::suspect(4, "sample_temp_warn"),
    Input::suspect(5, "sample_press_warn"),
    Input::suspect(6, "photometer_detector_temp_warn"),
    Input::noted(7, "system_reset_warn"),
    Input::board_fault(8, "rear_board_comm_warn"),
    Input::fault(9, "relay_board_comm_warn"),
    Input::suspect(10, "front_panel_comm_warn"),
    Input::maintenance(11, "analog_cal_warn"),
    Input::maintenance(12, "dynamic_zero_warn"),
    Input::maintenance(13, "dynamic_span_warn"),
    Input::fault(14, "invalid_conc"),
    Input::calibration(15, "in_zero_cal"),
    Input::calibration(16, "in_span_cal"),
    Input::calibration(17, "in_multi_point_cal"),
    Input::system_ok(18, "system_is_ok"),
    Input::suspect(19, "purge_press_warn"),
    Input::suspect(20, "sample_flow_warn"),
    Input::suspect(21, "internal_box_temp_2_oven_warn"),
    Input::alarm(22, "conc_limit_1_exceeded", "co"),
    Input::alarm(23, "conc_limit_2_exceeded", "co"),
    Input::maintenance(24, "auto_zero_warn"),
    Input::fault(25, "sync_warn"),
    Input::maintenance(26, "in_hessen_manual"),
    Input::calibration(100, "in_o2_cal").of(Block::O2),
    Input::suspect(101, "o2_cell_temp_warn").of(Block::O2),
    Input::alarm(102, "o2_conc_limit_1_exceeded", "o2").of(Block::O2),
    Input::alarm(103, "o2_conc_limit_2_exceeded", "o2").of(Block::O2),
    Input::calibration(200, "in_co2_cal").of(Block::Co2),
    Input::alarm(201, "co2_conc_limit_1_exceeded", "co2").of(Block::Co2),
    Input::alarm(202, "co2_conc_limit_2_exceeded", "co2").of(Block::Co2),
];

static COILS: &[Coil] = &[
    Coil { address: 20, check: Check::Zero, range: 1 },
    Coil { address: 21, check: Check::Span, range: 1 },
    Coil { address: 22, check: Check::Zero, range: 2 },
    Coil { address: 23, check: Check::Span, range: 2 },
];
