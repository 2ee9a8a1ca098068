//! What a region serves to linked regions, and to nobody else.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test takes for granted"
)]

#[path = "../support/mod.rs"]
mod support;

mod alive;
mod callers;
mod changes;
mod compare;
mod fence;
mod malformed;
mod rows;
mod snapshot;
mod told;
