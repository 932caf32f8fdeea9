//! Times as messages write them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tutin_sdk::{Timestamp, clock};

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
            return clock::rfc3339(value.as_str()?);
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
