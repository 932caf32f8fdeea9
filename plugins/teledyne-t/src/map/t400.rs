//! T400 and 400E: O3 by UV photometry.
//!
//! Proof: two sources: Teledyne API 04402F DCN6340, appendix A-7 (p. 352 to 353), and a driver in service at monitoring
//! stations (karateboy/Datalogger2, conf/T400.conf).
//! External analog inputs (130 to 176) are not in the table: which of them are fitted is not told by the map.

use crate::map::{Check, Coil, Input, Map, Register};
use crate::units::{CELSIUS, FLOW, INCH_HG, MILLIVOLT, ONE, PERCENT, PPB, UNKNOWN};

pub(crate) static MAP: Map = Map { registers: REGISTERS, inputs: INPUTS, coils: COILS };

#[rustfmt::skip]
static REGISTERS: &[Register] = &[
    Register::diagnostic(0, "photometer_detector_measure", "Photometer detector measure", MILLIVOLT),
    Register::diagnostic(2, "photometer_detector_reference", "Photometer detector reference", MILLIVOLT),
    Register::diagnostic(4, "photometer_lamp_stability", "Photometer lamp stability", PERCENT),
    Register::calibration(6, "o3_slope_r1", "O3 slope, range 1", ONE),
    Register::calibration(8, "o3_slope_r2", "O3 slope, range 2", ONE),
    Register::calibration(10, "o3_offset_r1", "O3 offset, range 1", PPB),
    Register::calibration(12, "o3_offset_r2", "O3 offset, range 2", PPB),
    Register::calibration(14, "o3_at_cal_r1", "O3 at calibration, range 1", PPB),
    Register::calibration(16, "o3_at_cal_r2", "O3 at calibration, range 2", PPB),
    Register::gas(18, "o3_r1", "O3, range 1", PPB, "o3", 1),
    Register::gas(20, "o3_r2", "O3, range 2", PPB, "o3", 2),
    Register::measured(22, "conc_stability", "Concentration stability", PPB),
    Register::diagnostic(24, "ozone_generator_reference_detector", "Ozone generator reference detector", MILLIVOLT),
    Register::diagnostic(26, "ozone_generator_lamp_drive", "Ozone generator lamp drive", MILLIVOLT),
    Register::diagnostic(28, "ozone_generator_lamp_temp", "Ozone generator lamp temperature", CELSIUS),
    Register::diagnostic(30, "ozone_scrubber_temp", "Ozone scrubber temperature", CELSIUS),
    Register::diagnostic(32, "ozone_scrubber_duty_cycle", "Ozone scrubber duty cycle", UNKNOWN),
    Register::diagnostic(34, "photometer_lamp_temp", "Photometer lamp temperature", CELSIUS),
    Register::diagnostic(36, "photometer_lamp_duty_cycle", "Photometer lamp duty cycle", UNKNOWN),
    Register::diagnostic(38, "sample_temp", "Sample temperature", CELSIUS),
    Register::diagnostic(40, "sample_flow_rate", "Sample flow rate", FLOW),
    Register::diagnostic(42, "sample_press", "Sample pressure", INCH_HG),
    Register::diagnostic(44, "internal_box_temp", "Internal box temperature", CELSIUS),
    Register::diagnostic(46, "test_input_7", "Test input 7", MILLIVOLT),
    Register::diagnostic(48, "test_input_8", "Test input 8", MILLIVOLT),
    Register::diagnostic(50, "temp_input_6", "Temperature input 6", CELSIUS),
    Register::diagnostic(52, "temp_input_7", "Temperature input 7", CELSIUS),
    Register::diagnostic(54, "ground_reference", "Ground reference", MILLIVOLT),
    Register::diagnostic(56, "reference_4096_mv", "4096 mV reference", MILLIVOLT),
];

#[rustfmt::skip]
static INPUTS: &[Input] = &[
    Input::suspect(0, "o3_generator_reference_detector_warn"),
    Input::suspect(1, "o3_generator_lamp_intensity_warn"),
    Input::suspect(2, "o3_generator_lamp_temp_warn"),
    Input::suspect(3, "o3_scrubber_temp_warn"),
    Input::fault(4, "photometer_reference_warn"),
    Input::suspect(5, "photometer_lamp_stability_warn"),
    Input::suspect(6, "photometer_lamp_temp_warn"),
    Input::suspect(7, "box_temp_warn"),
    Input::suspect(8, "sample_temp_warn"),
    Input::suspect(9, "sample_flow_warn"),
    Input::suspect(10, "sample_press_warn"),
    Input::noted(11, "system_reset_warn"),
    Input::board_fault(12, "rear_board_comm_warn"),
    Input::fault(13, "relay_board_comm_warn"),
    Input::fault(14, "o3_generator_or_photometer_lamp_i2c_driver_chip_comm_warn"),
    Input::suspect(15, "front_panel_comm_warn"),
    Input::maintenance(16, "analog_cal_warn"),
    Input::maintenance(17, "dynamic_zero_warn"),
    Input::maintenance(18, "dynamic_span_warn"),
    Input::fault(19, "invalid_conc"),
    Input::calibration(20, "in_zero_cal"),
    Input::calibration(21, "in_low_span_cal"),
    Input::calibration(22, "in_span_cal"),
    Input::calibration(23, "in_multi_point_cal"),
    Input::system_ok(24, "system_is_ok"),
    Input::alarm(25, "o3_conc_alarm_1_exceeded", "o3"),
    Input::alarm(26, "o3_conc_alarm_2_exceeded", "o3"),
];

static COILS: &[Coil] = &[
    Coil { address: 20, check: Check::Zero, range: 1 },
    Coil { address: 21, check: Check::LowSpan, range: 1 },
    Coil { address: 22, check: Check::Span, range: 1 },
    Coil { address: 23, check: Check::Zero, range: 2 },
    Coil { address: 24, check: Check::LowSpan, range: 2 },
    Coil { address: 25, check: Check::Span, range: 2 },
];
