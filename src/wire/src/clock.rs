//! The wall clock, for the validity of certificates and nothing else.

use std::time::SystemTime;

/// Returns the wall time.
#[allow(
    clippy::disallowed_methods,
    reason = "certificates are valid in wall time"
)]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}
