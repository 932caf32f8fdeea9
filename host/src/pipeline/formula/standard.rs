//! From the state in the stack to standard temperature, standard pressure and dry gas.
//!
//! Limits are written for dry gas at standard conditions, and no instrument measures there.
//!
//! Invariant: mass is conserved. A concentration and a flow that are both converted have the product they had before.

use super::{Constants, finite};

/// Volume of a gas in its actual state over its volume at standard conditions: `(z + t) / (z + s) * P0 / p`.
///
/// t in °C, p absolute in Pa (`Ba + Ps`); z, the standard temperature s (0 °C in most regimes) and P0 come from the constants. `None` at or below absolute zero, without
/// pressure, or when not finite.
///
/// Source: ideal gas; HJ 212-2017 D.2.1 (18) has the same form with 273.
pub fn factor(temperature_c: f64, pressure_pa: f64, constants: &Constants) -> Option<f64> {
    let zero = constants.zero_celsius;
    if temperature_c > -zero && pressure_pa > 0.0 && pressure_pa.is_finite() {
        finite((zero + temperature_c) / (zero + constants.standard_celsius) * constants.pressure / pressure_pa)
    } else {
        None
    }
}

/// Concentration at standard conditions, `C_n = C * factor`, in the unit of C. Wet stays wet.
///
/// Source: HJ 212-2017 D.2.1 (18).
pub fn concentration_to_standard(
    concentration: f64,
    temperature_c: f64,
    pressure_pa: f64,
    constants: &Constants,
) -> Option<f64> {
    finite(concentration * factor(temperature_c, pressure_pa, constants)?)
}

/// Volume flow at standard conditions, `Q_n = Q / factor`, in the unit of Q. Wet stays wet.
///
/// Source: HJ 212-2017 D.2.4 (31), its part for temperature and pressure.
pub fn flow_to_standard(flow: f64, temperature_c: f64, pressure_pa: f64, constants: &Constants) -> Option<f64> {
    finite(flow / factor(temperature_c, pressure_pa, constants)?)
}

/// Concentration in dry gas, `C_dry = C_wet / (1 - H / 100)`, H in percent by volume; oxygen likewise.
///
/// `None` unless H is at least 0 and less than 100. Source: HJ 212-2017 D.2.1 (19).
pub fn concentration_to_dry(wet: f64, moisture_percent: f64) -> Option<f64> {
    finite(wet / dry_share(moisture_percent)?)
}

/// Flow of dry gas, `Q_dry = Q_wet * (1 - H / 100)`, H in percent by volume.
///
/// `None` unless H is at least 0 and less than 100. Source: HJ 212-2017 D.2.4 (31), its part for moisture.
pub fn flow_to_dry(wet: f64, moisture_percent: f64) -> Option<f64> {
    finite(wet * dry_share(moisture_percent)?)
}

/// Density of a gas in its actual state, `rho = rho_n / factor`, in the unit of `density_normal`.
///
/// Source: ideal gas.
pub fn gas_density(density_normal: f64, temperature_c: f64, pressure_pa: f64, constants: &Constants) -> Option<f64> {
    finite(density_normal / factor(temperature_c, pressure_pa, constants)?)
}

fn dry_share(moisture_percent: f64) -> Option<f64> {
    (0.0..100.0).contains(&moisture_percent).then_some(1.0 - moisture_percent / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_cannot_be_has_no_factor() {
        let constants = Constants::default();

        assert_eq!(factor(-273.15, 101_325.0, &constants), None);
        assert_eq!(factor(20.0, 0.0, &constants), None);
        assert_eq!(factor(20.0, -5.0, &constants), None);
        assert_eq!(factor(f64::NAN, 101_325.0, &constants), None);
        assert_eq!(factor(20.0, f64::NAN, &constants), None);
        assert_eq!(factor(f64::INFINITY, 101_325.0, &constants), None);
        assert_eq!(factor(20.0, f64::INFINITY, &constants), None);
        assert_eq!(factor(0.0, 101_325.0, &constants), Some(1.0));
    }

    #[test]
    fn moisture_counts_from_zero_to_less_than_all() {
        assert_eq!(concentration_to_dry(80.0, 0.0), Some(80.0));
        assert_eq!(concentration_to_dry(80.0, -0.1), None);
        assert_eq!(concentration_to_dry(80.0, 100.0), None);
        assert_eq!(flow_to_dry(80.0, f64::NAN), None);
        assert_eq!(flow_to_dry(80.0, 25.0), Some(60.0));
    }

    #[test]
    fn the_integer_zero_of_a_regime_changes_the_result() {
        let constants = Constants { zero_celsius: 273.0, ..Constants::default() };

        let standard = concentration_to_standard(25.0, 140.0, 98_250.0, &constants).unwrap();

        assert!((standard - 39.004_21).abs() < 1e-5, "{standard}");
    }

    #[test]
    fn mass_is_conserved() {
        let constants = Constants::default();
        let (concentration, flow) = (80.0, 412_715.6);

        let dry = concentration_to_standard(concentration, 140.0, 98_250.0, &constants)
            .and_then(|standard| concentration_to_dry(standard, 12.0))
            .unwrap();
        let dry_flow = flow_to_standard(flow, 140.0, 98_250.0, &constants)
            .and_then(|standard| flow_to_dry(standard, 12.0))
            .unwrap();

        assert!((dry * dry_flow / (concentration * flow) - 1.0).abs() < 1e-14);
    }
}
