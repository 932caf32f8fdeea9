//! The register map of the Teledyne T300 and what the simulator shows there.
//!
//! Source: `data/teledyne-t300.toml`. Nominal values are the simulator's own.

use super::map::Bit::{Idle, InSpan, InZero, SystemOk, Warning};
use super::map::Fitting::{Co2, MSeries, O2, Standard};
use super::map::Quantity::{Around, AtCalibration, BoxTemperature, Concentration, SamplePressure, Steady};
use super::map::{Discrete, Gas, Holding, Input, Map, discrete, holding, input};

pub(super) const MAP: Map = Map { inputs: INPUTS, holdings: HOLDINGS, discretes: DISCRETES };

const INPUTS: &[Input] = &[
    input(0, "detector_measure", Around(4_310.0, 3.0), Standard),
    input(2, "detector_reference", Around(3_640.0, 3.0), Standard),
    input(4, "m_r_ratio", Around(1.184, 0.001), Standard),
    input(6, "slope_r1", Steady(1.0), Standard),
    input(8, "slope_r2", Steady(1.0), Standard),
    input(10, "offset_r1", Steady(0.0), Standard),
    input(12, "offset_r2", Steady(0.0), Standard),
    input(14, "conc_r1_at_cal", AtCalibration(Gas::Co), Standard),
    input(16, "conc_r2_at_cal", AtCalibration(Gas::Co), Standard),
    input(18, "conc_r1", Concentration(Gas::Co), Standard),
    input(20, "conc_r2", Concentration(Gas::Co), Standard),
    input(22, "conc_stability", Around(0.02, 0.005), Standard),
    input(24, "bench_temp", Around(48.0, 0.05), Standard),
    input(26, "bench_temp_control_duty_cycle", Around(0.42, 0.03), Standard),
    input(28, "wheel_temp", Around(68.0, 0.1), Standard),
    input(30, "wheel_temp_control_duty_cycle", Around(0.55, 0.03), Standard),
    input(32, "sample_temp", Around(46.2, 0.2), Standard),
    input(34, "sample_press", SamplePressure, Standard),
    input(36, "internal_box_temp", BoxTemperature, Standard),
    input(38, "photometer_detector_temp_drive", Around(2_510.0, 12.0), Standard),
    input(40, "diagnostic_test_input_test_input_7", Steady(0.0), Standard),
    input(42, "diagnostic_test_input_test_input_8", Steady(0.0), Standard),
    input(44, "diagnostic_temp_input_temp_input_4", Steady(0.0), Standard),
    input(46, "diagnostic_temp_input_temp_input_5", Steady(0.0), Standard),
    input(48, "ground_reference", Steady(0.1), Standard),
    input(50, "4096_mv_reference", Steady(4_096.2), Standard),
    input(52, "purge_press", Around(7.5, 0.1), MSeries),
    input(54, "sample_flow", Around(800.0, 6.0), MSeries),
    input(56, "vacuum_press", Around(6.8, 0.1), MSeries),
    input(58, "internal_box_temp_2_oven", Around(46.0, 0.1), MSeries),
    input(60, "internal_box_temp_2_oven_control_duty_cycle", Around(0.38, 0.03), MSeries),
    input(62, "auto_zero", Around(1.182, 0.001), MSeries),
    input(100, "o2_conc", Around(14.6, 0.2), O2),
    input(102, "o2_conc_at_cal", Steady(20.95), O2),
    input(104, "o2_slope", Steady(1.0), O2),
    input(106, "o2_offset", Steady(0.0), O2),
    input(108, "o2_sensor_cell_temp", Around(50.0, 0.1), O2),
    input(200, "co2_conc", Around(3.6, 0.1), Co2),
    input(202, "co2_conc_at_cal", Steady(12.0), Co2),
    input(204, "co2_slope", Steady(1.0), Co2),
    input(206, "co2_offset", Steady(0.0), Co2),
];

const HOLDINGS: &[Holding] = &[
    holding(0, "co_span1_target_conc_r1", 40.0, Standard),
    holding(2, "co_span2_target_conc_r2", 160.0, Standard),
    holding(100, "o2_targ_span_conc_variable", 20.95, O2),
    holding(200, "co2_targ_span_conc_variable", 12.0, Co2),
];

const DISCRETES: &[Discrete] = &[
    discrete(0, "source_warn", Warning, Standard),
    discrete(1, "box_temp_warn", Warning, Standard),
    discrete(2, "bench_temp_warn", Warning, Standard),
    discrete(3, "wheel_temp_warn", Warning, Standard),
    discrete(4, "sample_temp_warn", Warning, Standard),
    discrete(5, "sample_press_warn", Warning, Standard),
    discrete(6, "photometer_detector_temp_warn", Warning, Standard),
    discrete(7, "system_reset_warn", Warning, Standard),
    discrete(8, "rear_board_comm_warn", Warning, Standard),
    discrete(9, "relay_board_comm_warn", Warning, Standard),
    discrete(10, "front_panel_comm_warn", Warning, Standard),
    discrete(11, "analog_cal_warn", Warning, Standard),
    discrete(12, "dynamic_zero_warn", Warning, Standard),
    discrete(13, "dynamic_span_warn", Warning, Standard),
    discrete(14, "invalid_conc", Warning, Standard),
    discrete(15, "in_zero_cal", InZero, Standard),
    discrete(16, "in_span_cal", InSpan, Standard),
    discrete(17, "in_multi_point_cal", Idle, Standard),
    discrete(18, "system_is_ok", SystemOk, Standard),
    discrete(19, "purge_press_warn", Warning, Standard),
    discrete(20, "sample_flow_warn", Warning, Standard),
    discrete(21, "internal_box_temp_2_oven_warn", Warning, Standard),
    discrete(22, "conc_limit_1_exceeded", Warning, Standard),
    discrete(23, "conc_limit_2_exceeded", Warning, Standard),
    discrete(24, "auto_zero_warn", Warning, Standard),
    discrete(25, "sync_warn", Warning, Standard),
    discrete(26, "in_hessen_manual", Idle, Standard),
    discrete(100, "in_o2_cal", Idle, O2),
    discrete(101, "o2_cell_temp_warn", Warning, O2),
    discrete(102, "o2_conc_limit_1_exceeded", Warning, O2),
    discrete(103, "o2_conc_limit_2_exceeded", Warning, O2),
    discrete(200, "in_co2_cal", Idle, Co2),
    discrete(201, "co2_conc_limit_1_exceeded", Warning, Co2),
    discrete(202, "co2_conc_limit_2_exceeded", Warning, Co2),
];
