//! What clients asked and were answered, in the order they saw it.

pub use crate::violation::{Violation, violation};

/// One operation on one secret.
#[derive(Debug, Clone)]
#[expect(dead_code, reason = "`node` is for whoever reads a violation")]
pub struct Operation {
    pub secret: usize,
    pub kind: Kind,
    /// When it was asked and answered, on one clock that all clients share. An operation without an
    /// answer may take effect at any time, or never.
    pub asked: u64,
    pub answered: Option<u64>,
    pub node: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Adds the version of this number, which no other write has.
    Write(u64),
    /// Read this version as the current one; zero is none.
    Read(u64),
}
