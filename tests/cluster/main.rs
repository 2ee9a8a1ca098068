//! Built binaries on loopback: three `strongroom server` processes, each with configuration, data
//! directory and certificates of its own, and `strongroom dev`. One scenario per file.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test takes for granted"
)]

mod access;
mod damage;
mod dev;
mod disk;
mod refusals;
mod regions;
mod reload;
mod walk;
