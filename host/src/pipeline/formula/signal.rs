//! The 4 to 20 mA loop: what a current means, and whether it means anything.
//!
//! A loop carries its own health in the currents outside 4 to 20 mA; reading those as values would turn a broken wire into
//! a clean stack.
//!
//! Invariant: a current that is not a number is a failure.

/// What the current in a loop says about its transmitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopState {
    /// A measurement, saturated at the edges of the range perhaps.
    Good,
    /// Neither a measurement nor a failure signal.
    Suspect,
    /// The transmitter signals a failure, or the wire is broken or shorted.
    Failure,
}

/// Reads the health of a loop from its current in mA.
///
/// 3.8 to 20.5 mA is a measurement; up to 3.6 mA and from 21.0 mA on is a failure; what lies between is suspect.
///
/// Source: NAMUR NE 43 (from memory, to be checked).
pub fn loop_state(current_ma: f64) -> LoopState {
    if (3.8..=20.5).contains(&current_ma) {
        LoopState::Good
    } else if current_ma > 3.6 && current_ma < 21.0 {
        LoopState::Suspect
    } else {
        LoopState::Failure
    }
}

/// `x = (I - 4) / 16 * (high - low) + low`, I in mA; the result has the unit of `low` and `high`.
///
/// Not clamped: 3.9 mA lies a little below `low`. Source: definition of the linear 4 to 20 mA signal.
pub fn scaled(current_ma: f64, low: f64, high: f64) -> f64 {
    (current_ma - 4.0) / 16.0 * (high - low) + low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_belong_to_the_class_they_name() {
        assert_eq!(loop_state(3.6), LoopState::Failure);
        assert_eq!(loop_state(3.8), LoopState::Good);
        assert_eq!(loop_state(20.5), LoopState::Good);
        assert_eq!(loop_state(21.0), LoopState::Failure);
    }

    #[test]
    fn a_current_that_is_not_a_number_is_a_failure() {
        assert_eq!(loop_state(f64::NAN), LoopState::Failure);
        assert_eq!(loop_state(f64::INFINITY), LoopState::Failure);
        assert_eq!(loop_state(f64::NEG_INFINITY), LoopState::Failure);
    }

    #[test]
    fn the_ends_of_the_loop_are_the_ends_of_the_range() {
        assert_eq!(scaled(4.0, -50.0, 150.0), -50.0);
        assert_eq!(scaled(20.0, -50.0, 150.0), 150.0);
        assert_eq!(scaled(12.0, 100.0, 0.0), 50.0);
    }
}
