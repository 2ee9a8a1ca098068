//! The table of mutants.

use super::Mutant;

/// Every mutant.
pub const MUTANTS: &[Mutant] = &[];
