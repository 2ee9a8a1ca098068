//! What must hold, one invariant per file.

pub mod acknowledged;
pub mod agreement;
pub mod labels;
pub mod linearizable;
pub mod sealed;
