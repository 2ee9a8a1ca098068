//! The table of mutants. A text is looked for in the engine as it is written here.

mod conditions;
mod layers;
mod texts;

use super::Mutant;

/// Every mutant.
pub fn mutants() -> impl Iterator<Item = &'static Mutant> {
    let tables = [texts::MUTANTS, conditions::MUTANTS, layers::MUTANTS];
    tables.into_iter().flatten()
}
