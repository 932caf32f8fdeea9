//! Confidence, spread and substitute values.
//!
//! Some regimes subtract the uncertainty of the measurement before they compare with a limit, some replace a lost block by
//! a value that the operator cannot gain from.
//!
//! Invariant: a result here stands beside the measured value, never in its place.

use super::finite;

/// Validated value, `max(0, C - p * limit)`, in the unit of C and the limit; p is a share, 0.2 for 20 %. NaN stays NaN.
///
/// Source of the shares: Directive 2010/75/EU, Annex VI part 6, 1.3. They are an upper bound where the uncertainty of the
/// calibration is not used instead.
pub fn subtract_confidence(value: f64, share: f64, limit: f64) -> f64 {
    let rest = value - share * limit;
    // `f64::max` would turn NaN into 0: a value that is none would pass as a clean one.
    if rest < 0.0 { 0.0 } else { rest }
}

/// Mean and standard deviation of a sample (divisor n - 1). `None` for fewer than two values or when one is not finite.
pub fn mean_and_deviation(values: &[f64]) -> Option<(f64, f64)> {
    if values.len() < 2 {
        return None;
    }
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((finite(mean)?, finite((squares / (count - 1.0)).sqrt())?))
}

/// Substitute for a lost value, `mean + 2 s`, in the unit of the values. `None` as for [`mean_and_deviation`].
///
/// Source: EU greenhouse-gas monitoring regulation, Art. 45(3); its number 2018/2066 is from memory, to be checked.
pub fn substitute_by_spread(values: &[f64]) -> Option<f64> {
    let (mean, deviation) = mean_and_deviation(values)?;
    finite(mean + 2.0 * deviation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_validated_value_is_never_negative_and_never_hides_a_lost_one() {
        assert_eq!(subtract_confidence(30.0, 0.2, 200.0), 0.0);
        assert_eq!(subtract_confidence(180.0, 0.2, 200.0), 140.0);
        assert!(subtract_confidence(f64::NAN, 0.2, 200.0).is_nan());
    }

    #[test]
    fn one_value_has_no_spread() {
        assert_eq!(mean_and_deviation(&[]), None);
        assert_eq!(mean_and_deviation(&[1.0]), None);
        assert_eq!(mean_and_deviation(&[1.0, 1.0]), Some((1.0, 0.0)));
        assert_eq!(substitute_by_spread(&[1.0, f64::NAN]), None);
        assert_eq!(substitute_by_spread(&[f64::MAX, f64::MAX]), None);
    }
}
