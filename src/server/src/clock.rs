//! Wall time for this crate: read here and nowhere else.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use audit::Time;
use machine::Stamp;

/// Now, in milliseconds since 1970; a clock before 1970 reads as 1970.
pub fn now() -> Stamp {
    Stamp(u64::try_from(since_1970().as_millis()).unwrap_or(u64::MAX))
}

/// The same in nanoseconds, for records.
pub fn precise() -> Time {
    Time(u64::try_from(since_1970().as_nanos()).unwrap_or(u64::MAX))
}

#[allow(
    clippy::disallowed_methods,
    reason = "the one place that reads the wall clock"
)]
fn since_1970() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or(Duration::ZERO)
}

/// The UTC day of a stamp, counted from 1970.
pub fn day(stamp: Stamp) -> u32 {
    u32::try_from(stamp.0 / DAY_MS).unwrap_or(u32::MAX)
}

/// Midnight UTC at the beginning of a day.
pub fn midnight(day: u32) -> Stamp {
    Stamp(u64::from(day) * DAY_MS)
}

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// A stamp as the system's time.
pub fn system(stamp: Stamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(stamp.0)
}
