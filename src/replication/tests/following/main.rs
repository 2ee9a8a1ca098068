//! Following, between regions whose nodes run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test takes for granted"
)]

#[path = "../support/mod.rs"]
mod support;

mod changes;
mod copies;
mod directory;
mod failover;
mod forged;
mod linked;
mod mended;
mod root_keys;
mod snapshots;
mod taken;
