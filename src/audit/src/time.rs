//! Points in time, as the caller's clock tells them and as lines show them.

use std::fmt::{self, Debug, Display, Formatter};

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, Error};

const DAY_NANOS: u64 = 24 * 60 * 60 * 1_000_000_000;

/// Nanoseconds since 1970 in UTC, leap seconds left out; shown and written with microseconds, as
/// `2026-11-30T09:30:00.000001Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub u64);

impl Time {
    /// The whole days since 1970.
    pub(crate) fn day(self) -> u64 {
        self.0 / DAY_NANOS
    }

    /// Reads what `Display` shows, or any other RFC 3339 time from 1970 to 2554.
    pub fn parse(text: &str) -> Option<Time> {
        let timestamp: Timestamp = text.parse().ok()?;
        u64::try_from(timestamp.as_nanosecond()).ok().map(Time)
    }
}

impl Display for Time {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let micros = i64::try_from(self.0 / 1000).unwrap_or(i64::MAX);
        let timestamp = Timestamp::from_microsecond(micros).map_err(|_| fmt::Error)?;
        write!(f, "{timestamp:.6}")
    }
}

impl Debug for Time {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        let text = <&str>::deserialize(deserializer)?;
        Time::parse(text).ok_or_else(|| D::Error::custom("not a time"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn a_time_is_written_in_utc_with_microseconds() {
        assert_eq!(Time(0).to_string(), "1970-01-01T00:00:00.000000Z");
        let time = Time(1_796_030_999_123_456_789);
        assert_eq!(time.to_string(), "2026-11-30T09:29:59.123456Z");
        assert_eq!(time.day(), 20_787);
        assert_eq!(Time(u64::MAX).to_string(), "2554-07-21T23:34:33.709551Z");
    }

    proptest! {
        #[test]
        fn a_time_reads_back_to_the_microsecond(nanos in any::<u64>()) {
            let read = Time::parse(&Time(nanos).to_string());
            prop_assert_eq!(read, Some(Time(nanos / 1000 * 1000)));
        }

        #[test]
        fn no_text_makes_reading_a_time_panic(text in ".{0,40}") {
            let _ = Time::parse(&text);
        }
    }
}
