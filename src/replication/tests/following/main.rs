//! Following, between regions whose nodes run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test takes for granted"
)]

#[path = "../support/mod.rs"]
mod support;

mod access_keys;
mod changes;
mod copies;
mod directory;
mod failover;
mod forged;
mod linked;
mod mended;
mod snapshots;
mod taken;
