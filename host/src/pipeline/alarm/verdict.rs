//! What control charts say of a reading, and the words for it.

use std::fmt;

use super::chart::{ACTION_BOUND, DRIFT_BOUND, PRECISION_BOUND, WARNING_BOUND};

/// What the charts say of one reading.
#[derive(Debug, Clone, PartialEq)]
pub enum ChartVerdict {
    /// It was charted.
    Judged {
        /// From the reference, in s; below zero: under it.
        distance: f64,
        /// What is out of control, the sums first. Empty: nothing is.
        findings: Vec<Finding>,
    },
    /// It is not a number, or one that no chart can hold.
    Refused {
        /// As it came.
        reading: f64,
    },
}

/// A rule that a reading broke.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Finding {
    /// Which.
    pub rule: Rule,
    /// What went beyond the rule's bound: a distance or a sum in s, the sum of precision in s². Below zero: downward.
    pub value: f64,
}

/// The rules, by chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// CUSUM: readings jump more than the instrument's deviation explains.
    Precision,
    /// CUSUM: readings stay on one side.
    Drift,
    /// Shewhart: one reading beyond 3 s.
    Action,
    /// Shewhart: two readings running beyond 2 s on the same side.
    Running,
    /// Shewhart: one reading beyond 2 s.
    Warning,
}

/// How much a finding asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// To look out.
    Warning,
    /// To find the cause, to adjust or to repair.
    Action,
}

impl ChartVerdict {
    /// The most that any finding asks for; `None`: nothing, or the reading was refused.
    pub fn level(&self) -> Option<Level> {
        match self {
            ChartVerdict::Judged { findings, .. } => findings.iter().map(|finding| finding.rule.level()).max(),
            ChartVerdict::Refused { .. } => None,
        }
    }
}

impl Rule {
    /// How much it asks for when it is broken.
    pub fn level(self) -> Level {
        if self == Rule::Warning { Level::Warning } else { Level::Action }
    }
}

impl fmt::Display for ChartVerdict {
    /// What an engineer reads in the alarm. It has no unit: distances are multiples of s.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChartVerdict::Refused { reading } => write!(f, "reading {reading} cannot be charted"),
            ChartVerdict::Judged { distance, findings } if findings.is_empty() => {
                write!(f, "in control: {distance:+.2} s from the reference")
            }
            ChartVerdict::Judged { findings, .. } => {
                for (index, finding) in findings.iter().enumerate() {
                    let separator = if index == 0 { "" } else { "; " };
                    write!(f, "{separator}{finding}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value;
        match self.rule {
            Rule::Precision => {
                write!(f, "loss of precision (CUSUM, action): sum {value:.2} s², above {PRECISION_BOUND} s²")
            }
            Rule::Drift => {
                let (way, sum) = if value < 0.0 { ("down", -value) } else { ("up", value) };
                write!(f, "drift {way} (CUSUM, action): sum {sum:.2} s, above {DRIFT_BOUND} s")
            }
            Rule::Action => write!(f, "{value:+.2} s from the reference (Shewhart, action): beyond {ACTION_BOUND} s"),
            Rule::Running => write!(
                f,
                "{value:+.2} s from the reference (Shewhart, action): second reading running beyond {WARNING_BOUND} s"
            ),
            Rule::Warning => {
                write!(f, "{value:+.2} s from the reference (Shewhart, warning): beyond {WARNING_BOUND} s")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::chart::{ChartSettings, ControlChart};
    use super::*;

    fn check(readings: &[f64], level: Option<Level>, text: &str) {
        let mut chart = ControlChart::new(ChartSettings { reference: 10.0, deviation: 0.1 });
        let verdict = readings.iter().map(|reading| chart.take(*reading)).last().unwrap();
        assert_eq!((verdict.level(), verdict.to_string().as_str()), (level, text));
    }

    #[test]
    fn the_text_names_chart_level_and_numbers() {
        let warning = "+2.50 s from the reference (Shewhart, warning): beyond 2 s";
        check(&[10.25], Some(Level::Warning), warning);
        let precision = "loss of precision (CUSUM, action): sum 12.30 s², above 6.9 s²";
        check(&[10.2, 9.8, 10.2], Some(Level::Action), precision);
    }

    #[test]
    fn several_findings_stand_in_one_line() {
        let text = "drift down (CUSUM, action): sum 3.00 s, above 2.85 s; \
                    -3.50 s from the reference (Shewhart, action): beyond 3 s";
        check(&[9.65], Some(Level::Action), text);
        let text = "drift up (CUSUM, action): sum 3.40 s, above 2.85 s; \
                    +2.20 s from the reference (Shewhart, action): second reading running beyond 2 s";
        check(&[10.22, 10.22], Some(Level::Action), text);
    }

    #[test]
    fn a_reading_without_findings_asks_for_nothing() {
        check(&[9.96], None, "in control: -0.40 s from the reference");
        check(&[f64::NAN], None, "reading NaN cannot be charted");
    }
}
