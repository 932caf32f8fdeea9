//! Waste water: acidity, conductivity and load.
//!
//! Some of its parameters do not average like gases: pH is a logarithm, conductivity depends on temperature.
//!
//! Invariant: a mean weighted by flow is the load over the volume, so the two always agree.

use super::finite;

/// Temperature that conductivity is stated for, in °C.
const REFERENCE_CELSIUS: f64 = 25.0;

/// Activity of hydrogen ions, `h = 10^-pH`, in mol/L as far as activity and concentration agree.
///
/// Source: definition of pH.
pub fn hydrogen_activity(ph: f64) -> f64 {
    10f64.powf(-ph)
}

/// pH of an activity of hydrogen ions, `pH = -log10 h`; NaN when it is negative.
///
/// Source: definition of pH.
pub fn ph_of_activity(h: f64) -> f64 {
    -h.log10()
}

/// Conductivity at 25 °C, `k25 = k / (1 + alpha * (t - 25))`, in the unit of k; t in °C, alpha per K.
///
/// alpha is a setting of the site, around 0.019 to 0.02 per K for natural water. `None` when the divisor is not above 0 or
/// a term is not finite.
///
/// Source: ISO 7888 (from memory, to be checked).
pub fn conductivity_at_25(conductivity: f64, temperature_c: f64, alpha_per_k: f64) -> Option<f64> {
    let divisor = finite(1.0 + alpha_per_k * (temperature_c - REFERENCE_CELSIUS)).filter(|divisor| *divisor > 0.0)?;
    finite(conductivity / divisor)
}

/// Load in kg of a volume of water, `m = C * V * 1e-3`; C in mg/L, V in m3.
///
/// Source: HJ 212-2017 D.1.3 (15).
pub fn load_kg(concentration_mg_l: f64, volume_m3: f64) -> f64 {
    concentration_mg_l * volume_m3 * 1e-3
}

/// Concentration weighted by flow, `C = 1000 * sum(C_i * V_i * 1e-3) / sum(V_i)`, in mg/L; pairs of C in mg/L and V in m3.
///
/// `None` without water, or when a term is not finite. Source: HJ 212-2017 D.1.2.3 (12).
pub fn flow_weighted(parts: &[(f64, f64)]) -> Option<f64> {
    let load: f64 = parts.iter().map(|(concentration, volume)| load_kg(*concentration, *volume)).sum();
    let volume: f64 = parts.iter().map(|(_, volume)| volume).sum();
    if volume > 0.0 { finite(1000.0 * load / volume) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conductivity_at_25_degrees_stays_as_it_is() {
        assert_eq!(conductivity_at_25(500.0, 25.0, 0.02), Some(500.0));
        assert_eq!(conductivity_at_25(450.0, 20.0, 0.02), Some(500.0));
    }

    #[test]
    fn a_temperature_that_leaves_no_conductivity_has_no_result() {
        assert_eq!(conductivity_at_25(500.0, -25.0, 0.02), None);
        assert_eq!(conductivity_at_25(500.0, -60.0, 0.02), None);
        assert_eq!(conductivity_at_25(500.0, f64::NAN, 0.02), None);
        assert_eq!(conductivity_at_25(f64::NAN, 20.0, 0.02), None);
    }

    #[test]
    fn no_water_has_no_concentration() {
        assert_eq!(flow_weighted(&[]), None);
        assert_eq!(flow_weighted(&[(40.0, 0.0)]), None);
        assert_eq!(flow_weighted(&[(f64::NAN, 1.0)]), None);
    }
}
