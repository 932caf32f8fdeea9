//! Times as instruments and messages write them.
//!
//! An instrument that writes local time has mostly no notion of a time zone: the settings say the offset of its clock
//! ([`UtcOffset`]). Dates are those of the Gregorian calendar; what is no date of it is no time.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::driver::Timestamp;

/// Nanoseconds in a second.
pub const SECOND: i64 = 1_000_000_000;
/// Seconds in a day.
pub const DAY: i64 = 86_400;

/// Offset of the instrument's clock from UTC, as in "+05:00"; at most 14 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct UtcOffset {
    seconds: i64,
}

/// A date and a time of day, without a notion of where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct LocalTime {
    pub year: i64,
    pub month: i64,
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
}

impl UtcOffset {
    /// A clock that goes by UTC.
    pub const UTC: UtcOffset = UtcOffset { seconds: 0 };

    /// Seconds by which the clock is ahead of UTC.
    pub fn seconds(self) -> i64 {
        self.seconds
    }
}

impl TryFrom<String> for UtcOffset {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let seconds = offset_seconds(&text).filter(|seconds| seconds.abs() < 15 * 3600);
        seconds.map(|seconds| UtcOffset { seconds }).ok_or_else(|| format!("{text:?} is no offset such as \"+05:00\""))
    }
}

impl LocalTime {
    /// What a clock with this offset shows at a moment.
    pub fn of(at: Timestamp, offset: UtcOffset) -> Self {
        let seconds = at.0.div_euclid(SECOND) + offset.seconds;
        let (year, month, day) = civil(seconds.div_euclid(DAY));
        let of_day = seconds.rem_euclid(DAY);
        LocalTime { year, month, day, hour: of_day / 3600, minute: of_day / 60 % 60, second: of_day % 60 }
    }

    /// The moment at which a clock with this offset shows this. Nothing when there is no such date or time of day, or
    /// when the moment has no [`Timestamp`].
    pub fn at(self, offset: UtcOffset) -> Option<Timestamp> {
        Some(Timestamp((self.seconds()? - offset.seconds).checked_mul(SECOND)?))
    }

    /// Seconds from 1970-01-01T00:00:00 in the same place.
    fn seconds(self) -> Option<i64> {
        let LocalTime { year, month, day, hour, minute, second } = self;
        let is_date =
            (0..=9999).contains(&year) && (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
        let is_time = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..60).contains(&second);
        (is_date && is_time).then(|| days(year, month, day) * DAY + hour * 3600 + minute * 60 + second)
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LocalTime { year, month, day, hour, minute, second } = self;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
    }
}

/// The moment of an RFC 3339 text from 1970 on, as in 2026-03-01T12:00:00.5Z or 2026-03-01T17:00:00+05:00; the offset must be there.
pub fn rfc3339(text: &str) -> Option<Timestamp> {
    let (date, clock) = text.trim().split_once(['T', 't', ' '])?;
    let mut date = date.splitn(3, '-');
    let (year, month, day) = (digits(date.next()?, 4)?, digits(date.next()?, 2)?, digits(date.next()?, 2)?);
    let (clock, offset) = clock.split_at_checked(clock.find(['Z', 'z', '+', '-'])?)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut clock = clock.splitn(3, ':');
    let (hour, minute, second) = (digits(clock.next()?, 2)?, digits(clock.next()?, 2)?, digits(clock.next()?, 2)?);
    // A leap second is the first of the next minute.
    let leap = i64::from(second == 60);
    let local = LocalTime { year, month, day, hour, minute, second: second - leap };
    let offset = if matches!(offset, "Z" | "z") { 0 } else { offset_seconds(offset)? };
    let seconds = local.seconds().filter(|_| year >= 1970)? + leap - offset;
    Some(Timestamp(seconds.checked_mul(SECOND)?.checked_add(nanoseconds(fraction)?)?))
}

/// A moment as RFC 3339 writes it in UTC, with decimals only where there are some.
pub fn write_rfc3339(at: Timestamp) -> String {
    let fraction = format!(".{:09}", at.0.rem_euclid(SECOND));
    format!("{}{}Z", LocalTime::of(at, UtcOffset::UTC), fraction.trim_end_matches('0').trim_end_matches('.'))
}

/// The number of exactly so many decimal digits.
pub fn digits(text: &str, count: usize) -> Option<i64> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Days from 1970-01-01 to a date. Years are counted from March, so that the leap day is the last.
pub fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year - 719_468
}

