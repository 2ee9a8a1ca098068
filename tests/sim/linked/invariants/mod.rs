//! What must hold, one invariant per file.

pub mod ages;
pub mod ballots;
pub mod hashes;
pub mod labels;
pub mod linearizable;
pub mod lost;
pub mod members;
pub mod prefix;
pub mod tokens;
pub mod whole;
