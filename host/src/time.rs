//! Moments as the hub keeps them: nanoseconds UTC in an `i64`, good from 1677 to 2262.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The wall clock. Pure steps never call it: they are told the time.
    pub fn now() -> Self {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)),
            Err(before) => Timestamp(i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos)),
        }
    }

    /// Whole seconds since the epoch, for tests and examples.
    pub const fn from_seconds(seconds: i64) -> Self {
        Timestamp(seconds.saturating_mul(1_000_000_000))
    }

    /// The start of the block of this length that the moment falls into. Blocks are aligned to UTC multiples of their
    /// length; a moment on the edge belongs to the block that begins there.
    pub fn block_start(self, length: Duration) -> Self {
        let length = i64::try_from(length.as_nanos()).unwrap_or(i64::MAX).max(1);
        Timestamp(self.0.saturating_sub(self.0.rem_euclid(length)))
    }

    /// The moment this much later.
    pub fn after(self, by: Duration) -> Self {
        Timestamp(self.0.saturating_add(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// The moment this much earlier.
    pub fn before(self, by: Duration) -> Self {
        Timestamp(self.0.saturating_sub(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// How long since `earlier`; zero when that is in the future.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Milliseconds since the epoch, rounded down.
    pub fn millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, with as many decimals as the moment has.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(moment) => moment.fmt(f),
            Err(_) => write!(f, "{} ns since 1970", self.0),
        }
    }
}

impl std::str::FromStr for Timestamp {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let moment: jiff::Timestamp = text.parse()?;
        Ok(Timestamp(i64::try_from(moment.as_nanosecond()).unwrap_or(i64::MAX)))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sample: &str, minutes: u64, expected: &str) {
        let sample: Timestamp = sample.parse().unwrap();
        let start = sample.block_start(Duration::from_secs(60 * minutes));
        assert_eq!(start.to_string(), expected);
    }

    /// Rows of the published vectors, `time.json`, `block_start`.
    #[test]
    fn blocks_are_aligned_to_utc_multiples_of_their_length() {
        check("2026-11-01T08:07:31+05:00", 20, "2026-11-01T03:00:00Z");
        check("2026-11-01T08:20:00+05:00", 20, "2026-11-01T03:20:00Z");
        check("2026-11-01T08:19:59.999+05:00", 20, "2026-11-01T03:00:00Z");
        check("2026-11-01T08:07:31+05:00", 30, "2026-11-01T03:00:00Z");
        check("2026-11-01T00:10:00+05:00", 60, "2026-10-31T19:00:00Z");
    }
}
