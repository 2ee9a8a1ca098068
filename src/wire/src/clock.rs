//! The wall clock, for the validity of certificates and nothing else.

use std::time::{Duration, SystemTime};

use rustls::pki_types::UnixTime;

/// Returns the wall time.
#[allow(
    clippy::disallowed_methods,
    reason = "certificates are valid in wall time"
)]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// The instant that TLS verifies at.
pub(crate) fn instant(now: UnixTime) -> SystemTime {
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_secs(now.as_secs()))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The same the other way. An instant before 1970 becomes 1970, when nothing was valid yet.
pub(crate) fn unix(now: SystemTime) -> UnixTime {
    UnixTime::since_unix_epoch(
        now.duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default(),
    )
}
