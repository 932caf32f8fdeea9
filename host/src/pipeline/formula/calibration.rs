//! The calibration function of an instrument, as the parallel measurements gave it.
//!
//! An automated system is calibrated in place against a reference method, and its function holds only where parallel
//! measurements support it.
//!
//! Invariant: x is in the instrument's own condition, before pressure, temperature, moisture and oxygen come into play.

use crate::method::Calibration;

impl Calibration {
    /// y of x.
    pub fn apply(&self, x: f64) -> f64 {
        self.offset + self.slope * x
    }

    /// Whether the function is valid at this calibrated value y. Both ends belong to the range; NaN lies in none.
    pub fn covers(&self, y: f64) -> bool {
        !y.is_nan() && self.from.is_none_or(|from| y >= from) && self.to.is_none_or(|to| y <= to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_valid_range_is_one_of_calibrated_values() {
        let calibration = Calibration { offset: -10.0, slope: 2.0, from: Some(0.0), to: Some(100.0) };

        // x = 55 gives y = 100: the end of the range belongs to it, although x lies far below it.
        assert!(calibration.covers(calibration.apply(55.0)));
        assert!(!calibration.covers(calibration.apply(55.1)));
        assert!(!calibration.covers(calibration.apply(4.9)));
    }

    #[test]
    fn without_ends_everything_but_nan_is_covered() {
        let calibration = Calibration { offset: 0.0, slope: 1.0, from: None, to: None };

        assert!(calibration.covers(-1e300));
        assert!(calibration.covers(1e300));
        assert!(!calibration.covers(f64::NAN));
    }
}
