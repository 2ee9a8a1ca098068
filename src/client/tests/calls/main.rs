//! The client against nodes that answer by a script, over real TLS.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test may take what it made for granted"
)]

extern crate strongroom_client as client;

mod failover;
mod led;
mod methods;
mod positions;
mod refusals;
mod region;
mod regions;
mod retries;
mod watching;
