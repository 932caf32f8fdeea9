//! Durations and sizes as people write them: `200ms`, `20min`, `16MiB`.
//!
//! One number, one unit, nothing else: `1h30min` is `90min`. `m`, `MB` and bare numbers are refused because they mean
//! different things to different readers.

use std::time::Duration;

const DURATIONS: [(&str, u128); 7] = [
    ("h", 3_600_000_000_000),
    ("min", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
    ("d", 86_400_000_000_000),
];

const SIZES: [(&str, u128); 5] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// The duration that the text means, `None` when it means none.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let nanos = parse(text, &DURATIONS)?;
    Some(Duration::from_nanos(u64::try_from(nanos).ok()?))
}

/// The bytes that the text means.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    u64::try_from(parse(text, &SIZES)?).ok()
}

/// The shortest text that means exactly this duration.
pub(crate) fn show_duration(duration: Duration) -> String {
    // A day is still 24h for people; more of them are days.
    let days = duration.as_secs().is_multiple_of(86_400) && duration.as_secs() > 86_400;
    let units = if days { DURATIONS.get(6..) } else { DURATIONS.get(..6) };
    show(duration.as_nanos(), units.unwrap_or_default(), "0s")
}

/// The shortest text that means exactly this size.
pub(crate) fn show_size(bytes: u64) -> String {
    show(u128::from(bytes), &SIZES, "0B")
}

fn parse(text: &str, units: &[(&str, u128)]) -> Option<u128> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    let number = number.replace('_', "");
    let (whole, decimals) = number.split_once('.').unwrap_or((&number, "0"));
    if decimals.is_empty() || decimals.len() > 12 || !decimals.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(decimals.len()).ok()?);
    let decimals = decimals.parse::<u128>().ok()?.checked_mul(*factor)?;
    // A tenth of a byte or of a nanosecond is a mistake, not something to round.
    if decimals % scale != 0 {
        return None;
    }
    whole.parse::<u128>().ok()?.checked_mul(*factor)?.checked_add(decimals / scale)
}

fn show(amount: u128, units: &[(&str, u128)], zero: &str) -> String {
    if amount == 0 {
        return zero.to_owned();
    }
    let unit = units.iter().find(|(_, factor)| amount.is_multiple_of(*factor));
    unit.map_or_else(|| amount.to_string(), |(name, factor)| format!("{}{name}", amount / factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_and_one_unit_make_a_duration() {
        let check = |text: &str, expected: Option<Duration>| assert_eq!(parse_duration(text), expected, "{text}");
        check("200ms", Some(Duration::from_millis(200)));
        check("20min", Some(Duration::from_secs(1200)));
        check("1.5 s", Some(Duration::from_millis(1500)));
        check("24h", Some(Duration::from_secs(86_400)));
        check("1d", Some(Duration::from_secs(86_400)));
        check("0s", Some(Duration::ZERO));
        for refused in ["20m", "5", "s", "1h30min", "-1s", "1.s", "1.2.3s", "0.5ns", "99999999999999h", ""] {
            check(refused, None);
        }
    }

    #[test]
    fn sizes_are_binary_and_whole() {
        let check = |text: &str, expected: Option<u64>| assert_eq!(parse_size(text), expected, "{text}");
        check("16MiB", Some(16 << 20));
        check("0.5KiB", Some(512));
        check("1TiB", Some(1 << 40));
        for refused in ["16MB", "16", "0.3B", "16 mib"] {
            check(refused, None);
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for seconds in [0, 1, 59, 60, 61, 90, 3600, 86_400, 86_401] {
            let duration = Duration::from_secs(seconds) + Duration::from_millis(seconds % 7);
            assert_eq!(parse_duration(&show_duration(duration)), Some(duration));
        }
        assert_eq!(show_duration(Duration::from_secs(86_400)), "24h");
        assert_eq!(show_duration(Duration::from_millis(1500)), "1500ms");
        assert_eq!(show_size(16 << 20), "16MiB");
        assert_eq!(show_size(1000), "1000B");
    }
}
