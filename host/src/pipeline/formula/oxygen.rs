//! The reference oxygen content, and the same thing said as excess air.
//!
//! Dilution with air lowers a concentration; a limit names the oxygen content at which it is to be judged.
//!
//! Invariant: near the oxygen content of air the divisor vanishes, and there is no result. Mass flow never uses a
//! concentration that was converted here.

use super::finite;

/// Oxygen in air, in percent by volume, as the rules round it.
const AIR: f64 = 21.0;

/// Concentration at reference oxygen, `C_ref = C_dry * (21 - O2_ref) / (21 - O2_dry)`, in the unit of C; oxygen in percent
/// by volume of dry gas.
///
/// `None` when the measured oxygen is more than `most_percent`, as at standstill of the plant, or when a term is not finite
/// or not below 21. Source: HJ 212-2017 D.2.3 (28); the guard is a rule of this design.
pub fn to_reference(dry: f64, reference_percent: f64, measured_percent: f64, most_percent: f64) -> Option<f64> {
    // NaN on either side is no "at most", and refuses.
    if measured_percent <= most_percent {
        finite(dry * below_air(reference_percent)? / below_air(measured_percent)?)
    } else {
        None
    }
}

/// Excess-air coefficient, `alpha = 21 / (21 - O2_dry)`, without unit; oxygen in percent by volume of dry gas.
///
/// `None` when the measured oxygen is not finite or not below 21. Source: HJ 212-2017 D.2.3 (27).
pub fn excess_air(measured_percent: f64) -> Option<f64> {
    finite(AIR / below_air(measured_percent)?)
}

/// Concentration at the standard excess air, `C = C_dry * alpha / alpha_s`, in the unit of C.
///
/// `alpha_s = 1.4` is the same as a reference oxygen of 6 %. Source: HJ 212-2017 D.2.3 (26).
pub fn by_excess_air(dry: f64, alpha: f64, alpha_standard: f64) -> f64 {
    dry * alpha / alpha_standard
}

/// What is missing to the oxygen content of air: more than 0.
fn below_air(percent: f64) -> Option<f64> {
    finite(AIR - percent).filter(|rest| *rest > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standstill_has_no_reference_concentration() {
        assert_eq!(to_reference(5.0, 6.0, 20.1, 20.0), None);
        assert_eq!(to_reference(5.0, 6.0, 21.0, 25.0), None);
        assert_eq!(to_reference(5.0, 6.0, 22.0, 25.0), None);
        assert_eq!(to_reference(5.0, 6.0, f64::NAN, 20.0), None);
        assert_eq!(to_reference(5.0, 6.0, f64::NEG_INFINITY, 20.0), None);
        assert_eq!(to_reference(5.0, 6.0, 7.5, f64::NAN), None);
        assert_eq!(to_reference(5.0, 21.0, 7.5, 20.0), None);
        assert_eq!(to_reference(f64::NAN, 6.0, 7.5, 20.0), None);
        assert!(to_reference(5.0, 6.0, 20.0, 20.0).is_some());
    }

    #[test]
    fn air_has_no_excess_air() {
        assert_eq!(excess_air(21.0), None);
        assert_eq!(excess_air(25.0), None);
        assert_eq!(excess_air(f64::NAN), None);
        assert_eq!(excess_air(0.0), Some(1.0));
    }
}
