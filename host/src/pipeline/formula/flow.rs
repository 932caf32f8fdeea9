//! Velocity and volume flow in a duct.
//!
//! A flow is the other half of a mass: its error goes into the tonnes with the same weight as that of the concentration.
//!
//! Invariant: means are taken of velocities, never of pressure differences; the root of a mean is more than the mean of
//! the roots.

use std::f64::consts::PI;

use super::finite;

/// Velocity in m/s from a Pitot tube, `v = K * sqrt(2 * dP / rho)`; K without unit, dP in Pa, rho in kg/m3.
///
/// `None` for a negative pressure difference or a density that is not above 0. Source: Bernoulli; EPA Method 2 and
/// ISO 10780 rest on the same physics.
pub fn pitot_velocity(k: f64, differential_pa: f64, density: f64) -> Option<f64> {
    if differential_pa >= 0.0 && density > 0.0 { finite(k * (2.0 * differential_pa / density).sqrt()) } else { None }
}

/// Area of a circle in m2 from its diameter in m, `A = pi * d^2 / 4`.
pub fn circle_area(diameter_m: f64) -> f64 {
    PI * diameter_m * diameter_m / 4.0
}

/// Volume flow in m3/h in the state that the velocity has, `Q = v * A * 3600`; v in m/s, A in m2.
///
/// Source: HJ 212-2017 D.2.4 (30).
pub fn volume_flow(velocity: f64, area: f64) -> f64 {
    velocity * area * 3600.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tube_read_backwards_has_no_velocity() {
        assert_eq!(pitot_velocity(0.84, -1.0, 1.2), None);
        assert_eq!(pitot_velocity(0.84, f64::NAN, 1.2), None);
        assert_eq!(pitot_velocity(0.84, 120.0, 0.0), None);
        assert_eq!(pitot_velocity(0.84, 120.0, -1.2), None);
        assert_eq!(pitot_velocity(0.84, 120.0, f64::NAN), None);
        assert_eq!(pitot_velocity(0.84, 0.0, 1.2), Some(0.0));
    }
}
