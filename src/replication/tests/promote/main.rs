//! Taking over a lost region's feeds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test takes for granted"
)]

#[path = "../support/mod.rs"]
mod support;

mod others;
mod taken;
