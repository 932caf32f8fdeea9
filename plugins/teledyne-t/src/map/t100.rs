//! T100 and 100E: SO2 by UV fluorescence.
//!
//! Proof: two sources: Teledyne API 05036F DCN6650, appendix A-7 (T100 p. 374, 100E p. 346 to 347), and a driver in service at
//! monitoring stations (karateboy/Datalogger2, conf/T100.conf).
//! External analog inputs (130 to 176) are not in the table: which of them are fitted is not told by the map.

use crate::map::{Block, Check, Coil, Input, Map, Register};
use crate::units::{CELSIUS, FLOW, INCH_HG, MILLIVOLT, ONE, PERCENT, PPB, VOLT};

pub(crate) static MAP: Map = Map { registers: REGISTERS, inputs: INPUTS, coils: COILS };

#[rustfmt::skip]
static REGISTERS: &[Register] = &[
    Register::diagnostic(0, "pmt_detector", "PMT detector", MILLIVOLT),
    Register::diagnostic(2, "uv_lamp_intensity", "UV lamp intensity", MILLIVOLT),
    Register::diagnostic(4, "uv_lamp_ratio", "UV lamp ratio", PERCENT),
    Register::calibration(6, "pmt_electrical_offset", "PMT electrical offset", MILLIVOLT),
    Register::calibration(8, "uv_lamp_electrical_offset", "UV lamp electrical offset", MILLIVOLT),
    Register::calibration(10, "so2_slope_r1", "SO2 slope, range 1", ONE),
    Register::calibration(12, "so2_slope_r2", "SO2 slope, range 2", ONE),
    Register::calibration(14, "so2_offset_r1", "SO2 offset, range 1", MILLIVOLT),
    Register::calibration(16, "so2_offset_r2", "SO2 offset, range 2", MILLIVOLT),
    Register::calibration(18, "so2_at_cal_r1", "SO2 at calibration, range 1", PPB),
    Register::calibration(20, "so2_at_cal_r2", "SO2 at calibration, range 2", PPB),
    Register::gas(22, "so2_r1", "SO2, range 1", PPB, "so2", 1),
    Register::gas(24, "so2_r2", "SO2, range 2", PPB, "so2", 2),
    Register::measured(26, "conc_stability", "Concentration stability", PPB),
    Register::measured(28, "stray_light", "Stray light", PPB),
    Register::diagnostic(30, "reaction_cell_temp", "Reaction cell temperature", CELSIUS),
    Register::diagnostic(32, "pmt_temp", "PMT temperature", CELSIUS),
    Register::diagnostic(34, "sample_press", "Sample pressure", INCH_HG),
    Register::diagnostic(36, "internal_box_temp", "Internal box temperature", CELSIUS),
    Register::diagnostic(38, "high_voltage", "High voltage", VOLT),
    Register::diagnostic(40, "test_input_8", "Test input 8", MILLIVOLT),
    Register::diagnostic(42, "temp_input_5", "Temperature input 5", CELSIUS),
    Register::diagnostic(44, "temp_input_6", "Temperature input 6", CELSIUS),
    Register::diagnostic(46, "ground_reference", "Ground reference", MILLIVOLT),
    Register::diagnostic(48, "reference_4096_mv", "4096 mV reference", MILLIVOLT),
    Register::diagnostic(50, "sample_flow", "Sample flow", FLOW),
    Register::diagnostic(52, "izs_temp", "IZS temperature", CELSIUS),
    Register::diagnostic(54, "vacuum_press", "Vacuum pressure", INCH_HG),
    Register::diagnostic(56, "uv_lamp_intensity_pre_amplified", "UV lamp intensity pre amplified", MILLIVOLT),
    Register::single(100, "o2", "O2", PERCENT, "o2").of(Block::O2),
    Register::calibration(102, "o2_at_cal", "O2 at calibration", PERCENT).of(Block::O2),
    Register::calibration(104, "o2_slope", "O2 slope", ONE).of(Block::O2),
    Register::calibration(106, "o2_offset", "O2 offset", PERCENT).of(Block::O2),
    Register::diagnostic(108, "o2_sensor_cell_temp", "O2 sensor cell temperature", CELSIUS).of(Block::O2),
    Register::measured(110, "so2_o2_corrected_r1", "SO2 corrected for O2, range 1", PPB).of(Block::O2),
    Register::measured(112, "so2_o2_corrected_r2", "SO2 corrected for O2, range 2", PPB).of(Block::O2),
    Register::single(200, "co2", "CO2", PERCENT, "co2").of(Block::Co2),
    Register::calibration(202, "co2_at_cal", "CO2 at calibration", PERCENT).of(Block::Co2),
    Register::calibration(204, "co2_slope", "CO2 slope", ONE).of(Block::Co2),
    Register::calibration(206, "co2_offset", "CO2 offset", PERCENT).of(Block::Co2),
];

#[rustfmt::skip]
static INPUTS: &[Input] = &[
    Input::fault(0, "pmt_detector_warn"),
    Input::fault(1, "uv_detector_warn"),
    Input::maintenance(2, "dark_cal_warn"),
    Input::suspect(3, "box_temp_warn"),
    Input::suspect(4, "pmt_temp_warn"),
    Input::suspect(5, "reaction_cell_temp_warn"),
    Input::suspect(6, "sample_press_warn"),
    Input::fault(7, "hvps_warn"),
    Input::noted(8, "system_reset_warn"),
    Input::board_fault(9, "rear_board_comm_warn"),
    Input::fault(10, "relay_board_comm_warn"),
    Input::suspect(11, "front_panel_comm_warn"),
    Input::maintenance(12, "analog_cal_warn"),
    Input::maintenance(13, "dynamic_zero_warn"),
    Input::maintenance(14, "dynamic_span_warn"),
    Input::fault(15, "invalid_conc"),
    Input::calibration(16, "in_zero_cal"),
    Input::calibration(17, "in_span_cal"),
    Input::calibration(18, "in_multi_point_cal"),
    Input::system_ok(19, "system_is_ok"),
    Input::suspect(20, "sample_flow_warn"),
    Input::suspect(21, "izs_temp_warn"),
    Input::calibration(22, "in_low_span_cal"),
    Input::suspect(23, "vacuum_press_warn"),
    Input::alarm(24, "so2_conc_alarm_1_exceeded", "so2"),
    Input::alarm(25, "so2_conc_alarm_2_exceeded", "so2"),
    Input::maintenance(26, "in_hessen_manual"),
    Input::calibration(100, "in_o2_cal").of(Block::O2),
    Input::suspect(101, "o2_cell_temp_warn").of(Block::O2),
    Input::alarm(102, "o2_conc_alarm_1_exceeded", "o2").of(Block::O2),
    Input::alarm(103, "o2_conc_alarm_2_exceeded", "o2").of(Block::O2),
    Input::calibration(200, "in_co2_cal").of(Block::Co2),
    Input::alarm(201, "co2_conc_alarm_1_exceeded", "co2").of(Block::Co2),
    Input::alarm(202, "co2_conc_alarm_2_exceeded", "co2").of(Block::Co2),
];

static COILS: &[Coil] = &[
    Coil { address: 20, check: Check::Zero, range: 1 },
    Coil { address: 21, check: Check::Span, range: 1 },
    Coil { address: 22, check: Check::Zero, range: 2 },
    Coil { address: 23, check: Check::Span, range: 2 },
];
