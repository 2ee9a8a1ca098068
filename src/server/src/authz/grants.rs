//! How often one write is granted.

use consensus::Committed;
use machine::Rejection;

use crate::limits::AUTHORIZATIONS_MAX;

/// Counts how often a write was granted. If its grounds have moved by the time it is decided, it is
/// granted again, or refused (R9): a few times.
#[derive(Debug, Default)]
pub struct Grants(usize);

impl Grants {
    /// Whether a write is to be granted again after what came of it.
    pub fn again(&mut self, committed: &Committed) -> bool {
        self.0 += 1;
        let moved = matches!(committed.answer, Err(Rejection::AuthorizationMoved));
        moved && self.0 < AUTHORIZATIONS_MAX
    }
}
