//! Local times as the station writes them: `yyyyMMddHHmmss`, in a request's name with three more digits for milliseconds.
//!
//! The station has no notion of a time zone; the settings say the offset of its clock.

use schemars::JsonSchema;
use serde::Deserialize;
use tutin_sdk::Timestamp;

const SECOND: i64 = 1_000_000_000;

/// Offset of the station's clock from UTC, as in "+08:00".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct UtcOffset {
    seconds: i64,
}

impl TryFrom<String> for UtcOffset {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        parse_offset(&text).ok_or_else(|| format!("{text:?} is no offset such as \"+08:00\""))
    }
}

fn parse_offset(text: &str) -> Option<UtcOffset> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
    (hours <= 14 && minutes < 60).then_some(UtcOffset { seconds: sign * (hours * 3600 + minutes * 60) })
}

/// The moment of a local `yyyyMMddHHmmss`, with or without `zzz`. Nothing when it is no date of the years 2000 to 2199.
pub(crate) fn read(text: &str, offset: UtcOffset) -> Option<Timestamp> {
    let (date, millis) = match text.len() {
        14 => (text, 0),
        17 => (text.get(..14)?, number(text.get(14..)?, 3)?),
        _ => return None,
    };
    let part = |from: usize, digits: usize| number(date.get(from..from + digits)?, digits);
    let (year, month, day) = (part(0, 4)?, part(4, 2)?, part(6, 2)?);
    let (hour, minute, second) = (part(8, 2)?, part(10, 2)?, part(12, 2)?);
    let is_date =
        (2000..2200).contains(&year) && (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    if !is_date || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset.seconds;
    Some(Timestamp(seconds * SECOND + millis * 1_000_000))
}

/// A moment as the station writes it, `yyyyMMddHHmmss`.
pub(crate) fn write(at: Timestamp, offset: UtcOffset) -> String {
    let seconds = at.0.div_euclid(SECOND) + offset.seconds;
    let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
    let of_day = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
}

/// A moment with milliseconds, as in a request's name.
pub(crate) fn write_millis(at: Timestamp, offset: UtcOffset) -> String {
    format!("{}{:03}", write(at, offset), at.0.rem_euclid(SECOND) / 1_000_000)
}

fn number(text: &str, digits: usize) -> Option<i64> {
    (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn days_in(year: i64, month: i64) -> i64 {
    let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date in the Gregorian calendar. Years are counted from March, so that the leap day is the last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

/// The date of a day since 1970-01-01.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beijing() -> UtcOffset {
        UtcOffset { seconds: 8 * 3600 }
    }

    #[test]
    fn a_local_time_comes_back_as_it_was() {
        let check = |text: &str, nanoseconds: i64| {
            let at = read(text, beijing()).unwrap();
            assert_eq!(at, Timestamp(nanoseconds), "{text}");
            assert_eq!(if text.len() == 14 { write(at, beijing()) } else { write_millis(at, beijing()) }, text);
        };
        check("20261101080000", 1_793_491_200 * SECOND);
        check("20261101080000123", 1_793_491_200_123_000_000);
        check("20240229235959", 1_709_222_399 * SECOND);
        check("20000101000000", 946_656_000 * SECOND);
        check("21991231235959", 7_258_089_599 * SECOND);
    }

    #[test]
    fn what_is_no_date_is_no_time() {
        for text in ["", "2026110108000", "20261301080000", "20250229000000", "20261101240000", "20261101086000"] {
            assert_eq!(read(text, beijing()), None, "{text}");
        }
        for text in ["2026110108000x", "19991231235959", "+0261101080000", "20261101080000１２３"] {
            assert_eq!(read(text, beijing()), None, "{text}");
        }
    }

    #[test]
    fn an_offset_is_hours_and_minutes_with_a_sign() {
        let check = |text: &str, expected: Option<i64>| {
            assert_eq!(parse_offset(text).map(|offset| offset.seconds), expected, "{text}");
        };
        check("+08:00", Some(28_800));
        check("-03:30", Some(-12_600));
        check("+00:00", Some(0));
        check("08:00", None);
        check("+8:00", None);
        check("+15:00", None);
        check("+08:60", None);
        check("", None);
        check("é08:00", None);
    }
}
