//! Moments of an instrument that tells the day of the year, the hour and the minute, but neither the year nor the offset from UTC.

use schemars::JsonSchema;
use serde::Deserialize;
use tutin_sdk::Timestamp;

use crate::line::Stamp;

pub(crate) const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400;

/// Offset of the instrument's clock from UTC, as in "+05:00".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct UtcOffset {
    seconds: i64,
}

impl TryFrom<String> for UtcOffset {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        parse_offset(&text).ok_or_else(|| format!("{text:?} is no offset such as \"+05:00\""))
    }
}

fn parse_offset(text: &str) -> Option<UtcOffset> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let number = |text: &str| -> Option<i64> {
        (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours <= 14 && minutes < 60).then_some(UtcOffset { seconds: sign * (hours * 3600 + minutes * 60) })
}

/// The last moment with this stamp that is not after `latest`.
pub(crate) fn last(stamp: Stamp, latest: Timestamp, offset: UtcOffset) -> Option<Timestamp> {
    let local = latest.0.div_euclid(SECOND) + offset.seconds;
    let year = year_of(local.div_euclid(DAY));
    // Day 366 comes every fourth year, and after eight at most.
    let seconds = (year - 8..=year).rev().find_map(|year| {
        let is_in_year = stamp.day <= days_in(year);
        let at = (days_before(year) + stamp.day - 1) * DAY + stamp.hour * 3600 + stamp.minute * 60;
        (is_in_year && at <= local).then_some(at)
    })?;
    Some(Timestamp((seconds - offset.seconds) * SECOND))
}

/// Days from 1970-01-01 to the first of January of a year.
fn days_before(year: i64) -> i64 {
    let before = year - 1;
    before * 365 + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400) - 719_162
}

fn days_in(year: i64) -> i64 {
    days_before(year + 1) - days_before(year)
}

fn year_of(days: i64) -> i64 {
    let mut year = 1970 + days.div_euclid(366);
    while days_before(year + 1) <= days {
        year += 1;
    }
    year
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(day: i64, hour: i64, minute: i64) -> Stamp {
        Stamp { day, hour, minute }
    }

    #[test]
    fn the_year_is_the_last_in_which_the_moment_was() {
        let offset = parse_offset("+05:00").unwrap();
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

    #[test]
    fn years_are_those_of_the_calendar() {
        let check = |year: i64, days: i64| {
            assert_eq!((days_before(year), year_of(days), year_of(days - 1)), (days, year, year - 1));
        };
        check(1970, 0);
        check(2000, 10_957);
        check(2001, 11_323);
        check(2026, 20_454);
        check(2100, 47_482);
        check(2101, 47_847);
    }

    #[test]
    fn an_offset_is_hours_and_minutes_with_a_sign() {
        let check = |text: &str, expected: Option<i64>| {
            assert_eq!(parse_offset(text).map(|offset| offset.seconds), expected, "{text}");
        };
        check("+05:00", Some(18_000));
        check("-03:30", Some(-12_600));
        check("05:00", None);
        check("+15:00", None);
        check("", None);
    }
}
