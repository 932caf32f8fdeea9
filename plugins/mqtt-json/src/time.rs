//! Times as messages write them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tutin_sdk::Timestamp;

/// How a message writes its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimeFormat {
    /// Seconds since 1970, with decimals or without.
    UnixS,
    /// Milliseconds since 1970.
    UnixMs,
    /// Microseconds since 1970.
    UnixUs,
    /// Nanoseconds since 1970.
    UnixNs,
    /// As in 2026-03-01T12:00:00.5Z or 2026-03-01T17:00:00+05:00; the offset must be there.
    Rfc3339,
}

impl TimeFormat {
    /// The moment that is written there; numbers may be written as text.
    pub fn read(self, value: &Value) -> Option<Timestamp> {
        if self == TimeFormat::Rfc3339 {
            return rfc3339(value.as_str()?).map(Timestamp);
        }
        let factor = match self {
            TimeFormat::UnixS => 1_000_000_000,
            TimeFormat::UnixMs => 1_000_000,
            TimeFormat::UnixUs => 1_000,
            TimeFormat::UnixNs | TimeFormat::Rfc3339 => 1,
        };
        let text_number = value.as_str().map(str::trim);
        if let Some(whole) = value.as_i64().or_else(|| text_number?.parse().ok()) {
            return whole.checked_mul(factor).map(Timestamp);
        }
        let number = value.as_f64().or_else(|| text_number?.parse().ok())?;
        let nanoseconds = number * factor as f64;
        (nanoseconds.abs() < i64::MAX as f64).then_some(Timestamp(nanoseconds as i64))
    }
}

/// Nanoseconds since 1970 of an RFC 3339 text.
fn rfc3339(text: &str) -> Option<i64> {
    let (date, clock) = text.trim().split_once(['T', 't', ' '])?;
    let mut date = date.splitn(3, '-');
    let (year, month, day) = (digits(date.next()?, 4)?, digits(date.next()?, 2)?, digits(date.next()?, 2)?);
    let offset_at = clock.find(['Z', 'z', '+', '-'])?;
    let (clock, offset) = clock.split_at_checked(offset_at)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut clock = clock.splitn(3, ':');
    let (hour, minute, second) = (digits(clock.next()?, 2)?, digits(clock.next()?, 2)?, digits(clock.next()?, 2)?);
    let is_date =
        (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=length(year, month)).contains(&day);
    if !is_date || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset_seconds(offset)?;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds(fraction)?)
}

fn offset_seconds(offset: &str) -> Option<i64> {
    let sign = match offset.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return (offset.len() == 1).then_some(0),
    };
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    Some(sign * (digits(hours, 2)? * 3_600 + digits(minutes, 2)? * 60))
}

fn nanoseconds(fraction: &str) -> Option<i64> {
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nine: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    nine.parse().ok()
}

fn digits(text: &str, count: usize) -> Option<i64> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

fn length(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let whole_years: i64 = (year - 1) * 365 + (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400;
    let whole_months: i64 = (1..month).map(|month| length(year, month)).sum();
    whole_years + whole_months + day - 1 - 719_162
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_format_reads_its_own_writing_and_refuses_others() {
        let check = |format: TimeFormat, value: Value, expected: Option<i64>| {
            assert_eq!(format.read(&value), expected.map(Timestamp), "{format:?} {value}");
        };
        check(TimeFormat::UnixS, json!(1_700_000_000), Some(1_700_000_000_000_000_000));
        check(TimeFormat::UnixS, json!(1.5), Some(1_500_000_000));
        check(TimeFormat::UnixMs, json!(1_700_000_000_123_i64), Some(1_700_000_000_123_000_000));
        check(TimeFormat::UnixMs, json!("1700000000123"), Some(1_700_000_000_123_000_000));
        check(TimeFormat::UnixUs, json!(7), Some(7_000));
        check(TimeFormat::UnixNs, json!(7), Some(7));
        check(TimeFormat::UnixMs, json!(i64::MAX), None);
        check(TimeFormat::UnixS, json!(1e300), None);
        check(TimeFormat::UnixMs, json!("noon"), None);
        check(TimeFormat::UnixMs, json!(null), None);
        // As computed by Python's datetime.
        check(TimeFormat::Rfc3339, json!("2026-03-01T12:00:00Z"), Some(1_772_366_400_000_000_000));
        check(TimeFormat::Rfc3339, json!("2026-03-01T17:00:00.5+05:00"), Some(1_772_366_400_500_000_000));
        check(TimeFormat::Rfc3339, json!("2000-02-29T00:00:00-01:30"), Some(951_787_800_000_000_000));
        check(TimeFormat::Rfc3339, json!("2026-02-29T00:00:00Z"), None);
        check(TimeFormat::Rfc3339, json!("2026-03-01T12:00:00"), None);
        check(TimeFormat::Rfc3339, json!("2026-03-01T24:00:00Z"), None);
        check(TimeFormat::Rfc3339, json!(1_700_000_000), None);
    }
}
