//! Moments of an instrument that tells the day of the year, the hour and the minute, but neither the year nor the offset from UTC.

use tutin_sdk::Timestamp;
use tutin_sdk::clock::{DAY, LocalTime, SECOND, UtcOffset, days};

use crate::line::Stamp;

/// The last moment with this stamp that is not after `latest`.
pub(crate) fn last(stamp: Stamp, latest: Timestamp, offset: UtcOffset) -> Option<Timestamp> {
    let local = latest.0.div_euclid(SECOND) + offset.seconds();
    let year = LocalTime::of(latest, offset).year;
    // Day 366 comes every fourth year, and after eight at most.
    let seconds = (year - 8..=year).rev().find_map(|year| {
        let (begin, end) = (days(year, 1, 1), days(year + 1, 1, 1));
        let at = (begin + stamp.day - 1) * DAY + stamp.hour * 3600 + stamp.minute * 60;
        (stamp.day <= end - begin && at <= local).then_some(at)
    })?;
    Some(Timestamp((seconds - offset.seconds()) * SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(day: i64, hour: i64, minute: i64) -> Stamp {
        Stamp { day, hour, minute }
    }

    #[test]
    fn the_year_is_the_last_in_which_the_moment_was() {
        let offset = UtcOffset::try_from("+05:00".to_owned()).unwrap();
        let check = |day: i64, hour: i64, minute: i64, latest: i64, expected: Option<i64>| {
            let at = last(stamp(day, hour, minute), Timestamp(latest * SECOND), offset);
            assert_eq!(at.map(|at| at.0 / SECOND), expected, "{day}:{hour}:{minute}");
        };
        // 2026-11-01T00:00:00Z is day 305, 05:00 in local time.
        check(305, 5, 0, 1_793_491_200, Some(1_793_491_200));
        check(305, 5, 1, 1_793_491_200, Some(1_793_491_260 - 365 * DAY));
        check(1, 0, 0, 1_793_491_200, Some(1_767_207_600));
        check(366, 0, 0, 1_793_491_200, Some(1_735_585_200));
        // 2027-01-01T00:10 in local time: the last minute of the year before.
        check(365, 23, 59, 1_798_744_200, Some(1_798_743_540));
    }
}
