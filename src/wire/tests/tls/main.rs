//! TLS between real sockets: who is let in, who is believed, and what bad peers can do.

#![allow(
    clippy::expect_used,
    reason = "a test may take what it made for granted"
)]

extern crate strongroom_wire as wire;

mod abroad;
mod admission;
mod bad_peers;
mod certificates;
mod dialling;
mod harbour;
mod https;
mod issuers;
mod linked;
mod messages;
mod regions;
mod reload;
mod renewal;
