//! Control charts of zero or span readings, for the ongoing quality assurance (QAL3) of EN 14181: one chart for each kind of reading.
//!
//! All is counted in multiples of s, the standard deviation of the instrument (`s_AMS`); with z the distance of a reading from its
//! reference:
//!
//! ```text
//! precision  sum  = max(0, sum  + (z - z before)² / 2 - 1.85)   out of control beyond 6.90
//! drift      up   = max(0, up   + z - 0.501)                    out of control beyond 2.85
//!            down = max(0, down - z - 0.501)                    out of control beyond 2.85
//! Shewhart   |z|                                                warning beyond 2, action beyond 3
//! ```
//!
//! Source: ABB EL3000, OI/EL3000-EN rev. D, p. 160, "CUSUM Control Cards", for the four CUSUM constants, for z with its sign, and for
//! the order: precision is tested first, and drift is not judged where precision is out of control.
//! From memory, to be checked against EN 14181 itself: the recursions as written, the limits of the Shewhart chart, that two
//! readings running beyond 2 s on the same side ask for action, that an adjustment sets the sums back to zero, and that
//! the first reading counts for drift but, having none before it, not for precision.
//!
//! The manual lets zero and span together decide about precision; here each chart speaks for its own readings.
//!
//! Invariant: the sums are finite and never below zero; a reading that cannot be charted leaves them as they were.

use serde::{Deserialize, Serialize};

use super::verdict::{ChartVerdict, Finding, Rule};

/// Test value of precision, in s².
pub(super) const PRECISION_BOUND: f64 = 6.90;
/// Taken from the sum of precision with each reading, in s².
const PRECISION_ALLOWANCE: f64 = 1.85;
/// Test value of drift, in s.
pub(super) const DRIFT_BOUND: f64 = 2.85;
/// Taken from the sums of drift with each reading, in s.
const DRIFT_ALLOWANCE: f64 = 0.501;
/// Shewhart limit of warning, in s.
pub(super) const WARNING_BOUND: f64 = 2.0;
/// Shewhart limit of action, in s.
pub(super) const ACTION_BOUND: f64 = 3.0;

/// 10.3 is not more than 0.3 away from 10, whatever the last bit says.
const ROUNDING_ERROR: f64 = 1e-9;

/// What the readings are held against.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ChartSettings {
    /// What the reading should be, in its own unit.
    pub reference: f64,
    /// `s_AMS`: the standard deviation of the instrument at this point, in the same unit. With none above zero every reading is refused.
    pub deviation: f64,
}

/// The charts of one kind of reading. It can be stored between two readings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ControlChart {
    settings: ChartSettings,
    /// In s².
    precision: f64,
    /// In s, like all that follow.
    up: f64,
    down: f64,
    /// Distance of the reading before.
    before: Option<f64>,
}

impl ControlChart {
    /// Charts without a reading.
    pub fn new(settings: ChartSettings) -> Self {
        ControlChart { settings, precision: 0.0, up: 0.0, down: 0.0, before: None }
    }

    /// What the readings are held against. A stored chart with other settings than the ones in force has to begin anew.
    pub fn settings(&self) -> ChartSettings {
        self.settings
    }

    /// Charts the next reading. The drift sums go on where precision is out of control, they are only not judged.
    pub fn take(&mut self, reading: f64) -> ChartVerdict {
        let ChartSettings { reference, deviation } = self.settings;
        let distance = (reading - reference) / deviation;
        let jump = self.before.map(|before| (distance - before).powi(2) / 2.0);
        let precision = jump.map_or(self.precision, |jump| (self.precision + jump - PRECISION_ALLOWANCE).max(0.0));
        let up = (self.up + distance - DRIFT_ALLOWANCE).max(0.0);
        let down = (self.down - distance - DRIFT_ALLOWANCE).max(0.0);
        let chartable = [distance, precision, up, down].iter().all(|number| number.is_finite());
        if !chartable || deviation <= 0.0 {
            return ChartVerdict::Refused { reading };
        }
        let shewhart = shewhart(distance, self.before);
        *self = ControlChart { settings: self.settings, precision, up, down, before: Some(distance) };
        let findings = self.cusum().into_iter().chain(shewhart).collect();
        ChartVerdict::Judged { distance, findings }
    }

    /// The instrument was adjusted or repaired: what came before says nothing about it any more.
    pub fn adjusted(&mut self) {
        *self = ControlChart::new(self.settings);
    }

    fn cusum(&self) -> Option<Finding> {
        if beyond(self.precision, PRECISION_BOUND) {
            return Some(Finding { rule: Rule::Precision, value: self.precision });
        }
        let drift = if self.up >= self.down { self.up } else { -self.down };
        beyond(drift, DRIFT_BOUND).then_some(Finding { rule: Rule::Drift, value: drift })
    }
}

fn shewhart(distance: f64, before: Option<f64>) -> Option<Finding> {
    let outside = |distance: f64| beyond(distance, WARNING_BOUND);
    let running = before.is_some_and(|before| outside(before) && before.signum() == distance.signum());
    let rule = match distance {
        _ if beyond(distance, ACTION_BOUND) => Rule::Action,
        _ if !outside(distance) => return None,
        _ if running => Rule::Running,
        _ => Rule::Warning,
    };
    Some(Finding { rule, value: distance })
}

