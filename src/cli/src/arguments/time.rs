//! Times on the command line.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Parses a moment as RFC 3339 writes it.
pub fn instant(text: &str) -> Result<client::Timestamp, String> {
    let unread = |_| "a time is written as 2026-12-01T09:30:00Z".to_owned();
    let at: jiff::Timestamp = text.parse().map_err(unread)?;
    Ok(client::Timestamp {
        seconds: at.as_second(),
        nanos: at.subsec_nanosecond(),
    })
}

/// Parses a number with a unit: seconds, minutes, hours or days; none outside of these bounds, in
/// seconds.
pub fn span(text: &str, seconds_bounds: RangeInclusive<u64>) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..) {
        Some("s") => 1,
        Some("m") => 60,
        Some("h") => 60 * 60,
        Some("d") => 24 * 60 * 60,
        _ => return None,
    };
    let number: u64 = digits.parse().ok()?;
    let seconds = number.checked_mul(unit)?;
    seconds_bounds
        .contains(&seconds)
        .then(|| Duration::from_secs(seconds))
}
