//! A Teledyne T200 as pymodbus serves it: every input register and discrete input of its standard map.

use super::pymodbus::{Map, f32_high_first};

/// Input registers of a concentration in range 1, by the driver's point.
pub const NOX_R1: u16 = 30;
/// NO in range 1.
pub const NO_R1: u16 = 34;
/// NO2 in range 1.
pub const NO2_R1: u16 = 38;

/// Number of the discrete input that the T200's map calls invalid concentration.
pub const INVALID_CONC: u16 = 17;

/// The floats of the map's registers 0 to 87, each different and most of them not exact in decimal.
pub fn values() -> Vec<f32> {
    (0..44_u8).map(|n| f32::from(n) * 0.1 + 1.0 / 3.0).collect()
}

/// The float that stands at an input register of [`values`].
pub fn value_at(address: u16) -> f32 {
    values()[usize::from(address / 2)]
}

/// The whole map, system ok and no warning.
pub fn map() -> Map {
    let mut inputs = [false; 31];
    inputs[21] = true;
    Map::default()
        .input_registers(0, &f32_high_first(&values()))
        .input_registers(188, &f32_high_first(&[1.0; 6]))
        .discrete_inputs(0, &inputs)
        .holding_registers(0, &f32_high_first(&[400.0; 4]))
        .coils(20, &[false; 4])
}
