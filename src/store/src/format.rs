//! What stands in clear at the head of every file: a format version and whose file it is.

/// Whose files these are; written into every header, and a mismatch is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamped {
    /// The cluster id.
    pub cluster: [u8; 16],
    /// The region's name.
    pub region: String,
    /// The node id.
    pub node: u64,
}
