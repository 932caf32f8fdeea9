//! The conditions that alarms stand for: each says whether it holds, with the words for the alarm.
//!
//! None of them remembers anything. What keeps an alarm from going on and off is when they are asked: limits with each closed block,
//! coverage until its block has closed, calibration once a day.

use std::time::Duration;

use jiff::civil::Date;

use crate::time::Timestamp;

/// Two thirds written as 0.6667 must not decide about a block.
const ROUNDING_ERROR: f64 = 1e-4;

/// Whether something holds, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// It does: raise.
    Holds(String),
    /// It does not, or no longer: clear.
    Ends(String),
}

/// A value above its limit, in the same unit. The limit itself is still allowed. What cannot be compared is not known to be below.
pub fn limit(value: f64, limit: f64) -> Condition {
    if value <= limit {
        Condition::Ends(format!("{value} is not above the limit {limit}"))
    } else if value > limit {
        Condition::Holds(format!("{value} is above the limit {limit}"))
    } else {
        Condition::Holds(format!("{value} cannot be compared with the limit {limit}"))
    }
}

/// A block that has lost so many of its samples that it cannot be valid any more, or is about to: four fifths of what it may lose are
/// lost. `needed_share` of the samples, and `least` of them in any case, must be valid; no block is valid without one.
pub fn coverage(expected_in_block: u32, lost_so_far: u32, needed_share: f64, least: u32) -> Condition {
    let by_share = (f64::from(expected_in_block) * (needed_share - ROUNDING_ERROR)).ceil().max(0.0) as u32;
    let needed = by_share.max(least).max(1);
    let allowance = expected_in_block.saturating_sub(needed);
    let told = format!("{lost_so_far} of {expected_in_block} samples are lost, {allowance} may be");
    let (lost, may) = (u64::from(lost_so_far), u64::from(allowance));
    if lost > may || needed > expected_in_block {
        Condition::Holds(format!("the block cannot be valid any more: {told}"))
    } else if lost > 0 && lost * 5 >= may * 4 {
        Condition::Holds(format!("the block is about to fail: {told}"))
    } else {
        Condition::Ends(told)
    }
}

/// No valid sample for longer than allowed. A hub that has just started gives its start for `last_valid`, so that a point has its time.
pub fn stale(last_valid: Option<Timestamp>, now: Timestamp, longest: Duration) -> Condition {
    match last_valid {
        None => Condition::Holds("no valid sample ever came".to_owned()),
        Some(last) if now.since(last) > longest => {
            Condition::Holds(format!("no valid sample since {last}, for more than {} s", longest.as_secs()))
        }
        Some(last) => Condition::Ends(format!("a valid sample came at {last}")),
    }
}

/// A calibration that is due on a day, from so many days ahead of it. Both are days of UTC.
pub fn calibration_due(due: Date, today: Date, ahead_days: u16) -> Condition {
    let days = due.duration_since(today).as_hours() / 24;
    match days {
        ..0 => Condition::Holds(format!("calibration was due on {due}: {} overdue", in_days(-days))),
        0 => Condition::Holds("calibration is due today".to_owned()),
        _ if days <= i64::from(ahead_days) => {
            Condition::Holds(format!("calibration is due on {due}: {} left", in_days(days)))
        }
        _ => Condition::Ends(format!("calibration is due on {due}")),
    }
}

fn in_days(days: i64) -> String {
    if days == 1 { "1 day".to_owned() } else { format!("{days} days") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str) -> Condition {
        Condition::Holds(text.to_owned())
    }

    fn ends(text: &str) -> Condition {
        Condition::Ends(text.to_owned())
    }

    #[test]
    fn the_limit_itself_is_allowed() {
        assert_eq!(limit(200.0, 200.0), ends("200 is not above the limit 200"));
        assert_eq!(limit(200.1, 200.0), holds("200.1 is above the limit 200"));
        assert_eq!(limit(-1.0, 200.0), ends("-1 is not above the limit 200"));
    }

    #[test]
    fn what_cannot_be_compared_does_not_clear_an_alarm() {
        assert_eq!(limit(f64::NAN, 200.0), holds("NaN cannot be compared with the limit 200"));
    }

    /// 60 samples, two thirds needed: 20 may be lost, and 16 are four fifths of them.
    #[test]
    fn coverage_is_about_to_fail_at_four_fifths_of_what_may_be_lost() {
        for share in [2.0 / 3.0, 0.6667] {
            assert_eq!(coverage(60, 15, share, 1), ends("15 of 60 samples are lost, 20 may be"));
            let about = "the block is about to fail: 16 of 60 samples are lost, 20 may be";
            assert_eq!(coverage(60, 16, share, 1), holds(about));
            let still = "the block is about to fail: 20 of 60 samples are lost, 20 may be";
            assert_eq!(coverage(60, 20, share, 1), holds(still));
            let over = "the block cannot be valid any more: 21 of 60 samples are lost, 20 may be";
            assert_eq!(coverage(60, 21, share, 1), holds(over));
        }
    }

    #[test]
    fn a_block_that_may_lose_nothing_fails_with_the_first_loss() {
        assert_eq!(coverage(12, 0, 1.0, 1), ends("0 of 12 samples are lost, 0 may be"));
        let over = "the block cannot be valid any more: 1 of 12 samples are lost, 0 may be";
        assert_eq!(coverage(12, 1, 1.0, 1), holds(over));
    }

    #[test]
    fn the_number_that_must_be_valid_counts_beside_the_share() {
        let over = "the block cannot be valid any more: 16 of 60 samples are lost, 15 may be";
        assert_eq!(coverage(60, 16, 0.5, 45), holds(over));
        let empty = "the block cannot be valid any more: 60 of 60 samples are lost, 59 may be";
        assert_eq!(coverage(60, 60, 0.0, 0), holds(empty));
        assert!(matches!(coverage(30, 0, 0.5, 45), Condition::Holds(_)));
    }

    #[test]
    fn a_point_is_stale_after_its_longest_silence_not_with_it() {
        let (last, longest) = (Timestamp::from_seconds(0), Duration::from_secs(60));
        let told = ends("a valid sample came at 1970-01-01T00:00:00Z");
        assert_eq!(stale(Some(last), Timestamp::from_seconds(60), longest), told);
        let silent = holds("no valid sample since 1970-01-01T00:00:00Z, for more than 60 s");
        assert_eq!(stale(Some(last), Timestamp(60_000_000_001), longest), silent);
        assert_eq!(stale(None, last, longest), holds("no valid sample ever came"));
    }

    #[test]
    fn a_sample_from_ahead_of_the_clock_is_not_stale() {
        let ahead = Timestamp::from_seconds(100);
        assert!(matches!(stale(Some(ahead), Timestamp::from_seconds(0), Duration::ZERO), Condition::Ends(_)));
    }

    #[test]
    fn calibration_is_told_ahead_on_the_day_and_after_it() {
        let check = |today: &str, expected: Condition| {
            let (due, today) = ("2026-03-01".parse().unwrap(), today.parse().unwrap());
            assert_eq!(calibration_due(due, today, 14), expected);
        };
        check("2026-02-14", ends("calibration is due on 2026-03-01"));
        check("2026-02-15", holds("calibration is due on 2026-03-01: 14 days left"));
        check("2026-02-28", holds("calibration is due on 2026-03-01: 1 day left"));
        check("2026-03-01", holds("calibration is due today"));
        check("2026-03-02", holds("calibration was due on 2026-03-01: 1 day overdue"));
        check("2027-03-01", holds("calibration was due on 2026-03-01: 365 days overdue"));
    }
}
