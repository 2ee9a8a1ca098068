//! Serving: what nodes of other regions ask of this one.

/// What went to a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sent {
    /// Changes of feeds that were followed.
    pub changes: u64,
    /// Bytes of their headers and bodies, and of rows.
    pub bytes: u64,
}

impl Sent {
    /// Adds more to it.
    pub(crate) fn add(&mut self, more: Sent) {
        self.changes = self.changes.saturating_add(more.changes);
        self.bytes = self.bytes.saturating_add(more.bytes);
    }
}
