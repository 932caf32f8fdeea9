//! Local times as the instrument writes them: `hh:mm` or `hh:mm:ss`, and `mm-dd-yy`.
//!
//! The instrument has no notion of a time zone; the settings say the offset of its clock. Years have two digits and are those from 2000 on.

use schemars::JsonSchema;
use serde::Deserialize;
use tutin_sdk::Timestamp;

pub(crate) const SECOND: i64 = 1_000_000_000;

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
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    (hours <= 14 && minutes < 60).then_some(UtcOffset { seconds: sign * (hours * 3600 + minutes * 60) })
}

/// The moment of a time and a date.
pub(crate) fn read(time: &str, date: &str, offset: UtcOffset) -> Option<Timestamp> {
    let mut parts = time.split(':');
    let (hour, minute) = (two_digits(parts.next()?)?, two_digits(parts.next()?)?);
    let second = parts.next().map_or(Some(0), two_digits)?;
    let mut date = date.split('-');
    let (month, day, year) = (two_digits(date.next()?)?, two_digits(date.next()?)?, two_digits(date.next()?)?);
    let is_whole = parts.next().is_none() && date.next().is_none();
    let is_date = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    if !is_whole || !is_date || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_before(year) + (1..month).map(|month| days_in(year, month)).sum::<i64>() + day - 1;
    Some(Timestamp((days * 86_400 + hour * 3600 + minute * 60 + second - offset.seconds) * SECOND))
}

fn two_digits(text: &str) -> Option<i64> {
    (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Days from 1970 to the first of January of a year since 2000. Every fourth year of that century is a leap year.
fn days_before(year: i64) -> i64 {
    10_957 + year * 365 + (year + 3) / 4
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_placed_by_its_local_time() {
        let offset = parse_offset("+05:00").unwrap();
        let check = |time: &str, date: &str, expected: Option<i64>| {
            assert_eq!(read(time, date, offset).map(|at| at.0 / SECOND), expected, "{time} {date}");
        };
        check("05:00", "11-01-26", Some(1_793_491_200));
        check("05:00:07", "11-01-26", Some(1_793_491_207));
        check("05:00", "01-01-00", Some(946_684_800));
        check("05:00", "02-29-24", Some(1_709_164_800));
        check("05:00", "12-31-99", Some(4_102_358_400));
        check("05:00", "02-29-25", None);
        check("24:00", "11-01-26", None);
        check("05:60", "11-01-26", None);
        check("5:00", "11-01-26", None);
        check("05:00", "13-01-26", None);
        check("05:00", "11-01-2026", None);
        check("", "", None);
    }

    #[test]
    fn an_offset_is_hours_and_minutes_with_a_sign() {
        let check = |text: &str, expected: Option<i64>| {
            assert_eq!(parse_offset(text).map(|offset| offset.seconds), expected, "{text}");
        };
        check("+05:00", Some(18_000));
        check("-03:30", Some(-12_600));
        check("05:00", None);
        check("+5:00", None);
        check("+15:00", None);
        check("", None);
    }
}
