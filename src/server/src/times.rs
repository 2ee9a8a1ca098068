//! Times on the wire.

use std::time::Duration;

use machine::Stamp;
use prost_types::Timestamp;

/// A stamp as a protobuf timestamp.
pub fn timestamp(stamp: Stamp) -> Timestamp {
    let ms = i64::try_from(stamp.0).unwrap_or(i64::MAX);
    Timestamp {
        seconds: ms / 1000,
        nanos: i32::try_from(ms % 1000 * 1_000_000).unwrap_or(0),
    }
}

/// A stamp as policies compare it: ISO 8601, in UTC.
pub fn iso8601(stamp: Stamp) -> String {
    let ms = i64::try_from(stamp.0).unwrap_or(i64::MAX);
    let at = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A duration as a protobuf duration; one too long for it is the longest.
pub fn duration(duration: Duration) -> prost_types::Duration {
    let longest = prost_types::Duration {
        seconds: i64::MAX,
        nanos: 0,
    };
    prost_types::Duration::try_from(duration).unwrap_or(longest)
}