/// The date of a day since 1970-01-01, as year, month and day.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, of_year - (153 * shifted + 2) / 5 + 1)
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

/// "+05:00"; at most a day.
fn offset_seconds(text: &str) -> Option<i64> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// The digits after the point; more than nine are cut.
fn nanoseconds(fraction: &str) -> Option<i64> {
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nine: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    nine.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(text: &str) -> Option<UtcOffset> {
        UtcOffset::try_from(text.to_owned()).ok()
    }

    #[test]
    fn an_offset_is_hours_and_minutes_with_a_sign() {
        let check = |text: &str, expected: Option<i64>| {
            assert_eq!(offset(text).map(UtcOffset::seconds), expected, "{text}");
        };
        check("+05:00", Some(18_000));
        check("+08:00", Some(28_800));
        check("-03:30", Some(-12_600));
        check("+00:00", Some(0));
        check("+14:59", Some(53_940));
        check("05:00", None);
        check("+5:00", None);
        check("+15:00", None);
        check("-15:00", None);
        check("+08:60", None);
        check("", None);
        check("é08:00", None);
    }

    #[test]
    fn a_local_time_comes_back_as_it_was() {
        let beijing = offset("+08:00").unwrap();
        let check = |year, month, day, hour, minute, second, seconds: i64| {
            let local = LocalTime { year, month, day, hour, minute, second };
            let at = Timestamp(seconds * SECOND);
            assert_eq!((local.at(beijing), LocalTime::of(at, beijing)), (Some(at), local));
        };
        check(2026, 11, 1, 8, 0, 0, 1_793_491_200);
        check(2024, 2, 29, 23, 59, 59, 1_709_222_399);
        check(2000, 1, 1, 0, 0, 0, 946_656_000);
        check(2199, 12, 31, 23, 59, 59, 7_258_089_599);
        check(1969, 12, 31, 23, 59, 59, -28_801);
    }

    #[test]
    fn what_is_no_date_is_no_time() {
        let check = |year, month, day, hour, minute, second| {
            let local = LocalTime { year, month, day, hour, minute, second };
            assert_eq!(local.at(UtcOffset::UTC), None, "{local}");
        };
        check(2026, 13, 1, 0, 0, 0);
        check(2026, 0, 1, 0, 0, 0);
        check(2025, 2, 29, 0, 0, 0);
        check(2100, 2, 29, 0, 0, 0);
        check(2026, 4, 31, 0, 0, 0);
        check(2026, 1, 0, 0, 0, 0);
        check(2026, 1, 1, 24, 0, 0);
        check(2026, 1, 1, 0, 60, 0);
        check(2026, 1, 1, 0, 0, 60);
        check(9999, 1, 1, 0, 0, 0);
    }

    #[test]
    fn years_are_those_of_the_calendar() {
        let check = |year: i64, expected: i64| assert_eq!(days(year, 1, 1), expected);
        check(1970, 0);
        check(2000, 10_957);
        check(2001, 11_323);
        check(2026, 20_454);
        check(2100, 47_482);
        check(2101, 47_847);
    }

    #[test]
    fn rfc_3339_is_read_and_written() {
        let check = |text: &str, written: &str, expected: i64| {
            let at = Timestamp(expected);
            assert_eq!((rfc3339(text), write_rfc3339(at)), (Some(at), written.to_owned()), "{text}");
        };
        // As computed by Python's datetime.
        check("2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z", 1_772_366_400_000_000_000);
        check("2026-03-01T17:00:00.5+05:00", "2026-03-01T12:00:00.5Z", 1_772_366_400_500_000_000);
        check("2000-02-29 00:00:00-01:30", "2000-02-29T01:30:00Z", 951_787_800_000_000_000);
        check("2016-12-31T23:59:60z", "2017-01-01T00:00:00Z", 1_483_228_800_000_000_000);
    }

    #[test]
    fn what_is_no_rfc_3339_is_not_guessed() {
        for text in ["", "2026-02-29T00:00:00Z", "2026-03-01T12:00:00", "2026-03-01T24:00:00Z", "2026-03-01T12:00:61Z"]
        {
            assert_eq!(rfc3339(text), None, "{text}");
        }
        for text in ["2026-03-01", "2026-03-01T12:00:00x", "2026-03-01T12:00:00+5", "1969-12-31T00:00:00Z", "later"] {
            assert_eq!(rfc3339(text), None, "{text}");
        }
    }
}
