//! The policy engine against a specification of its own: cases that AWS documents, generated
//! cases, names that look alike, and mutants of the engine that all of these must catch.
//!
//! `STRONGROOM_SEED` and `STRONGROOM_COUNT` choose what is generated; a case that fails says with
//! which of them it comes again.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "what a test takes for granted, and says"
)]

mod agree;
mod case;
mod engine;
mod generate;
mod lengths;
mod lookalikes;
mod mutants;
mod named;
mod shrink;
mod spec;

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number")),
    )
}

/// The seed of a test: of the environment, or one that stays.
fn seed() -> u64 {
    number("STRONGROOM_SEED").unwrap_or(20_261_130)
}