fn beyond(value: f64, bound: f64) -> bool {
    value.abs() > bound + ROUNDING_ERROR
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: ChartSettings = ChartSettings { reference: 10.0, deviation: 0.1 };

    /// The rules that each of these distances, in s, breaks.
    fn rules(distances: &[f64]) -> Vec<Vec<Rule>> {
        let mut chart = ControlChart::new(SETTINGS);
        let mut verdict = |distance: &f64| match chart.take(10.0 + 0.1 * distance) {
            ChartVerdict::Judged { findings, .. } => findings.iter().map(|finding| finding.rule).collect(),
            ChartVerdict::Refused { reading } => panic!("{reading} was refused"),
        };
        distances.iter().map(&mut verdict).collect()
    }

    #[test]
    fn the_constants_are_those_of_the_manual() {
        assert_eq!((PRECISION_ALLOWANCE, PRECISION_BOUND), (1.85, 6.90));
        assert_eq!((DRIFT_ALLOWANCE, DRIFT_BOUND), (0.501, 2.85));
    }

    /// Each reading adds 1 - 0.501 = 0.499: five make 2.495, six 2.994.
    #[test]
    fn an_offset_of_one_deviation_is_drift_at_the_sixth_reading() {
        for side in [1.0, -1.0] {
            let found = rules(&[side; 6]);
            assert!(found[..5].iter().all(Vec::is_empty), "{found:?}");
            assert_eq!(found[5], [Rule::Drift]);
        }
    }

    #[test]
    fn noise_within_one_deviation_raises_nothing() {
        let noise: Vec<f64> = (0..2000).map(|step| f64::from(step * 37 % 101) / 50.0 - 1.0).collect();
        assert!(rules(&noise).iter().all(Vec::is_empty));
    }

    #[test]
    fn the_edges_of_the_shewhart_chart_still_belong_to_it() {
        let check = |distances: &[f64], expected: &[Rule]| assert_eq!(rules(distances).last().unwrap(), expected);
        check(&[2.0], &[]);
        check(&[2.01], &[Rule::Warning]);
        check(&[-2.01], &[Rule::Warning]);
        check(&[2.84], &[Rule::Warning]);
        check(&[3.0], &[Rule::Warning]);
        check(&[-3.01], &[Rule::Action]);
    }

    #[test]
    fn two_warnings_running_ask_for_action_on_the_same_side_only() {
        let shewhart = |distances: &[f64]| rules(distances).last().unwrap().last().copied();
        assert_eq!(shewhart(&[2.1, 2.1]), Some(Rule::Running));
        assert_eq!(shewhart(&[2.1, -2.1]), Some(Rule::Warning));
        assert_eq!(shewhart(&[2.1, 0.0, 2.1]), Some(Rule::Warning));
    }

    /// Each jump of 4 s adds 16 / 2 - 1.85 = 6.15 s²: the second is beyond 6.90, and 2 s is not beyond 2 s.
    #[test]
    fn readings_that_jump_are_a_loss_of_precision() {
        assert_eq!(rules(&[2.0, -2.0, 2.0]), [vec![], vec![], vec![Rule::Precision]]);
    }

    #[test]
    fn drift_is_not_judged_where_precision_is_lost() {
        let found = rules(&[-1.0, 3.9, 3.9]);
        assert_eq!(found[1], [Rule::Precision, Rule::Action]);
        assert_eq!(found[2], [Rule::Precision, Rule::Action]);
        assert_eq!(rules(&[3.9])[0], [Rule::Drift, Rule::Action]);
    }

    #[test]
    fn a_reading_that_is_none_is_refused_and_leaves_the_sums_alone() {
        let mut chart = ControlChart::new(SETTINGS);
        chart.take(10.1);
        let before = chart.clone();
        for reading in [f64::NAN, f64::INFINITY, f64::MAX] {
            let verdict = chart.take(reading);
            assert!(matches!(verdict, ChartVerdict::Refused { .. }), "{verdict:?}");
            assert_eq!(verdict.level(), None);
            assert_eq!(chart, before);
        }
    }

    #[test]
    fn without_a_deviation_every_reading_is_refused() {
        for deviation in [0.0, -1.0, f64::NAN] {
            let mut chart = ControlChart::new(ChartSettings { reference: 0.0, deviation });
            assert!(matches!(chart.take(1.0), ChartVerdict::Refused { .. }), "deviation {deviation}");
        }
    }

    #[test]
    fn a_stored_chart_goes_on_where_it_was() {
        let mut chart = ControlChart::new(SETTINGS);
        for _ in 0..5 {
            chart.take(10.1);
        }
        let stored = serde_json::to_string(&chart).unwrap();

        let mut read: ControlChart = serde_json::from_str(&stored).unwrap();

        assert_eq!(read, chart);
        assert_eq!(read.take(10.1), chart.take(10.1));
    }

    #[test]
    fn an_adjustment_begins_anew() {
        let mut chart = ControlChart::new(SETTINGS);
        chart.take(10.4);
        chart.adjusted();
        assert_eq!(chart, ControlChart::new(SETTINGS));
        assert_eq!(chart.take(10.1).level(), None);
    }
}
