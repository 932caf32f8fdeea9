//! Flare gas: its density from its composition, and its mass.
//!
//! A flare is metered by volume and reported by mass, and its gas changes with the process.
//!
//! Invariant: a composition that does not add up gives no density.

use super::finite;

/// How far the fractions of a composition may be from a sum of 1.
const SUM_TOLERANCE: f64 = 0.02;

/// Density at standard conditions in kg/m3, `rho_n = sum(x_i * M_i) / Vm`; pairs of mole fraction (0 to 1) and molar mass
/// in g/mol; Vm in L/mol.
///
/// The fractions are used as they are, not scaled to 1. `None` if one is negative, if the sum is not within 1 ± 0.02, or
/// if something is not finite. Source: ideal gas.
pub fn normal_density(fractions: &[(f64, f64)], molar_volume: f64) -> Option<f64> {
    let sum: f64 = fractions.iter().map(|(fraction, _)| fraction).sum();
    let adds_up = (sum - 1.0).abs() <= SUM_TOLERANCE && fractions.iter().all(|(fraction, _)| *fraction >= 0.0);
    if !adds_up {
        return None;
    }
    let molar_mass: f64 = fractions.iter().map(|(fraction, mass)| fraction * mass).sum();
    finite(molar_mass / molar_volume)
}

/// Mass flow in kg/h from a volume flow in m3/h and a density in kg/m3, both in one state of the gas.
pub fn mass_flow(volume_m3_h: f64, density_kg_m3: f64) -> f64 {
    volume_m3_h * density_kg_m3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methane_with_a_little_hydrogen_sulphide_has_a_density() {
        let density = normal_density(&[(0.98, 16.043), (0.02, 34.081)], 22.414).unwrap();

        assert!((density - (0.98 * 16.043 + 0.02 * 34.081) / 22.414).abs() < 1e-12);
        assert!((mass_flow(1000.0, density) - 1000.0 * density).abs() < 1e-9);
    }

    #[test]
    fn a_composition_that_does_not_add_up_has_no_density() {
        assert_eq!(normal_density(&[], 22.414), None);
        assert_eq!(normal_density(&[(0.97, 16.043)], 22.414), None);
        assert_eq!(normal_density(&[(1.03, 16.043)], 22.414), None);
        assert_eq!(normal_density(&[(1.1, 16.043), (-0.1, 2.016)], 22.414), None);
        assert_eq!(normal_density(&[(f64::NAN, 16.043)], 22.414), None);
        assert_eq!(normal_density(&[(1.0, 16.043)], 0.0), None);
        assert!(normal_density(&[(0.985, 16.043)], 22.414).is_some());
    }
}
